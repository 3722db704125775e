/* What the torture programs share: a digest per rank, options, and the one line of output.
 *
 *      PROGRAM STEPS [--pause-us N] [--progress] [--rate]
 *
 * Everything that a rank receives or learns goes into its digest, in an order that does not depend on timing; what may
 * come in any order is summed first. At the end rank 0 prints `digest 0123456789abcdef`, which therefore says the same
 * under every MPI, however often the job was stopped and begun again, and differs if anything was lost, doubled or changed.
 *
 * --pause-us   every rank waits so long in each step, where messages are in flight: a program that computes would
 * --progress   rank 0 tells each step on stderr
 * --rate       rank 0 prints `NAME <TAB> nanoseconds per operation`, too
 */
#ifndef TORTURE_H
#define TORTURE_H

#include <inttypes.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int rank, size, steps = 20;
static unsigned pause_us;
static bool progress, rate;
static uint64_t digest; /* of what comes in a fixed order */
static uint64_t loose;  /* sum over what may come in any order, or to any rank */
static struct timespec began;

/* One round of splitmix64: every bit of the result depends on every bit of x. */
static inline uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline void fold(uint64_t word) { digest = mix(digest ^ word); }

static inline void fold_words(const uint64_t *words, int count) {
    for (int i = 0; i < count; i++) digest = (digest ^ words[i]) * 0x100000001b3u;
    digest = mix(digest);
}

/* Says why, and ends the job: a torture run must show it as a failure. */
static inline void wrong(const char *what, long long got, long long wanted) {
    fprintf(stderr, "rank %d: %s is %lld and should be %lld\n", rank, what, got, wanted);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static inline void check(const char *what, long long got, long long wanted) {
    if (got != wanted) wrong(what, got, wanted);
}

static inline void *allocate(size_t bytes) {
    void *memory = calloc(1, bytes);
    if (memory == NULL) wrong("memory in bytes", 0, (long long)bytes);
    return memory;
}

/* Reads the options; an option that takes a number of its own may be given in `name` and `value`. */
static inline void options(int argc, char **argv, const char *name, int *value) {
    if (argc > 1) steps = atoi(argv[1]);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--pause-us") == 0 && i + 1 < argc)
            pause_us = (unsigned)atoi(argv[++i]);
        else if (name != NULL && strcmp(argv[i], name) == 0 && i + 1 < argc)
            *value = atoi(argv[++i]);
        else if (strcmp(argv[i], "--progress") == 0)
            progress = true;
        else if (strcmp(argv[i], "--rate") == 0)
            rate = true;
        else {
            fprintf(stderr, "%s: unknown option %s\n", argv[0], argv[i]);
            exit(2);
        }
    }
}

/* After MPI_Init: who this is. */
static inline void begin(void) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    digest = mix((uint64_t)rank);
    clock_gettime(CLOCK_MONOTONIC, &began);
}

/* Starts MPI for programs whose threads call it all at once. */
static inline void begin_with_threads(int *argc, char ***argv) {
    int provided;
    options(*argc, *argv, NULL, NULL);
    MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &provided);
    begin();
    check("the thread level", provided, MPI_THREAD_MULTIPLE);
}

static inline void tell(int step) {
    if (progress && rank == 0) fprintf(stderr, "step %d\n", step);
}

static inline void dawdle(void) {
    if (pause_us > 0) usleep(pause_us);
}

/* The line that is compared; `operations` were done by each rank. */
static inline void report(const char *name, double operations) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t mine = mix(digest + (uint64_t)rank) + loose, all = 0;
    MPI_Reduce(&mine, &all, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank != 0) return;
    printf("digest %016" PRIx64 "\n", all);
    if (rate) {
        const double ns = (double)(now.tv_sec - began.tv_sec) * 1e9 + (double)(now.tv_nsec - began.tv_nsec);
        printf("%s\t%.3f\n", name, ns / operations);
    }
}

#endif
