/* Files of /proc that are about the process itself. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "gate.h"

int main(int argc, char **argv) {
    char text[4096];
    int secret = 12345, found = 0;
    if (argc != 2) return 2;
    gate_folder = argv[1];
    int status = open("/proc/self/status", O_RDONLY), memory = open("/proc/self/mem", O_RDWR);
    DIR *open_ones = opendir("/proc/self/fd");
    CHECK(status >= 0 && memory >= 0 && open_ones != NULL);
    CHECK(read(status, text, 5) == 5 && memcmp(text, "Name:", 5) == 0);
    for (int number = 1; number <= 2; number++) {
        gate(number);
        int other = 0;
        CHECK(pread(memory, &other, sizeof other, (off_t)&secret) == sizeof other && other == secret);
        secret++;
        CHECK(lseek(status, 0, SEEK_SET) == 0 && read(status, text, sizeof text) > 100);
        CHECK(memcmp(text, "Name:", 5) == 0);
        rewinddir(open_ones);
        found = 0;
        for (struct dirent *entry; (entry = readdir(open_ones));) found += atoi(entry->d_name) == memory;
        CHECK(found == 1);
    }
    return done();
}
