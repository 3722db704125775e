/* Numbers that the kernel gives again after a restart, while the program still knows processes by them: a new child is not taken for an
 * older one.
 *
 * Where we may, the kernel is told which number comes next; elsewhere it is most likely another one.
 */
#include "../gate.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

/* Has the next process get this number, if it is free. */
static void next_is(pid_t number) {
    FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "w");
    if (last == NULL) return;
    fprintf(last, "%d", number - 1);
    fclose(last);
}

static void fork_at(pid_t number) {
    int status;
    next_is(number);
    pid_t child = fork();
    if (child == 0) _exit(getpid() == number || getpid() == getppid() ? 1 : 9);
    CHECK(child > 0 && child != number);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

static void spawn_at(pid_t number) {
    int status;
    pid_t child;
    char *words[] = {"sleep", "1000", NULL};
    next_is(number);
    CHECK(posix_spawnp(&child, "sleep", NULL, NULL, words, environ) == 0);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Whether both live: the child and its own child, of which it tells. */
static void live(int ask, int answer, pid_t grandchild) {
    char byte;
    CHECK(write(ask, "?", 1) == 1 && read(answer, &byte, 1) == 1 && byte == '!');
    CHECK(kill(grandchild, 0) == 0);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    gate_folder = argv[1];
    int down[2], up[2];
    CHECK(pipe(down) == 0 && pipe(up) == 0);
    pid_t child = fork(), grandchild;
    if (child == 0) {
        char byte;
        close(down[1]);
        pid_t own = fork();
        if (own == 0) _exit(read(down[0], &byte, 0) == 0 && pause() == 0);
        CHECK(write(up[1], &own, sizeof own) == sizeof own);
        while (read(down[0], &byte, 1) == 1) {
            CHECK(waitpid(own, NULL, WNOHANG) == 0);
            CHECK(write(up[1], failures ? "x" : "!", 1) == 1);
        }
        kill(own, SIGKILL);
        waitpid(own, NULL, 0);
        _exit(4);
    }
    close(down[0]);
    close(up[1]);
    CHECK(read(up[0], &grandchild, sizeof grandchild) == sizeof grandchild);
    for (int number = 1; number <= 2; number++) {
        gate(number);
        fork_at(getpid());
        fork_at(child);
        fork_at(grandchild);
        spawn_at(grandchild);
        live(down[1], up[0], grandchild);
    }
    close(down[1]);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 4);
    CHECK(waitpid(-1, &status, 0) == -1);
    return done();
}
