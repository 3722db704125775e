/* What madvise and mlock say about pages: dropped ones are zero, and what was said goes on to hold. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "gate.h"

enum { PAGE = 4096, HUGE = 2 << 20 };

/* Whether the kernel has a flag for the mapping with an address (proc(5), VmFlags). */
static int has(const char *address, const char *flag) {
    char line[4096], wanted[8];
    int inside = 0, found = 0;
    FILE *maps = fopen("/proc/self/smaps", "r");
    snprintf(wanted, sizeof wanted, " %s ", flag);
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) inside = (unsigned long)address - start < end - start;
        if (inside && strncmp(line, "VmFlags:", 8) == 0) found = strstr(line, wanted) != NULL;
    }
    fclose(maps);
    return found;
}

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
    int huge = has(memory + HUGE, "hg");
    for (int number = 1; number <= 2; number++) {
        gate(number);
        CHECK(memory[0] == 'a' && memory[HUGE - 1] == 'a' && memory[2 * HUGE] == 'a' && memory[4 * HUGE - 1] == 'a');
        for (int i = 0; i < HUGE; i += 512) CHECK(memory[HUGE + i] == 0);
        CHECK(madvise(memory, PAGE, MADV_DONTNEED) == -1 || memory[0] == 0);
        memory[0] = 'a';
        memory[HUGE - 1] = 'a';
        CHECK(has(memory, "lo") && !has(memory + PAGE, "lo"));
        CHECK(has(memory + 2 * HUGE, "dc") && has(memory + 2 * HUGE, "dd") && !has(memory + 2 * HUGE + PAGE, "dc"));
        CHECK(has(memory + HUGE, "hg") == huge);
    }
    CHECK(munlock(memory, PAGE) == 0);
    return done();
}
