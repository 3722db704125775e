//! Nothing of the upper half is outside the window.

mod common;

use std::collections::HashSet;

use common::{compile, in_window, stdout};
use mana_split::window::{WINDOW_END, WINDOW_START};

/// Maps memory in every way a program can, then prints its maps.
const EVERYTHING: &str = r#"
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <fcntl.h>
    #include <pthread.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <sys/shm.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    #define CHECK(what) if (!(what)) { printf("failed: " #what "\n"); exit(1); }
    static pthread_barrier_t all;
    static void *thread(void *arg) {
        void *mine = malloc(300000);
        memset(mine, 1, 300000);
        pthread_barrier_wait(&all);
        pthread_barrier_wait(&all);
        free(mine);
        return arg;
    }
    int main(void) {
        for (int i = 0; i < 2000; i++) CHECK(malloc(1000 * (i % 40)));
        CHECK(malloc(1 << 28));
        char *end = sbrk(0);
        CHECK(sbrk(10000) == end && sbrk(0) == end + 10000);
        memset(end, 5, 10000);
        CHECK(sbrk(-9000) == end + 10000 && end[999] == 5 && sbrk(1L << 46) == (void *)-1 && sbrk(0) == end + 1000);
        size_t page = 4096, many = 64 * page;
        char *a = mmap(0, many, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(a != MAP_FAILED);
        memset(a, 7, many);
        char *fence = mmap(a + many, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);   /* a hint */
        CHECK(fence == a + many);
        char *b = mremap(a, many, 3 * many, MREMAP_MAYMOVE);
        CHECK(b != MAP_FAILED && b != a && b[many - 1] == 7 && b[many] == 0);
        CHECK(mremap(b, 3 * many, many, 0) == b);
        CHECK(mremap(b, many, 1UL << 46, MREMAP_MAYMOVE) == MAP_FAILED);
        CHECK(mmap((void *)0x10000000, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
        CHECK((void *)syscall(SYS_mmap, 0, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
        int fd = open("/etc/passwd", O_RDONLY);
        CHECK(mmap(0, page, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
        int id = shmget(IPC_PRIVATE, 3 * page, IPC_CREAT | 0600);
        char *segment = id < 0 ? 0 : shmat(id, 0, 0);
        if (segment) { CHECK(segment != (void *)-1); segment[2 * page] = 1; shmctl(id, IPC_RMID, 0); }
        CHECK(dlopen("libm.so.6", RTLD_NOW));
        pthread_t threads[8];
        pthread_barrier_init(&all, 0, 9);
        for (int i = 0; i < 8; i++) CHECK(pthread_create(&threads[i], 0, thread, 0) == 0);
        pthread_barrier_wait(&all);
        char line[4096];
        FILE *maps = fopen("/proc/self/maps", "r");
        while (fgets(line, sizeof line, maps)) fputs(line, stdout);
        pthread_barrier_wait(&all);
        for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
        return 0;
    }
"#;

fn starts(maps: &str) -> Vec<(usize, &str)> {
    let parse = |line: &str| usize::from_str_radix(line.split('-').next().unwrap(), 16);
    maps.lines()
        .map(|line| (parse(line).unwrap_or_else(|_| panic!("{line}")), line))
        .collect()
}

/// Makes its system calls by an instruction whose number only the run tells.
const OWN_SYSTEM_CALLS: &str = r#"
    #include <pthread.h>
    #include <signal.h>
    #include <stdio.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    #include <fcntl.h>
    static long call(long nr, long a, long b, long c, long d, long e, long f) __attribute__((noinline));
    static long call(long nr, long a, long b, long c, long d, long e, long f) {
        long result = nr;
        register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
        __asm__ volatile("addq $1, %%rax; syscall" : "+a"(result)
            : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
        return result;
    }
    static void *thread(void *arg) {
        return (void *)call(SYS_mmap - 1, 0, 4096, 1, 0x22, -1, 0);
    }
    int main(void) {
        sigset_t all, old;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, 0);
        sigdelset(&all, SIGUSR1);
        call(SYS_rt_sigprocmask - 1, SIG_SETMASK, (long)&all, 0, 8, 0, 0);
        sigprocmask(SIG_SETMASK, 0, &old);
        if (sigismember(&old, SIGUSR1) || !sigismember(&old, SIGUSR2)) return 2;
        long a = call(SYS_mmap - 1, 0, 1 << 22, 3, 0x22, -1, 0);
        *(volatile char *)a = 1;
        pthread_t t; void *b;
        pthread_create(&t, 0, thread, 0);
        pthread_join(t, &b);
        char exe[100] = "";
        long n = call(SYS_readlinkat - 1, AT_FDCWD, (long)"/proc/self/exe", (long)exe, 99, 0, 0);
        printf("%lx\n%lx\n%ld %s\n%d\n", a, (long)b, n, exe, call(SYS_getpid - 1, 0, 0, 0, 0, 0, 0) == getpid());
        return 0;
    }
"#;

#[test]
fn a_program_with_system_calls_that_cannot_be_steered() {
    let dir = tempfile::tempdir().unwrap();
    let Some(program) = compile(
        dir.path(),
        "own",
        OWN_SYSTEM_CALLS,
        &["-O2", "-pthread", "-w"],
    ) else {
        return;
    };
    let output = in_window(&program).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = stdout(&output);
    let mut lines = lines.lines();
    for _ in 0..2 {
        let mapped = usize::from_str_radix(lines.next().unwrap(), 16).unwrap();
        assert!((WINDOW_START..WINDOW_END).contains(&mapped), "{mapped:#x}");
    }
    let program = program.canonicalize().unwrap();
    assert_eq!(
        lines.next().unwrap(),
        format!("{} {}", program.as_os_str().len(), program.display())
    );
    assert_eq!(lines.next(), Some("1"));
}

#[test]
fn a_program_that_maps_in_every_way() {
    let dir = tempfile::tempdir().unwrap();
    let Some(program) = compile(dir.path(), "everything", EVERYTHING, &["-pthread", "-ldl"]) else {
        return;
    };
    let baseline_file = dir.path().join("baseline");
    let output = in_window(&program)
        .env("RUN_IN_WINDOW_BASELINE", &baseline_file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let baseline = std::fs::read_to_string(baseline_file).unwrap();
    let before: HashSet<usize> = starts(&baseline)
        .into_iter()
        .map(|(start, _)| start)
        .collect();
    let maps = stdout(&output);
    let in_window = |start: usize| (WINDOW_START..WINDOW_END).contains(&start);
    assert!(
        starts(&maps)
            .into_iter()
            .filter(|(start, _)| in_window(*start))
            .count()
            > 30
    );
    let escaped: Vec<_> = starts(&maps)
        .into_iter()
        .filter(|(start, _)| !in_window(*start) && !before.contains(start))
        .collect();
    assert_eq!(
        escaped,
        [],
        "mapped outside the window after the program started"
    );
}
