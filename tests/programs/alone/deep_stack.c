/* A deep stack at the gate, which grows further after the restart, in the main thread and in another. */
#include <pthread.h>
#include <string.h>

#include "gate.h"

static int gates[3];

static __attribute__((noinline)) long recurse(int depth, int gate_at) {
    volatile char room[1024];
    memset((void *)room, depth & 127, sizeof room);
    if (depth == gate_at) gate(++gates[0]);
    const long below = depth == 0 ? 0 : recurse(depth - 1, gate_at);
    for (unsigned i = 0; i < sizeof room; i++) {
        if (room[i] != (depth & 127)) {
            CHECK(!"the stack is what it was");
            break;
        }
    }
    return below + depth;
}

static void *body(void *argument) {
    CHECK(recurse(2000, 1000) == 2000L * 2001 / 2);
    return argument;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    CHECK(recurse(3000, 2000) == 3000L * 3001 / 2);
    pthread_t thread;
    pthread_create(&thread, NULL, body, NULL);
    pthread_join(thread, NULL);
    CHECK(gates[0] == 2);
    return done();
}
