/* MPI_THREAD_MULTIPLE: four threads in each of two ranks (any even number works), all in MPI at once.
 *
 *      rank 0   thread 0  <--- communicator 0 --->  thread 0   rank 1
 *               thread 1  <--- communicator 1 --->  thread 1
 *               thread 2  <--- communicator 2 --->  thread 2
 *               thread 3  <--- communicator 3 --->  thread 3
 *
 * Each pair has a communicator of its own and in each step exchanges payloads both ways (nonblocking one way, MPI_Sendrecv
 * the other), waits a little, probes for a message of unknown length, and now and then sums over the communicator.
 * Everything received goes into the thread's digest; the main thread joins the others and prints
 *
 *      digest 0123456789abcdef
 *
 * Usage: threads STEPS [--pause-us N] [--progress]
 */
#include <inttypes.h>
#include <mpi.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4, WORDS_MAX = 1 << 14, TAG_FIRST = 1, TAG_SECOND = 2, TAG_UNKNOWN = 3 };

struct worker {
    MPI_Comm comm;
    int index, rank, partner, steps;
    unsigned pause_us;
    bool progress;
    uint64_t digest;
    uint64_t out[WORDS_MAX], in[WORDS_MAX];
};

static _Thread_local uint64_t folds; /* thread-local state of the program's own must cross, too */

static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void fold(struct worker *worker, const uint64_t *words, int count) {
    for (int i = 0; i < count; i++)
        worker->digest = (worker->digest ^ words[i]) * 0x100000001b3u;
    worker->digest = mix(worker->digest + ++folds);
}

static void fill(struct worker *worker, int count, uint64_t seed) {
    for (int i = 0; i < count; i++)
        worker->out[i] = mix(seed + (uint64_t)i);
}

static void exchange(struct worker *worker, int step) {
    const int count = 1 << ((step + worker->index) % 15), unknown = 1 + (step * 7 + worker->rank) % 100;
    MPI_Request requests[2];
    MPI_Status status;
    int arrived;

    fill(worker, count, worker->digest);
    MPI_Irecv(worker->in, count, MPI_UINT64_T, worker->partner, TAG_FIRST, worker->comm, &requests[0]);
    MPI_Isend(worker->out, count, MPI_UINT64_T, worker->partner, TAG_FIRST, worker->comm, &requests[1]);
    if (worker->pause_us > 0)
        usleep(worker->pause_us);
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    fold(worker, worker->in, count);

    fill(worker, count, worker->digest);
    MPI_Sendrecv(worker->out, count, MPI_UINT64_T, worker->partner, TAG_SECOND, worker->in, WORDS_MAX, MPI_UINT64_T,
                 worker->partner, TAG_SECOND, worker->comm, &status);
    fold(worker, worker->in, count);

    MPI_Isend(worker->out, unknown, MPI_UINT64_T, worker->partner, TAG_UNKNOWN, worker->comm, &requests[0]);
    MPI_Probe(MPI_ANY_SOURCE, TAG_UNKNOWN, worker->comm, &status);
    MPI_Get_count(&status, MPI_UINT64_T, &arrived);
    MPI_Recv(worker->in, arrived, MPI_UINT64_T, status.MPI_SOURCE, TAG_UNKNOWN, worker->comm, MPI_STATUS_IGNORE);
    MPI_Wait(&requests[0], MPI_STATUS_IGNORE);
    fold(worker, worker->in, arrived);
}

static void *work(void *argument) {
    struct worker *worker = argument;
    for (int step = 0; step < worker->steps; step++) {
        if (worker->progress && worker->rank == 0 && worker->index == 0)
            fprintf(stderr, "step %d\n", step);
        exchange(worker, step);
        if (step % 5 == 0) {
            uint64_t sum;
            MPI_Allreduce(&worker->digest, &sum, 1, MPI_UINT64_T, MPI_SUM, worker->comm);
            fold(worker, &sum, 1);
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    int provided, rank, size, steps = argc > 1 ? atoi(argv[1]) : 100;
    unsigned pause_us = 0;
    bool progress = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--pause-us") == 0 && i + 1 < argc)
            pause_us = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--progress") == 0)
            progress = true;
    }
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (provided < MPI_THREAD_MULTIPLE || size % 2 != 0) {
        fprintf(stderr, "threads: needs MPI_THREAD_MULTIPLE and an even number of ranks\n");
        MPI_Abort(MPI_COMM_WORLD, 1);
    }

    static struct worker workers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        struct worker *worker = &workers[i];
        worker->index = i;
        worker->rank = rank;
        worker->partner = rank ^ 1;
        worker->steps = steps;
        worker->pause_us = pause_us;
        worker->progress = progress;
        worker->digest = mix((uint64_t)(rank * THREADS + i));
        MPI_Comm_dup(MPI_COMM_WORLD, &worker->comm);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, &workers[i]);
    uint64_t mine = 0, all = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        mine += mix(workers[i].digest + (uint64_t)i);
        MPI_Comm_free(&workers[i].comm);
    }
    MPI_Reduce(&mine, &all, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0)
        printf("digest %016" PRIx64 "\n", all);
    MPI_Finalize();
    return 0;
}
