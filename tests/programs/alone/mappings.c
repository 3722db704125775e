/* Many small mappings, holes, mremap, MAP_FIXED over others, MAP_32BIT, a mapping that grows down, and large sparse ones. */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "gate.h"

enum { PAGE = 4096, MANY = 600 };

static char *map(void *at, size_t bytes, int flags) {
    char *address = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    CHECK(address != MAP_FAILED);
    return address;
}

static char *many[MANY], *moved, *low, *stack, *sparse;

static void check(void) {
    for (int i = 0; i < MANY; i++) CHECK(many[i][i] == (char)i && many[i][2 * PAGE] == (char)i);
    CHECK(moved[0] == 'm' && moved[5 * PAGE] == 0 && moved[9 * PAGE] == 'e');
    CHECK(strcmp(low, "below 4 GiB") == 0 && (uintptr_t)low < 1UL << 32);
    CHECK(stack[0] == 's');
    CHECK(sparse[7UL << 30] == 7 && sparse[1UL << 30] == 0);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    for (int i = 0; i < MANY; i++) {
        many[i] = map(NULL, 3 * PAGE, 0);
        many[i][i] = many[i][2 * PAGE] = (char)i;
        CHECK(munmap(many[i] + PAGE, PAGE) == 0);
    }
    moved = map(NULL, 2 * PAGE, 0);
    moved[0] = 'm';
    moved = mremap(moved, 2 * PAGE, 10 * PAGE, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED);
    moved[5 * PAGE] = 'x';
    moved[9 * PAGE] = 'e';
    CHECK(map(moved + 5 * PAGE, PAGE, MAP_FIXED) == moved + 5 * PAGE);
    low = map(NULL, PAGE, MAP_32BIT);
    strcpy(low, "below 4 GiB");
    stack = map(NULL, 4 * PAGE, MAP_GROWSDOWN);
    stack[0] = 's';
    sparse = map(NULL, 8UL << 30, MAP_NORESERVE);
    sparse[7UL << 30] = 7;
    gate(1);
    check();
    char *grown = mremap(low, PAGE, 20 * PAGE, MREMAP_MAYMOVE);
    CHECK(grown != MAP_FAILED && strcmp(grown, "below 4 GiB") == 0 && grown[19 * PAGE] == 0);
    low = map(NULL, PAGE, MAP_32BIT);
    strcpy(low, "below 4 GiB");
    char *more = map(NULL, PAGE, 0);
    for (int i = 0; i < MANY; i++) CHECK(more + PAGE <= many[i] || more >= many[i] + 3 * PAGE || more == many[i] + PAGE);
    char *also_low = map(NULL, PAGE, MAP_32BIT);
    CHECK(also_low != low && (uintptr_t)also_low < 1UL << 32);
    gate(2);
    check();
    return done();
}
