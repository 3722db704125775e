/* Threads and memory that come and go: in each step every rank starts threads, some of which start others, each uses MPI
 * and memory for a moment and ends; so a checkpoint finds threads being made, ending, and being waited for.
 *
 *      main   --create 5-->  worker 0 .. 3   a message to the same worker of the next rank, heap and mappings come and go
 *                            worker 4        detached: makes a thread of its own, and says when that has ended
 *             --join 4, wait for the detached one, a sum over all ranks-->
 *
 * Usage: churn STEPS [--pause-us N] [--progress]
 */
#define _GNU_SOURCE
#include "torture.h"

#include <pthread.h>
#include <sys/mman.h>

enum { WORKERS = 4, BLOCKS = 24, PAGES = 16, PAGE = 4096 };

struct worker {
    pthread_t id;
    int index, step;
    uint64_t seed, result;
};

static MPI_Comm comms[WORKERS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static uint64_t told; /* by the detached thread; 0: not yet */
static _Thread_local uint64_t local = 1;

/* Heap blocks of all sizes and a mapping, written and read: what was written must be there. */
static uint64_t use_memory(uint64_t seed) {
    uint64_t *blocks[BLOCKS], sum = 0;
    for (int i = 0; i < BLOCKS; i++) {
        const size_t words = 1 + mix(seed + (uint64_t)i) % 5000;
        blocks[i] = allocate(words * sizeof(uint64_t));
        blocks[i][0] = mix(seed ^ (uint64_t)i);
        blocks[i][words - 1] ^= words;
    }
    unsigned char *mapping = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) wrong("a mapping", -1, 0);
    for (int page = 0; page < PAGES; page += 3) mapping[page * PAGE + 7] = (unsigned char)(seed >> page);
    mprotect(mapping + PAGE, PAGE, PROT_NONE);
    for (int page = 3; page < PAGES; page += 3) sum += mapping[page * PAGE + 7];
    munmap(mapping, PAGES * PAGE);
    for (int i = 0; i < BLOCKS; i++) {
        sum = mix(sum ^ blocks[i][0]);
        free(blocks[i]);
    }
    return sum;
}

static void *work(void *argument) {
    struct worker *worker = argument;
    uint64_t out[2], in[2];
    local += worker->seed;
    out[0] = use_memory(worker->seed);
    out[1] = local;
    MPI_Sendrecv(out, 2, MPI_UINT64_T, (rank + 1) % size, worker->step % 7, in, 2, MPI_UINT64_T, (rank + size - 1) % size,
                 worker->step % 7, comms[worker->index], MPI_STATUS_IGNORE);
    check("a thread's own variable", (long long)local, (long long)(worker->seed + 1));
    worker->result = mix(in[0] ^ in[1]);
    return NULL;
}

static void *grandchild(void *argument) {
    *(uint64_t *)argument = use_memory(*(uint64_t *)argument);
    return NULL;
}

static void *detached(void *argument) {
    uint64_t value = *(uint64_t *)argument;
    pthread_t child;
    free(argument);
    if (pthread_create(&child, NULL, grandchild, &value) != 0) wrong("a thread within a thread", 0, 1);
    pthread_join(child, NULL);
    pthread_mutex_lock(&mutex);
    told = value | 1;
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void step_once(int step) {
    struct worker workers[WORKERS];
    pthread_t lone;
    uint64_t *seed = allocate(sizeof *seed), sum;
    *seed = mix(digest + 99);
    told = 0;
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.index = i, .step = step, .seed = mix(digest + (uint64_t)i)};
        if (pthread_create(&workers[i].id, NULL, work, &workers[i]) != 0) wrong("a thread", i, -1);
    }
    if (pthread_create(&lone, NULL, detached, seed) != 0) wrong("a detached thread", 0, 1);
    pthread_detach(lone);
    dawdle();
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].id, NULL);
        fold(workers[i].result);
    }
    pthread_mutex_lock(&mutex);
    while (told == 0) pthread_cond_wait(&condition, &mutex);
    fold(told);
    pthread_mutex_unlock(&mutex);
    MPI_Allreduce(&digest, &sum, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    fold(sum);
}

int main(int argc, char **argv) {
    begin_with_threads(&argc, &argv);
    for (int i = 0; i < WORKERS; i++) MPI_Comm_dup(MPI_COMM_WORLD, &comms[i]);
    for (int step = 0; step < steps; step++) {
        tell(step);
        step_once(step);
    }
    report("churn/step", steps);
    for (int i = 0; i < WORKERS; i++) MPI_Comm_free(&comms[i]);
    MPI_Finalize();
    return 0;
}
