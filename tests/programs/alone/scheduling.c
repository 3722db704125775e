/* What the scheduler knows of a thread: its name, how nice it is, its policy, and how exact its sleeps are. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "gate.h"

static pthread_barrier_t stand, go;

static void check(const char *wanted, int nice_wanted, int policy, unsigned long slack) {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    CHECK(strcmp(name, wanted) == 0);
    CHECK(getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid)) == nice_wanted);
    CHECK(sched_getscheduler(0) == policy);
    CHECK((unsigned long)prctl(PR_GET_TIMERSLACK) == slack);
}

static void set(const char *name, int niceness, int policy, unsigned long slack) {
    const struct sched_param none = {.sched_priority = 0};
    CHECK(pthread_setname_np(pthread_self(), name) == 0);
    CHECK(sched_setscheduler(0, policy, &none) == 0);
    CHECK(setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), niceness) == 0);
    CHECK(prctl(PR_SET_TIMERSLACK, slack) == 0);
}

static void *body(void *argument) {
    set("nicer", 7, SCHED_BATCH, 70000);
    pthread_barrier_wait(&stand);
    pthread_barrier_wait(&go);
    check("nicer", 7, SCHED_BATCH, 70000);
    return argument;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t thread;
    pthread_barrier_init(&stand, NULL, 2);
    pthread_barrier_init(&go, NULL, 2);
    pthread_create(&thread, NULL, body, NULL);
    pthread_barrier_wait(&stand);
    set("nice", 3, SCHED_OTHER, 60000);
    gate(1);
    check("nice", 3, SCHED_OTHER, 60000);
    gate(2);
    check("nice", 3, SCHED_OTHER, 60000);
    pthread_barrier_wait(&go);
    pthread_join(thread, NULL);
    return done();
}
