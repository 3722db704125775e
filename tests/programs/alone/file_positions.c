/* Files with a name: positions, appending, what dup shares, and a second open file of the same one. */
#include <fcntl.h>
#include <string.h>

#include "gate.h"

int main(int argc, char **argv) {
    char path[500], text[100] = "";
    if (argc != 2) return 2;
    gate_folder = argv[1];
    snprintf(path, sizeof path, "%s/data", gate_folder);
    int first = open(path, O_RDWR | O_CREAT | O_TRUNC, 0640);
    CHECK(write(first, "0123456789", 10) == 10);
    int copy = dup(first), other = open(path, O_RDONLY), append = open(path, O_WRONLY | O_APPEND);
    CHECK(lseek(first, 3, SEEK_SET) == 3);
    gate(1);
    CHECK(lseek(copy, 0, SEEK_CUR) == 3 && lseek(other, 0, SEEK_CUR) == 0);
    CHECK(read(copy, text, 2) == 2 && memcmp(text, "34", 2) == 0);
    CHECK(lseek(first, 0, SEEK_CUR) == 5);
    CHECK(write(append, "ab", 2) == 2);
    CHECK((fcntl(append, F_GETFL) & (O_APPEND | O_ACCMODE)) == (O_APPEND | O_WRONLY));
    gate(2);
    CHECK(lseek(first, 0, SEEK_CUR) == 5 && lseek(copy, 1, SEEK_CUR) == 6 && lseek(first, 0, SEEK_CUR) == 6);
    CHECK(read(other, text, sizeof text) == 12 && memcmp(text, "0123456789ab", 12) == 0);
    CHECK(write(other, "x", 1) == -1);
    return done();
}
