/* Threads that end before, between and after the checkpoints: joined, tried, detached, made by other threads. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "gate.h"

static sem_t leave[3], gone;

static void *wait_for(void *argument) {
    while (sem_wait(&leave[(long)argument]) != 0) {}
    return (void *)((long)argument + 40);
}

static void *alone(void *argument) {
    sem_wait(&leave[2]);
    sem_post(&gone);
    return argument;
}

static void *parent(void *argument) {
    pthread_t child;
    void *result;
    pthread_create(&child, NULL, wait_for, argument);
    CHECK(pthread_join(child, &result) == 0 && result == (void *)((long)argument + 40));
    return result;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t ended, first, second, detached, later;
    void *result;
    for (int i = 0; i < 3; i++) sem_init(&leave[i], 0, 0);
    sem_init(&gone, 0, 0);
    sem_post(&leave[0]);
    pthread_create(&ended, NULL, wait_for, (void *)0);
    pthread_create(&first, NULL, parent, (void *)1);
    pthread_create(&second, NULL, wait_for, (void *)1);
    pthread_create(&detached, NULL, alone, NULL);
    CHECK(pthread_detach(detached) == 0);
    gate(1);
    CHECK(pthread_join(ended, &result) == 0 && result == (void *)40);
    CHECK(pthread_tryjoin_np(first, &result) == EBUSY);
    pthread_create(&later, NULL, wait_for, (void *)0);
    gate(2);
    CHECK(pthread_tryjoin_np(later, &result) == EBUSY);
    sem_post(&leave[0]);
    sem_post(&leave[1]);
    sem_post(&leave[1]);
    CHECK(pthread_join(later, &result) == 0 && result == (void *)40);
    CHECK(pthread_join(first, &result) == 0 && result == (void *)41);
    CHECK(pthread_join(second, &result) == 0 && result == (void *)41);
    sem_post(&leave[2]);
    sem_wait(&gone);
    return done();
}
