/* Robust mutexes: one whose owner ended before the checkpoint, one that its owner still holds, one of a thread that was
 * made after the restart. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "gate.h"

static pthread_mutex_t early, held, late;
static sem_t taken, leave;

static void *end_holding(void *argument) {
    CHECK(pthread_mutex_lock(argument) == 0);
    sem_post(&taken);
    return NULL;
}

static void *hold(void *argument) {
    CHECK(pthread_mutex_lock(argument) == 0);
    sem_post(&taken);
    sem_wait(&leave);
    CHECK(pthread_mutex_unlock(argument) == 0);
    return NULL;
}

static void check_owner_died(pthread_mutex_t *mutex) {
    CHECK(pthread_mutex_lock(mutex) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(mutex) == 0);
    CHECK(pthread_mutex_unlock(mutex) == 0);
    CHECK(pthread_mutex_lock(mutex) == 0 && pthread_mutex_unlock(mutex) == 0);
}

static void end_a_thread_with(pthread_mutex_t *mutex) {
    pthread_t thread;
    pthread_create(&thread, NULL, end_holding, mutex);
    sem_wait(&taken);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t holder;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&early, &attributes);
    pthread_mutex_init(&held, &attributes);
    pthread_mutex_init(&late, &attributes);
    sem_init(&taken, 0, 0);
    sem_init(&leave, 0, 0);
    end_a_thread_with(&early);
    pthread_create(&holder, NULL, hold, &held);
    sem_wait(&taken);
    gate(1);
    check_owner_died(&early);
    CHECK(pthread_mutex_trylock(&held) == EBUSY);
    gate(2);
    sem_post(&leave);
    pthread_join(holder, NULL);
    CHECK(pthread_mutex_lock(&held) == 0 && pthread_mutex_unlock(&held) == 0);
    end_a_thread_with(&late);
    check_owner_died(&late);
    return done();
}
