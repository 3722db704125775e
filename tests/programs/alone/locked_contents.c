/* Locks of the process on files whose contents are saved: in memory, and removed (open for writing only). Each was set by
 * another descriptor than the first, and is still held while checkpoints are made, and after a restart. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "gate.h"

static int memory, removed;

static struct flock range(void) {
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
    return range;
}

/* Whether a process of its own finds the file locked. */
static int is_locked(int file) {
    int ended;
    pid_t other = fork();
    if (other == 0) {
        struct flock wanted = range();
        _exit(fcntl(file, F_GETLK, &wanted) == 0 && wanted.l_type == F_WRLCK);
    }
    waitpid(other, &ended, 0);
    return WIFEXITED(ended) && WEXITSTATUS(ended) == 1;
}

static void look(void) {
    for (int i = 0; i < 40; i++) {
        CHECK(is_locked(memory) && is_locked(removed));
        usleep(3000);
    }
}

int main(int argc, char **argv) {
    char path[500], text[10] = "";
    struct flock wanted = range();
    if (argc != 2) return 2;
    gate_folder = argv[1];
    memory = memfd_create("locked", 0);
    CHECK(write(memory, "one", 3) == 3);
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
    int again = open(path, O_RDWR);
    CHECK(again > memory && fcntl(again, F_SETLK, &wanted) == 0);
    snprintf(path, sizeof path, "%s/goes-%d", gate_folder, (int)getpid());
    removed = open(path, O_WRONLY | O_CREAT, 0600);
    int reads = open(path, O_RDWR);
    CHECK(write(removed, "two", 3) == 3 && fcntl(reads, F_SETLK, &wanted) == 0 && unlink(path) == 0);
    look();
    gate(1);
    look();
    CHECK(pread(memory, text, 9, 0) == 3 && memcmp(text, "one", 3) == 0);
    gate(2);
    look();
    CHECK(pread(reads, text, 9, 0) == 3 && memcmp(text, "two", 3) == 0);
    return done();
}
