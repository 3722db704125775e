/* Shared windows: loads and stores in each other's memory, contiguous or not, and communication over the same. 4 ranks. */
#include "check.h"

static void contiguous(void) {
    MPI_Aint size;
    MPI_Win win;
    int unit, *mine, *base;
    /* Rank r has r ints. */
    MPI_Win_allocate_shared(check_rank * sizeof(int), sizeof(int), MPI_INFO_NULL, MPI_COMM_WORLD, &mine, &win);
    MPI_Win_shared_query(win, MPI_PROC_NULL, &size, &unit, &base);
    CHECK_INT(size, sizeof(int));
    CHECK_INT(unit, sizeof(int));
    int *none = base;
    MPI_Win_shared_query(win, 0, &size, &unit, &none);
    if (check_under_mana()) CHECK(size == 0 && none == NULL);
    MPI_Win_fence(0, win);
    for (int i = 0; i < check_rank; i++) mine[i] = 10 * check_rank + i;
    MPI_Win_fence(0, win);
    int at = 0;
    for (int rank = 1; rank < 4; rank++) {
        int *theirs;
        MPI_Win_shared_query(win, rank, &size, &unit, &theirs);
        CHECK_INT(size, rank * sizeof(int));
        CHECK(theirs == base + at);
        for (int i = 0; i < rank; i++) CHECK_INT(base[at++], 10 * rank + i);
    }
    MPI_Win_fence(0, win);
    if (check_rank == 0) {
        int value = 99, got = 0;
        MPI_Put(&value, 1, MPI_INT, 3, 2, 1, MPI_INT, win);
        MPI_Get(&got, 1, MPI_INT, 2, 1, 1, MPI_INT, win);
        MPI_Win_fence(0, win);
        CHECK_INT(got, 21);
    } else {
        MPI_Win_fence(0, win);
    }
    CHECK_INT(base[5], 99);
    void *value;
    int flag;
    MPI_Win_get_attr(win, MPI_WIN_CREATE_FLAVOR, &value, &flag);
    CHECK(flag && *(int *)value == MPI_WIN_FLAVOR_SHARED);
    MPI_Win_fence(MPI_MODE_NOSUCCEED, win);
    MPI_Win_free(&win);
}

static void apart(void) {
    MPI_Info info;
    MPI_Win win;
    MPI_Aint size;
    int unit;
    volatile int *mine, *other;
    MPI_Info_create(&info);
    MPI_Info_set(info, "alloc_shared_noncontig", "true");
    MPI_Win_allocate_shared(100, 4, info, MPI_COMM_WORLD, &mine, &win);
    MPI_Info_free(&info);
    MPI_Win_lock_all(0, win);
    *mine = check_rank;
    MPI_Win_sync(win);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_sync(win);
    for (int rank = 0; rank < 4; rank++) {
        MPI_Win_shared_query(win, rank, &size, &unit, &other);
        CHECK(size == 100 && unit == 4 && *other == rank);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_shared_query(win, (check_rank + 1) % 4, &size, &unit, &other);
    other[24] = 7 * check_rank;
    MPI_Win_sync(win);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_sync(win);
    CHECK_INT(mine[24], 7 * ((check_rank + 3) % 4));

    /* A counter that all add to, each under an exclusive lock, with plain loads and stores. */
    MPI_Win_unlock_all(win);
    MPI_Win_shared_query(win, 2, &size, &unit, &other);
    if (check_rank == 2) other[8] = 0;
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < 50; i++) {
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 2, 0, win);
        other[8] = other[8] + 1;
        MPI_Win_unlock(2, win);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock(MPI_LOCK_SHARED, 2, 0, win);
    CHECK_INT(other[8], 200);
    MPI_Win_unlock(2, win);
    MPI_Win_free(&win);
}

/* Memory of its own that each rank gives, rank + 1 bytes: what the others' is, is told right or not at all. */
static void not_shared(void) {
    static char memory[4];
    char *found;
    int unit;
    MPI_Aint size;
    MPI_Win win;
    MPI_Win_create(memory, check_rank + 1, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    for (int rank = 0; rank < 4; rank++) {
        MPI_Win_shared_query(win, rank, &size, &unit, &found);
        CHECK(rank == check_rank ? size == rank + 1 && found == memory : size == 0 || size == rank + 1);
    }
    MPI_Win_shared_query(win, MPI_PROC_NULL, &size, &unit, &found);
    CHECK(check_rank == 0 ? size == 1 && found == memory : size == 0 || size == 1);
    MPI_Win_free(&win);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 4);
    contiguous();
    not_shared();
    apart();
    return check_end();
}
