/* Signals of the program itself go on ending calls with EINTR, or not, as SA_RESTART says; checkpoints never do. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "gate.h"

static int to_first[2], to_second[2], to_third[2];
static volatile int started, ended;
static _Thread_local volatile int taken;

static void take(int signal) {
    (void)signal;
    taken++;
}

static void *goes_on(void *argument) {
    char byte = 0;
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    CHECK(read(to_first[0], &byte, 1) == 1 && byte == 'x' && taken == 1);
    return argument;
}

static void *ends(void *argument) {
    char byte;
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    CHECK(read(to_second[0], &byte, 1) == -1 && errno == EINTR && taken > 0);
    __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
    return argument;
}

static void *polls(void *argument) {
    struct pollfd wanted = {.fd = to_third[0], .events = POLLIN};
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    CHECK(poll(&wanted, 1, 1000000) == -1 && errno == EINTR && taken > 0);
    __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
    return argument;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t threads[3];
    CHECK(pipe(to_first) == 0 && pipe(to_second) == 0 && pipe(to_third) == 0);
    struct sigaction action = {.sa_handler = take, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = 0;
    sigaction(SIGUSR2, &action, NULL);
    pthread_create(&threads[0], NULL, goes_on, NULL);
    pthread_create(&threads[1], NULL, ends, NULL);
    pthread_create(&threads[2], NULL, polls, NULL);
    while (started < 3) usleep(1000);
    gate(1);
    CHECK(ended == 0);
    gate(2);
    CHECK(ended == 0);
    CHECK(pthread_kill(threads[0], SIGUSR1) == 0);
    /* A signal that comes before the call begins does not end it: again, then. */
    while (ended < 2) {
        pthread_kill(threads[1], SIGUSR2);
        pthread_kill(threads[2], SIGUSR2);
        usleep(1000);
    }
    CHECK(write(to_first[1], "x", 1) == 1);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    return done();
}
