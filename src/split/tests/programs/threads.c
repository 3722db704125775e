#define _GNU_SOURCE
// Threads that compute, hand a token round under a mutex and a condition variable, and sleep; joined at the end.
// After the round trip: thread-local variables, pthread_kill to a thread whose number is an old one, a signal handler,
// and a thread made anew.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 3 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t passed = PTHREAD_COND_INITIALIZER;
static int turn, over;
static long rounds;
static unsigned long token = 1;
static __thread unsigned long local;
static pthread_t sleeper;
static volatile sig_atomic_t wakes;
static unsigned long handler_local;

static void on_usr1(int sig) {
    (void)sig;
    handler_local = local;
    wakes++;
}

static void *pass_on(void *argument) {
    int me = (int)(long)argument;
    local = me + 1;
    for (long round = 0; round < rounds; round++) {
        pthread_mutex_lock(&lock);
        while (turn != me)
            pthread_cond_wait(&passed, &lock);
        token = token * 6364136223846793005UL + local;
        local = local * 31 + (token >> 60);
        turn = (turn + 1) % THREADS;
        pthread_cond_broadcast(&passed);
        pthread_mutex_unlock(&lock);
    }
    return (void *)local;
}

static void *doze(void *argument) {
    (void)argument;
    local = 4242;
    for (;;) {
        struct timespec time = {3600, 0};
        while (nanosleep(&time, &time) != 0 && errno == EINTR) {
            pthread_mutex_lock(&lock);
            int end = over && wakes;
            pthread_mutex_unlock(&lock);
            if (end)
                return (void *)(local + handler_local);
        }
    }
}

static void *late(void *argument) {
    local += 5;
    return (void *)(local + (long)argument);
}

int main(int argc, char **argv) {
    rounds = argc > 1 ? atol(argv[1]) : 100;
    struct sigaction action = {.sa_handler = on_usr1};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t threads[THREADS], newcomer;
    void *result;
    local = 99;
    pthread_create(&sleeper, NULL, doze, NULL);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, pass_on, (void *)i);
    fprintf(stderr, "ready\n");
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &result);
        printf("thread %d: %lu\n", i, (unsigned long)result);
    }
    printf("token %lu, main's own %lu\n", token, local);
    pthread_mutex_lock(&lock);
    over = 1;
    pthread_mutex_unlock(&lock);
    // The signal may come before the sleeper sleeps again: repeat it until it ends.
    while (pthread_tryjoin_np(sleeper, &result) == EBUSY) {
        pthread_kill(sleeper, SIGUSR1);
        usleep(1000);
    }
    printf("sleeper: %lu\n", (unsigned long)result);
    pthread_create(&newcomer, NULL, late, (void *)7L);
    pthread_join(newcomer, &result);
    printf("newcomer: %lu\n", (unsigned long)result);
    return 0;
}
