/* What the programs of this folder share. None uses MPI: each does something, waits at a gate, and checks that all of it is
 * as it was.
 *
 *      gate(1)   prints "ready 1" and waits until somebody has made the file 1 in the folder given as argument:
 *                meanwhile the program is saved, killed, and started again from what was saved
 */
#ifndef GATE_H
#define GATE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *gate_folder;
static int failures;

#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            failures++;                                                                                               \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                            \
        }                                                                                                             \
    } while (0)

static inline void gate(int number) {
    char path[500];
    snprintf(path, sizeof path, "%s/%d", gate_folder, number);
    printf("ready %d\n", number);
    fflush(stdout);
    while (access(path, F_OK) != 0) usleep(1000);
}

static inline int done(void) {
    printf(failures == 0 ? "ok\n" : "failed\n");
    return failures != 0;
}

#endif
