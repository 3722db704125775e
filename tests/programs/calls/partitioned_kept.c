/* Partitioned communication across a checkpoint: half ready, not started, and sent before the receiver has started.
 *
 *      request        sender at the checkpoint               receiver at the checkpoint
 *      half           started, 3 of 6 partitions ready       started
 *      ahead          3 rounds complete                      not started
 *      idle           inactive after one round               inactive after one round
 *      late           started and ready                      initialised after the checkpoint only
 *
 * Prints "ok" or what differs, once per life. 2 ranks, each of which is sender and receiver.
 */
#include "check.h"
#include <mana.h>

enum { PARTS = 6, EACH = 20000, ALL = PARTS * EACH };

static int out[ALL], in[ALL], ahead_out[ALL], ahead_in[ALL], idle_out, idle_in, late_out, late_in;

static void fill(int *data, int first) {
    for (int i = 0; i < ALL; i++) data[i] = first + i;
}

static void check_all(const int *data, int first) {
    int wrong = 0;
    for (int i = 0; i < ALL; i++) wrong += data[i] != first + i;
    CHECK_INT(wrong, 0);
}

int main(int argc, char **argv) {
    MPI_Request half[2], ahead[2], idle[2], late[2];
    MPI_Datatype hundred;
    int flag;
    check_begin(&argc, &argv, 2);
    int other = 1 - check_rank;
    MPI_Type_contiguous(100, MPI_INT, &hundred);
    MPI_Type_commit(&hundred);
    MPI_Psend_init(out, PARTS, EACH / 100, hundred, other, 0, MPI_COMM_WORLD, MPI_INFO_NULL, &half[0]);
    MPI_Precv_init(in, 2, 3 * EACH, MPI_INT, other, 0, MPI_COMM_WORLD, MPI_INFO_NULL, &half[1]);
    MPI_Type_free(&hundred);
    MPI_Psend_init(ahead_out, 1, ALL, MPI_INT, other, 1, MPI_COMM_WORLD, MPI_INFO_NULL, &ahead[0]);
    MPI_Precv_init(ahead_in, 1, ALL, MPI_INT, other, 1, MPI_COMM_WORLD, MPI_INFO_NULL, &ahead[1]);
    MPI_Psend_init(&idle_out, 1, 1, MPI_INT, other, 2, MPI_COMM_WORLD, MPI_INFO_NULL, &idle[0]);
    MPI_Precv_init(&idle_in, 1, 1, MPI_INT, other, 2, MPI_COMM_WORLD, MPI_INFO_NULL, &idle[1]);
    MPI_Psend_init(&late_out, 1, 1, MPI_INT, other, 2, MPI_COMM_WORLD, MPI_INFO_NULL, &late[0]);

    fill(out, 5);
    MPI_Startall(2, half);
    MPI_Pready(4, half[0]);
    MPI_Pready_range(0, 1, half[0]);
    for (int round = 0; round < 3; round++) {
        fill(ahead_out, 1000 * round);
        MPI_Start(&ahead[0]);
        MPI_Pready(0, ahead[0]);
        MPI_Wait(&ahead[0], MPI_STATUS_IGNORE);
    }
    for (int round = 0; round < 2; round++) {
        idle_out = 10 + round;
        MPI_Startall(2, idle);
        MPI_Pready(0, idle[0]);
        MPI_Waitall(2, idle, MPI_STATUSES_IGNORE);
        CHECK_INT(idle_in, 10 + round);
        if (round == 0) {
            late_out = 99;
            MPI_Start(&late[0]);
            MPI_Pready(0, late[0]);
            CHECK(mana_checkpoint() >= 0);
        }
    }
    MPI_Precv_init(&late_in, 1, 1, MPI_INT, other, 2, MPI_COMM_WORLD, MPI_INFO_NULL, &late[1]);
    MPI_Start(&late[1]);
    MPI_Waitall(2, late, MPI_STATUSES_IGNORE);
    CHECK_INT(late_in, 99);

    MPI_Parrived(half[1], 0, &flag);
    CHECK(!flag); /* partition 2 is part of it */
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Pready_list(3, (int[]){5, 2, 3}, half[0]);
    MPI_Waitall(2, half, MPI_STATUSES_IGNORE);
    check_all(in, 5);
    for (int round = 0; round < 3; round++) {
        memset(ahead_in, 0, sizeof ahead_in);
        MPI_Start(&ahead[1]);
        MPI_Wait(&ahead[1], MPI_STATUS_IGNORE);
        check_all(ahead_in, 1000 * round);
    }
    fill(out, 6);
    MPI_Startall(2, half);
    MPI_Pready_range(0, PARTS - 1, half[0]);
    MPI_Waitall(2, half, MPI_STATUSES_IGNORE);
    check_all(in, 6);
    for (int i = 0; i < 2; i++) {
        MPI_Request_free(&half[i]);
        MPI_Request_free(&ahead[i]);
        MPI_Request_free(&idle[i]);
        MPI_Request_free(&late[i]);
    }
    return check_end();
}
