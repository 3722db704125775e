/* A checkpoint in the middle of a parallel region, and regions before and after it. */
// flags: -fopenmp
#include <omp.h>

#include "gate.h"

static long sum(int from, int to) {
    long total = 0;
#pragma omp parallel for reduction(+ : total) schedule(dynamic, 7) num_threads(4)
    for (int i = from; i < to; i++) total += i;
    return total;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    int own[4] = {0}, members = 0;
    CHECK(sum(0, 1000) == 499500);
#pragma omp parallel num_threads(4)
    {
        const int me = omp_get_thread_num();
        own[me] = me * me;
#pragma omp barrier
#pragma omp master
        gate(1);
#pragma omp barrier
#pragma omp critical
        members += own[me] == me * me && omp_get_num_threads() == 4;
    }
    CHECK(members == 4);
    gate(2);
    CHECK(sum(0, 2000) == 1999000);
    return done();
}
