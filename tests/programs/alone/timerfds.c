/* timerfd: one that has expired and not been read, one far away, one that repeats, one that is stopped. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/timerfd.h>

#include "gate.h"

static int start(long value_s, long value_ms, long interval_ms) {
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec times = {{interval_ms / 1000, interval_ms % 1000 * 1000000}, {value_s, value_ms * 1000000}};
    CHECK(timer >= 0 && timerfd_settime(timer, 0, &times, NULL) == 0);
    return timer;
}

static uint64_t take(int timer) {
    uint64_t times = 0;
    return read(timer, &times, 8) == 8 ? times : 0;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    gate_folder = argv[1];
    int expired = start(0, 1, 0), far = start(1000, 0, 5000), repeats = start(0, 1, 1), stopped = start(0, 0, 0);
    struct pollfd until = {expired, POLLIN, 0};
    struct itimerspec times;
    CHECK(poll(&until, 1, -1) == 1);
    gate(1);
    CHECK(take(expired) == 1 && take(expired) == 0);
    CHECK(timerfd_gettime(far, &times) == 0 && times.it_interval.tv_sec == 5);
    CHECK(times.it_value.tv_sec > 500 && times.it_value.tv_sec < 1000);
    until.fd = repeats;
    CHECK(poll(&until, 1, -1) == 1 && take(repeats) >= 1);
    gate(2);
    CHECK(poll(&until, 1, -1) == 1 && take(repeats) >= 1);
    CHECK(timerfd_gettime(stopped, &times) == 0 && times.it_value.tv_sec == 0 && times.it_value.tv_nsec == 0);
    CHECK(take(far) == 0 && errno == EAGAIN);
    return done();
}
