/* What leads out of the process cannot be kept: a pipe that a child writes to. After a restart it has come to its end. */
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "../gate.h"

int main(int argc, char **argv) {
    int ends[2];
    char text[10] = "";
    if (argc != 2) return 2;
    gate_folder = argv[1];
    CHECK(pipe(ends) == 0);
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        CHECK(write(ends[1], "child", 5) == 5);
        for (;;) pause();
    }
    close(ends[1]);
    CHECK(read(ends[0], text, 5) == 5 && memcmp(text, "child", 5) == 0);
    gate(1);
    CHECK(read(ends[0], text, 1) == 0);
    return done();
}
