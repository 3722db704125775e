/* Threads that wait in every way there is while the program is saved: for a mutex (normal, recursive, error checking, robust),
 * a condition, a semaphore, a barrier, a lock for reading, a spin lock, a byte in a pipe, poll, epoll, the end of a thread, a
 * time. Thread-local variables, names, masks and detached threads stay what they were; cancellation works afterwards.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include "gate.h"

enum { KINDS = 4, WAITERS = 13 };

static pthread_mutex_t mutexes[KINDS];
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static pthread_t never;
static sem_t semaphore, detached_end;
static int told, bytes[2], polled[2], watched[2], set;
static _Thread_local long own = 17;
static pthread_key_t key;
static volatile int started, woken;

static void begin(long number, const char *name) {
    own = 100 + number;
    pthread_setspecific(key, (void *)(1000 + number));
    pthread_setname_np(pthread_self(), name);
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
}

static void *end(long number) {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    CHECK(own == 100 + number);
    CHECK(pthread_getspecific(key) == (void *)(1000 + number));
    CHECK(strncmp(name, "waits", 5) == 0);
    __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
    return (void *)number;
}

static void *waiter(void *argument) {
    const long number = (long)argument;
    char byte = 0;
    begin(number, number < KINDS ? "waits-mutex" : "waits");
    switch (number) {
    case 0: case 1: case 2: case 3: {
        CHECK(pthread_mutex_lock(&mutexes[number]) == 0);
        CHECK(pthread_mutex_unlock(&mutexes[number]) == 0);
        break;
    }
    case 4:
        pthread_mutex_lock(&guard);
        while (!told) pthread_cond_wait(&condition, &guard);
        pthread_mutex_unlock(&guard);
        break;
    case 5: CHECK(sem_wait(&semaphore) == 0); break;
    case 6: pthread_barrier_wait(&barrier); break;
    case 7:
        CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
        pthread_rwlock_unlock(&rwlock);
        break;
    case 8:
        pthread_spin_lock(&spin);
        pthread_spin_unlock(&spin);
        break;
    case 9: CHECK(read(bytes[0], &byte, 1) == 1 && byte == 'b'); break;
    case 10: {
        struct pollfd wanted = {.fd = polled[0], .events = POLLIN};
        CHECK(poll(&wanted, 1, -1) == 1 && wanted.revents & POLLIN);
        break;
    }
    case 11: {
        struct epoll_event event;
        CHECK(epoll_wait(set, &event, 1, -1) == 1 && event.data.u64 == 4711);
        break;
    }
    case 12: {
        void *result;
        CHECK(pthread_join(never, &result) == 0 && result == PTHREAD_CANCELED);
        break;
    }
    }
    return end(number);
}

static void *sleeper(void *argument) {
    for (;;) pause();
    return argument;
}

static void *detached(void *argument) {
    begin(50, "waits-detached");
    sem_wait(argument);
    end(50);
    sem_post(&detached_end);
    return NULL;
}

static void set_up(void) {
    const int kinds[KINDS] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_NORMAL};
    for (int kind = 0; kind < KINDS; kind++) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, kinds[kind]);
        if (kind == 3) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&mutexes[kind], &attributes);
        CHECK(pthread_mutex_lock(&mutexes[kind]) == 0);
    }
    CHECK(pthread_mutex_lock(&mutexes[1]) == 0);
    pthread_key_create(&key, NULL);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    pthread_spin_lock(&spin);
    sem_init(&semaphore, 0, 0);
    sem_init(&detached_end, 0, 0);
    pthread_rwlock_wrlock(&rwlock);
    CHECK(pipe(bytes) == 0 && pipe(polled) == 0 && pipe(watched) == 0);
    set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 4711};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, watched[0], &event) == 0);
}

/* Lets everybody go on. */
static void release(void) {
    CHECK(pthread_mutex_lock(&mutexes[2]) == EDEADLK);
    CHECK(pthread_mutex_unlock(&mutexes[1]) == 0);
    for (int kind = 0; kind < KINDS; kind++) CHECK(pthread_mutex_unlock(&mutexes[kind]) == 0);
    pthread_mutex_lock(&guard);
    told = 1;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&guard);
    CHECK(sem_post(&semaphore) == 0 && sem_post(&semaphore) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    pthread_spin_unlock(&spin);
    CHECK(write(bytes[1], "b", 1) == 1 && write(polled[1], "p", 1) == 1 && write(watched[1], "w", 1) == 1);
    CHECK(pthread_cancel(never) == 0);
}

int main(int argc, char **argv) {
    pthread_t threads[WAITERS], loner;
    pthread_attr_t attributes;
    gate_folder = argc > 1 ? argv[1] : ".";
    set_up();
    pthread_create(&never, NULL, sleeper, NULL);
    for (long number = 0; number < WAITERS; number++)
        CHECK(pthread_create(&threads[number], NULL, waiter, (void *)number) == 0);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_create(&loner, &attributes, detached, &semaphore);
    while (started < WAITERS + 1) usleep(100);
    own = 18;
    gate(1);
    CHECK(own == 18 && woken == 0);
    gate(2);
    CHECK(own == 18 && woken == 0);
    release();
    for (long number = 0; number < WAITERS; number++) {
        void *result = NULL;
        CHECK(pthread_join(threads[number], &result) == 0);
        CHECK(result == (void *)number);
    }
    sem_wait(&detached_end);
    CHECK(woken == WAITERS + 1);
    return done();
}
