/* Threads that are cancelled after a restart: where they wait, at once, not before they allow it, with clean-up handlers. */
#include <pthread.h>
#include <semaphore.h>

#include "gate.h"

static volatile int cleaned, running, allowed;
static sem_t never;

static void clean(void *argument) { __atomic_add_fetch(&cleaned, (int)(long)argument, __ATOMIC_SEQ_CST); }

static void *waiting(void *argument) {
    pthread_cleanup_push(clean, argument);
    __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
    sem_wait(&never);
    pthread_cleanup_pop(0);
    return argument;
}

static void *spinning(void *argument) {
    int old;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    pthread_cleanup_push(clean, argument);
    __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
    for (volatile long turns = 0;; turns++) {}
    pthread_cleanup_pop(0);
    return argument;
}

static void *unwilling(void *argument) {
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    pthread_cleanup_push(clean, argument);
    __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
    while (!allowed) usleep(1000);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    pthread_testcancel();
    pthread_cleanup_pop(0);
    return argument;
}

static void end(pthread_t thread) {
    void *result;
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t threads[4];
    sem_init(&never, 0, 0);
    pthread_create(&threads[0], NULL, waiting, (void *)1);
    pthread_create(&threads[1], NULL, spinning, (void *)10);
    pthread_create(&threads[2], NULL, unwilling, (void *)100);
    pthread_create(&threads[3], NULL, waiting, (void *)1000);
    while (running < 4) usleep(1000);
    CHECK(pthread_cancel(threads[2]) == 0);
    gate(1);
    CHECK(pthread_cancel(threads[0]) == 0 && pthread_cancel(threads[1]) == 0);
    end(threads[0]);
    end(threads[1]);
    gate(2);
    CHECK(cleaned == 11 && pthread_cancel(threads[3]) == 0);
    end(threads[3]);
    allowed = 1;
    end(threads[2]);
    CHECK(cleaned == 1111);
    return done();
}
