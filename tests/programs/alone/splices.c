/* sendfile, splice and tee between files and pipes that have been made again. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>

#include "gate.h"

int main(int argc, char **argv) {
    char path[500], text[100] = "";
    int one[2], two[2];
    off_t at = 2;
    if (argc != 2) return 2;
    gate_folder = argv[1];
    snprintf(path, sizeof path, "%s/data", gate_folder);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(write(file, "0123456789", 10) == 10 && pipe(one) == 0 && pipe(two) == 0);
    CHECK(sendfile(one[1], file, &at, 4) == 4 && at == 6);
    gate(1);
    CHECK(tee(one[0], two[1], 4, 0) == 4);
    CHECK(sendfile(one[1], file, &at, 4) == 4 && at == 10);
    gate(2);
    /* What sendfile has put there may be the file's own pages, so it is read before these change. */
    CHECK(read(two[0], text, 100) == 4 && memcmp(text, "2345", 4) == 0);
    CHECK(lseek(file, 0, SEEK_END) == 10 && splice(one[0], NULL, file, NULL, 8, 0) == 8);
    CHECK(pread(file, text, 100, 0) == 18 && memcmp(text, "012345678923456789", 18) == 0);
    return done();
}
