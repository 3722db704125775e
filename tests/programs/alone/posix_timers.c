/* timer_create of all kinds: a signal, a thread's signal, a thread for each, none; the timers' numbers, values and intervals. */
// flags: -lrt
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "gate.h"

static volatile int by_signal, by_thread, in_right_thread, value;
static volatile int quit;
static volatile pid_t worker_tid;
static timer_t queued, made_thread, to_worker, silent, deleted;

static void take(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    if (info->si_code == SI_TIMER) {
        by_signal++;
        value = info->si_value.sival_int;
    }
}

static void take_in_worker(int signal) {
    (void)signal;
    if (syscall(SYS_gettid) == worker_tid) __atomic_add_fetch(&in_right_thread, 1, __ATOMIC_SEQ_CST);
}

static void run(union sigval given) {
    if (given.sival_int == 9) __atomic_add_fetch(&by_thread, 1, __ATOMIC_SEQ_CST);
}

static void *worker(void *argument) {
    while (!quit) {
        worker_tid = (pid_t)syscall(SYS_gettid);
        usleep(1000);
    }
    return argument;
}

static void start(timer_t timer, long first_seconds, long every_nanoseconds) {
    const struct itimerspec span = {
        .it_value = {.tv_sec = first_seconds, .tv_nsec = first_seconds ? 0 : every_nanoseconds},
        .it_interval = {.tv_nsec = every_nanoseconds},
    };
    CHECK(timer_settime(timer, 0, &span, NULL) == 0);
}

static void check_all(void) {
    struct itimerspec left;
    CHECK(timer_gettime(silent, &left) == 0 && left.it_interval.tv_nsec == 30);
    CHECK(left.it_value.tv_sec > 900 && left.it_value.tv_sec <= 1000);
    CHECK(timer_gettime(queued, &left) == 0 && left.it_interval.tv_nsec == 5000000);
    CHECK(timer_getoverrun(silent) == 0);
    CHECK(timer_gettime(deleted, &left) == -1);
    const int signals = by_signal, threads = by_thread, right = in_right_thread;
    while (by_signal < signals + 3 || by_thread < threads + 3 || in_right_thread < right + 3) usleep(1000);
    CHECK(value == 4);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN, &action, NULL);
    action = (struct sigaction){.sa_handler = take_in_worker, .sa_flags = SA_RESTART};
    sigaction(SIGRTMIN + 1, &action, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, worker, NULL);
    while (worker_tid == 0) usleep(1000);
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    CHECK(timer_create(CLOCK_REALTIME, &event, &deleted) == 0);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &silent) == 0);
    CHECK(timer_delete(deleted) == 0);
    event = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 4};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &queued) == 0);
    event = (struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_notify_function = run, .sigev_value.sival_int = 9};
    CHECK(timer_create(CLOCK_REALTIME, &event, &made_thread) == 0);
    event = (struct sigevent){.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1};
    event._sigev_un._tid = worker_tid;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &to_worker) == 0);
    start(silent, 1000, 30);
    start(queued, 0, 5000000);
    start(made_thread, 0, 5000000);
    start(to_worker, 0, 5000000);
    check_all();
    gate(1);
    check_all();
    timer_t later;
    event = (struct sigevent){.sigev_notify = SIGEV_NONE};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &later) == 0 && later != silent && later != queued);
    gate(2);
    check_all();
    CHECK(timer_delete(later) == 0 && timer_delete(silent) == 0 && timer_delete(made_thread) == 0);
    CHECK(timer_delete(queued) == 0 && timer_delete(to_worker) == 0);
    quit = 1;
    pthread_join(thread, NULL);
    return done();
}
