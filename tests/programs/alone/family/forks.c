/* A child and its child, forked, that have executed nothing: they answer through pipes, keep their numbers, are told of signals, and end as
 * they should. One thread of the first child waits in a mutex's condition. */
#include "../gate.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static int to_child[2], to_parent[2];
static volatile sig_atomic_t signals;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    if (info->si_pid == getppid()) signals++;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int asked, answered;

static void *worker(void *unused) {
    (void)unused;
    pthread_mutex_lock(&mutex);
    for (;;) {
        while (asked == answered) pthread_cond_wait(&condition, &mutex);
        answered = asked;
        pthread_cond_broadcast(&condition);
    }
    return NULL;
}

static int grandchild(int in, int out) {
    pid_t self = getpid(), parent = getppid();
    char byte;
    int sum = 0;
    while (read(in, &byte, 1) == 1) sum += byte;
    int same = self == getpid() && parent == getppid();
    return write(out, &(int){same ? sum : -1}, sizeof(int)) == sizeof(int) ? 21 : 22;
}

static int child(void) {
    pid_t self = getpid();
    int down[2], up[2];
    CHECK(pipe(down) == 0 && pipe(up) == 0);
    pid_t third = fork();
    if (third == 0) {
        close(down[1]);
        close(to_child[1]);
        close(to_child[0]);
        _exit(grandchild(down[0], up[1]));
    }
    close(down[0]);
    close(to_child[1]);
    sigset_t user;
    sigemptyset(&user);
    sigaddset(&user, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &user, NULL);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, worker, NULL) == 0);
    pthread_sigmask(SIG_UNBLOCK, &user, NULL);
    char byte;
    int count = 0;
    while (read(to_child[0], &byte, 1) == 1) {
        pthread_mutex_lock(&mutex);
        asked = ++count;
        pthread_cond_broadcast(&condition);
        while (answered != asked) pthread_cond_wait(&condition, &mutex);
        pthread_mutex_unlock(&mutex);
        CHECK(write(down[1], &byte, 1) == 1);
        CHECK(write(to_parent[1], &(int){count}, sizeof(int)) == sizeof(int));
    }
    close(down[1]);
    int sum = 0, status = 0;
    CHECK(read(up[0], &sum, sizeof sum) == sizeof sum);
    CHECK(waitpid(third, &status, 0) == third && WEXITSTATUS(status) == 21);
    CHECK(self == getpid());
    CHECK(write(to_parent[1], &sum, sizeof sum) == sizeof sum);
    return failures ? 1 : 10 + signals;
}

int main(int argc, char **argv) {
    (void)argc;
    gate_folder = argv[1];
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    CHECK(pipe(to_child) == 0 && pipe(to_parent) == 0);
    fflush(stdout);
    pid_t first = fork();
    if (first == 0) _exit(child());
    close(to_child[0]);
    for (int round = 1; round <= 3; round++) {
        int count = 0;
        CHECK(write(to_child[1], &(char){round}, 1) == 1);
        CHECK(read(to_parent[0], &count, sizeof count) == sizeof count);
        CHECK(count == round);
        CHECK(kill(first, SIGUSR1) == 0);
        CHECK(waitpid(first, NULL, WNOHANG) == 0);
        if (round < 3) gate(round);
    }
    close(to_child[1]);
    int sum = 0;
    CHECK(read(to_parent[0], &sum, sizeof sum) == sizeof sum);
    siginfo_t info;
    CHECK(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == first);
    int status = 0;
    CHECK(wait(&status) == first);
    CHECK(WIFEXITED(status));
    printf("sum %d, status %d\n", sum, WEXITSTATUS(status));
    return done();
}
