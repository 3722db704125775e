/* Clocks that only go on, and waits until points in time of theirs: each wait is begun before a gate and ends a little after
 * it, by the program's own clock, whatever the machine's says by then. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

#include "gate.h"

/* How far a wait's end is after its beginning, and how far from there it may be told: a machine may be busy. */
enum { SPAN_MS = 3000, SLACK_MS = 600000, WAITERS = 6, CLOCKS = 4 };

static const clockid_t clocks[CLOCKS] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME};

static long nanoseconds(struct timespec time) { return time.tv_sec * 1000000000L + time.tv_nsec; }

static struct timespec now(clockid_t clock) {
    struct timespec time;
    CHECK(clock_gettime(clock, &time) == 0);
    return time;
}

static struct timespec in_a_while(clockid_t clock) {
    struct timespec time = now(clock);
    time.tv_sec += SPAN_MS / 1000;
    return time;
}

/* How late it is by `clock`; too early is never right. */
static void check_end(clockid_t clock, struct timespec end) {
    long late = nanoseconds(now(clock)) - nanoseconds(end);
    CHECK(late >= 0 && late < SLACK_MS * 1000000L);
}

static void look_at_clocks(void) {
    static long last[CLOCKS];
    for (int i = 0; i < CLOCKS; i++) {
        struct timespec by_call;
        long before = nanoseconds(now(clocks[i]));
        CHECK(syscall(SYS_clock_gettime, clocks[i], &by_call) == 0);
        long after = nanoseconds(now(clocks[i]));
        CHECK(last[i] == 0 || (last[i] <= before && before < last[i] + SLACK_MS * 1000000L));
        CHECK(before <= nanoseconds(by_call) && nanoseconds(by_call) <= after);
        last[i] = after;
        CHECK(clock_getres(clocks[i], &by_call) == 0 && nanoseconds(by_call) < 1000000000L);
    }
    CHECK(labs(now(CLOCK_REALTIME).tv_sec - time(NULL)) <= 1);
}

static void *in_condition(void *unused) {
    pthread_condattr_t attributes;
    pthread_cond_t condition;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&condition, &attributes);
    struct timespec end = in_a_while(CLOCK_MONOTONIC);
    pthread_mutex_lock(&mutex);
    int result;
    do result = pthread_cond_timedwait(&condition, &mutex, &end);
    while (result == 0);
    CHECK(result == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    check_end(CLOCK_MONOTONIC, end);
    return unused;
}

static void *in_semaphore(void *unused) {
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    struct timespec end = in_a_while(CLOCK_MONOTONIC);
    CHECK(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &end) == -1 && errno == ETIMEDOUT);
    check_end(CLOCK_MONOTONIC, end);
    return unused;
}

static void *asleep(void *clock) {
    struct timespec end = in_a_while((clockid_t)(intptr_t)clock);
    CHECK(clock_nanosleep((clockid_t)(intptr_t)clock, TIMER_ABSTIME, &end, NULL) == 0);
    check_end((clockid_t)(intptr_t)clock, end);
    return NULL;
}

/* A lock that the main thread has. */
static uint32_t locked;

static void *in_lock(void *unused) {
    struct timespec end = in_a_while(CLOCK_MONOTONIC);
    long result = syscall(SYS_futex, &locked, 13 /* FUTEX_LOCK_PI2 */, 0, &end, NULL, 0);
    /* After a restart the kernel does not know the thread that had it before. */
    CHECK(result == -1 && (errno == ETIMEDOUT || errno == ESRCH));
    if (errno == ETIMEDOUT) check_end(CLOCK_MONOTONIC, end);
    return unused;
}

struct waiter {
    uint64_t value, address;
    uint32_t flags, reserved;
};

static void *in_many(void *unused) {
    static uint32_t word;
    struct waiter waiter = {0, (uintptr_t)&word, 2, 0};
    struct timespec end = in_a_while(CLOCK_MONOTONIC);
    CHECK(syscall(449 /* futex_waitv */, &waiter, 1, 0, &end, CLOCK_MONOTONIC) == -1 && errno == ETIMEDOUT);
    check_end(CLOCK_MONOTONIC, end);
    return unused;
}

/* A timerfd, and the point in time until which it is set. */
struct timer {
    clockid_t clock;
    int descriptor;
    struct timespec end;
};

static void set_timer(struct timer *timer) {
    timer->end = in_a_while(timer->clock);
    struct itimerspec times = {.it_value = timer->end};
    CHECK(timerfd_settime(timer->descriptor, TFD_TIMER_ABSTIME, &times, NULL) == 0);
}

static void read_timer(const struct timer *timer) {
    uint64_t ticks = 0;
    CHECK(read(timer->descriptor, &ticks, sizeof ticks) == sizeof ticks && ticks == 1);
    check_end(timer->clock, timer->end);
}

/* One of timer_create(2), whose time is over at once if it is set to one that has been. */
static void check_posix_timer(timer_t timer) {
    struct itimerspec left, times = {.it_value = in_a_while(CLOCK_MONOTONIC)};
    CHECK(timer_settime(timer, TIMER_ABSTIME, &times, NULL) == 0);
    CHECK(timer_gettime(timer, &left) == 0);
    CHECK(nanoseconds(left.it_value) > 0 && nanoseconds(left.it_value) <= SPAN_MS * 1000000L);
    times.it_value = (struct timespec){.tv_sec = 0, .tv_nsec = 1};
    CHECK(timer_settime(timer, TIMER_ABSTIME, &times, NULL) == 0);
    CHECK(timer_gettime(timer, &left) == 0 && nanoseconds(left.it_value) == 0);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    struct sigevent nothing = {.sigev_notify = SIGEV_NONE};
    timer_t posix_timer;
    CHECK(timer_create(CLOCK_MONOTONIC, &nothing, &posix_timer) == 0);
    struct timer timers[] = {{CLOCK_MONOTONIC, timerfd_create(CLOCK_MONOTONIC, 0), {0}},
                             {CLOCK_BOOTTIME, timerfd_create(CLOCK_BOOTTIME, 0), {0}}};
    for (int number = 1; number <= 3; number++) {
        locked = (uint32_t)syscall(SYS_gettid);
        look_at_clocks();
        check_posix_timer(posix_timer);
        void *(*const waits[WAITERS])(void *) = {in_condition, in_semaphore, asleep, asleep, in_lock, in_many};
        pthread_t threads[WAITERS];
        for (int i = 0; i < WAITERS; i++) {
            void *clock = (void *)(intptr_t)(i == 2 ? CLOCK_MONOTONIC : CLOCK_BOOTTIME);
            CHECK(pthread_create(&threads[i], NULL, waits[i], clock) == 0);
        }
        for (int i = 0; i < 2; i++) set_timer(&timers[i]);
        if (number < 3) gate(number);
        look_at_clocks();
        for (int i = 0; i < 2; i++) read_timer(&timers[i]);
        for (int i = 0; i < WAITERS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    }
    return done();
}
