/* The numbers of the process and of its threads stay what they were, for whatever tells or takes them: by libc, by system calls,
 * in locks, in paths, in signals, for threads made before and later, and for children. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "gate.h"

enum { THREADS = 3 };

static pid_t process, numbers[THREADS];
static pthread_t threads[THREADS];
static pthread_mutex_t checked, recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP, left;
static sem_t asked[THREADS], answered;
static volatile sig_atomic_t sender, of_thread, by_value, how;
static volatile int quit;

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    sender = info->si_pid;
    by_value = info->si_value.sival_int;
    how = info->si_code;
    of_thread = (pid_t)syscall(SYS_gettid);
}

/* The calling thread has the number `own`. */
static void is_called(pid_t own) {
    int minimum = 0;
    CHECK(getpid() == process && (pid_t)syscall(SYS_getpid) == process);
    CHECK(gettid() == own && (pid_t)syscall(SYS_gettid) == own);
    sender = of_thread = 0;
    CHECK(raise(SIGUSR1) == 0 && of_thread == own && sender == process && how == SI_TKILL);
    CHECK(pthread_mutex_lock(&checked) == 0 && pthread_mutex_lock(&checked) == EDEADLK);
    CHECK(pthread_mutex_unlock(&checked) == 0 && pthread_mutex_unlock(&checked) == EPERM);
    CHECK((minimum = sched_getscheduler(own)) >= 0 && minimum == sched_getscheduler(0));
}

static void *worker(void *argument) {
    const long me = (long)argument;
    numbers[me] = gettid();
    sem_post(&answered);
    for (;;) {
        sem_wait(&asked[me]);
        if (quit) break;
        is_called(numbers[me]);
        sem_post(&answered);
    }
    if (me == 0) CHECK(pthread_mutex_lock(&left) == 0);
    return NULL;
}

static void *later(void *argument) {
    const pid_t own = gettid();
    (void)argument;
    CHECK(own != process);
    for (int i = 0; i < THREADS; i++) CHECK(own != numbers[i]);
    is_called(own);
    return NULL;
}

/* A thread that the kernel gives a number that one of ours has kept, where this user may ask for it. */
static void taken_number(void) {
    pthread_t thread;
    for (int i = 0; i < THREADS; i++) {
        const int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
        if (last >= 0) {
            if (dprintf(last, "%d", numbers[i] - 1) <= 0) errno = 0;
            close(last);
        }
        CHECK(pthread_create(&thread, NULL, later, NULL) == 0 && pthread_join(thread, NULL) == 0);
    }
}

static void is_in_proc(pid_t number) {
    char path[100], text[4096] = "", target[500] = "";
    struct stat found, own;
    snprintf(path, sizeof path, "/proc/%d/cmdline", process);
    int file = open(path, O_RDONLY), same = open("/proc/self/cmdline", O_RDONLY);
    char own_text[4096] = "";
    CHECK(file >= 0 && read(file, text, sizeof text) > 0 && read(same, own_text, sizeof own_text) > 0);
    CHECK(memcmp(text, own_text, sizeof text) == 0);
    close(file), close(same);
    snprintf(path, sizeof path, "/proc/%d", process);
    CHECK(stat(path, &found) == 0 && stat("/proc/self/", &own) == 0 && found.st_ino == own.st_ino);
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", number);
    CHECK(access(path, R_OK) == 0);
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", process, number);
    CHECK(access(path, R_OK) == 0);
    FILE *name = fopen(path, "r");
    CHECK(name != NULL && fgets(text, sizeof text, name) != NULL && strncmp(text, "numbers", 7) == 0);
    if (name != NULL) fclose(name);
    snprintf(path, sizeof path, "/proc/%d/exe", process);
    CHECK(readlink(path, target, sizeof target - 1) > 0 && strstr(target, "numbers") != NULL);
}

/* A call that sends SIGUSR1 has ended with `result`. */
static void is_sent(int result) {
    CHECK(result == 0);
    while (result == 0 && sender == 0) usleep(100);
    CHECK(sender == process);
    sender = 0;
}

static void is_taken(pid_t number) {
    cpu_set_t processors;
    clockid_t clock;
    struct timespec spent;
    struct sched_param parameters;
    const union sigval value = {.sival_int = 17};
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
    info.si_value.sival_int = 18;
    info.si_pid = process;
    CHECK(sched_getaffinity(number, sizeof processors, &processors) == 0);
    CHECK(sched_setaffinity(number, sizeof processors, &processors) == 0);
    CHECK(sched_getparam(number, &parameters) == 0);
    CHECK(getpriority(PRIO_PROCESS, number) == 0 && setpriority(PRIO_PROCESS, number, 0) == 0);
    CHECK(getpgid(process) == getpgrp() && getpgid(0) == getpgrp() && getsid(process) == getsid(0));
    sender = 0;
    CHECK(kill(process, 0) == 0 && syscall(SYS_tgkill, process, number, 0) == 0 && syscall(SYS_tkill, number, 0) == 0);
    is_sent(sigqueue(process, SIGUSR1, value));
    CHECK(by_value == 17);
    is_sent((int)syscall(SYS_rt_tgsigqueueinfo, process, number, SIGUSR1, &info));
    CHECK(by_value == 18 && of_thread == number);
    const int file = (int)syscall(SYS_pidfd_open, process, 0);
    CHECK(file >= 0 && close(file) == 0);
    CHECK(clock_getcpuclockid(process, &clock) == 0 && clock_gettime(clock, &spent) == 0);
}

static void memory_is_read(void) {
    int from = 5, to = 0;
    const struct iovec there = {&from, sizeof from}, here = {&to, sizeof to};
    struct rlimit limit, other;
    CHECK(process_vm_readv(process, &here, 1, &there, 1, 0) == sizeof from && to == 5);
    CHECK(prlimit(process, RLIMIT_NOFILE, NULL, &limit) == 0 && getrlimit(RLIMIT_NOFILE, &other) == 0);
    CHECK(limit.rlim_cur == other.rlim_cur);
}

static void owner_of_signals(void) {
    int ends[2];
    struct f_owner_ex owner = {F_OWNER_TID, numbers[1]};
    CHECK(pipe(ends) == 0 && fcntl(ends[0], F_SETOWN, process) == 0 && fcntl(ends[0], F_GETOWN) == process);
    CHECK(fcntl(ends[0], F_SETOWN_EX, &owner) == 0);
    owner.pid = 0;
    CHECK(fcntl(ends[0], F_GETOWN_EX, &owner) == 0 && owner.type == F_OWNER_TID && owner.pid == numbers[1]);
    close(ends[0]), close(ends[1]);
}

/* A child has a number of its own, and knows its parent by the one that the parent has. */
static void child(void) {
    int ended;
    const pid_t made = fork();
    if (made == 0) {
        if (getpid() == process || getppid() != process || gettid() != getpid()) _exit(1);
        if (kill(process, SIGUSR2) != 0 || raise(SIGUSR1) != 0 || sender != getpid()) _exit(2);
        _exit(3);
    }
    CHECK(waitpid(made, &ended, 0) == made && WIFEXITED(ended) && WEXITSTATUS(ended) == 3);
}

static void look(void) {
    struct timespec spent;
    clockid_t clock;
    is_called(process);
    for (int i = 0; i < THREADS; i++) {
        sem_post(&asked[i]);
        sem_wait(&answered);
        is_taken(numbers[i]);
        is_in_proc(numbers[i]);
        CHECK(pthread_getcpuclockid(threads[i], &clock) == 0 && clock_gettime(clock, &spent) == 0);
    }
    taken_number();
    memory_is_read();
    owner_of_signals();
    child();
}

int main(int argc, char **argv) {
    pthread_mutexattr_t attributes;
    gate_folder = argc > 1 ? argv[1] : ".";
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGUSR2, SIG_IGN);
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&checked, &attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_NORMAL);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&left, &attributes);
    process = getpid();
    sem_init(&answered, 0, 0);
    for (long i = 0; i < THREADS; i++) {
        sem_init(&asked[i], 0, 0);
        CHECK(pthread_create(&threads[i], NULL, worker, (void *)i) == 0);
        sem_wait(&answered);
    }
    look();
    CHECK(pthread_mutex_lock(&recursive) == 0);
    gate(1);
    CHECK(pthread_mutex_lock(&recursive) == 0 && pthread_mutex_unlock(&recursive) == 0);
    look();
    gate(2);
    look();
    CHECK(pthread_mutex_unlock(&recursive) == 0);
    /* A thread that the program knows by an older number ends with a lock, for which another one waits. */
    quit = 1;
    for (int i = 0; i < THREADS; i++) {
        sem_post(&asked[i]);
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(pthread_mutex_lock(&left) == EOWNERDEAD && pthread_mutex_consistent(&left) == 0);
    CHECK(pthread_mutex_unlock(&left) == 0);
    return done();
}
