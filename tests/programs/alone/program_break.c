/* The program's break: what is below it is kept, it is where it was, and it can be moved on and back. malloc uses it, too. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

#include "gate.h"

enum { ROOM = 1 << 20 };

/* Moves it, and fills what that gives. */
static char *move(int value) {
    char *room = sbrk(ROOM);
    CHECK(room != (void *)-1 && room[0] == 0 && room[ROOM - 1] == 0);
    return memset(room, value, ROOM);
}

static void check(const char *room, int value) {
    CHECK(room[0] == value && room[ROOM - 1] == value);
    char *block = malloc(3 * ROOM), *small = malloc(100);
    CHECK(block && small);
    memset(block, 1, 3 * ROOM);
    free(block);
    free(small);
}

int main(int argc, char **argv) {
    static char lines[BUFSIZ];
    gate_folder = argc > 1 ? argv[1] : ".";
    /* Or it would be taken from the heap, which moves the break, too. */
    setvbuf(stdout, lines, _IOFBF, sizeof lines);
    char *first = move(1), *end = sbrk(-1000);
    CHECK(end == first + ROOM && sbrk(0) == end - 1000);
    gate(1);
    CHECK(sbrk(0) == end - 1000 && sbrk(1000) == end - 1000);
    CHECK(brk(first) == 0 && brk(end) == 0);
    errno = 0;
    CHECK(sbrk((intptr_t)1 << 46) == (void *)-1 && errno == ENOMEM && sbrk(0) == end);
    memset(first, 1, ROOM);
    check(first, 1);
    char *second = move(2);
    gate(2);
    check(first, 1);
    check(second, 2);
    check(move(3), 3);
    return done();
}
