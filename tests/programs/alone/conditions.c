/* Condition variables with several waiters: woken one by one, and all at once; others wait until a point in time. */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "gate.h"

enum { THREADS = 5 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t tickets = PTHREAD_COND_INITIALIZER, all = PTHREAD_COND_INITIALIZER, timed;
static int free_tickets, told, taken, standing;

static void *waiter(void *argument) {
    pthread_mutex_lock(&mutex);
    standing++;
    while (free_tickets == 0) pthread_cond_wait(&tickets, &mutex);
    free_tickets--;
    taken++;
    pthread_cond_broadcast(&all);
    while (!told) pthread_cond_wait(&all, &mutex);
    pthread_mutex_unlock(&mutex);
    return argument;
}

static void *until(void *argument) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += 300000000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    int result = 0;
    pthread_mutex_lock(&mutex);
    standing++;
    while (result == 0) result = pthread_cond_timedwait(&timed, &mutex, &end);
    pthread_mutex_unlock(&mutex);
    CHECK(result == ETIMEDOUT);
    return argument;
}

static void give(int number) {
    pthread_mutex_lock(&mutex);
    const int wanted = taken + number;
    for (; number > 0; number--) {
        free_tickets++;
        pthread_cond_signal(&tickets);
    }
    while (taken < wanted) pthread_cond_wait(&all, &mutex);
    pthread_mutex_unlock(&mutex);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t threads[THREADS], sleeper;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&timed, &attributes);
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, waiter, NULL);
    pthread_create(&sleeper, NULL, until, NULL);
    for (int now = 0; now < THREADS + 1;) {
        pthread_mutex_lock(&mutex);
        now = standing;
        pthread_mutex_unlock(&mutex);
    }
    gate(1);
    give(2);
    CHECK(taken == 2);
    gate(2);
    give(3);
    pthread_mutex_lock(&mutex);
    told = 1;
    pthread_cond_broadcast(&all);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_join(sleeper, NULL);
    CHECK(taken == THREADS && free_tickets == 0);
    return done();
}
