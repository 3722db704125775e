/* A heap that grows and shrinks across restarts: small and large blocks, of several threads' arenas. */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "gate.h"

enum { BLOCKS = 2000 };

static unsigned char *blocks[BLOCKS];
static size_t sizes[BLOCKS];
static uint32_t state = 1;

static uint32_t next(void) { return state = state * 1664525 + 1013904223; }

static void fill(int i) {
    sizes[i] = (next() >> 8) % (i % 50 == 0 ? 300000 : 3000) + 1;
    blocks[i] = realloc(blocks[i], sizes[i]);
    memset(blocks[i], i & 255, sizes[i]);
}

static void *fill_half(void *argument) {
    for (int i = 1; i < BLOCKS; i += 2) fill(i);
    return argument;
}

static void check(void) {
    for (int i = 0; i < BLOCKS; i++) {
        if (blocks[i][0] != (i & 255) || blocks[i][sizes[i] - 1] != (i & 255)) {
            CHECK(!"a block is what it was");
            return;
        }
    }
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t thread;
    pthread_create(&thread, NULL, fill_half, NULL);
    pthread_join(thread, NULL);
    for (int i = 0; i < BLOCKS; i += 2) fill(i);
    gate(1);
    check();
    for (int i = 0; i < BLOCKS; i += 3) fill(i);
    malloc_trim(0);
    gate(2);
    check();
    for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
    return done();
}
