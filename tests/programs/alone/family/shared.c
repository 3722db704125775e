/* Memory without a name that processes share: of parent and child, and of the child and its own child only. Mutexes and semaphores in it work
 * between them, and a file in memory that both have open is one file. */
#define _GNU_SOURCE
#include "../gate.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct shared {
    pthread_mutex_t mutex;
    sem_t asked, answered;
    long sum;
};

static struct shared *make(void) {
    int flags = MAP_SHARED | MAP_ANONYMOUS;
    struct shared *shared = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
    CHECK(shared != MAP_FAILED);
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->mutex, &kind);
    sem_init(&shared->asked, 1, 0);
    sem_init(&shared->answered, 1, 0);
    return shared;
}

static void add(struct shared *shared, long what) {
    pthread_mutex_lock(&shared->mutex);
    shared->sum += what;
    pthread_mutex_unlock(&shared->mutex);
}

static void ask(struct shared *shared) {
    sem_post(&shared->asked);
    while (sem_wait(&shared->answered) != 0) continue;
}

static void answer(struct shared *shared, long each) {
    while (sem_wait(&shared->asked) != 0) continue;
    add(shared, each);
    sem_post(&shared->answered);
}

static int child(struct shared *with_parent, int file) {
    struct shared *own = make();
    pid_t third = fork();
    if (third == 0) {
        for (int round = 0; round < 3; round++) answer(own, 100);
        _exit(0);
    }
    for (int round = 0; round < 3; round++) {
        while (sem_wait(&with_parent->asked) != 0) continue;
        ask(own);
        add(with_parent, own->sum);
        char text[100] = "";
        CHECK(pread(file, text, sizeof text, 0) == round + 1);
        CHECK(text[round] == 'a' + round);
        sem_post(&with_parent->answered);
    }
    CHECK(waitpid(third, NULL, 0) == third);
    return failures != 0;
}

int main(int argc, char **argv) {
    (void)argc;
    gate_folder = argv[1];
    struct shared *shared = make();
    int file = memfd_create("of both", 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) _exit(child(shared, file));
    for (int round = 1; round <= 3; round++) {
        CHECK(write(file, &(char){'a' + round - 1}, 1) == 1);
        add(shared, 1);
        ask(shared);
        printf("the sum is %ld\n", shared->sum);
        if (round < 3) gate(round);
    }
    int status = 1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return done();
}
