/* The working directory, which relative names begin in. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "gate.h"

static void look(const char *name) {
    char path[600], wanted[600];
    snprintf(wanted, sizeof wanted, "%s/work", gate_folder);
    CHECK(getcwd(path, sizeof path) && strcmp(path, wanted) == 0);
    CHECK(close(open(name, O_CREAT | O_EXCL | O_WRONLY, 0666)) == 0);
    snprintf(wanted, sizeof wanted, "%s/work/%s", gate_folder, name);
    struct stat about;
    CHECK(stat(wanted, &about) == 0 && (about.st_mode & 0777) == 0640);
}

int main(int argc, char **argv) {
    char path[600], folder[500];
    if (argc != 2 || !realpath(argv[1], folder)) return 2;
    gate_folder = folder;
    snprintf(path, sizeof path, "%s/work", gate_folder);
    CHECK(mkdir(path, 0700) == 0 && chdir(path) == 0);
    umask(027);
    look("one");
    gate(1);
    look("two");
    gate(2);
    look("three");
    return done();
}
