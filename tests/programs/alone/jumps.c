/* setjmp and sigsetjmp before, longjmp after: also out of a signal handler, with the mask that was. */
#include <setjmp.h>
#include <signal.h>

#include "gate.h"

static jmp_buf plain;
static sigjmp_buf with_mask;

static void handle(int signal) {
    gate(2);
    siglongjmp(with_mask, signal);
}

static __attribute__((noinline)) int deep(int depth) {
    if (depth > 0) return deep(depth - 1) + depth;
    gate(1);
    if (gate_folder != NULL) longjmp(plain, 12);
    return 0;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    volatile int kept = 5;
    sigset_t mask;
    int value = setjmp(plain);
    if (value == 0) {
        kept = 6;
        deep(50);
    }
    CHECK(value == 12 && kept == 6);
    signal(SIGUSR1, handle);
    value = sigsetjmp(with_mask, 1);
    if (value == 0) raise(SIGUSR1);
    CHECK(value == SIGUSR1);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    CHECK(!sigismember(&mask, SIGUSR1));
    return done();
}
