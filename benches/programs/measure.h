/* What the bench programs share: a clock, and one line of output per figure.
 *
 *      figure <TAB> nanoseconds per operation, least of all batches <TAB> the same, median of all batches
 *
 * The least is what the operation costs when nothing disturbs it; the median is what a program saw.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCHES = 61 };

/* Not MPI_Wtime: that is one of the calls measured. */
static inline double now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static inline int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline void report(const char *figure, double *batches, int count) {
    qsort(batches, (size_t)count, sizeof(double), ascending);
    printf("%s\t%.3f\t%.3f\n", figure, batches[0], batches[count / 2]);
}

/* Times `operation`, done `times` times in each batch, on the calling rank; declares and uses `batches`. */
#define MEASURE(figure, times, operation)                                       \
    do {                                                                        \
        double batches[BATCHES];                                                \
        for (int batch = 0; batch < BATCHES; batch++) {                         \
            const double begin = now_ns();                                      \
            for (int i = 0; i < (times); i++) {                                 \
                operation;                                                      \
            }                                                                   \
            batches[batch] = (now_ns() - begin) / (times);                      \
        }                                                                       \
        report(figure, batches, BATCHES);                                       \
    } while (0)

#endif
