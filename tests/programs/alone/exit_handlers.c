/* What is to be done at the end is done after restarts too, the last first: handlers of atexit and on_exit, and a destructor,
 * which is the last and says how it went. */
#define _GNU_SOURCE
#include "gate.h"

static int step;

static void first(void) { CHECK(step++ == 2); }
static void third(void) { CHECK(step++ == 0); }

static void second(int status, void *argument) {
    CHECK(step++ == 1);
    CHECK(status == 0 && argument == &step);
}

__attribute__((destructor)) static void last(void) {
    CHECK(step == 3);
    done();
    fflush(stdout);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    atexit(first);
    gate(1);
    on_exit(second, &step);
    gate(2);
    atexit(third);
    return 0;
}
