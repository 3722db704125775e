/* C11's threads: one waits for a condition, one for a mutex with a limit, one has exited with a value; values of a thread's own. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <threads.h>
#include <time.h>

#include "gate.h"

static mtx_t mutex, held;
static cnd_t condition;
static tss_t own;
static once_flag flag = ONCE_FLAG_INIT;
static atomic_int times, destroyed;
static int open_now;

static void once(void) { times++; }
static void destroy(void *value) { destroyed += *(int *)value; }

static int waits(void *argument) {
    static int weight = 100;
    tss_set(own, &weight);
    mtx_lock(&mutex);
    while (!open_now) cnd_wait(&condition, &mutex);
    mtx_unlock(&mutex);
    CHECK(tss_get(own) == &weight);
    return *(int *)argument;
}

static int waits_for_mutex(void *argument) {
    struct timespec limit;
    timespec_get(&limit, TIME_UTC);
    limit.tv_sec += 3600;
    (void)argument;
    return mtx_timedlock(&held, &limit) == thrd_success ? 12 : 13;
}

static int ends_at_once(void *argument) {
    (void)argument;
    thrd_exit(14);
}

static int result(thrd_t thread) {
    int value = -1;
    CHECK(thrd_join(thread, &value) == thrd_success);
    return value;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    thrd_t condition_thread, mutex_thread, ended;
    int value = 11;
    mtx_init(&mutex, mtx_plain);
    mtx_init(&held, mtx_timed);
    cnd_init(&condition);
    tss_create(&own, destroy);
    mtx_lock(&held);
    thrd_create(&condition_thread, waits, &value);
    thrd_create(&mutex_thread, waits_for_mutex, NULL);
    thrd_create(&ended, ends_at_once, NULL);
    call_once(&flag, once);
    gate(1);
    call_once(&flag, once);
    CHECK(result(ended) == 14);
    gate(2);
    call_once(&flag, once);
    mtx_lock(&mutex);
    open_now = 1;
    cnd_broadcast(&condition);
    mtx_unlock(&mutex);
    mtx_unlock(&held);
    CHECK(result(condition_thread) == 11);
    CHECK(result(mutex_thread) == 12);
    CHECK(times == 1 && destroyed == 100);
    return done();
}
