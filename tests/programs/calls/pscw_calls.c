/* Post, start, complete, wait and test between different groups, in both roles at once, and with oneself. 4 ranks. */
#include "check.h"

static MPI_Win win;
static int memory[4];

/* The group of the ranks whose bit is set. */
static MPI_Group group_of(int bits) {
    MPI_Group world, group;
    int ranks[4], n = 0;
    for (int i = 0; i < 4; i++)
        if (bits >> i & 1) ranks[n++] = i;
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_incl(world, n, ranks, &group);
    MPI_Group_free(&world);
    return group;
}

static void post(int bits, int assert) {
    MPI_Group group = group_of(bits);
    MPI_Win_post(group, assert, win);
    MPI_Group_free(&group);
}

static void start(int bits, int assert) {
    MPI_Group group = group_of(bits);
    MPI_Win_start(group, assert, win);
    MPI_Group_free(&group);
}

static void put(int value, int target, int at) { MPI_Put(&value, 1, MPI_INT, target, at, 1, MPI_INT, win); }

/* Everybody writes to both neighbours, round after round: posts of later rounds overtake nothing. */
static void ring(void) {
    int left = (check_rank + 3) % 4, right = (check_rank + 1) % 4;
    for (int round = 0; round < 20; round++) {
        int values[2] = {round + 100 * check_rank, round + 200 * check_rank};
        post(1 << left | 1 << right, 0);
        start(1 << left | 1 << right, 0);
        MPI_Put(&values[0], 1, MPI_INT, left, 0, 1, MPI_INT, win);
        MPI_Put(&values[1], 1, MPI_INT, right, 1, 1, MPI_INT, win);
        MPI_Win_complete(win);
        MPI_Win_wait(win);
        CHECK_INT(memory[0], round + 100 * right);
        CHECK_INT(memory[1], round + 200 * left);
    }
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 4);
    MPI_Win_create(memory, sizeof memory, sizeof memory[0], MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    ring();

    /* Two origins, one target that tests; rank 3 has no part in it. */
    int value = 7 + check_rank;
    if (check_rank == 0) {
        int flag = 0;
        memory[0] = memory[1] = memory[2] = 5;
        post(1 << 1 | 1 << 2, 0);
        while (!flag) MPI_Win_test(win, &flag);
        CHECK_INT(memory[1], 8);
        CHECK_INT(memory[2], 9);
        CHECK_INT(memory[0], 5 + 8 + 9);
    } else if (check_rank < 3) {
        start(1 << 0, 0);
        MPI_Put(&value, 1, MPI_INT, 0, check_rank, 1, MPI_INT, win);
        MPI_Accumulate(&value, 1, MPI_INT, 0, 0, 1, MPI_INT, MPI_SUM, win);
        MPI_Win_complete(win);
    }

    /* Unasked: the message says that the post is done. */
    if (check_rank == 2) {
        post(1 << 3, MPI_MODE_NOCHECK);
        MPI_Send(&value, 0, MPI_INT, 3, 0, MPI_COMM_WORLD);
        MPI_Win_wait(win);
        CHECK_INT(memory[3], 33);
    } else if (check_rank == 3) {
        MPI_Recv(&value, 0, MPI_INT, 2, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        int sent = 33;
        start(1 << 2, MPI_MODE_NOCHECK);
        MPI_Put(&sent, 1, MPI_INT, 2, 3, 1, MPI_INT, win);
        MPI_Win_complete(win);
    }

    if (check_under_mana()) {
        /* With oneself, which some libraries hang in. */
        post(1 << check_rank, 0);
        start(1 << check_rank, 0);
        put(55, check_rank, 0);
        MPI_Win_complete(win);
        MPI_Win_wait(win);
        CHECK_INT(memory[0], 55);
        /* Outside the group. */
        MPI_Win_set_errhandler(win, MPI_ERRORS_RETURN);
        post(1 << check_rank, 0);
        start(1 << check_rank, 0);
        CHECK_ERROR(MPI_Put(&value, 1, MPI_INT, (check_rank + 1) % 4, 0, 1, MPI_INT, win), MPI_ERR_RMA_SYNC);
        CHECK_ERROR(MPI_Win_start(MPI_GROUP_EMPTY, 0, win), MPI_ERR_RMA_SYNC);
        CHECK_ERROR(MPI_Win_post(MPI_GROUP_EMPTY, 0, win), MPI_ERR_RMA_SYNC);
        MPI_Win_complete(win);
        MPI_Win_wait(win);
        int flag = 0;
        MPI_Win_post(MPI_GROUP_EMPTY, 0, win);
        MPI_Win_test(win, &flag);
        CHECK_INT(flag, 1);
    }
    MPI_Win_free(&win);
    return check_end();
}
