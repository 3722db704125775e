/* Partitioned communication: parts that are ready in any order, sides that cut the same data differently, several pairs.
 *
 *      sender      | 0 | 1 | 2 | 3 | 4 | 5 |   Pready in any order, Pready_list, Pready_range
 *      receiver    |   0   |   1   |   2   |   Parrived of each, then Wait
 *
 * Prints "ok" or what differs. 2 ranks.
 */
#include "check.h"

enum { PARTS = 6, EACH = 100, ALL = PARTS * EACH };

static double out[ALL], in[ALL];

static void fill(int round) {
    for (int i = 0; i < ALL; i++) out[i] = 1000 * round + i;
    memset(in, 0, sizeof in);
}

static void check_all(int round) {
    int wrong = 0;
    for (int i = 0; i < ALL; i++) wrong += in[i] != 1000 * round + i;
    CHECK_INT(wrong, 0);
}

/* A message of no bytes arrives too, and not before all its partitions are ready. */
static void empty(void) {
    int other = 1 - check_rank, flag;
    MPI_Request send, receive;
    MPI_Psend_init(out, 2, 0, MPI_DOUBLE, other, 6, MPI_COMM_WORLD, MPI_INFO_NULL, &send);
    MPI_Precv_init(in, 2, 0, MPI_DOUBLE, other, 6, MPI_COMM_WORLD, MPI_INFO_NULL, &receive);
    for (int round = 0; round < 2; round++) {
        MPI_Start(&receive);
        MPI_Start(&send);
        MPI_Pready(1, send);
        for (int i = 0; i < 2; i++) {
            MPI_Barrier(MPI_COMM_WORLD); /* the first is out */
            MPI_Parrived(receive, i, &flag);
            CHECK(!flag); /* the other rank's last one comes after the next barrier */
        }
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_Pready(0, send);
        for (int i = 0; i < 2; i++)
            for (flag = 0; !flag;) MPI_Parrived(receive, i, &flag);
        MPI_Wait(&receive, MPI_STATUS_IGNORE);
        MPI_Wait(&send, MPI_STATUS_IGNORE);
    }
    MPI_Request_free(&receive);
    MPI_Request_free(&send);
}

/* Each rank sends to the other and receives from it. */
static void rounds(void) {
    int other = 1 - check_rank, flag, list[2] = {5, 3};
    MPI_Request send, receive;
    MPI_Status status;
    MPI_Psend_init(out, PARTS, EACH, MPI_DOUBLE, other, 4, MPI_COMM_WORLD, MPI_INFO_NULL, &send);
    MPI_Precv_init(in, PARTS / 2, 2 * EACH, MPI_DOUBLE, other, 4, MPI_COMM_WORLD, MPI_INFO_NULL, &receive);
    for (int round = 0; round < 3; round++) {
        fill(round);
        MPI_Barrier(MPI_COMM_WORLD);
        if (round == 1) MPI_Start(&send), MPI_Start(&receive); /* both orders, and both at once */
        if (round == 0) MPI_Start(&receive), MPI_Start(&send);
        if (round == 2) MPI_Startall(2, (MPI_Request[]){send, receive});
        MPI_Parrived(receive, 2, &flag);
        CHECK(!flag); /* the other rank's last part comes after the barrier below */
        MPI_Pready(0, send);
        MPI_Pready_range(1, 2, send);
        for (flag = 0; !flag;) MPI_Parrived(receive, 0, &flag);
        CHECK(in[0] == 1000 * round && in[2 * EACH - 1] == 1000 * round + 2 * EACH - 1);
        MPI_Parrived(receive, 2, &flag);
        CHECK(!flag);
        MPI_Test(&send, &flag, MPI_STATUS_IGNORE);
        CHECK(!flag);
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_Pready_list(2, list, send);
        MPI_Pready(4, send);
        MPI_Wait(&send, MPI_STATUS_IGNORE);
        MPI_Wait(&receive, &status);
        CHECK(send != MPI_REQUEST_NULL && receive != MPI_REQUEST_NULL);
        CHECK_INT(status.MPI_SOURCE, other);
        CHECK_INT(status.MPI_TAG, 4);
        MPI_Get_count(&status, MPI_DOUBLE, &flag);
        CHECK_INT(flag, ALL);
        check_all(round);
    }
    MPI_Parrived(receive, 0, &flag); /* inactive */
    CHECK(flag);
    CHECK_ERROR(MPI_Pready(0, send), MPI_ERR_REQUEST);
    MPI_Start(&send);
    MPI_Start(&receive);
    MPI_Pready_range(0, PARTS - 2, send);
    CHECK_ERROR(MPI_Pready(0, send), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Pready(PARTS, send), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Pready(0, receive), MPI_ERR_REQUEST);
    CHECK_ERROR(MPI_Parrived(receive, PARTS / 2, &flag), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Start(&send), MPI_ERR_REQUEST);
    MPI_Pready(PARTS - 1, send);
    MPI_Waitall(2, (MPI_Request[]){send, receive}, MPI_STATUSES_IGNORE);
    MPI_Request_free(&send);
    MPI_Request_free(&receive);
}

/* Pairs on one (communicator, peer, tag) match in the order of their inits; a sender may run ahead by several starts. */
static void pairs(void) {
    int values[2] = {-1, -1}, sent[2];
    MPI_Request requests[2];
    MPI_Comm comm;
    MPI_Datatype gap;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Type_create_resized(MPI_INT, 0, 4, &gap);
    MPI_Type_commit(&gap);
    for (int i = 0; i < 2; i++)
        if (check_rank == 0)
            MPI_Psend_init(&sent[i], 1, 1, MPI_INT, 1, 0, comm, MPI_INFO_NULL, &requests[i]);
        else
            MPI_Precv_init(&values[i], 1, 1, gap, 0, 0, comm, MPI_INFO_NULL, &requests[i]);
    MPI_Type_free(&gap);
    for (int round = 0; round < 3 && check_rank == 0; round++)
        for (int i = 1; i >= 0; i--) {
            sent[i] = 10 * round + i;
            MPI_Start(&requests[i]);
            MPI_Pready(0, requests[i]);
            MPI_Wait(&requests[i], MPI_STATUS_IGNORE);
        }
    MPI_Barrier(comm);
    for (int round = 0; round < 3 && check_rank == 1; round++) {
        MPI_Startall(2, requests);
        MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
        CHECK_INT(values[0], 10 * round);
        CHECK_INT(values[1], 10 * round + 1);
    }
    for (int i = 0; i < 2; i++) MPI_Request_free(&requests[i]);
    MPI_Comm_free(&comm);
}

static void edges(void) {
    MPI_Request requests[2];
    MPI_Status statuses[2];
    char self[2] = {'a', 0};
    MPI_Psend_init(self, 1, 1, MPI_CHAR, MPI_PROC_NULL, 0, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[0]);
    MPI_Precv_init(self, 1, 1, MPI_CHAR, MPI_PROC_NULL, 0, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[1]);
    MPI_Startall(2, requests);
    MPI_Pready(0, requests[0]);
    MPI_Waitall(2, requests, statuses);
    CHECK_INT(statuses[1].MPI_SOURCE, MPI_PROC_NULL);
    MPI_Request_free(&requests[0]);
    MPI_Request_free(&requests[1]);
    /* To itself, and with nothing in it. */
    for (int count = 1; count >= 0; count--) {
        MPI_Psend_init(&self[0], 1, count, MPI_CHAR, 0, 0, MPI_COMM_SELF, MPI_INFO_NULL, &requests[0]);
        MPI_Precv_init(&self[1], 1, count, MPI_CHAR, 0, 0, MPI_COMM_SELF, MPI_INFO_NULL, &requests[1]);
        for (int i = 0; i < 2; i++) {
            self[1] = 0;
            MPI_Startall(2, requests);
            MPI_Pready(0, requests[0]);
            MPI_Waitall(2, requests, statuses);
            CHECK_INT(self[1], count ? 'a' : 0);
        }
        MPI_Request_free(&requests[0]);
        MPI_Request_free(&requests[1]);
    }
    CHECK_ERROR(MPI_Psend_init(self, -1, 1, MPI_CHAR, 0, 0, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[0]), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Precv_init(self, 1, 1, MPI_CHAR, MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[0]),
                MPI_ERR_RANK);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    empty();
    rounds();
    pairs();
    edges();
    return check_end();
}
