/* One-sided operations of 8 B on another rank's memory: rank 0 works, rank 1 waits in a barrier. A figure is the time per
 * operation, with what the standard wants around it: a flush, a lock, a fence.
 *
 *      put get accumulate fetch_and_op swap    one operation, then MPI_Win_flush
 *      put_rate                                64 of them to a flush
 *      lock                                    MPI_Win_lock, a put, MPI_Win_unlock
 *      fence                                   MPI_Win_fence on both ranks, a put by rank 0
 */
#include <mpi.h>

#include "measure.h"

enum { TIMES = 300, WINDOW = 64 };

static long memory[WINDOW], here[WINDOW];

static void locked_put(MPI_Win window) {
    MPI_Win_lock(MPI_LOCK_SHARED, 1, 0, window);
    MPI_Put(here, 1, MPI_LONG, 1, 0, 1, MPI_LONG, window);
    MPI_Win_unlock(1, window);
}

static void in_passive_epoch(MPI_Win window) {
    const long one = 1;
    MPI_Win_lock_all(0, window);
    MEASURE("onesided/put", TIMES, MPI_Put(here, 1, MPI_LONG, 1, 0, 1, MPI_LONG, window); MPI_Win_flush(1, window));
    MEASURE("onesided/get", TIMES, MPI_Get(here, 1, MPI_LONG, 1, 0, 1, MPI_LONG, window); MPI_Win_flush(1, window));
    MEASURE("onesided/accumulate", TIMES, MPI_Accumulate(here, 1, MPI_LONG, 1, 0, 1, MPI_LONG, MPI_SUM, window);
            MPI_Win_flush(1, window));
    MEASURE("onesided/fetch_and_op", TIMES, MPI_Fetch_and_op(&one, here, MPI_LONG, 1, 0, MPI_SUM, window);
            MPI_Win_flush(1, window));
    MEASURE("onesided/swap", TIMES, MPI_Compare_and_swap(&one, &here[1], here, MPI_LONG, 1, 0, window);
            MPI_Win_flush(1, window));
    MEASURE("onesided/put_rate (64 each)", TIMES / 10, for (int at = 0; at < WINDOW; at++)
            MPI_Put(&here[at], 1, MPI_LONG, 1, at, 1, MPI_LONG, window);
            MPI_Win_flush(1, window));
    MPI_Win_unlock_all(window);
}

static void fences(MPI_Win window, int rank) {
    MPI_Win_fence(0, window);
    double batches[BATCHES];
    for (int batch = 0; batch < BATCHES; batch++) {
        const double begin = now_ns();
        for (int i = 0; i < TIMES; i++) {
            if (rank == 0) MPI_Put(here, 1, MPI_LONG, 1, 0, 1, MPI_LONG, window);
            MPI_Win_fence(0, window);
        }
        batches[batch] = (now_ns() - begin) / TIMES;
    }
    MPI_Win_fence(MPI_MODE_NOSUCCEED, window);
    if (rank == 0) report("onesided/fence", batches, BATCHES);
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    int rank;
    MPI_Win window;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Win_create(memory, sizeof memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_WORLD, &window);
    if (rank == 0) {
        in_passive_epoch(window);
        MEASURE("onesided/lock", TIMES, locked_put(window));
    }
    MPI_Barrier(MPI_COMM_WORLD);
    fences(window, rank);
    MPI_Win_free(&window);
    MPI_Finalize();
    return 0;
}
