/* pthread_once, thread-local variables, and the destructors of thread-specific data, begun before and ended after. */
#include <pthread.h>

#include "gate.h"

static pthread_once_t before = PTHREAD_ONCE_INIT, after = PTHREAD_ONCE_INIT;
static pthread_key_t key, later_key;
static int runs_before, runs_after, destroyed;
static _Thread_local int own = 7, zeroed[3];
static pthread_barrier_t stand, go;

static void run_before(void) { runs_before++; }
static void run_after(void) { runs_after++; }
static void destroy(void *value) { __atomic_add_fetch(&destroyed, (int)(long)value, __ATOMIC_SEQ_CST); }

static void *body(void *argument) {
    const int number = (int)(long)argument;
    pthread_once(&before, run_before);
    pthread_setspecific(key, argument);
    own += number;
    zeroed[2] = number;
    pthread_barrier_wait(&stand);
    pthread_barrier_wait(&go);
    CHECK(own == 7 + number && zeroed[2] == number && zeroed[0] == 0);
    CHECK(pthread_getspecific(key) == argument);
    CHECK(pthread_getspecific(later_key) == NULL && pthread_setspecific(later_key, argument) == 0);
    pthread_once(&before, run_before);
    pthread_once(&after, run_after);
    return NULL;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t threads[3];
    pthread_key_create(&key, destroy);
    pthread_barrier_init(&stand, NULL, 4);
    pthread_barrier_init(&go, NULL, 4);
    for (long number = 1; number <= 3; number++) pthread_create(&threads[number - 1], NULL, body, (void *)number);
    pthread_barrier_wait(&stand);
    gate(1);
    CHECK(pthread_key_create(&later_key, destroy) == 0 && destroyed == 0);
    gate(2);
    pthread_barrier_wait(&go);
    for (int number = 0; number < 3; number++) pthread_join(threads[number], NULL);
    CHECK(runs_before == 1 && runs_after == 1 && destroyed == 2 * (1 + 2 + 3));
    return done();
}
