/* One-sided communication that is under way at a checkpoint goes on after it, under another MPI too. 3 ranks.
 *
 *      fenced      puts done, the fence not reached             exclusive   a lock held, a put not flushed
 *      all         lock_all held by all, puts not flushed       exposed     rank 0 has posted, 1 and 2 have put
 *      requested   an Rget not waited for, an Rput
 *
 * Prints "ok" or what differs, once per life. Without mana it checks the same without a checkpoint.
 */
#include "check.h"
#include <stdint.h>

#if __has_include(<mana.h>)
#include <mana.h>
#define CHECKPOINT() CHECK(mana_checkpoint() >= 0)
#else
#define CHECKPOINT() ((void)0)
#endif

enum { LEN = 1000 };

static MPI_Win make(int *memory) {
    MPI_Win win;
    for (int i = 0; i < LEN; i++) memory[i] = -1;
    MPI_Win_create(memory, LEN * sizeof *memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    return win;
}

int main(int argc, char **argv) {
    static int fenced_at[LEN], exclusive_at[LEN], all_at[LEN], exposed_at[LEN], requested_at[LEN];
    static int from[LEN], got[LEN], back[LEN];
    check_begin(&argc, &argv, 3);
    int next = (check_rank + 1) % 3, previous = (check_rank + 2) % 3;
    MPI_Win fenced = make(fenced_at), exclusive = make(exclusive_at), all = make(all_at), exposed = make(exposed_at),
            requested = make(requested_at);
    MPI_Request requests[2];
    for (int i = 0; i < LEN; i++) from[i] = 10000 * check_rank + i, requested_at[i] = 5000 * check_rank + i;
    MPI_Barrier(MPI_COMM_WORLD);

    MPI_Win_fence(0, fenced);
    MPI_Put(from, LEN, MPI_INT, next, 0, LEN, MPI_INT, fenced);

    if (check_rank == 1) {
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, exclusive);
        MPI_Put(from, LEN, MPI_INT, 0, 0, LEN, MPI_INT, exclusive);
    }

    MPI_Win_lock_all(0, all);
    MPI_Put(from, LEN / 2, MPI_INT, next, 0, LEN / 2, MPI_INT, all);
    MPI_Accumulate(from, LEN / 2, MPI_INT, previous, LEN / 2, LEN / 2, MPI_INT, MPI_MAX, all);

    MPI_Group world, group;
    int zero = 0;
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    if (check_rank == 0) {
        MPI_Group_excl(world, 1, &zero, &group);
        MPI_Win_post(group, 0, exposed);
    } else {
        MPI_Group_incl(world, 1, &zero, &group);
        MPI_Win_start(group, 0, exposed);
        MPI_Put(from, 10, MPI_INT, 0, 10 * check_rank, 10, MPI_INT, exposed);
        /* One has completed before the checkpoint, the other has not. */
        if (check_rank == 1) MPI_Win_complete(exposed);
    }

    MPI_Win_lock_all(MPI_MODE_NOCHECK, requested);
    MPI_Rget(got, LEN / 2, MPI_INT, next, 0, LEN / 2, MPI_INT, requested, &requests[0]);
    MPI_Rput(from, LEN / 4, MPI_INT, next, 3 * LEN / 4, LEN / 4, MPI_INT, requested, &requests[1]);

    CHECKPOINT();

    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    for (int i = 0; i < LEN / 2; i++) CHECK_INT(got[i], 5000 * next + i);
    MPI_Win_unlock_all(requested);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < LEN / 4; i++) CHECK_INT(requested_at[3 * LEN / 4 + i], 10000 * previous + i);

    if (check_rank == 2) MPI_Win_complete(exposed);
    if (check_rank == 0) {
        MPI_Win_wait(exposed);
        for (int i = 0; i < 10; i++) {
            CHECK_INT(exposed_at[10 + i], 10000 + i);
            CHECK_INT(exposed_at[20 + i], 20000 + i);
        }
    }
    MPI_Group_free(&group);
    MPI_Group_free(&world);

    MPI_Get(back, LEN / 2, MPI_INT, next, 0, LEN / 2, MPI_INT, all);
    MPI_Win_unlock_all(all);
    for (int i = 0; i < LEN / 2; i++) CHECK_INT(back[i], from[i]);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < LEN / 2; i++) {
        CHECK_INT(all_at[i], 10000 * previous + i);
        CHECK_INT(all_at[LEN / 2 + i], 10000 * next + i);
    }

    /* The lock is still held: others wait until it is released. */
    int mine = 500;
    if (check_rank == 1) {
        MPI_Put(&mine, 1, MPI_INT, 0, 0, 1, MPI_INT, exclusive);
        MPI_Win_flush(0, exclusive);
        mine = 501;
        MPI_Put(&mine, 1, MPI_INT, 0, 0, 1, MPI_INT, exclusive);
        MPI_Win_unlock(0, exclusive);
    } else {
        /* Later than the lock that rank 1 took before the barriers. */
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, exclusive);
        MPI_Get(back, LEN, MPI_INT, 0, 0, LEN, MPI_INT, exclusive);
        MPI_Win_unlock(0, exclusive);
        CHECK_INT(back[0], 501);
        for (int i = 1; i < LEN; i++) CHECK_INT(back[i], 10000 + i);
    }

    MPI_Win_fence(0, fenced);
    for (int i = 0; i < LEN; i++) CHECK_INT(fenced_at[i], 10000 * previous + i);
    MPI_Get(back, LEN, MPI_INT, next, 0, LEN, MPI_INT, fenced);
    MPI_Win_fence(MPI_MODE_NOSUCCEED, fenced);
    for (int i = 0; i < LEN; i++) CHECK_INT(back[i], from[i]);

    MPI_Win_free(&requested);
    MPI_Win_free(&exposed);
    MPI_Win_free(&all);
    MPI_Win_free(&exclusive);
    MPI_Win_free(&fenced);
    return check_end();
}
