/* Children that have ended and were not waited for, and children that live and end by a signal: what the parent is told of them,
 * by each call that waits, also by one that has been waiting all the time. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "gate.h"

static volatile sig_atomic_t told;
static pid_t living, watched, kept;

static void on_child(int signal) {
    (void)signal;
    told = 1;
}

/* A child that ends with `status`, or by SIGTERM, or by SIGKILL once `end_of_pipe` is closed: a number by which nobody
 * goes any more must not be sent a signal. */
enum { BY_SIGNAL = -1, LATER = -2 };
static int end_of_pipe;

static pid_t start(int status) {
    int ends[2] = {-1, -1};
    char byte;
    if (status == LATER) CHECK(pipe(ends) == 0);
    const pid_t child = fork();
    if (child != 0) {
        close(ends[0]);
        end_of_pipe = ends[1];
        return child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (status == BY_SIGNAL) raise(SIGTERM);
    if (status == LATER) {
        close(ends[1]);
        while (read(ends[0], &byte, 1) != 0) continue;
        raise(SIGKILL);
    }
    _exit(status);
}

/* Waits until `child` has ended, and leaves it. */
static void until_over(pid_t child) {
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == child);
}

static void *wait_for_it(void *argument) {
    int status = 0;
    CHECK(waitpid(living, &status, 0) == living && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return argument;
}

static void is_exited(pid_t child, int status) {
    int word = 0;
    struct rusage usage;
    siginfo_t info;
    memset(&info, 0, sizeof info);
    memset(&usage, 0xff, sizeof usage);
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == status && info.si_uid == getuid());
    CHECK(kill(child, 0) == 0);
    CHECK(wait4(child, &word, 0, &usage) == child && WIFEXITED(word) && WEXITSTATUS(word) == status);
    CHECK(usage.ru_utime.tv_sec >= 0 && usage.ru_maxrss > 0);
    errno = 0;
    CHECK(waitpid(child, &word, 0) == -1 && errno == ECHILD);
}

int main(int argc, char **argv) {
    int word = 0;
    siginfo_t info;
    pthread_t thread;
    gate_folder = argc > 1 ? argv[1] : ".";
    signal(SIGCHLD, on_child);
    const pid_t ended = start(7), by_signal = start(BY_SIGNAL), of_group = start(8);
    kept = start(9);
    living = start(LATER);
    until_over(ended), until_over(by_signal), until_over(of_group), until_over(kept);
    CHECK(pthread_create(&thread, NULL, wait_for_it, NULL) == 0);
    told = 0;
    gate(1);
    close(end_of_pipe);
    CHECK(pthread_join(thread, NULL) == 0);
    while (!told) usleep(1000);
    is_exited(ended, 7);
    CHECK(waitpid(by_signal, &word, WNOHANG) == by_signal && WIFSIGNALED(word) && WTERMSIG(word) == SIGTERM);
    CHECK(waitid(P_PGID, (id_t)getpgrp(), &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_pid == of_group || info.si_pid == kept);
    is_exited(of_group, 8);
    const pid_t late = start(10);
    until_over(late);
    is_exited(late, 10);
    watched = start(LATER);
    gate(2);
    close(end_of_pipe);
    CHECK(waitid(P_PID, (id_t)watched, &info, WEXITED) == 0 && info.si_pid == watched);
    CHECK(info.si_code == CLD_KILLED && info.si_status == SIGKILL);
    CHECK(wait(&word) == kept && WIFEXITED(word) && WEXITSTATUS(word) == 9);
    errno = 0;
    CHECK(wait(&word) == -1 && errno == ECHILD);
    return done();
}
