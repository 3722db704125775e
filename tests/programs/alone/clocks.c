/* Clocks never run backwards; what is asked of a clock by a system call agrees with what libc says. */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "gate.h"

static const clockid_t clocks[] = {CLOCK_MONOTONIC,        CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE,
                                   CLOCK_BOOTTIME,         CLOCK_REALTIME,      CLOCK_PROCESS_CPUTIME_ID,
                                   CLOCK_THREAD_CPUTIME_ID};
enum { CLOCKS = sizeof clocks / sizeof *clocks, STEADY = 4 };

static long nanoseconds(struct timespec time) { return time.tv_sec * 1000000000L + time.tv_nsec; }

static long last[CLOCKS];

static void check(void) {
    for (int i = 0; i < CLOCKS; i++) {
        struct timespec before, by_call, after;
        CHECK(clock_gettime(clocks[i], &before) == 0);
        CHECK(syscall(SYS_clock_gettime, clocks[i], &by_call) == 0);
        CHECK(clock_gettime(clocks[i], &after) == 0);
        CHECK(nanoseconds(before) <= nanoseconds(by_call) && nanoseconds(by_call) <= nanoseconds(after));
        if (i < STEADY) CHECK(nanoseconds(before) >= last[i]);
        last[i] = nanoseconds(after);
    }
    struct timeval now;
    CHECK(gettimeofday(&now, NULL) == 0 && now.tv_sec >= 1700000000 && time(NULL) >= now.tv_sec - 1);
    CHECK(sched_getcpu() >= 0);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 1000000;
    if (until.tv_nsec >= 1000000000) until = (struct timespec){.tv_sec = until.tv_sec + 1};
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0);
    struct timespec then;
    clock_gettime(CLOCK_MONOTONIC, &then);
    CHECK(nanoseconds(then) >= nanoseconds(until) && nanoseconds(then) < nanoseconds(until) + 60000000000L);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    check();
    gate(1);
    check();
    gate(2);
    check();
    return done();
}
