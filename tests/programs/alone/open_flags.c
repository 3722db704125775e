/* Flags of open files and of descriptors. */
#define _GNU_SOURCE
#include <fcntl.h>

#include "gate.h"

static int numbers[6];
static int flags[6], on_exec[6];

static void look(void) {
    for (int i = 0; i < 6; i++) {
        CHECK(fcntl(numbers[i], F_GETFL) == flags[i]);
        CHECK(fcntl(numbers[i], F_GETFD) == on_exec[i]);
    }
}

int main(int argc, char **argv) {
    char path[500];
    int ends[2];
    if (argc != 2) return 2;
    gate_folder = argv[1];
    snprintf(path, sizeof path, "%s/flags", gate_folder);
    numbers[0] = open(path, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
    numbers[1] = open(path, O_WRONLY | O_SYNC | O_APPEND);
    numbers[2] = open(path, O_RDONLY | O_PATH | O_CLOEXEC);
    numbers[3] = open(path, O_RDONLY | O_NOATIME);
    CHECK(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
    numbers[4] = ends[0];
    numbers[5] = fcntl(ends[1], F_DUPFD, 100);
    for (int i = 0; i < 6; i++) {
        flags[i] = fcntl(numbers[i], F_GETFL);
        on_exec[i] = fcntl(numbers[i], F_GETFD);
        CHECK(flags[i] >= 0 && on_exec[i] >= 0);
    }
    gate(1);
    look();
    gate(2);
    look();
    return done();
}
