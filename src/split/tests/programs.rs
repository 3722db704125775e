//! Small programs, each about one thing that execve and the dynamic loader do.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{compile, in_window, same, stdout, write_script};

const ARGUMENTS: &str = r#"
#include <stdio.h>
#include <stdint.h>
#include <emmintrin.h>
extern char **environ;
int main(int argc, char **argv) {
    _Alignas(16) char aligned[16];                 /* movaps: dies if the stack is off by eight */
    _mm_store_si128((__m128i *)aligned, _mm_set1_epi8(argc));
    printf("%d %d %d\n", argc, aligned[3], (int)((uintptr_t)aligned % 16));
    for (int i = 0; i <= argc; i++) puts(argv[i] ? argv[i] : "(end)");
    for (char **e = environ; *e; e++) puts(*e);
    return argc;
}
"#;

#[test]
fn arguments_and_environment_for_odd_and_even_counts() {
    let dir = tempfile::tempdir().unwrap();
    let Some(program) = compile(dir.path(), "args", ARGUMENTS, &["-O2"]) else {
        return;
    };
    for count in 0..5 {
        let output = same(&program, |c| {
            _ = c
                .args(vec!["x y"; count])
                .env_clear()
                .env("A", "1")
                .env("EMPTY", "")
        });
        assert_eq!(output.status.code(), Some(1 + count as i32));
    }
}

#[test]
fn a_program_at_fixed_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"
        #include <stdio.h>
        #include <stdlib.h>
        static int big[100000];
        int main(void) { big[99999] = 3; printf("%p %d\n", (void *)main, big[99999]); return !malloc(100); }
    "#;
    let Some(program) = compile(dir.path(), "fixed", source, &["-no-pie", "-fno-pie"]) else {
        return;
    };
    let output = same(&program, |_| ());
    assert!(
        stdout(&output).starts_with("0x40"),
        "not linked to a fixed address: {}",
        stdout(&output)
    );
}

#[test]
fn a_library_found_by_origin() {
    let dir = tempfile::tempdir().unwrap();
    let lib = dir.path().join("lib");
    std::fs::create_dir(&lib).unwrap();
    let library = "int answer(void) { return 42; }";
    if compile(&lib, "libanswer.so", library, &["-shared", "-fPIC"]).is_none() {
        return;
    }
    let source = r#"
        #include <dlfcn.h>
        #include <stdio.h>
        int answer(void);
        int main(void) { printf("%d %d\n", answer(), dlopen("$ORIGIN/lib/libanswer.so", RTLD_NOW) != 0); return 0; }
    "#;
    let search = format!("-L{}", lib.display());
    let program = compile(
        dir.path(),
        "origin",
        source,
        &[&search, "-lanswer", "-Wl,-rpath,$ORIGIN/lib"],
    )
    .unwrap();
    assert_eq!(stdout(&same(&program, |_| ())), "42 1\n");
    // Found through a link, $ORIGIN still is where the program is.
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link");
    std::os::unix::fs::symlink(&program, &link).unwrap();
    same(&link, |_| ());
}

#[test]
fn scripts() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    write_script(
        &script,
        "#!/bin/sh -e\necho \"$0\" \"$1\"\nfalse\necho not reached\n",
    );
    let output = same(&script, |c| _ = c.arg("an argument"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn signal_dispositions_are_those_of_an_executed_program() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"
        #include <signal.h>
        #include <stdio.h>
        int main(void) {
            for (int s = 1; s < 65; s++) {
                struct sigaction a;
                if (sigaction(s, 0, &a) == 0 && a.sa_handler != SIG_DFL) printf("%d %d\n", s, a.sa_handler == SIG_IGN);
            }
            stack_t st; sigaltstack(0, &st); printf("%d\n", st.ss_flags == SS_DISABLE);
            raise(SIGSEGV);
            return 0;
        }
    "#;
    let Some(program) = compile(dir.path(), "signals", source, &[]) else {
        return;
    };
    let output = same(&program, |_| ());
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV));
}

#[test]
fn an_executable_stack_if_the_program_asks_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"
        #include <stdio.h>
        #include <string.h>
        int main(void) {
            unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};    /* mov $42,%eax; ret */
            int (*f)(void) = (void *)code;
            __builtin___clear_cache((char *)code, (char *)code + sizeof code);
            printf("%d\n", f());
            return 0;
        }
    "#;
    let Some(yes) = compile(dir.path(), "yes", source, &["-z", "execstack"]) else {
        return;
    };
    assert_eq!(stdout(&same(&yes, |_| ())), "42\n");
    let no = compile(dir.path(), "no", source, &["-z", "noexecstack"]).unwrap();
    assert!(!same(&no, |_| ()).status.success());
}

#[test]
fn handlers_and_masks() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"
        #define _GNU_SOURCE
        #include <pthread.h>
        #include <setjmp.h>
        #include <signal.h>
        #include <stdio.h>
        #include <string.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <unistd.h>
        static sigjmp_buf out;
        static volatile sig_atomic_t order[8], n;
        static void on(int s) { order[n++ % 8] = s; }
        static void jump(int s) { siglongjmp(out, s); }
        static void *target(void *arg) { while (n < 3) usleep(100); return arg; }
        int main(void) {
            signal(SIGUSR1, on); signal(SIGUSR2, jump); signal(SIGALRM, on);
            sigset_t all, old; sigfillset(&all);
            sigprocmask(SIG_BLOCK, &all, &old);
            raise(SIGUSR1);                                      /* pending ... */
            printf("pending %d\n", n);
            sigprocmask(SIG_SETMASK, &old, 0);                   /* ... delivered on the way out */
            printf("delivered %d %d\n", n, order[0] == SIGUSR1);
            for (int i = 0; i < 20; i++)                         /* out of a handler, again and again */
                if (sigsetjmp(out, 1) == 0) { raise(SIGUSR2); puts("not here"); }
            sigprocmask(SIG_SETMASK, 0, &all);
            printf("mask as before %d\n", memcmp(&all, &old, 8) == 0);
            raise(SIGUSR1);
            pthread_t t; pthread_create(&t, 0, target, 0);
            pthread_kill(t, SIGUSR1); pthread_join(t, 0);
            printf("threads %d\n", n);
            struct itimerval soon = {{0, 0}, {0, 2000}}; setitimer(ITIMER_REAL, &soon, 0);
            sigset_t wait = old; sigdelset(&wait, SIGALRM);
            while (order[3] != SIGALRM) sigsuspend(&wait);
            printf("alarm %ld\n", syscall(SYS_tgkill, getpid(), gettid(), 0));
            return 0;
        }
    "#;
    let Some(program) = compile(dir.path(), "handlers", source, &["-pthread"]) else {
        return;
    };
    assert_eq!(stdout(&same(&program, |_| ())).lines().count(), 5);
}

#[test]
fn children_of_every_kind() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"
        #define _GNU_SOURCE
        #include <signal.h>
        #include <spawn.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/mman.h>
        #include <sys/wait.h>
        #include <unistd.h>
        extern char **environ;
        static volatile sig_atomic_t got;
        static void on(int s) { got += s; }
        static int reap(pid_t pid) { int st; waitpid(pid, &st, 0); return st; }
        int main(void) {
            signal(SIGUSR1, on);
            pid_t pid = fork();
            if (pid == 0) {
                raise(SIGUSR1);
                void *p = mmap(0, 1 << 22, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                struct sigaction a; sigaction(SIGUSR1, 0, &a);
                _exit(got == SIGUSR1 && p != MAP_FAILED && a.sa_handler == on ? 11 : 12);
            }
            printf("fork %d\n", WEXITSTATUS(reap(pid)));
            /* posix_spawn's child shares memory with us and resets signals there: ours must not change */
            char *argv[] = {"sh", "-c", "echo spawned; exit 3", 0};
            posix_spawnattr_t attr; posix_spawnattr_init(&attr);
            sigset_t all; sigfillset(&all);
            posix_spawnattr_setsigdefault(&attr, &all);
            posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
            fflush(stdout);
            posix_spawn(&pid, "/bin/sh", 0, &attr, argv, environ);
            printf("spawn %d\n", WEXITSTATUS(reap(pid)));
            raise(SIGUSR1);
            struct sigaction a; sigaction(SIGUSR1, 0, &a);
            printf("ours %d %d\n", got == SIGUSR1, a.sa_handler == on);
            fflush(stdout);
            if (vfork() == 0) { execl("/bin/echo", "echo", "vforked", (char *)0); _exit(1); }
            wait(0);
            printf("system %d\n", WEXITSTATUS(system("exit 9")));
            return 0;
        }
    "#;
    let Some(program) = compile(dir.path(), "children", source, &[]) else {
        return;
    };
    let output = same(&program, |_| ());
    assert!(
        stdout(&output).contains("ours 1 1\n"),
        "{}",
        stdout(&output)
    );
}

fn refusal(program: &Path) -> String {
    let output = in_window(program).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", stdout(&output));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn refusals_say_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let missing = refusal(&dir.path().join("missing"));
    assert!(missing.contains("No such file"), "{missing}");
    let text = dir.path().join("text");
    std::fs::write(&text, "plain text, a few lines\n").unwrap();
    let not_executable = refusal(&text);
    assert!(not_executable.contains("chmod +x"), "{not_executable}");
    std::fs::set_permissions(&text, std::fs::Permissions::from_mode(0o755)).unwrap();
    let no_program = refusal(&text);
    assert!(
        no_program.contains("neither with an ELF header nor with #!"),
        "{no_program}"
    );
    let hello = "int main(void) { return 0; }";
    if let Some(program) = compile(dir.path(), "static", hello, &["-static"]) {
        let message = refusal(&program);
        assert!(message.contains("statically linked"), "{message}");
    }
}
