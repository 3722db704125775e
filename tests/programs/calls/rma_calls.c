/* One-sided communication: every function, under fences and locks, with derived types, contention and requests. 4 ranks. */
#include "check.h"
#include <stdint.h>
#include <stdlib.h>

enum { LEN = 16, ROUNDS = 25 };

static void under_fences(void) {
    int memory[LEN], from[LEN], got[LEN];
    MPI_Win win;
    MPI_Win_create(memory, sizeof memory, sizeof(int), MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    int next = (check_rank + 1) % 4, previous = (check_rank + 3) % 4;
    for (int i = 0; i < LEN; i++) memory[i] = -1, from[i] = 100 * check_rank + i, got[i] = -1;
    MPI_Win_fence(0, win);
    MPI_Put(from, LEN, MPI_INT, next, 0, LEN, MPI_INT, win);
    MPI_Win_fence(0, win);
    for (int i = 0; i < LEN; i++) CHECK_INT(memory[i], 100 * previous + i);
    MPI_Get(got, LEN - 2, MPI_INT, next, 2, LEN - 2, MPI_INT, win);
    MPI_Win_fence(0, win);
    for (int i = 0; i < LEN - 2; i++) CHECK_INT(got[i], 100 * check_rank + i + 2);

    /* All add to the first of rank 0, every second by a type there. */
    MPI_Datatype second;
    int ones[LEN];
    for (int i = 0; i < LEN; i++) ones[i] = 1, memory[i] = 0;
    MPI_Type_vector(LEN / 2, 1, 2, MPI_INT, &second);
    MPI_Type_commit(&second);
    MPI_Win_fence(0, win);
    MPI_Accumulate(ones, LEN / 2, MPI_INT, 0, 0, 1, second, MPI_SUM, win);
    MPI_Win_fence(0, win);
    for (int i = 0; i < LEN; i++) CHECK_INT(memory[i], check_rank == 0 && i % 2 == 0 ? 4 : 0);
    MPI_Win_fence(0, win);
    MPI_Accumulate(&next, 1, MPI_INT, next, 3, 1, MPI_INT, MPI_REPLACE, win);
    MPI_Accumulate(&previous, 1, MPI_INT, previous, 5, 1, MPI_INT, MPI_MAX, win);
    MPI_Win_fence(MPI_MODE_NOSUCCEED, win);
    CHECK_INT(memory[3], check_rank);
    CHECK_INT(memory[5], check_rank);
    MPI_Type_free(&second);
    MPI_Win_free(&win);
}

static void counters(void) {
    int64_t *memory, one = 1, old = -1, seen = 0;
    MPI_Win win;
    MPI_Win_allocate(4 * sizeof *memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    for (int i = 0; i < 4; i++) memory[i] = 0;
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock_all(0, win);
    for (int i = 0; i < ROUNDS; i++) {
        MPI_Fetch_and_op(&one, &old, MPI_INT64_T, 0, 0, MPI_SUM, win);
        MPI_Win_flush(0, win);
        CHECK(old >= seen);
        seen = old + 1;
    }
    /* A lock of the program's own, by compare and swap. */
    int64_t mine = check_rank + 1, none = 0, value;
    for (int i = 0; i < ROUNDS; i++) {
        do {
            MPI_Compare_and_swap(&mine, &none, &old, MPI_INT64_T, 1, 1, win);
            MPI_Win_flush(1, win);
        } while (old != 0);
        MPI_Get(&value, 1, MPI_INT64_T, 1, 2, 1, MPI_INT64_T, win);
        MPI_Win_flush_all(win);
        value++;
        MPI_Put(&value, 1, MPI_INT64_T, 1, 2, 1, MPI_INT64_T, win);
        MPI_Win_flush(1, win);
        MPI_Fetch_and_op(&none, &old, MPI_INT64_T, 1, 1, MPI_REPLACE, win);
        MPI_Win_flush(1, win);
        CHECK_INT(old, mine);
    }
    MPI_Win_unlock_all(win);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock_all(MPI_MODE_NOCHECK, win);
    MPI_Fetch_and_op(NULL, &old, MPI_INT64_T, 0, 0, MPI_NO_OP, win);
    MPI_Win_flush_local(0, win);
    CHECK_INT(old, 4 * ROUNDS);
    MPI_Get_accumulate(NULL, 0, MPI_INT64_T, &value, 1, MPI_INT64_T, 1, 2, 1, MPI_INT64_T, MPI_NO_OP, win);
    MPI_Win_flush_local_all(win);
    CHECK_INT(value, 4 * ROUNDS);
    MPI_Win_sync(win);
    MPI_Win_unlock_all(win);
    MPI_Win_free(&win);
}

static void locks(void) {
    int *memory, got[2], put[2];
    MPI_Win win;
    MPI_Win_allocate(8 * sizeof *memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    for (int i = 0; i < 8; i++) memory[i] = 0;
    MPI_Barrier(MPI_COMM_WORLD);
    /* Two numbers that are always equal, changed by all under exclusive locks. */
    for (int i = 0; i < ROUNDS; i++) {
        int target = (check_rank + i) % 2;
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, target, 0, win);
        MPI_Get(got, 2, MPI_INT, target, 0, 2, MPI_INT, win);
        MPI_Win_flush(target, win);
        CHECK_INT(got[0], got[1]);
        put[0] = put[1] = got[0] + 1;
        MPI_Put(&put[0], 1, MPI_INT, target, 0, 1, MPI_INT, win);
        MPI_Put(&put[1], 1, MPI_INT, target, 1, 1, MPI_INT, win);
        MPI_Win_unlock(target, win);
        if (i % 5 == 0) {
            MPI_Win_lock_all(0, win);
            MPI_Get(got, 2, MPI_INT, 1 - target, 0, 2, MPI_INT, win);
            MPI_Win_unlock_all(win);
            CHECK_INT(got[0], got[1]);
        }
        if (i % 5 == 1) {
            MPI_Win_lock(MPI_LOCK_SHARED, target, 0, win);
            MPI_Get(got, 2, MPI_INT, target, 0, 2, MPI_INT, win);
            MPI_Win_unlock(target, win);
            CHECK_INT(got[0], got[1]);
        }
    }
    MPI_Barrier(MPI_COMM_WORLD);
    int sum = 0, mine = 0;
    MPI_Win_lock(MPI_LOCK_SHARED, check_rank, 0, win);
    mine = memory[0];
    MPI_Win_unlock(check_rank, win);
    MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    CHECK_INT(sum, 4 * ROUNDS);
    MPI_Barrier(MPI_COMM_WORLD);

    /* Two locks at once, and one that nobody else can want. */
    MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, win);
    MPI_Win_lock(MPI_LOCK_SHARED, 1, 0, win);
    MPI_Get(&got[0], 1, MPI_INT, 0, 0, 1, MPI_INT, win);
    MPI_Get(&got[1], 1, MPI_INT, 1, 0, 1, MPI_INT, win);
    MPI_Win_unlock(1, win);
    MPI_Win_unlock(0, win);
    CHECK_INT(got[0] + got[1], 4 * ROUNDS);
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, check_rank, MPI_MODE_NOCHECK, win);
    MPI_Put(&check_rank, 1, MPI_INT, check_rank, 7, 1, MPI_INT, win);
    MPI_Win_unlock(check_rank, win);
    CHECK_INT(memory[7], check_rank);
    MPI_Win_free(&win);
}

static void requests(void) {
    int memory[LEN], from[LEN], got[LEN], before[LEN];
    MPI_Request request[4];
    MPI_Win win;
    MPI_Win_create(memory, sizeof memory, sizeof(int), MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    int next = (check_rank + 1) % 4;
    for (int i = 0; i < LEN; i++) memory[i] = 1000 * check_rank + i, from[i] = i, got[i] = before[i] = -1;
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock_all(0, win);
    MPI_Rget(got, LEN / 2, MPI_INT, next, LEN / 2, LEN / 2, MPI_INT, win, &request[0]);
    MPI_Rput(from, 4, MPI_INT, next, 0, 4, MPI_INT, win, &request[1]);
    MPI_Waitall(2, request, MPI_STATUSES_IGNORE);
    CHECK(request[0] == MPI_REQUEST_NULL);
    for (int i = 0; i < LEN / 2; i++) CHECK_INT(got[i], 1000 * next + LEN / 2 + i);
    MPI_Win_flush(next, win);
    MPI_Raccumulate(from, 4, MPI_INT, next, 0, 4, MPI_INT, MPI_SUM, win, &request[0]);
    MPI_Wait(&request[0], MPI_STATUS_IGNORE);
    MPI_Win_flush(next, win);
    MPI_Rget_accumulate(from, 4, MPI_INT, before, 4, MPI_INT, next, 0, 4, MPI_INT, MPI_SUM, win, &request[0]);
    MPI_Rput(from, 1, MPI_INT, MPI_PROC_NULL, 0, 1, MPI_INT, win, &request[1]);
    int flag = 0;
    while (!flag) MPI_Testall(2, request, &flag, MPI_STATUSES_IGNORE);
    for (int i = 0; i < 4; i++) CHECK_INT(before[i], 2 * i);
    MPI_Win_unlock_all(win);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < 4; i++) CHECK_INT(memory[i], 3 * i);
    MPI_Win_free(&win);
}

/* More than goes into one packet, by a type with gaps. */
static void much(void) {
    enum { MUCH = 1 << 17 };
    double *memory, *from = malloc(2 * MUCH * sizeof *from);
    MPI_Datatype gaps;
    MPI_Win win;
    MPI_Win_allocate(MUCH * sizeof *memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    MPI_Type_vector(MUCH, 1, 2, MPI_DOUBLE, &gaps);
    MPI_Type_commit(&gaps);
    for (int i = 0; i < 2 * MUCH; i++) from[i] = i + check_rank;
    MPI_Win_fence(0, win);
    MPI_Put(from, 1, gaps, (check_rank + 1) % 4, 0, MUCH, MPI_DOUBLE, win);
    MPI_Win_fence(0, win);
    int wrong = 0;
    for (int i = 0; i < MUCH; i++) wrong += memory[i] != 2 * i + (check_rank + 3) % 4;
    CHECK_INT(wrong, 0);
    MPI_Type_free(&gaps);
    MPI_Win_free(&win);
    free(from);
}

#if MPI_VERSION >= 4 && !defined OPEN_MPI
static void large_counts(void) {
    int *memory, value = 40 + check_rank, old = -1;
    MPI_Win win;
    MPI_Request request;
    MPI_Win_allocate_c(4 * sizeof *memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    for (int i = 0; i < 4; i++) memory[i] = 1;
    MPI_Barrier(MPI_COMM_WORLD);
    int next = (check_rank + 1) % 4;
    MPI_Win_lock_all(0, win);
    MPI_Put_c(&value, 1, MPI_INT, next, 0, 1, MPI_INT, win);
    MPI_Accumulate_c(&value, 1, MPI_INT, next, 1, 1, MPI_INT, MPI_SUM, win);
    MPI_Get_accumulate_c(&value, 1, MPI_INT, &old, 1, MPI_INT, next, 2, 1, MPI_INT, MPI_SUM, win);
    MPI_Win_flush(next, win);
    CHECK_INT(old, 1);
    MPI_Rget_c(&old, 1, MPI_INT, next, 0, 1, MPI_INT, win, &request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    CHECK_INT(old, value);
    MPI_Get_c(&old, 1, MPI_INT, next, 2, 1, MPI_INT, win);
    MPI_Win_unlock_all(win);
    CHECK_INT(old, value + 1);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_INT(memory[1], 41 + (check_rank + 3) % 4);
    MPI_Win_free(&win);
}
#else
static void large_counts(void) {}
#endif

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 4);
    under_fences();
    counters();
    locks();
    requests();
    much();
    large_counts();
    return check_end();
}
