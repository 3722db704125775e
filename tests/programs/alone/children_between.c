/* Children that are started and waited for between checkpoints, in every way: fork, vfork, posix_spawn, system, popen; what
 * they write comes through pipes, and their status is theirs. */
#define _GNU_SOURCE
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "gate.h"

extern char **environ;

static int status_of(pid_t child) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void forked(void) {
    int ends[2];
    char heard[16] = "";
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        _exit(write(ends[1], "from below", 10) == 10 ? 3 : 4);
    }
    close(ends[1]);
    CHECK(read(ends[0], heard, sizeof heard) == 10 && strcmp(heard, "from below") == 0);
    close(ends[0]);
    CHECK(status_of(child) == 3);
}

static void vforked(void) {
    pid_t child = vfork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
        _exit(127);
    }
    CHECK(status_of(child) == 5);
}

static void spawned(void) {
    pid_t child;
    char *words[] = {"sh", "-c", "exit 6", NULL};
    CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, words, environ) == 0);
    CHECK(status_of(child) == 6);
}

static void by_libc(void) {
    char line[32] = "";
    CHECK(WEXITSTATUS(system("exit 7")) == 7);
    FILE *from = popen("echo heard", "r");
    CHECK(fgets(line, sizeof line, from) != NULL && strcmp(line, "heard\n") == 0);
    CHECK(pclose(from) == 0);
}

static void all(void) {
    forked();
    vforked();
    spawned();
    by_libc();
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    all();
    gate(1);
    all();
    gate(2);
    all();
    return done();
}
