/* memfd: sealed, open twice, mapped, and with a hole. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "gate.h"

int main(int argc, char **argv) {
    char path[50], text[10];
    if (argc != 2) return 2;
    gate_folder = argv[1];
    int sealed = memfd_create("sealed", MFD_ALLOW_SEALING), mapped = memfd_create("mapped", MFD_CLOEXEC);
    CHECK(write(sealed, "fixed", 5) == 5);
    CHECK(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_SEAL) == 0);
    CHECK(ftruncate(mapped, 3 << 12) == 0 && pwrite(mapped, "behind", 6, 2 << 12) == 6);
    snprintf(path, sizeof path, "/proc/self/fd/%d", mapped);
    int reads = open(path, O_RDONLY);
    char *first = mmap(NULL, 1 << 12, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
    const char *second = mmap(NULL, 3 << 12, PROT_READ, MAP_SHARED, reads, 0);
    CHECK(first != MAP_FAILED && second != MAP_FAILED);
    strcpy(first, "one");
    gate(1);
    CHECK(write(sealed, "x", 1) == -1 && errno == EPERM && pread(sealed, text, 10, 0) == 5 && memcmp(text, "fixed", 5) == 0);
    CHECK(fcntl(sealed, F_GET_SEALS) == (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_SEAL));
    CHECK(strcmp(second, "one") == 0 && strcmp(second + (2 << 12), "behind") == 0);
    CHECK(pwrite(mapped, "two", 4, 0) == 4 && strcmp(first, "two") == 0 && strcmp(second, "two") == 0);
    gate(2);
    strcpy(first, "three");
    CHECK(pread(reads, text, 6, 0) == 6 && strcmp(text, "three") == 0 && strcmp(second, "three") == 0);
    CHECK(write(reads, "x", 1) == -1);
    CHECK(ftruncate(mapped, 5 << 12) == 0);
    return done();
}
