/* Requests of many kinds across a checkpoint, some of a set already waited for.
 *
 *      generalized    pending; complete; given back and pending        their functions are called in the second life
 *      Isendrecv      its send delivered, its receive pending; both delivered
 *      Waitany/some   some of the set handed over before the checkpoint, one complete and not handed over, some pending
 *      cancelled      before the checkpoint, waited for after it
 *      receives on a communicator that is freed meanwhile: one comes true, one is cancelled
 *      a matched message, received after it; a receive that was given back with MPI_Request_free and comes true after it
 *
 * Prints "ok" or what differs, once per life. 2 ranks.
 */
#include "check.h"
#include <mana.h>

struct work {
    int queries, frees;
};

static int query(void *state, MPI_Status *status) {
    ((struct work *)state)->queries++;
    MPI_Status_set_elements(status, MPI_INT, 7);
    status->MPI_TAG = 70;
    return MPI_SUCCESS;
}
static int release(void *state) {
    ((struct work *)state)->frees++;
    return MPI_SUCCESS;
}
static int cancel(void *state, int complete) {
    (void)state, (void)complete;
    return MPI_SUCCESS;
}

static struct work work[3];

int main(int argc, char **argv) {
    MPI_Request generalized[3], pairs[2], set[5], cancelled, dropped, freed[2];
    MPI_Comm gone;
    MPI_Message message;
    MPI_Status status, statuses[5];
    int count, flag, index, indices[5], mine, theirs[2] = {-1, -1}, in[5] = {-1, -1, -1, -1, -1}, nothing, matched = -1, last[2] = {-1, -1};
    volatile int comes = -1;
    check_begin(&argc, &argv, 2);
    int other = 1 - check_rank;
    mine = 100 + check_rank;

    for (int i = 0; i < 3; i++) MPI_Grequest_start(query, release, cancel, &work[i], &generalized[i]);
    MPI_Grequest_complete(generalized[1]);
    MPI_Request given_back = generalized[2];
    MPI_Request_free(&generalized[2]);

    MPI_Isendrecv(&mine, 1, MPI_INT, other, 1, &theirs[0], 1, MPI_INT, other, 2, MPI_COMM_WORLD, &pairs[0]);
    MPI_Isendrecv(&mine, 1, MPI_INT, other, 3, &theirs[1], 1, MPI_INT, other, 3, MPI_COMM_WORLD, &pairs[1]);

    for (int i = 0; i < 5; i++) MPI_Irecv(&in[i], 1, MPI_INT, other, 10 + i, MPI_COMM_WORLD, &set[i]);
    MPI_Send(&mine, 1, MPI_INT, other, 13, MPI_COMM_WORLD);
    MPI_Waitany(5, set, &index, &status);
    CHECK_INT(index, 3);
    MPI_Barrier(MPI_COMM_WORLD); /* nobody sends more before both have looked */
    MPI_Send(&mine, 1, MPI_INT, other, 11, MPI_COMM_WORLD);
    MPI_Waitsome(5, set, &count, indices, statuses);
    CHECK_INT(count, 1);
    CHECK_INT(indices[0], 1);
    CHECK(set[1] == MPI_REQUEST_NULL && set[3] == MPI_REQUEST_NULL);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Send(&mine, 1, MPI_INT, other, 14, MPI_COMM_WORLD);
    MPI_Send(&mine, 1, MPI_INT, other, 30, MPI_COMM_WORLD);
    MPI_Send(&mine, 1, MPI_INT, other, 31, MPI_COMM_WORLD); /* to be drained */
    MPI_Mprobe(other, 30, MPI_COMM_WORLD, &message, MPI_STATUS_IGNORE);
    MPI_Irecv(&nothing, 1, MPI_INT, other, 20, MPI_COMM_WORLD, &cancelled);
    MPI_Cancel(&cancelled);
    MPI_Irecv((void *)&comes, 1, MPI_INT, other, 21, MPI_COMM_WORLD, &dropped);
    MPI_Request_free(&dropped);
    CHECK(dropped == MPI_REQUEST_NULL);
    MPI_Comm_dup(MPI_COMM_WORLD, &gone);
    for (int i = 0; i < 2; i++) MPI_Irecv(&last[i], 1, MPI_INT, other, i, gone, &freed[i]);
    MPI_Send(&mine, 1, MPI_INT, other, 0, gone);
    MPI_Comm_free(&gone);

    CHECK(mana_checkpoint() >= 0);

    MPI_Test(&generalized[0], &flag, &status);
    CHECK(!flag);
    CHECK(work[0].queries == 0 && work[1].queries == 0 && work[2].frees == 0);
    MPI_Grequest_complete(given_back);
    CHECK_INT(work[2].frees, 1);
    MPI_Wait(&generalized[1], &status);
    CHECK_INT(status.MPI_TAG, 70);
    MPI_Grequest_complete(generalized[0]);
    MPI_Wait(&generalized[0], &status);
    MPI_Get_count(&status, MPI_INT, &count);
    CHECK_INT(count, 7);
    CHECK(work[0].frees == 1 && work[1].frees == 1);

    MPI_Test(&pairs[0], &flag, MPI_STATUS_IGNORE);
    CHECK(!flag); /* the other rank's send of tag 2 comes after this */
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Send(&mine, 1, MPI_INT, other, 2, MPI_COMM_WORLD);
    MPI_Waitall(2, pairs, statuses);
    CHECK_INT(theirs[0], 100 + other);
    CHECK_INT(theirs[1], 100 + other);
    CHECK_INT(statuses[0].MPI_TAG, 2);
    CHECK_INT(statuses[1].MPI_TAG, 3);
    MPI_Recv(&nothing, 1, MPI_INT, other, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    CHECK_INT(nothing, 100 + other);

    MPI_Waitany(5, set, &index, &status);
    CHECK_INT(index, 4);
    CHECK_INT(status.MPI_TAG, 14);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Send(&mine, 1, MPI_INT, other, 10, MPI_COMM_WORLD);
    MPI_Send(&mine, 1, MPI_INT, other, 12, MPI_COMM_WORLD);
    for (int left = 2; left > 0; left -= count) MPI_Waitsome(5, set, &count, indices, statuses);
    for (int i = 0; i < 5; i++) CHECK_INT(in[i], 100 + other);
    MPI_Waitsome(5, set, &count, indices, statuses);
    CHECK_INT(count, MPI_UNDEFINED);

    MPI_Wait(&cancelled, &status);
    MPI_Test_cancelled(&status, &flag);
    CHECK(flag);
    MPI_Mrecv(&matched, 1, MPI_INT, &message, &status);
    CHECK_INT(matched, 100 + other);
    CHECK_INT(status.MPI_TAG, 30);
    MPI_Recv(&matched, 1, MPI_INT, MPI_ANY_SOURCE, 31, MPI_COMM_WORLD, &status);
    CHECK_INT(status.MPI_SOURCE, other);
    MPI_Send(&mine, 1, MPI_INT, other, 21, MPI_COMM_WORLD);
    while (comes == -1) MPI_Iprobe(MPI_ANY_SOURCE, 99, MPI_COMM_WORLD, &flag, MPI_STATUS_IGNORE);
    CHECK_INT(comes, 100 + other);
    MPI_Wait(&freed[0], MPI_STATUS_IGNORE);
    CHECK_INT(last[0], 100 + other);
    MPI_Test(&freed[1], &flag, MPI_STATUS_IGNORE);
    CHECK(!flag);
    MPI_Cancel(&freed[1]);
    MPI_Wait(&freed[1], &status);
    MPI_Test_cancelled(&status, &flag);
    CHECK(flag);
    return check_end();
}
