/* Memory that grows downwards when what lies before it is touched (mmap(2), MAP_GROWSDOWN), as stacks do. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "gate.h"

enum { BYTES = 64 << 10, GROWTH = 1 << 20, GROWTHS = 3 };

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    char *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
    CHECK(memory != MAP_FAILED);
    char *end = memory + BYTES;
    memset(memory, 'a', BYTES);
    for (int i = 1; i <= GROWTHS; i++) {
        for (int at = 0; at < GROWTH; at += 4096) {
            memory[-1] = (char)i;
            memory -= 4096;
        }
        for (int at = BYTES; at < BYTES + i * GROWTH; at += 4096)
            CHECK(*(end - at - 1) == (char)((at - BYTES) / GROWTH + 1));
        for (int at = 0; at < BYTES; at++) CHECK(end[-1 - at] == 'a');
        if (i < GROWTHS) gate(i);
    }
    return done();
}
