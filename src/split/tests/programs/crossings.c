// Checkpoints inside calls through the gate: one that the restart makes again, one that it finds completed.
#include <pthread.h>
#include <stdio.h>

typedef unsigned long word;
#define SLOT(n) (*(word (**)())(0x101000 + 8 * (n)))
#define WAIT_FOR_RESTART(...) ((word (*)(word, word, word, word, word, word, word, word))SLOT(0))(__VA_ARGS__)
#define COMPLETE_AND_WAIT(a) ((word (*)(word))SLOT(1))(a)
#define CALL_BACK(f, a) ((word (*)(word (*)(word), word))SLOT(2))(f, a)
#define CROSSINGS() ((word (*)(void))SLOT(3))()

static __thread word local = 5;

static word twice(word value) { return 2 * value + local + (CROSSINGS() > 0); }

static void *completed(void *argument) {
    local = 6;
    word result = COMPLETE_AND_WAIT((word)argument);
    return (void *)(result * 100 + local);
}

int main(void) {
    pthread_t thread;
    void *result;
    printf("callback: %lu\n", CALL_BACK(twice, 10));
    pthread_create(&thread, NULL, completed, (void *)40L);
    printf("made again: %lu\n", WAIT_FOR_RESTART(1, 20, 300, 4000, 50000, 600000, 7000000, 80000000));
    pthread_join(thread, &result);
    printf("completed: %lu\n", (word)result);
    printf("callback: %lu\n", CALL_BACK(twice, 20));
    return 0;
}
