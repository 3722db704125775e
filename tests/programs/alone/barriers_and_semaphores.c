/* Barriers and semaphores, whose counts a thread waits for, with and without a point in time at which it gives up. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "gate.h"

static pthread_barrier_t barrier;
static sem_t items, none;
static int serial, got;

static void *body(void *argument) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 1000;
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
    CHECK(sem_timedwait(&items, &end) == 0);
    __atomic_add_fetch(&got, 1, __ATOMIC_SEQ_CST);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
    return argument;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t threads[3];
    int value;
    pthread_barrier_init(&barrier, NULL, 4);
    sem_init(&items, 0, 0);
    sem_init(&none, 0, 0);
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, body, NULL);
    gate(1);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
    sem_post(&items);
    while (__atomic_load_n(&got, __ATOMIC_SEQ_CST) < 1) usleep(100);
    gate(2);
    CHECK(got == 1);
    sem_post(&items);
    sem_post(&items);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    CHECK(got == 3 && serial == 2);
    CHECK(sem_getvalue(&items, &value) == 0 && value == 0);
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    CHECK(sem_timedwait(&none, &end) == -1 && errno == ETIMEDOUT);
    return done();
}
