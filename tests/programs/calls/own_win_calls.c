/* Windows of one process: every function of one-sided communication, with derived types, pairs, requests and locks.
 * Prints "ok" or what differs. 1 rank.
 */
#include "check.h"
#include <stdint.h>

enum { LEN = 12 };

struct pair { long double value; int place; };

static void moves(MPI_Win win, int *memory) {
    int from[LEN], got[LEN];
    MPI_Datatype second;
    MPI_Type_vector(LEN / 2, 1, 2, MPI_INT, &second);
    MPI_Type_commit(&second);
    for (int i = 0; i < LEN; i++) from[i] = 10 + i, got[i] = -1, memory[i] = 0;
    MPI_Win_fence(0, win);
    MPI_Put(from, LEN / 2, MPI_INT, 0, 1, 1, second, win); /* every second from place 1 */
    MPI_Put(from, 5, MPI_INT, MPI_PROC_NULL, 0, 5, MPI_INT, win);
    MPI_Win_fence(0, win);
    for (int i = 0; i < LEN; i++) CHECK_INT(memory[i], i % 2 ? 10 + i / 2 : 0);
    MPI_Get(got, 1, second, 0, 0, LEN / 2, MPI_INT, win);
    MPI_Win_fence(0, win);
    for (int i = 0; i < LEN; i++) CHECK_INT(got[i], i % 2 ? -1 : memory[i / 2]);
    /* Onto itself, a place further. */
    for (int i = 0; i < LEN; i++) memory[i] = i;
    MPI_Put(memory, LEN - 1, MPI_INT, 0, 1, LEN - 1, MPI_INT, win);
    MPI_Win_fence(MPI_MODE_NOSUCCEED, win);
    for (int i = 0; i < LEN; i++) CHECK_INT(memory[i], i ? i - 1 : 0);
    MPI_Type_free(&second);
}

static void changes(MPI_Win win, int *memory) {
    int ones[LEN], got[LEN], old = -1, two = 2, nine = 9;
    MPI_Datatype second;
    MPI_Type_vector(LEN / 2, 1, 2, MPI_INT, &second);
    MPI_Type_commit(&second);
    for (int i = 0; i < LEN; i++) ones[i] = 1, got[i] = -1, memory[i] = i;
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, win);
    MPI_Accumulate(ones, LEN / 2, MPI_INT, 0, 0, 1, second, MPI_SUM, win);
    MPI_Win_flush(0, win);
    for (int i = 0; i < LEN; i++) CHECK_INT(memory[i], i % 2 ? i : i + 1);
    MPI_Get_accumulate(&two, 1, MPI_INT, got, 1, MPI_INT, 0, 3, 1, MPI_INT, MPI_PROD, win);
    MPI_Win_flush_local(0, win);
    CHECK_INT(got[0], 3);
    CHECK_INT(memory[3], 6);
    MPI_Get_accumulate(NULL, 0, MPI_INT, got, 2, MPI_INT, 0, 3, 2, MPI_INT, MPI_NO_OP, win);
    CHECK_INT(got[0], 6);
    CHECK_INT(got[1], 5);
    MPI_Fetch_and_op(&nine, &old, MPI_INT, 0, 4, MPI_REPLACE, win);
    CHECK_INT(old, 5);
    CHECK_INT(memory[4], 9);
    MPI_Compare_and_swap(&two, &ones[0], &old, MPI_INT, 0, 4, win); /* it is 9 and not 1 */
    CHECK_INT(old, 9);
    CHECK_INT(memory[4], 9);
    MPI_Compare_and_swap(&two, &nine, &old, MPI_INT, 0, 4, win);
    CHECK_INT(old, 9);
    CHECK_INT(memory[4], 2);
    MPI_Accumulate(&nine, 1, MPI_INT, 0, 0, 1, MPI_INT, MPI_MIN, win);
    MPI_Win_unlock(0, win);
    CHECK_INT(memory[0], 1);
    CHECK_ERROR(MPI_Accumulate(&nine, 1, MPI_INT, 0, 0, 1, MPI_INT, MPI_NO_OP, win), MPI_ERR_OP);
    CHECK_ERROR(MPI_Put(&nine, 1, MPI_INT, 1, 0, 1, MPI_INT, win), MPI_ERR_RANK);
    MPI_Type_free(&second);
}

/* A pair has a gap in it. */
static void pairs(void) {
    struct pair memory[2] = {{1.5L, 7}, {8.0L, 8}}, given[2] = {{2.5L, 1}, {4.0L, 2}};
    MPI_Win win;
    MPI_Win_create(memory, sizeof memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_SELF, &win);
    MPI_Win_fence(0, win);
    MPI_Accumulate(given, 2, MPI_LONG_DOUBLE_INT, 0, 0, 2, MPI_LONG_DOUBLE_INT, MPI_MAXLOC, win);
    MPI_Win_fence(0, win);
    CHECK(memory[0].value == 2.5L && memory[0].place == 1);
    CHECK(memory[1].value == 8.0L && memory[1].place == 8);
    MPI_Datatype both;
    MPI_Type_contiguous(2, MPI_LONG_DOUBLE_INT, &both);
    MPI_Type_commit(&both);
    MPI_Accumulate(given, 1, both, 0, 0, 1, both, MPI_MINLOC, win);
    MPI_Win_fence(0, win);
    CHECK(memory[0].value == 2.5L && memory[0].place == 1);
    CHECK(memory[1].value == 4.0L && memory[1].place == 2);
    MPI_Type_free(&both);
    MPI_Win_free(&win);
}

static void requests(MPI_Win win, int *memory) {
    MPI_Request all[4];
    int five = 5, six = 6, got = -1, before = -1;
    memory[0] = 1;
    MPI_Win_lock_all(0, win);
    MPI_Rput(&five, 1, MPI_INT, 0, 1, 1, MPI_INT, win, &all[0]);
    MPI_Rget(&got, 1, MPI_INT, 0, 1, 1, MPI_INT, win, &all[1]);
    MPI_Raccumulate(&six, 1, MPI_INT, 0, 0, 1, MPI_INT, MPI_SUM, win, &all[2]);
    MPI_Rget_accumulate(&six, 1, MPI_INT, &before, 1, MPI_INT, 0, 0, 1, MPI_INT, MPI_SUM, win, &all[3]);
    MPI_Waitall(4, all, MPI_STATUSES_IGNORE);
    MPI_Win_unlock_all(win);
    CHECK_INT(got, 5);
    CHECK_INT(before, 7);
    CHECK_INT(memory[0], 13);
}

static void groups(MPI_Win win, int *memory) {
    MPI_Group self;
    int seven = 7;
    MPI_Win_get_group(win, &self);
    MPI_Win_post(self, 0, win);
    MPI_Win_start(self, 0, win);
    MPI_Put(&seven, 1, MPI_INT, 0, 2, 1, MPI_INT, win);
    MPI_Win_complete(win);
    MPI_Win_wait(win);
    CHECK_INT(memory[2], 7);
    MPI_Group_free(&self);
}

static void dynamic(void) {
    int64_t memory[4] = {1, 2, 3, 4}, more = 10;
    MPI_Aint at;
    MPI_Win win;
    MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_SELF, &win);
    MPI_Win_attach(win, memory, sizeof memory);
    MPI_Get_address(&memory[2], &at);
    MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, win);
    MPI_Accumulate(&more, 1, MPI_INT64_T, 0, at, 1, MPI_INT64_T, MPI_SUM, win);
    MPI_Win_unlock(0, win);
    CHECK_INT((int)memory[2], 13);
    MPI_Win_detach(win, memory);
    MPI_Win_free(&win);
}

int main(int argc, char **argv) {
    int memory[LEN], *base;
    MPI_Win win;
    check_begin(&argc, &argv, 1);
    MPI_Comm comms[2] = {MPI_COMM_SELF, MPI_COMM_WORLD};
    for (int i = 0; i < 6; i++) {
        if (i / 2 == 0) MPI_Win_create(base = memory, sizeof memory, sizeof(int), MPI_INFO_NULL, comms[i % 2], &win);
        if (i / 2 == 1) MPI_Win_allocate(sizeof memory, sizeof(int), MPI_INFO_NULL, comms[i % 2], &base, &win);
        if (i / 2 == 2) MPI_Win_allocate_shared(sizeof memory, sizeof(int), MPI_INFO_NULL, comms[i % 2], &base, &win);
        MPI_Win_set_errhandler(win, MPI_ERRORS_RETURN);
        moves(win, base);
        changes(win, base);
        requests(win, base);
        groups(win, base);
        MPI_Win_free(&win);
        CHECK(win == MPI_WIN_NULL);
    }
    pairs();
    dynamic();
    return check_end();
}
