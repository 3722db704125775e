/* What the golden image was made of: a program without a C library, so that nothing in its image depends on this machine's.
 *
 *      before    memory of each kind is filled, a handler set, a signal blocked and sent, bytes put into a pipe; with an
 *                argument, a child is forked
 *      "ready"   it reads its standard input: here it was saved, and here every later mana takes it up
 *      after     all of it must be there: "ok", status 0
 *
 * Built with -nostdlib -ffreestanding -fno-stack-protector -pie -s.
 */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

enum { WORDS = 1 << 11 };

/* System calls whose numbers are constants, as in a C library. */
#define CALL(number, a, b, c, d, e, f)                                                                                \
    ({                                                                                                                \
        long result_;                                                                                                 \
        register long d_ __asm__("r10") = (long)(d), e_ __asm__("r8") = (long)(e), f_ __asm__("r9") = (long)(f);      \
        __asm__ volatile("movl %1, %%eax\n\tsyscall"                                                                  \
                         : "=&a"(result_)                                                                             \
                         : "i"(number), "D"((long)(a)), "S"((long)(b)), "d"((long)(c)), "r"(d_), "r"(e_), "r"(f_)     \
                         : "rcx", "r11", "memory");                                                                   \
        result_;                                                                                                      \
    })
#define CALL3(number, a, b, c) CALL(number, a, b, c, 0, 0, 0)

/* As the kernel has it. */
struct action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

static long data[WORDS] = {1};
static long zeroed[WORDS];
static volatile int seen;

__asm__(".globl restorer\nrestorer:\n\tmovl $15, %eax\n\tsyscall");
void restorer(void);

static void handle(int signal) { seen = signal; }

static void say(const char *text) {
    size_t length = 0;
    while (text[length]) length++;
    CALL3(SYS_write, 1, text, length);
}

static void fill(long *words, long seed) {
    for (long i = 0; i < WORDS; i++) words[i] = seed * (i + 1);
}

static int is_filled(const long *words, long seed) {
    for (long i = 0; i < WORDS; i++)
        if (words[i] != seed * (i + 1)) return 0;
    return 1;
}

static int check(int holds, const char *what) {
    if (holds) return 0;
    say("not so: ");
    say(what);
    say("\n");
    return 1;
}

static long *map(int protection, int flags) {
    return (long *)CALL(SYS_mmap, 0, WORDS * sizeof(long), protection, MAP_ANONYMOUS | flags, -1, 0);
}

/* A child that answers through pipes, and what it was asked for. */
static int ask, answer, child;

static void have_child(void) {
    int to[2], from[2], mine = 19;
    CALL3(SYS_pipe, to, 0, 0), CALL3(SYS_pipe, from, 0, 0);
    ask = to[1], answer = from[0];
    child = (int)CALL3(SYS_fork, 0, 0, 0);
    if (child != 0) return;
    int number;
    CALL3(SYS_read, to[0], &number, sizeof number);
    number *= mine;
    CALL3(SYS_write, from[1], &number, sizeof number);
    CALL3(SYS_exit_group, 23, 0, 0);
}

static int child_answers(void) {
    int number = 29, status = 0;
    CALL3(SYS_write, ask, &number, sizeof number);
    CALL3(SYS_read, answer, &number, sizeof number);
    int wrong = check(number == 29 * 19, "the child's answer");
    wrong += check(CALL(SYS_wait4, child, &status, 0, 0, 0, 0) == child && status == 23 << 8, "the child's end");
    return wrong;
}

static int lives(int arguments) {
    if (arguments > 1) have_child();
    long *private = map(PROT_READ | PROT_WRITE, MAP_PRIVATE), *shared = map(PROT_READ | PROT_WRITE, MAP_SHARED);
    long *constant = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
    fill(data, 3), fill(private, 7), fill(shared, 11), fill(constant, 13);
    CALL3(SYS_mprotect, constant, WORDS * sizeof(long), PROT_READ);
    int pipe[2], null = (int)CALL3(SYS_open, "/dev/null", O_RDWR, 0);
    CALL3(SYS_pipe, pipe, 0, 0);
    CALL3(SYS_write, pipe[1], "in the pipe", 11);
    struct action action = {handle, 0x04000000 /* SA_RESTORER */, restorer, 0};
    unsigned long blocked = 1UL << (SIGUSR1 - 1), none = 0;
    CALL(SYS_rt_sigaction, SIGUSR1, &action, 0, 8, 0, 0);
    CALL(SYS_rt_sigprocmask, SIG_BLOCK, &blocked, 0, 8, 0, 0);
    long self = CALL3(SYS_getpid, 0, 0, 0), thread = CALL3(SYS_gettid, 0, 0, 0);
    CALL3(SYS_kill, self, SIGUSR1, 0);
    struct itimerval far = {{0, 0}, {100000, 0}}, left = far;
    CALL3(SYS_setitimer, ITIMER_REAL, &far, 0);
    CALL3(SYS_umask, 027, 0, 0);

    char line[2], bytes[11];
    say("ready\n");
    long read = CALL3(SYS_read, 0, line, sizeof line);

    int wrong = check(read == 2 && line[0] == 'g', "what is read from the new launcher");
    wrong += check(is_filled(data, 3), "data");
    wrong += check(is_filled(private, 7), "private memory"), wrong += check(is_filled(shared, 11), "shared memory");
    wrong += check(is_filled(constant, 13), "read-only memory");
    for (long i = 0; i < WORDS; i++) wrong += zeroed[i] != 0;
    wrong += check(CALL3(SYS_read, constant, 0, 0) < 0, "a bad descriptor");
    wrong += check(CALL3(SYS_read, pipe[0], bytes, sizeof bytes) == 11 && bytes[10] == 'e', "bytes in a pipe");
    wrong += check(CALL3(SYS_write, null, bytes, 1) == 1, "/dev/null");
    wrong += check(seen == 0, "a blocked signal");
    CALL(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, 8, 0, 0);
    wrong += check(seen == SIGUSR1, "a pending signal and its handler");
    wrong += check(CALL3(SYS_getpid, 0, 0, 0) == self && CALL3(SYS_gettid, 0, 0, 0) == thread, "numbers");
    CALL3(SYS_getitimer, ITIMER_REAL, &left, 0);
    wrong += check(left.it_value.tv_sec > 0 && left.it_value.tv_sec <= 100000, "an interval timer");
    wrong += check(CALL3(SYS_umask, 0, 0, 0) == 027, "the mask of new files");
    if (arguments > 1) wrong += child_answers();
    say(wrong ? "failed\n" : "ok\n");
    return wrong != 0;
}

/* The number of arguments is on top of the stack. */
__asm__(".globl _start\n_start:\n\tmov (%rsp), %edi\n\tand $-16, %rsp\n\tcall begin");

__attribute__((noreturn)) void begin(int arguments) {
    CALL3(SYS_exit_group, lives(arguments), 0, 0);
    __builtin_unreachable();
}
