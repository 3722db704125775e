/* Pipes with bytes in them, of another size, full, and with an end that has been closed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "gate.h"

int main(int argc, char **argv) {
    int bytes[2], large[2], full[2], left[2], gone[2];
    char text[100] = "", block[4096];
    if (argc != 2) return 2;
    gate_folder = argv[1];
    signal(SIGPIPE, SIG_IGN);
    CHECK(pipe(bytes) == 0 && pipe(large) == 0 && pipe2(full, O_NONBLOCK) == 0 && pipe(left) == 0 && pipe(gone) == 0);
    CHECK(write(bytes[1], "in the pipe", 11) == 11);
    CHECK(fcntl(large[1], F_SETPIPE_SZ, 1 << 18) == 1 << 18);
    memset(block, 'x', sizeof block);
    int blocks = 0;
    while (write(full[1], block, sizeof block) == (ssize_t)sizeof block) blocks++;
    CHECK(blocks == 16);
    CHECK(write(left[1], "last", 4) == 4 && close(left[1]) == 0 && close(gone[0]) == 0);
    gate(1);
    CHECK(read(bytes[0], text, 6) == 6 && memcmp(text, "in the", 6) == 0);
    CHECK(fcntl(large[0], F_GETPIPE_SZ) == 1 << 18);
    CHECK(write(full[1], block, 1) == -1 && errno == EAGAIN);
    CHECK(read(left[0], text, 2) == 2);
    CHECK(write(gone[1], "x", 1) == -1 && errno == EPIPE);
    gate(2);
    CHECK(read(bytes[0], text, sizeof text) == 5 && memcmp(text, " pipe", 5) == 0);
    for (int i = 0; i < blocks; i++) CHECK(read(full[0], block, sizeof block) == (ssize_t)sizeof block && block[77] == 'x');
    CHECK(read(full[0], block, 1) == -1 && errno == EAGAIN);
    CHECK(read(left[0], text, sizeof text) == 2 && read(left[0], text, sizeof text) == 0);
    return done();
}
