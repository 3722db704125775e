/* Persistent requests across a checkpoint, collectives and messages: inactive, started, complete and not waited for.
 *
 *      init all; start some  ->  mana_checkpoint()  ->  wait for those, start all again, twice
 *
 * The types and the operation that they use are freed before the checkpoint. Prints "ok" or what differs, once per life.
 * 4 ranks.
 */
#include "check.h"
#include <mana.h>

enum { N = 4, REQUESTS = 6 };

static void larger(void *a, void *b, int *len, MPI_Datatype *type) {
    (void)type;
    for (int i = 0; i < 2 * *len; i++)
        if (((int *)a)[i] > ((int *)b)[i]) ((int *)b)[i] = ((int *)a)[i];
}

static int pair[2], gathered[2 * N], broadcast, received, turned[N], out[N];
static MPI_Count counts[N];
static MPI_Aint displs[N];

static void fill(int round) {
    pair[0] = check_rank + round, pair[1] = -check_rank;
    memset(gathered, 0xff, sizeof gathered);
    broadcast = check_rank == 1 ? 1000 + round : -1;
    received = -1;
    for (int i = 0; i < N; i++) out[i] = 100 * check_rank + 10 * i + round;
    memset(turned, 0xff, sizeof turned);
}

static void verify(int round) {
    CHECK_INT(pair[0], N - 1 + round);
    CHECK_INT(pair[1], 0);
    for (int i = 0; i < N; i++) CHECK_INT(gathered[2 * (N - 1 - i)], 100 * i + round);
    CHECK_INT(gathered[1], -1);
    CHECK_INT(broadcast, 1000 + round);
    CHECK_INT(received, 100 * ((check_rank + N - 1) % N) + round);
    for (int i = 0; i < N; i++) CHECK_INT(turned[i], 100 * i + 10 * check_rank + round);
}

int main(int argc, char **argv) {
    MPI_Request requests[REQUESTS], collective;
    MPI_Datatype two, wide, part;
    MPI_Op op;
    check_begin(&argc, &argv, N);
    MPI_Type_contiguous(2, MPI_INT, &two);
    MPI_Type_commit(&two);
    MPI_Type_create_resized(MPI_INT, 0, 2 * sizeof(int), &part);
    MPI_Type_dup(part, &wide);
    MPI_Type_commit(&wide);
    MPI_Op_create(larger, 1, &op);
    for (int i = 0; i < N; i++) counts[i] = 1, displs[i] = N - 1 - i;

    MPI_Allreduce_init(MPI_IN_PLACE, pair, 1, two, op, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[0]);
    MPI_Allgatherv_init_c(out, 1, MPI_INT, gathered, counts, displs, wide, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[1]);
    MPI_Bcast_init(&broadcast, 1, MPI_INT, 1, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[2]);
    MPI_Alltoall_init(out, 1, MPI_INT, turned, 1, MPI_INT, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[3]);
    MPI_Recv_init(&received, 1, MPI_INT, (check_rank + N - 1) % N, 9, MPI_COMM_WORLD, &requests[4]);
    MPI_Send_init(out, 1, MPI_INT, (check_rank + 1) % N, 9, MPI_COMM_WORLD, &requests[5]);
    MPI_Type_free(&two);
    MPI_Type_free(&part);
    MPI_Type_free(&wide);
    MPI_Op_free(&op);
    for (int i = 0; i < N; i++) counts[i] = 77, displs[i] = 77; /* the requests have copies */

    fill(0);
    MPI_Startall(REQUESTS, requests); /* a whole round before the checkpoint */
    MPI_Waitall(REQUESTS, requests, MPI_STATUSES_IGNORE);
    verify(0);
    fill(1);
    MPI_Start(&requests[0]); /* complete at the cut, not waited for */
    MPI_Start(&requests[2]);
    MPI_Start(&requests[4]); /* a receive that is posted again */
    CHECK_INT(mana_checkpoint() >= 0, 1);
    MPI_Start(&requests[5]);
    MPI_Startall(1, &requests[1]);
    MPI_Startall(1, &requests[3]);
    MPI_Waitall(REQUESTS, requests, MPI_STATUSES_IGNORE);
    verify(1);
    for (int round = 2; round < 4; round++) {
        fill(round);
        MPI_Startall(REQUESTS, requests);
        MPI_Waitall(REQUESTS, requests, MPI_STATUSES_IGNORE);
        verify(round);
    }
    /* An order of its own on each rank, before a checkpoint and after. */
    for (int round = 40; round < 42; round++) {
        fill(round);
        MPI_Startall(2, &requests[4]);
        for (int i = 0; i < 3; i++) MPI_Start(&requests[(i + check_rank) % 4]);
        if (round == 40) CHECK_INT(mana_checkpoint() >= 0, 1);
        MPI_Start(&requests[(3 + check_rank) % 4]);
        MPI_Waitall(REQUESTS, requests, MPI_STATUSES_IGNORE);
        verify(round);
    }
    /* Rank 0 asks for another one while the others are on their way into a Startall. */
    if (check_rank == 0) CHECK_INT(mana_checkpoint() >= 0, 1);
    MPI_Barrier_init(MPI_COMM_WORLD, MPI_INFO_NULL, &collective);
    for (int round = 4; round < 6; round++) {
        MPI_Request started[REQUESTS + 1];
        memcpy(started, requests, sizeof requests);
        started[REQUESTS] = collective;
        fill(round);
        MPI_Startall(REQUESTS + 1, started);
        MPI_Waitall(REQUESTS + 1, started, MPI_STATUSES_IGNORE);
        verify(round);
    }
    MPI_Request_free(&collective);
    for (int i = 0; i < REQUESTS; i++) MPI_Request_free(&requests[i]);
    return check_end();
}
