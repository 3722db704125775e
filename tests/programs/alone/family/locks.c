/* Locks of several processes on one file: each has its own, and they are held by whom they were, under the numbers that are known. */
#include "../gate.h"

#include <fcntl.h>
#include <sys/wait.h>

static struct flock range(short kind, long start, long length) {
    struct flock range = {.l_type = kind, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return range;
}

/* Who has a lock on this byte that another process cannot share, or 0. */
static pid_t holder(int file, long at) {
    struct flock lock = range(F_WRLCK, at, 1);
    CHECK(fcntl(file, F_GETLK, &lock) == 0);
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

/* Has locks of its own; tells and is told by a byte each time. */
static int child(int inherited, const char *path, int in, int out) {
    char byte;
    int own = open(path, O_RDWR);
    struct flock first = range(F_WRLCK, 10, 10), second = range(F_RDLCK, 40, 0);
    CHECK(fcntl(inherited, F_SETLK, &first) == 0 && fcntl(own, F_SETLK, &second) == 0);
    do {
        CHECK(holder(inherited, 5) == getppid() && holder(own, 15) == 0);
        CHECK(write(out, "+", 1) == 1);
    } while (read(in, &byte, 1) == 1);
    /* All locks of the process on the file go with any descriptor of it. */
    close(own);
    CHECK(write(out, "-", 1) == 1);
    CHECK(read(in, &byte, 1) == 0);
    fflush(stdout);
    return failures ? 1 : 5;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    gate_folder = argv[1];
    char path[500], byte;
    snprintf(path, sizeof path, "%s/locked", gate_folder);
    int file = open(path, O_RDWR | O_CREAT, 0600);
    struct flock own = range(F_WRLCK, 0, 10);
    CHECK(fcntl(file, F_SETLK, &own) == 0);
    int down[2], up[2];
    CHECK(pipe(down) == 0 && pipe(up) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(down[1]);
        _exit(child(file, path, down[0], up[1]));
    }
    close(down[0]);
    close(up[1]);
    for (int number = 1; number <= 3; number++) {
        CHECK(read(up[0], &byte, 1) == 1 && byte == '+');
        CHECK(holder(file, 10) == pid && holder(file, 19) == pid && holder(file, 40) == pid && holder(file, 4000) == pid);
        CHECK(holder(file, 20) == 0 && holder(file, 5) == 0);
        if (number == 3) break;
        gate(number);
        CHECK(write(down[1], "?", 1) == 1);
    }
    close(down[1]);
    CHECK(read(up[0], &byte, 1) == 1 && byte == '-');
    CHECK(holder(file, 10) == 0 && holder(file, 4000) == 0);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5);
    return done();
}
