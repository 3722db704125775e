/* Semaphores with names, which are small shared files: counts are kept, one that was unlinked goes on, a thread that waits
 * for one is woken by another name's handle. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>

#include "gate.h"

static sem_t *named, *unlinked;

static void *waits(void *argument) {
    CHECK(sem_wait(unlinked) == 0);
    return argument;
}

static int value(sem_t *semaphore) {
    int value = -1;
    sem_getvalue(semaphore, &value);
    return value;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    char name[64], other[64];
    pthread_t thread;
    snprintf(name, sizeof name, "/mana_named_%d", (int)getpid());
    snprintf(other, sizeof other, "/mana_unlinked_%d", (int)getpid());
    named = sem_open(name, O_CREAT | O_EXCL, 0600, 2);
    unlinked = sem_open(other, O_CREAT | O_EXCL, 0600, 0);
    CHECK(named != SEM_FAILED && unlinked != SEM_FAILED);
    sem_unlink(other);
    pthread_create(&thread, NULL, waits, NULL);
    gate(1);
    CHECK(value(named) == 2);
    CHECK(sem_trywait(named) == 0);
    sem_t *again = sem_open(name, 0);
    CHECK(again != SEM_FAILED && value(again) == 1);
    sem_post(again);
    gate(2);
    CHECK(value(named) == 2);
    sem_post(unlinked);
    pthread_join(thread, NULL);
    CHECK(value(unlinked) == 0);
    sem_close(again);
    sem_close(named);
    sem_unlink(name);
    return done();
}
