/* Waiting for a certain child, by its number, over two restarts: numbers that are no longer the kernel's.
 *
 *      waited     a child that lives over both gates; the program is in waitpid(2) for it all the time
 *      ended      that child's own, forked before the first gate; it ends between the gates and is waited for after the second
 *      leaf       that child's own, executed between the gates: it lives over the second one, and says whose child it is
 */
#include "../gate.h"

#include <string.h>
#include <sys/wait.h>

static void expect(pid_t child, int status) {
    int got = 0;
    CHECK(waitpid(child, &got, 0) == child);
    CHECK(WIFEXITED(got) && WEXITSTATUS(got) == status);
}

/* Waits for the end of the other end's writers. */
static int leaf(int in, pid_t parent) {
    char byte;
    CHECK(getppid() == parent);
    while (read(in, &byte, 1) == 1) {}
    CHECK(getppid() == parent);
    return failures ? 1 : 23;
}

static int waited(const char *self) {
    int to_ended[2], to_leaf[2];
    CHECK(pipe(to_ended) == 0 && pipe(to_leaf) == 0);
    pid_t ended = fork();
    if (ended == 0) {
        char byte;
        close(to_ended[1]);
        _exit(read(to_ended[0], &byte, 1) == 1 ? 1 : 21);
    }
    close(to_ended[0]);
    gate(1);
    close(to_ended[1]);
    siginfo_t info;
    /* It has ended, and is still to be waited for. */
    CHECK(waitid(P_PID, ended, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == ended);
    pid_t below = fork();
    if (below == 0) {
        char in[16], parent[16];
        close(to_leaf[1]);
        snprintf(in, sizeof in, "%d", to_leaf[0]);
        snprintf(parent, sizeof parent, "%d", getppid());
        execl(self, self, "leaf", in, parent, (char *)NULL);
        _exit(2);
    }
    close(to_leaf[0]);
    gate(2);
    expect(ended, 21);
    close(to_leaf[1]);
    expect(below, 23);
    CHECK(waitpid(-1, NULL, 0) == -1);
    return failures ? 1 : 19;
}

int main(int argc, char **argv) {
    if (argc > 3) return leaf(atoi(argv[2]), atoi(argv[3]));
    gate_folder = argv[1];
    pid_t child = fork();
    if (child == 0) {
        int status = waited(argv[0]);
        fflush(stdout);
        _exit(status);
    }
    expect(child, 19);
    return done();
}
