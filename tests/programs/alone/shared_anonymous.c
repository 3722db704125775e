/* MAP_SHARED | MAP_ANONYMOUS: after a restart it is still what a child shares, at two places after mremap, and of any protection. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "gate.h"

int main(int argc, char **argv) {
    const size_t bytes = 1 << 20;
    if (argc != 2) return 2;
    gate_folder = argv[1];
    int *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    /* An old length of 0 makes another mapping of the same memory. */
    int *again = mremap(shared, 0, bytes, MREMAP_MAYMOVE);
    char *hidden = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && again != MAP_FAILED && hidden != MAP_FAILED);
    strcpy(hidden + 5000, "hidden");
    CHECK(mprotect(hidden, 8192, PROT_NONE) == 0);
    for (size_t i = 0; i < bytes / sizeof(int); i++) shared[i] = (int)i * 3;
    for (int number = 1; number <= 2; number++) {
        int ended;
        gate(number);
        for (size_t i = 10; i < bytes / sizeof(int); i++) CHECK(again[i] == (int)i * 3);
        again[1] = number;
        CHECK(shared[1] == number);
        pid_t child = fork();
        if (child == 0) {
            shared[2] = 100 + number;
            _exit(0);
        }
        CHECK(waitpid(child, &ended, 0) == child && ended == 0 && again[2] == 100 + number);
    }
    CHECK(mprotect(hidden, 8192, PROT_READ) == 0 && strcmp(hidden + 5000, "hidden") == 0);
    return done();
}
