/* Locks on files by flock, by the process, by the open file, and a lease: each is still held after a restart. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "gate.h"

static char paths[4][500];

static struct flock range(short kind, long start, long length) {
    struct flock range = {.l_type = kind, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return range;
}

/* What a process of its own finds. */
static int others_can(int which) {
    int ended;
    pid_t other = fork();
    if (other == 0) {
        int file = open(paths[which], O_RDWR | O_NONBLOCK);
        struct flock in = range(F_WRLCK, 15, 1), beside = range(F_WRLCK, 25, 1);
        if (which == 0) _exit(flock(file, LOCK_EX | LOCK_NB) == 0);
        if (which == 3) _exit(file >= 0 || errno != EWOULDBLOCK);
        _exit((fcntl(file, F_OFD_SETLK, &in) == 0) + 2 * (fcntl(file, F_OFD_SETLK, &beside) != 0));
    }
    waitpid(other, &ended, 0);
    return !WIFEXITED(ended) || WEXITSTATUS(ended) != 0;
}

static void look(void) {
    for (int i = 0; i < 3; i++) CHECK(!others_can(i));
}

int main(int argc, char **argv) {
    int files[4];
    if (argc != 2) return 2;
    gate_folder = argv[1];
    for (int i = 0; i < 4; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/locked-%d", gate_folder, i);
        files[i] = open(paths[i], O_RDWR | O_CREAT, 0600);
    }
    struct flock process = range(F_WRLCK, 10, 10), open_file = range(F_RDLCK, 10, 10);
    CHECK(flock(files[0], LOCK_SH) == 0);
    CHECK(fcntl(files[1], F_SETLK, &process) == 0);
    CHECK(fcntl(files[2], F_OFD_SETLK, &open_file) == 0);
    CHECK(fcntl(files[3], F_SETLEASE, F_WRLCK) == 0);
    look();
    gate(1);
    look();
    CHECK(fcntl(files[3], F_GETLEASE) == F_WRLCK);
    gate(2);
    look();
    CHECK(fcntl(files[3], F_GETLEASE) == F_WRLCK && fcntl(files[3], F_SETLEASE, F_UNLCK) == 0);
    CHECK(flock(files[0], LOCK_UN) == 0 && others_can(0));
    return done();
}
