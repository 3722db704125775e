/* eventfd: a counter, and a semaphore. */
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "gate.h"

static uint64_t take(int event) {
    uint64_t value = 0;
    return read(event, &value, 8) == 8 ? value : 0;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    gate_folder = argv[1];
    int counter = eventfd(7, EFD_NONBLOCK), semaphore = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK);
    uint64_t more = 35;
    CHECK(write(counter, &more, 8) == 8);
    gate(1);
    CHECK(take(counter) == 42 && take(counter) == 0 && errno == EAGAIN);
    CHECK(take(semaphore) == 1);
    gate(2);
    CHECK(take(semaphore) == 1 && take(semaphore) == 1 && take(semaphore) == 0);
    CHECK(take(counter) == 0);
    return done();
}
