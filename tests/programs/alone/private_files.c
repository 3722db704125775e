/* A file mapped privately: pages that the program has changed, and pages that it has only read, after the file is gone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "gate.h"

enum { PAGE = 4096, PAGES = 4 };

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    char path[600], page[PAGE];
    snprintf(path, sizeof path, "%s/mapped", gate_folder);
    const int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
    for (int i = 0; i < PAGES; i++) {
        memset(page, 'a' + i, PAGE);
        CHECK(write(fd, page, PAGE) == PAGE);
    }
    char *changed = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *offset = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE);
    CHECK(changed != MAP_FAILED && offset != MAP_FAILED);
    close(fd);
    changed[PAGE] = 'X';
    gate(1);
    CHECK(changed[0] == 'a' && changed[PAGE] == 'X' && changed[PAGE + 1] == 'b' && changed[3 * PAGE] == 'd');
    CHECK(offset[0] == 'c');
    unlink(path);
    changed[2 * PAGE] = 'Y';
    gate(2);
    CHECK(changed[0] == 'a' && changed[PAGE] == 'X' && changed[2 * PAGE] == 'Y' && changed[3 * PAGE] == 'd');
    CHECK(offset[0] == 'c' && munmap(changed, PAGES * PAGE) == 0);
    return done();
}
