/* Processes whose parent has ended, as daemons are: they go on, belong to nobody in the program, and answer to their numbers.
 *
 *      daemon     forked twice, with a session of its own; it has executed nothing, and has a child
 *      leaf       executed by a process that was forked twice
 */
#include "../gate.h"

#include <signal.h>
#include <sys/wait.h>

struct answer {
    pid_t pid, session, parent;
    int count, signals;
};

struct line {
    int ask[2], answer[2];
};

static volatile sig_atomic_t signals;

static void on_signal(int signal) {
    (void)signal;
    signals++;
}

/* Answers each byte, until there is nobody to ask. */
static void serve(int in, int out) {
    struct answer answer = {0};
    char byte;
    while (read(in, &byte, 1) == 1) {
        answer.pid = getpid();
        answer.session = getsid(0);
        answer.parent = getppid();
        answer.count++;
        answer.signals = signals;
        CHECK(write(out, &answer, sizeof answer) == sizeof answer);
    }
    _exit(failures ? 1 : 0);
}

static void daemon_of(struct line *line) {
    setsid();
    signal(SIGUSR1, on_signal);
    int to_child[2];
    CHECK(pipe(to_child) == 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(to_child[1]);
        close(line->ask[1]);
        _exit(read(to_child[0], &byte, 1) == 0 ? 7 : 1);
    }
    close(line->ask[1]);
    close(to_child[0]);
    struct answer answer = {0};
    char byte;
    while (read(line->ask[0], &byte, 1) == 1) {
        answer = (struct answer){getpid(), getsid(0), getppid(), answer.count + 1, signals};
        CHECK(kill(child, 0) == 0 && waitpid(child, NULL, WNOHANG) == 0);
        CHECK(write(line->answer[1], &answer, sizeof answer) == sizeof answer);
    }
    close(to_child[1]);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
    char end = failures ? 'x' : 'e';
    CHECK(write(line->answer[1], &end, 1) == 1);
    _exit(0);
}

/* Makes one that outlives its parent, and waits for that. */
static void start(struct line *line, const char *self) {
    CHECK(pipe(line->ask) == 0 && pipe(line->answer) == 0);
    pid_t between = fork();
    if (between == 0) {
        if (fork() != 0) _exit(3);
        if (self == NULL) daemon_of(line);
        close(line->ask[1]);
        char in[16], out[16];
        snprintf(in, sizeof in, "%d", line->ask[0]);
        snprintf(out, sizeof out, "%d", line->answer[1]);
        execl(self, self, "leaf", in, out, (char *)NULL);
        _exit(2);
    }
    int status;
    CHECK(waitpid(between, &status, 0) == between && WEXITSTATUS(status) == 3);
    close(line->ask[0]);
    close(line->answer[1]);
}

static struct answer ask(struct line *line) {
    struct answer answer = {0};
    CHECK(write(line->ask[1], "?", 1) == 1);
    CHECK(read(line->answer[0], &answer, sizeof answer) == sizeof answer);
    return answer;
}

static pid_t pids[2];

static void look(struct line *lines, int count) {
    for (int which = 0; which < 2; which++) {
        struct answer answer = ask(&lines[which]);
        if (pids[which] == 0) pids[which] = answer.pid;
        CHECK(answer.pid == pids[which] && answer.count == count);
        CHECK(answer.parent != getpid() && answer.parent != answer.pid);
        CHECK((answer.session == answer.pid) == (which == 0));
        CHECK(kill(pids[which], 0) == 0);
        CHECK(which == 1 || answer.signals == count - 1);
    }
    CHECK(kill(pids[0], SIGUSR1) == 0);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1);
}

int main(int argc, char **argv) {
    if (argc > 3) serve(atoi(argv[2]), atoi(argv[3]));
    gate_folder = argv[1];
    struct line lines[2];
    start(&lines[0], NULL);
    start(&lines[1], argv[0]);
    look(lines, 1);
    gate(1);
    look(lines, 2);
    gate(2);
    look(lines, 3);
    close(lines[0].ask[1]);
    close(lines[1].ask[1]);
    char end[2];
    CHECK(read(lines[0].answer[0], end, 2) == 1 && end[0] == 'e' && read(lines[0].answer[0], end, 1) == 0);
    CHECK(read(lines[1].answer[0], end, 1) == 0);
    return done();
}
