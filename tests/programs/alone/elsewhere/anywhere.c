/* Goes on in a process with another number, on a host with another name, and with other addresses of the system's own: threads
 * and what knows them (locks, signals, timers), memory, children. Prints the host's name, and nothing that may differ otherwise. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../gate.h"

static pthread_mutex_t held = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP, lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_t other;
static int asked, answered;
static volatile sig_atomic_t signalled, ticked;

static void on_signal(int signal) {
    if (signal == SIGUSR1) signalled += pthread_equal(pthread_self(), other) ? 1 : 100;
    else ticked = 1;
}

static void *answer(void *unused) {
    pthread_mutex_lock(&lock);
    for (;;) {
        while (answered == asked) pthread_cond_wait(&changed, &lock);
        answered = asked;
        pthread_cond_broadcast(&changed);
    }
    return unused;
}

static void ask(void) {
    pthread_mutex_lock(&lock);
    asked++;
    pthread_cond_broadcast(&changed);
    while (answered != asked) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void tick(void) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    struct itimerspec soon = {.it_value.tv_nsec = 1000000};
    timer_t timer;
    ticked = 0;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &soon, NULL) == 0);
    while (!ticked) usleep(1000);
    CHECK(timer_delete(timer) == 0);
}

static void look(int number) {
    static int *heap;
    static void (*code)(int) = look;
    char host[100] = "";
    int ended;
    struct timespec now;
    if (number == 0) heap = malloc(1000000), heap[100] = 7;
    CHECK(heap[100] == 7 && code == look && getpid() == (pid_t)syscall(SYS_getpid));
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_sec > 1700000000);
    CHECK(pthread_mutex_lock(&held) == 0 && pthread_mutex_unlock(&held) == 0);
    ask();
    signalled = 0;
    CHECK(pthread_kill(other, SIGUSR1) == 0);
    while (signalled == 0) usleep(1000);
    CHECK(signalled == 1 && pthread_kill(pthread_self(), 0) == 0);
    tick();
    pid_t child = fork();
    if (child == 0) _exit(getppid() > 0 ? 3 : 4);
    CHECK(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 3);
    CHECK(gethostname(host, sizeof host) == 0);
    printf("host %s\n", host);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    gate_folder = argv[1];
    signal(SIGUSR1, on_signal), signal(SIGUSR2, on_signal);
    CHECK(pthread_mutex_lock(&held) == 0 && pthread_create(&other, NULL, answer, NULL) == 0);
    for (int number = 0; number <= 2; number++) {
        if (number > 0) gate(number);
        look(number);
    }
    CHECK(pthread_mutex_unlock(&held) == 0);
    return done();
}
