/* The program's break: where it can be moved, what is below it is kept; under mana it cannot, sbrk says so, and malloc goes on
 * without it. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "gate.h"

enum { ROOM = 1 << 20 };

/* Moves it if that can be, and fills what that gives. */
static char *move(int value) {
    errno = 0;
    char *room = sbrk(ROOM);
    if (room == (void *)-1) {
        CHECK(errno == ENOMEM);
        return NULL;
    }
    return memset(room, value, ROOM);
}

static void check(const char *room, int value) {
    if (room) CHECK(room[0] == value && room[ROOM - 1] == value);
    char *block = malloc(3 * ROOM), *small = malloc(100);
    CHECK(block && small);
    memset(block, 1, 3 * ROOM);
    free(block);
    free(small);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    char *first = move(1);
    gate(1);
    check(first, 1);
    char *second = move(2);
    gate(2);
    check(first, 1);
    check(second, 2);
    check(move(3), 3);
    return done();
}
