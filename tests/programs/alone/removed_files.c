/* Files without a name: removed while open (twice), and O_TMPFILE. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "gate.h"

int main(int argc, char **argv) {
    char path[500], text[100] = "";
    struct stat about;
    if (argc != 2) return 2;
    gate_folder = argv[1];
    snprintf(path, sizeof path, "%s/removed", gate_folder);
    int writes = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600), reads = open(path, O_RDONLY);
    int nameless = open(gate_folder, O_RDWR | O_TMPFILE, 0600);
    CHECK(write(writes, "one ", 4) == 4 && read(reads, text, 2) == 2);
    CHECK(unlink(path) == 0);
    CHECK(nameless >= 0 && pwrite(nameless, "far", 3, 100000) == 3);
    gate(1);
    CHECK(write(writes, "two", 3) == 3);
    CHECK(read(reads, text, sizeof text) == 5 && memcmp(text, "e two", 5) == 0);
    CHECK(fstat(nameless, &about) == 0 && about.st_size == 100003 && about.st_nlink == 0);
    CHECK(pread(nameless, text, 5, 99998) == 5 && memcmp(text, "\0\0far", 5) == 0);
    CHECK(access(path, F_OK) == -1);
    gate(2);
    CHECK(pread(reads, text, sizeof text, 0) == 7 && memcmp(text, "one two", 7) == 0);
    CHECK(read(reads, text, sizeof text) == 0);
    CHECK((fcntl(writes, F_GETFL) & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND));
    return done();
}
