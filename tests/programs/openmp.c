// flags: -fopenmp
/* MPI and OpenMP: four threads in each rank, saved in the middle of a parallel region, which lasts for the whole program.
 *
 *      every step   work shares of a loop (static and dynamic) | a reduction | a critical section | tasks
 *      funneled     the master exchanges with the neighbours between two barriers
 *      multiple     each thread exchanges with the same thread of the next rank, and all four are in MPI at once
 *
 * Sums are of integers, so no order of threads matters. At the end rank 0 prints `digest 0123456789abcdef`.
 *
 * Usage: openmp funneled|multiple STEPS [--pause-us N] [--progress]
 */
#include <inttypes.h>
#include <mpi.h>
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4, CELLS = 1 << 12 };

static int rank, size, steps;
static unsigned pause_us;
static bool progress, multiple;
static uint64_t cells[CELLS];
static uint64_t border[THREADS]; /* received in this step */
static uint64_t sum, turns, tasks;
static uint64_t digest;

static uint64_t mine; /* of an OpenMP thread: kept from step to step */
#pragma omp threadprivate(mine)

static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Sends what `thread` has to the next rank, and takes what comes from the one before. */
static void exchange(int thread, uint64_t word) {
    MPI_Sendrecv(&word, 1, MPI_UINT64_T, (rank + 1) % size, thread, &border[thread], 1, MPI_UINT64_T,
                 (rank + size - 1) % size, thread, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void step(int number) {
    const int thread = omp_get_thread_num();
#pragma omp for schedule(static) nowait
    for (int i = 0; i < CELLS / 2; i++) cells[i] = mix(cells[i] + (uint64_t)number);
#pragma omp for schedule(dynamic, 64) reduction(+ : sum)
    for (int i = CELLS / 2; i < CELLS; i++) {
        cells[i] = mix(cells[i] ^ (uint64_t)i);
        sum += cells[i] >> 8;
    }
#pragma omp critical
    turns += mix((uint64_t)(thread + number));
#pragma omp single
    {
        for (int i = 0; i < THREADS; i++) {
#pragma omp task firstprivate(i)
            {
#pragma omp atomic
                tasks += mix((uint64_t)(i * number));
            }
        }
    }
    mine = mix(mine + (uint64_t)thread);
    if (pause_us > 0) usleep(pause_us);
    if (multiple) {
        exchange(thread, mine);
    } else {
#pragma omp barrier
#pragma omp master
        for (int i = 0; i < THREADS; i++) exchange(i, cells[i]);
    }
#pragma omp barrier
    mine ^= border[thread];
#pragma omp master
    {
        for (int i = 0; i < THREADS; i++) digest = mix(digest ^ border[i]);
        digest = mix(digest + sum + turns + tasks);
        if (progress && rank == 0) fprintf(stderr, "step %d\n", number);
    }
#pragma omp barrier
}

static void options(int argc, char **argv) {
    if (argc < 3 || (strcmp(argv[1], "funneled") != 0 && strcmp(argv[1], "multiple") != 0)) {
        fprintf(stderr, "usage: openmp funneled|multiple STEPS [--pause-us N] [--progress]\n");
        exit(2);
    }
    multiple = strcmp(argv[1], "multiple") == 0;
    steps = atoi(argv[2]);
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--pause-us") == 0 && i + 1 < argc) pause_us = (unsigned)atoi(argv[++i]);
        if (strcmp(argv[i], "--progress") == 0) progress = true;
    }
}

int main(int argc, char **argv) {
    options(argc, argv);
    const int wanted = multiple ? MPI_THREAD_MULTIPLE : MPI_THREAD_FUNNELED;
    int provided, threads = 0;
    MPI_Init_thread(&argc, &argv, wanted, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int i = 0; i < CELLS; i++) cells[i] = mix((uint64_t)(rank * CELLS + i));
    omp_set_dynamic(0);
#pragma omp parallel num_threads(THREADS)
    {
#pragma omp single
        threads = omp_get_num_threads();
        mine = mix((uint64_t)(rank * THREADS + omp_get_thread_num()));
        for (int number = 1; number <= steps; number++) step(number);
    }
    if (provided < wanted || threads != THREADS) {
        fprintf(stderr, "rank %d: thread level %d of %d, %d threads of %d\n", rank, provided, wanted, threads, THREADS);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    uint64_t all = 0;
    MPI_Reduce(&digest, &all, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0) printf("digest %016" PRIx64 "\n", all);
    MPI_Finalize();
    return 0;
}
