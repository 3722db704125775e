/* makecontext and swapcontext: coroutines, with the gate in the middle of one. */
#include <ucontext.h>

#include "gate.h"

enum { BYTES = 1 << 17 };

static ucontext_t back, coroutines[2];
static char stacks[2][BYTES];
static int steps[2];

static void body(int number) {
    for (int i = 1; i <= 3; i++) {
        steps[number] = i;
        if (number == 1 && i == 2) gate(1);
        swapcontext(&coroutines[number], &back);
    }
}

static void resume(int number) { CHECK(swapcontext(&back, &coroutines[number]) == 0); }

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    for (int number = 0; number < 2; number++) {
        getcontext(&coroutines[number]);
        coroutines[number].uc_stack.ss_sp = stacks[number];
        coroutines[number].uc_stack.ss_size = BYTES;
        coroutines[number].uc_link = &back;
        makecontext(&coroutines[number], (void (*)(void))body, 1, number);
    }
    resume(0);
    resume(1);
    resume(1);
    CHECK(steps[0] == 1 && steps[1] == 2);
    gate(2);
    resume(0);
    resume(1);
    CHECK(steps[0] == 2 && steps[1] == 3);
    resume(0);
    resume(0);
    resume(1);
    return done();
}
