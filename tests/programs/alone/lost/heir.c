/* A thread waits for a mutex with priority inheritance, whose owner the kernel knows by its number. */
#include <pthread.h>

#include "../gate.h"

static pthread_mutex_t held;

static void *wait_for_it(void *argument) {
    pthread_mutex_lock(&held);
    return argument;
}

int main(int argc, char **argv) {
    pthread_t thread;
    pthread_mutexattr_t attributes;
    if (argc != 2) return 2;
    gate_folder = argv[1];
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&held, &attributes);
    pthread_mutex_lock(&held);
    pthread_create(&thread, NULL, wait_for_it, NULL);
    /* The bit of the word that says that somebody waits (futex(2)). */
    while ((__atomic_load_n((unsigned *)&held, __ATOMIC_SEQ_CST) & 0x80000000U) == 0) usleep(1000);
    gate(1);
    return done();
}
