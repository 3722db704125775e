/* epoll: level, edge and oneshot, one set in another, and what is told with an event. */
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "gate.h"

static void add(int set, int descriptor, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event) == 0);
}

static void signal_it(int event) {
    uint64_t one = 1;
    CHECK(write(event, &one, 8) == 8);
}

int main(int argc, char **argv) {
    struct epoll_event events[10];
    uint64_t value;
    if (argc != 2) return 2;
    gate_folder = argv[1];
    int level = eventfd(0, 0), edge = eventfd(0, 0), once = eventfd(0, 0);
    int inner = epoll_create1(0), outer = epoll_create1(EPOLL_CLOEXEC);
    add(inner, level, EPOLLIN, UINT64_C(0x123456789abcdef0));
    add(outer, inner, EPOLLIN, 2);
    add(outer, edge, EPOLLIN | EPOLLET, 3);
    add(outer, once, EPOLLIN | EPOLLONESHOT, 4);
    gate(1);
    CHECK(epoll_wait(outer, events, 10, 0) == 0);
    signal_it(level);
    CHECK(epoll_wait(outer, events, 10, 0) == 1 && events[0].data.u64 == 2);
    CHECK(epoll_wait(inner, events, 10, 0) == 1 && events[0].data.u64 == UINT64_C(0x123456789abcdef0));
    CHECK(read(level, &value, 8) == 8 && epoll_wait(outer, events, 10, 0) == 0);
    signal_it(edge);
    CHECK(epoll_wait(outer, events, 10, 0) == 1 && events[0].data.u64 == 3 && epoll_wait(outer, events, 10, 0) == 0);
    CHECK(read(edge, &value, 8) == 8);
    signal_it(once);
    CHECK(epoll_wait(outer, events, 10, 0) == 1 && events[0].data.u64 == 4 && epoll_wait(outer, events, 10, 0) == 0);
    gate(2);
    CHECK(epoll_wait(outer, events, 10, 0) == 0);
    struct epoll_event again = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 5};
    CHECK(epoll_ctl(outer, EPOLL_CTL_MOD, once, &again) == 0);
    CHECK(epoll_wait(outer, events, 10, 0) == 1 && events[0].data.u64 == 5);
    CHECK(epoll_ctl(outer, EPOLL_CTL_DEL, inner, NULL) == 0 && epoll_ctl(inner, EPOLL_CTL_DEL, level, NULL) == 0);
    return done();
}
