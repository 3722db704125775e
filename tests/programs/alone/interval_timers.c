/* setitimer, of all three kinds, and alarm: what is left goes on, and intervals stay. */
#include <signal.h>
#include <sys/time.h>

#include "gate.h"

static volatile sig_atomic_t real, virtual, profile;

static void count(int signal) {
    if (signal == SIGALRM) real++;
    if (signal == SIGVTALRM) virtual++;
    if (signal == SIGPROF) profile++;
}

static void check(int which, int seconds) {
    struct itimerval timer;
    CHECK(getitimer(which, &timer) == 0);
    CHECK(timer.it_interval.tv_usec == 5000 && timer.it_interval.tv_sec == 0);
    CHECK(timer.it_value.tv_sec <= seconds && (timer.it_value.tv_sec > 0 || timer.it_value.tv_usec > 0));
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGVTALRM, &action, NULL);
    sigaction(SIGPROF, &action, NULL);
    const struct itimerval ticks = {.it_interval.tv_usec = 5000, .it_value.tv_usec = 5000};
    const struct itimerval far = {.it_interval.tv_usec = 5000, .it_value.tv_sec = 5000};
    CHECK(setitimer(ITIMER_REAL, &ticks, NULL) == 0);
    CHECK(setitimer(ITIMER_VIRTUAL, &ticks, NULL) == 0);
    CHECK(setitimer(ITIMER_PROF, &far, NULL) == 0);
    gate(1);
    check(ITIMER_REAL, 1);
    check(ITIMER_VIRTUAL, 1);
    check(ITIMER_PROF, 5000);
    const int real_before = real, virtual_before = virtual;
    while (real < real_before + 3 || virtual < virtual_before + 3) {}
    CHECK(setitimer(ITIMER_VIRTUAL, &(struct itimerval){0}, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL) == 0);
    CHECK(alarm(5000) == 0);
    gate(2);
    struct itimerval timer;
    CHECK(getitimer(ITIMER_VIRTUAL, &timer) == 0 && timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0);
    check(ITIMER_PROF, 5000);
    const unsigned left = alarm(1);
    CHECK(left > 4000 && left <= 5000);
    const int before = real;
    while (real == before) usleep(1000);
    CHECK(profile == 0);
    return done();
}
