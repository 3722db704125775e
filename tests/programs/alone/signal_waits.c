/* Threads that wait for signals with everything blocked: sigwait, sigwaitinfo, sigtimedwait, sigsuspend, ppoll,
 * pselect, epoll_pwait, and a signalfd. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <time.h>

#include "gate.h"

enum { WAITERS = 8 };

static volatile int started, ended, handled;

static void handle(int signal) {
    (void)signal;
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void *waiter(void *argument) {
    const long number = (long)argument;
    const struct timespec long_time = {.tv_sec = 1000};
    sigset_t all, but_usr1;
    siginfo_t info;
    int signal = 0;
    sigfillset(&all);
    but_usr1 = all;
    sigdelset(&but_usr1, SIGUSR1);
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    switch (number) {
    case 0: CHECK(sigwait(&all, &signal) == 0 && signal == SIGUSR2); break;
    case 1: CHECK(sigwaitinfo(&all, &info) == SIGUSR2 && info.si_pid == getpid()); break;
    case 2: CHECK(sigtimedwait(&all, &info, &long_time) == SIGUSR2); break;
    case 3: CHECK(sigsuspend(&but_usr1) == -1 && errno == EINTR); break;
    case 4: CHECK(ppoll(NULL, 0, &long_time, &but_usr1) == -1 && errno == EINTR); break;
    case 6: CHECK(pselect(0, NULL, NULL, NULL, &long_time, &but_usr1) == -1 && errno == EINTR); break;
    case 7: {
        struct epoll_event event;
        const int set = epoll_create1(0);
        CHECK(epoll_pwait(set, &event, 1, -1, &but_usr1) == -1 && errno == EINTR);
        close(set);
        break;
    }
    case 5: {
        struct signalfd_siginfo read_info;
        sigset_t usr2;
        sigemptyset(&usr2);
        sigaddset(&usr2, SIGUSR2);
        const int fd = signalfd(-1, &usr2, SFD_CLOEXEC);
        CHECK(read(fd, &read_info, sizeof read_info) == sizeof read_info && read_info.ssi_signo == SIGUSR2);
        close(fd);
    }
    }
    __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t threads[WAITERS];
    sigset_t all;
    struct sigaction action = {.sa_handler = handle};
    sigaction(SIGUSR1, &action, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (long number = 0; number < WAITERS; number++) pthread_create(&threads[number], NULL, waiter, (void *)number);
    while (started < WAITERS) usleep(1000);
    gate(1);
    CHECK(ended == 0 && handled == 0);
    gate(2);
    CHECK(ended == 0 && handled == 0);
    for (int number = 0; number < WAITERS; number++)
        CHECK(pthread_kill(threads[number], number >= 3 && number != 5 ? SIGUSR1 : SIGUSR2) == 0);
    for (int number = 0; number < WAITERS; number++) pthread_join(threads[number], NULL);
    CHECK(handled == 4);
    return done();
}
