/* The processor that rseq says a thread runs on, of threads from before a restart and after. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/rseq.h>

#include "gate.h"

static pthread_barrier_t stand, go;

static void check(void) {
    if (__rseq_size == 0) return;
    volatile struct rseq *own = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);
    cpu_set_t one, before;
    sched_getaffinity(0, sizeof before, &before);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &before)) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
        CHECK((int)own->cpu_id == cpu);
    }
    sched_setaffinity(0, sizeof before, &before);
}

static void *body(void *argument) {
    check();
    pthread_barrier_wait(&stand);
    pthread_barrier_wait(&go);
    check();
    return argument;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t thread, later;
    pthread_barrier_init(&stand, NULL, 2);
    pthread_barrier_init(&go, NULL, 2);
    check();
    pthread_create(&thread, NULL, body, NULL);
    pthread_barrier_wait(&stand);
    gate(1);
    check();
    pthread_barrier_wait(&go);
    pthread_join(thread, NULL);
    gate(2);
    check();
    pthread_create(&later, NULL, body, NULL);
    pthread_barrier_wait(&stand);
    pthread_barrier_wait(&go);
    pthread_join(later, NULL);
    return done();
}
