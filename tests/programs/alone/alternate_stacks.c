/* Each thread has an alternate signal stack of its own; one is saved while its handler runs there. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>

#include "gate.h"

enum { THREADS = 3, BYTES = 1 << 16 };

static char stacks[THREADS][BYTES];
static _Thread_local int me;
static _Thread_local volatile int on_own;
static pthread_barrier_t stand, go;

static void look(int signal) {
    char here;
    (void)signal;
    on_own = &here >= stacks[me] && &here < stacks[me] + BYTES;
}

static void stay(int signal) {
    look(signal);
    gate(1);
    look(signal);
}

static void set_up(int number) {
    me = number;
    const stack_t stack = {.ss_sp = stacks[me], .ss_size = BYTES};
    CHECK(sigaltstack(&stack, NULL) == 0);
}

static void check(int signal) {
    stack_t stack;
    on_own = 0;
    raise(signal);
    CHECK(on_own);
    CHECK(sigaltstack(NULL, &stack) == 0 && stack.ss_sp == stacks[me] && stack.ss_size == BYTES && stack.ss_flags == 0);
}

static void *body(void *argument) {
    set_up((int)(long)argument);
    check(SIGUSR1);
    pthread_barrier_wait(&stand);
    pthread_barrier_wait(&go);
    check(SIGUSR1);
    return NULL;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    struct sigaction action = {.sa_handler = look, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = stay;
    sigaction(SIGUSR2, &action, NULL);
    pthread_t threads[THREADS - 1];
    pthread_barrier_init(&stand, NULL, THREADS);
    pthread_barrier_init(&go, NULL, THREADS);
    for (long i = 1; i < THREADS; i++) pthread_create(&threads[i - 1], NULL, body, (void *)i);
    set_up(0);
    pthread_barrier_wait(&stand);
    check(SIGUSR2);
    check(SIGUSR1);
    gate(2);
    check(SIGUSR1);
    pthread_barrier_wait(&go);
    for (int i = 0; i < THREADS - 1; i++) pthread_join(threads[i], NULL);
    return done();
}
