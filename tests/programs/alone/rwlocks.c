/* Locks for reading and writing, with readers and writers waiting, and one that many hold. */
#include <errno.h>
#include <pthread.h>

#include "gate.h"

enum { THREADS = 6 };

static pthread_rwlock_t written = PTHREAD_RWLOCK_INITIALIZER, read_by_all = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t stand, go;
static int value, sum;

static void *reader(void *argument) {
    pthread_rwlock_rdlock(&read_by_all);
    pthread_barrier_wait(&stand);
    pthread_rwlock_rdlock(&written);
    CHECK(value >= 1);
    pthread_rwlock_unlock(&written);
    pthread_barrier_wait(&go);
    pthread_rwlock_unlock(&read_by_all);
    return argument;
}

static void *writer(void *argument) {
    pthread_barrier_wait(&stand);
    pthread_rwlock_wrlock(&written);
    value++;
    pthread_rwlock_unlock(&written);
    pthread_barrier_wait(&go);
    pthread_rwlock_wrlock(&read_by_all);
    sum += value;
    pthread_rwlock_unlock(&read_by_all);
    return argument;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t threads[THREADS];
    pthread_barrier_init(&stand, NULL, THREADS + 1);
    pthread_barrier_init(&go, NULL, THREADS + 1);
    pthread_rwlock_wrlock(&written);
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, i % 2 ? writer : reader, NULL);
    pthread_barrier_wait(&stand);
    gate(1);
    CHECK(pthread_rwlock_tryrdlock(&written) == EBUSY && value == 0);
    CHECK(pthread_rwlock_trywrlock(&read_by_all) == EBUSY);
    value = 1;
    CHECK(pthread_rwlock_unlock(&written) == 0);
    gate(2);
    pthread_barrier_wait(&go);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK(value == 4 && sum == 12);
    return done();
}
