/* A file that is mapped shared: what is written to the memory is in the file, and the other way round. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "gate.h"

int main(int argc, char **argv) {
    char path[500], text[20] = "";
    if (argc != 2) return 2;
    gate_folder = argv[1];
    snprintf(path, sizeof path, "%s/mapped", gate_folder);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(ftruncate(file, 10000) == 0);
    char *all = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    const char *second = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 4096);
    CHECK(all != MAP_FAILED && second != MAP_FAILED && close(file) == 0);
    strcpy(all + 5000, "before");
    gate(1);
    file = open(path, O_RDWR);
    CHECK(pread(file, text, 7, 5000) == 7 && strcmp(text, "before") == 0 && strcmp(second + 904, "before") == 0);
    strcpy(all + 5000, "after");
    CHECK(pread(file, text, 6, 5000) == 6 && strcmp(text, "after") == 0 && strcmp(second + 904, "after") == 0);
    gate(2);
    CHECK(pwrite(file, "written", 8, 9000) == 8 && strcmp(all + 9000, "written") == 0);
    CHECK(strcmp(all + 5000, "after") == 0 && lseek(file, 0, SEEK_END) == 10000);
    CHECK(msync(all, 10000, MS_SYNC) == 0);
    return done();
}
