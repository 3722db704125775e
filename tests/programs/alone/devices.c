/* /dev/null, /dev/zero, /dev/full, /dev/urandom. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "gate.h"

static int null, zero, full, chance;

static void look(void) {
    char bytes[64], others[64];
    memset(bytes, 1, sizeof bytes);
    CHECK(write(null, bytes, 64) == 64 && read(null, bytes, 64) == 0);
    CHECK(read(zero, bytes, 64) == 64 && bytes[0] == 0 && memcmp(bytes, bytes + 1, 63) == 0);
    CHECK(write(full, bytes, 1) == -1 && errno == ENOSPC);
    CHECK(read(chance, bytes, 64) == 64 && read(chance, others, 64) == 64 && memcmp(bytes, others, 64) != 0);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    gate_folder = argv[1];
    null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
    full = open("/dev/full", O_WRONLY), chance = open("/dev/urandom", O_RDONLY);
    look();
    gate(1);
    look();
    gate(2);
    look();
    return done();
}
