/* What madvise and mlock say about pages: dropped ones are zero, and what is asked of huge pages or locks does not fail. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "gate.h"

enum { PAGE = 4096, HUGE = 2 << 20 };

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    char *memory = mmap(NULL, 4 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    /* Kernels without huge pages refuse it. */
    madvise(memory, 4 * HUGE, MADV_HUGEPAGE);
    memset(memory, 'a', 4 * HUGE);
    CHECK(madvise(memory + HUGE, HUGE, MADV_DONTNEED) == 0);
    CHECK(madvise(memory + 2 * HUGE, PAGE, MADV_DONTFORK) == 0);
    CHECK(madvise(memory + 2 * HUGE, PAGE, MADV_DONTDUMP) == 0);
    CHECK(mlock(memory, PAGE) == 0);
    for (int number = 1; number <= 2; number++) {
        gate(number);
        CHECK(memory[0] == 'a' && memory[HUGE - 1] == 'a' && memory[2 * HUGE] == 'a' && memory[4 * HUGE - 1] == 'a');
        for (int i = 0; i < HUGE; i += 512) CHECK(memory[HUGE + i] == 0);
        CHECK(madvise(memory, PAGE, MADV_DONTNEED) == -1 || memory[0] == 0);
        memory[0] = 'a';
        memory[HUGE - 1] = 'a';
    }
    CHECK(munlock(memory, PAGE) == 0);
    return done();
}
