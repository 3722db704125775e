/* Mutexes that know their owner, held across restarts: an error-checking one is refused to its holder, a recursive one is let
 * in deeper, and another thread that waits for either gets it only when it is given back as often as it was taken. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>

#include "gate.h"

static pthread_mutex_t checking, recursive, protected;
static int entered;

static void make(pthread_mutex_t *mutex, int kind, int protocol) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, kind);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    CHECK(pthread_mutex_init(mutex, &attributes) == 0);
    pthread_mutexattr_destroy(&attributes);
}

static void *waits(void *mutex) {
    CHECK(pthread_mutex_lock(mutex) == 0);
    __atomic_add_fetch(&entered, 1, __ATOMIC_SEQ_CST);
    CHECK(pthread_mutex_unlock(mutex) == 0);
    return NULL;
}

static void *may_not(void *mutex) {
    CHECK(pthread_mutex_unlock(mutex) == EPERM);
    CHECK(pthread_mutex_trylock(mutex) == EBUSY);
    return NULL;
}

static void by_another(pthread_mutex_t *mutex) {
    pthread_t other;
    pthread_create(&other, NULL, may_not, mutex);
    pthread_join(other, NULL);
}

static void mine(void) {
    CHECK(pthread_mutex_lock(&checking) == EDEADLK);
    CHECK(pthread_mutex_lock(&recursive) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == 0);
    by_another(&checking);
    by_another(&recursive);
    CHECK(entered == 0);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t waiting[2];
    make(&checking, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE);
    make(&recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE);
    make(&protected, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE);
    pthread_mutex_lock(&checking);
    pthread_mutex_lock(&recursive);
    pthread_mutex_lock(&recursive);
    pthread_create(&waiting[0], NULL, waits, &checking);
    pthread_create(&waiting[1], NULL, waits, &recursive);
    gate(1);
    mine();
    gate(2);
    mine();
    CHECK(pthread_mutex_unlock(&protected) == EPERM);
    CHECK(pthread_mutex_unlock(&checking) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == 0);
    for (int i = 0; i < 2; i++) pthread_join(waiting[i], NULL);
    CHECK(entered == 2);
    return done();
}
