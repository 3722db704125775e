/* Waits that have a span of time for a limit end when it is over, not at a checkpoint, and not early. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>

#include "gate.h"

enum { WAITERS = 10, SHORT_MS = 400 };

static volatile int started;
static int nothing[2];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void *waiter(void *argument) {
    const struct timespec span = {.tv_nsec = SHORT_MS * 1000000L};
    struct timeval as_timeval = {.tv_usec = SHORT_MS * 1000L};
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    const int set = epoll_create1(0);
    struct epoll_event event;
    fd_set fds;
    FD_ZERO(&fds);
    FD_SET(nothing[0], &fds);
    struct pollfd wanted = {.fd = nothing[0], .events = POLLIN};
    int word = 0;
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    const double begin = now();
    switch ((long)argument) {
    case 0: CHECK(poll(&wanted, 1, SHORT_MS) == 0); break;
    case 1: CHECK(ppoll(&wanted, 1, &span, NULL) == 0); break;
    case 2: CHECK(epoll_wait(set, &event, 1, SHORT_MS) == 0); break;
    case 3: CHECK(select(nothing[0] + 1, &fds, NULL, NULL, &as_timeval) == 0); break;
    case 4: CHECK(pselect(nothing[0] + 1, &fds, NULL, NULL, &span, NULL) == 0); break;
    case 5: CHECK(usleep(SHORT_MS * 1000) == 0); break;
    case 6: CHECK(nanosleep(&span, NULL) == 0); break;
    case 7: CHECK(sigtimedwait(&usr1, NULL, &span) == -1 && errno == EAGAIN); break;
    case 8: {
        const int semaphores = semget(IPC_PRIVATE, 1, 0600);
        struct sembuf take = {.sem_op = -1};
        if (semaphores < 0) break;
        const int result = semtimedop(semaphores, &take, 1, &span);
        CHECK(result == -1 && (errno == EAGAIN || errno == EINVAL));
        semctl(semaphores, 0, IPC_RMID);
        break;
    }
    case 9: CHECK(syscall(SYS_futex, &word, 128, 0, &span, NULL, 0) == -1 && errno == ETIMEDOUT); break;
    }
    const double took = now() - begin;
    CHECK(took > SHORT_MS * 0.99e-3);
    if (failures) printf("waiter %ld\n", (long)argument);
    close(set);
    return NULL;
}

static void run(int gate_number) {
    pthread_t threads[WAITERS];
    started = 0;
    for (long number = 0; number < WAITERS; number++) pthread_create(&threads[number], NULL, waiter, (void *)number);
    while (started < WAITERS) usleep(1000);
    gate(gate_number);
    for (int number = 0; number < WAITERS; number++) pthread_join(threads[number], NULL);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    CHECK(pipe(nothing) == 0);
    run(1);
    run(2);
    return done();
}
