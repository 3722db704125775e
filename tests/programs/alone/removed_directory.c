/* A working directory that has been removed, and the file mode mask. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "gate.h"

static void look(void) {
    char path[500];
    struct stat about;
    CHECK(getcwd(path, sizeof path) == NULL && errno == ENOENT);
    CHECK(open("here", O_CREAT | O_WRONLY, 0600) == -1 && errno == ENOENT);
    CHECK(stat(".", &about) == 0 && S_ISDIR(about.st_mode) && about.st_nlink == 0);
    CHECK(umask(0123) == 0123);
}

int main(int argc, char **argv) {
    char path[500];
    if (argc != 2) return 2;
    gate_folder = argv[1];
    snprintf(path, sizeof path, "%s/goes", gate_folder);
    CHECK(mkdir(path, 0700) == 0 && chdir(path) == 0 && rmdir(path) == 0);
    umask(0123);
    look();
    gate(1);
    look();
    gate(2);
    look();
    return done();
}
