/* A program executes another one in its own place, twice, between the checkpoints. What a process keeps over that is kept: its number,
 * open descriptors, ignored and blocked signals, the file mode mask, clocks that do not run backwards. */
#include "gate.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

extern char **environ;

static long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

/* Executes this program again, by the name that it has for itself, with one variable. */
static void again(const char *name, const char *stage, int file) {
    char number[20], time[30], descriptor[20];
    snprintf(number, sizeof number, "%d", getpid());
    snprintf(time, sizeof time, "%ld", now_ns());
    snprintf(descriptor, sizeof descriptor, "%d", file);
    char *arguments[] = {(char *)name, (char *)gate_folder, (char *)stage, number, time, descriptor, NULL};
    char *variables[] = {"KEPT=this one", NULL};
    execve("/proc/self/exe", arguments, variables);
    perror("execve");
    exit(1);
}

static void check(char **argv, const char *written) {
    CHECK(getpid() == atoi(argv[3]));
    CHECK(now_ns() >= atol(argv[4]));
    CHECK(strcmp(getenv("KEPT"), "this one") == 0);
    CHECK(environ[1] == NULL);
    struct sigaction action;
    sigaction(SIGUSR1, NULL, &action);
    CHECK(action.sa_handler == SIG_IGN);
    sigaction(SIGPIPE, NULL, &action);
    CHECK(action.sa_handler == SIG_IGN);
    sigaction(SIGUSR2, NULL, &action);
    CHECK(action.sa_handler == SIG_DFL);
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    CHECK(sigismember(&blocked, SIGHUP) && !sigismember(&blocked, SIGINT));
    CHECK(umask(027) == 027);
    char path[500], text[100] = "";
    ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - 1);
    path[bytes < 0 ? 0 : bytes] = 0;
    CHECK(strstr(path, "executed") != NULL);
    int file = atoi(argv[5]);
    CHECK(lseek(file, 0, SEEK_CUR) == (off_t)strlen(written));
    CHECK(pread(file, text, sizeof text, 0) == (ssize_t)strlen(written));
    CHECK(strcmp(text, written) == 0);
    CHECK(fcntl(file + 1, F_GETFD) == -1);
}

static void on_signal(int signal) { (void)signal; }

int main(int argc, char **argv) {
    gate_folder = argv[1];
    if (argc == 2) {
        char path[500];
        snprintf(path, sizeof path, "%s/executed.out", gate_folder);
        umask(027);
        int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
        open("/dev/null", O_RDONLY | O_CLOEXEC);
        CHECK(write(file, "first ", 6) == 6);
        signal(SIGUSR1, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGUSR2, on_signal);
        sigset_t blocked;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGHUP);
        sigprocmask(SIG_BLOCK, &blocked, NULL);
        execl("/nowhere/at/all", "nothing", NULL);
        gate(1);
        CHECK(failures == 0);
        again(argv[0], "second", file);
    }
    if (strcmp(argv[2], "second") == 0) {
        check(argv, "first ");
        int file = atoi(argv[5]);
        CHECK(write(file, "second ", 7) == 7);
        gate(2);
        check(argv, "first second ");
        CHECK(failures == 0);
        again(argv[0], "third", file);
    }
    check(argv, "first second ");
    printf("%s\n", argv[2]);
    return done();
}
