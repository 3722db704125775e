/* A directory that is being read, and one that names are looked up in. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "gate.h"

static int seen[200], all;

static void look(DIR *stream, int count) {
    struct dirent *entry;
    while (count-- > 0 && (entry = readdir(stream)) != NULL) {
        int number;
        if (sscanf(entry->d_name, "file-%d", &number) == 1) {
            seen[number]++;
            all++;
        }
    }
}

int main(int argc, char **argv) {
    char path[500];
    if (argc != 2) return 2;
    gate_folder = argv[1];
    snprintf(path, sizeof path, "%s/folder", gate_folder);
    mkdir(path, 0700);
    int folder = open(path, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 200; i++) {
        char name[30];
        snprintf(name, sizeof name, "file-%d", i);
        close(openat(folder, name, O_CREAT | O_WRONLY, 0600));
    }
    DIR *stream = opendir(path);
    look(stream, 50);
    gate(1);
    look(stream, 60);
    gate(2);
    look(stream, 1000);
    for (int i = 0; i < 200; i++) CHECK(seen[i] == 1);
    CHECK(all == 200);
    CHECK(faccessat(folder, "file-7", F_OK, 0) == 0);
    rewinddir(stream);
    look(stream, 1000);
    CHECK(all == 400);
    return done();
}
