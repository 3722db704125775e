/* FIFOs with a name: both ends in the process, with bytes; one that is removed; one that nobody writes to. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "gate.h"

static int make(char *path, const char *name) {
    snprintf(path, 500, "%s/%s", gate_folder, name);
    return mkfifo(path, 0600);
}

int main(int argc, char **argv) {
    char path[500], other[500], lonely[500], text[100] = "";
    if (argc != 2) return 2;
    gate_folder = argv[1];
    CHECK(make(path, "fifo") == 0 && make(other, "removed") == 0 && make(lonely, "lonely") == 0);
    int reads = open(path, O_RDONLY | O_NONBLOCK), writes = open(path, O_WRONLY);
    int both = open(other, O_RDWR), waits = open(lonely, O_RDONLY | O_NONBLOCK);
    CHECK(write(writes, "in the fifo", 11) == 11 && write(both, "removed", 7) == 7 && unlink(other) == 0);
    gate(1);
    CHECK(read(reads, text, 3) == 3 && memcmp(text, "in ", 3) == 0 && read(both, text, 2) == 2);
    CHECK(read(waits, text, 1) == 0);
    int more = open(path, O_WRONLY | O_NONBLOCK);
    CHECK(more >= 0 && write(more, "!", 1) == 1);
    gate(2);
    CHECK(read(reads, text, 100) == 9 && memcmp(text, "the fifo!", 9) == 0);
    CHECK(read(reads, text, 1) == -1 && errno == EAGAIN && close(writes) == 0 && close(more) == 0);
    CHECK(read(reads, text, 1) == 0 && read(both, text, 100) == 5 && memcmp(text, "moved", 5) == 0);
    return done();
}
