/* A window with MPI_THREAD_SERIALIZED, on 2 ranks: the library below is asked for more than that, and Open MPI 4's component for
 * one-sided communication depends on it. Prints "ok", or what differs. */
#include "check.h"

int main(int argc, char **argv) {
    check_begin_with(&argc, &argv, 2, MPI_THREAD_SERIALIZED);
    int memory = -1, old = -1, two = 2;
    MPI_Win win;
    MPI_Win_create(&memory, sizeof memory, sizeof memory, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    MPI_Win_fence(0, win);
    MPI_Put(&check_rank, 1, MPI_INT, 1 - check_rank, 0, 1, MPI_INT, win);
    MPI_Win_fence(0, win);
    CHECK_INT(memory, 1 - check_rank);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int target = 0; target < 2; target++) {
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, target, 0, win);
        MPI_Fetch_and_op(&two, &old, MPI_INT, target, 0, MPI_SUM, win);
        MPI_Win_unlock(target, win);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock(MPI_LOCK_SHARED, check_rank, 0, win);
    CHECK_INT(memory, 1 - check_rank + 4);
    MPI_Win_unlock(check_rank, win);
    MPI_Win_free(&win);
    return check_end();
}
