/* Signals that are blocked and pending, of the process and of a thread, with what they carry; several of one real-time
 * signal, in their order. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "gate.h"

static pthread_barrier_t stand, go;

static void check_pending(int signal, int wanted) {
    sigset_t pending;
    sigpending(&pending);
    CHECK(sigismember(&pending, signal) == wanted);
}

/* Takes one signal of `signal` without waiting. */
static siginfo_t take(int signal) {
    const struct timespec none = {0};
    sigset_t set;
    siginfo_t info = {0};
    sigemptyset(&set);
    sigaddset(&set, signal);
    CHECK(sigtimedwait(&set, &info, &none) == signal);
    return info;
}

static void *body(void *argument) {
    CHECK(pthread_kill(pthread_self(), SIGUSR2) == 0);
    CHECK(pthread_sigqueue(pthread_self(), SIGRTMIN + 2, (union sigval){.sival_int = 77}) == 0);
    pthread_barrier_wait(&stand);
    pthread_barrier_wait(&go);
    check_pending(SIGUSR2, 1);
    take(SIGUSR2);
    CHECK(take(SIGRTMIN + 2).si_value.sival_int == 77);
    check_pending(SIGRTMIN + 2, 0);
    return argument;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t thread;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_barrier_init(&stand, NULL, 2);
    pthread_barrier_init(&go, NULL, 2);
    pthread_create(&thread, NULL, body, NULL);
    pthread_barrier_wait(&stand);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    for (int i = 1; i <= 3; i++) CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}) == 0);
    gate(1);
    check_pending(SIGUSR1, 1);
    check_pending(SIGUSR2, 0);
    siginfo_t info = take(SIGRTMIN + 1);
    CHECK(info.si_value.sival_int == 1 && info.si_code == SI_QUEUE && info.si_uid == getuid());
    gate(2);
    CHECK(take(SIGUSR1).si_code == SI_USER);
    check_pending(SIGUSR1, 0);
    CHECK(take(SIGRTMIN + 1).si_value.sival_int == 2);
    CHECK(take(SIGRTMIN + 1).si_value.sival_int == 3);
    check_pending(SIGRTMIN + 1, 0);
    pthread_barrier_wait(&go);
    pthread_join(thread, NULL);
    return done();
}
