/* Threads that block all signals, each in a way of its own, while they compute and while they wait. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gate.h"

static volatile int started, stop;
static sem_t leave;

static void check_blocked(int signal, int wanted) {
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    CHECK(sigismember(&mask, signal) == wanted);
}

static void *computes(void *argument) {
    unsigned long all = ~0UL;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8) == 0);
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    while (!stop) {}
    check_blocked(SIGTERM, 1);
    return argument;
}

static void *waits(void *argument) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    while (sem_wait(&leave) != 0) {}
    check_blocked(SIGTERM, 1);
    check_blocked(SIGUSR1, 1);
    return argument;
}

static void *born_blocked(void *argument) {
    check_blocked(SIGTERM, 1);
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    while (sem_wait(&leave) != 0) {}
    check_blocked(SIGTERM, 1);
    return argument;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t threads[3];
    sigset_t all;
    sem_init(&leave, 0, 0);
    pthread_create(&threads[0], NULL, computes, NULL);
    pthread_create(&threads[1], NULL, waits, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_create(&threads[2], NULL, born_blocked, NULL);
    while (started < 3) usleep(1000);
    gate(1);
    check_blocked(SIGTERM, 1);
    gate(2);
    check_blocked(SIGTERM, 1);
    stop = 1;
    sem_post(&leave);
    sem_post(&leave);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    return done();
}
