/* MPI_Isendrecv and MPI_Isendrecv_replace: one request for a receive and a send.
 *
 *      a ring in both forms, with wildcards, MPI_PROC_NULL on either side, types with gaps, errors of the receive, and
 *      several at once completed by Waitall and Testany
 *      errors go to the handler of the communicator, also those that MPI_Wait finds and those of MPI_Cancel
 *
 * Prints "ok" or what differs. 4 ranks.
 */
#include "check.h"

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 4);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    int right = (check_rank + 1) % 4, left = (check_rank + 3) % 4;
    MPI_Request requests[3];
    MPI_Status status;

    int mine = 10 + check_rank, theirs = -1;
    MPI_Isendrecv(&mine, 1, MPI_INT, right, 5, &theirs, 1, MPI_INT, left, 5, MPI_COMM_WORLD, &requests[0]);
    MPI_Wait(&requests[0], &status);
    CHECK(requests[0] == MPI_REQUEST_NULL);
    CHECK_INT(theirs, 10 + left);
    CHECK_INT(status.MPI_SOURCE, left);
    CHECK_INT(status.MPI_TAG, 5);

    int both[4] = {check_rank, -1, 100 + check_rank, -1};
    MPI_Datatype gaps;
    MPI_Type_vector(2, 1, 2, MPI_INT, &gaps);
    MPI_Type_commit(&gaps);
    MPI_Isendrecv_replace(both, 1, gaps, right, 6, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &requests[0]);
    MPI_Type_free(&gaps);
    MPI_Wait(&requests[0], &status);
    CHECK_INT(both[0], left);
    CHECK_INT(both[1], -1);
    CHECK_INT(both[2], 100 + left);
    CHECK_INT(status.MPI_SOURCE, left);
    CHECK_INT(status.MPI_TAG, 6);

    /* A line instead of a ring: nobody beyond the ends. */
    theirs = -1;
    MPI_Isendrecv(&mine, 1, MPI_INT, check_rank < 3 ? right : MPI_PROC_NULL, 7, &theirs, 1, MPI_INT,
                  check_rank > 0 ? left : MPI_PROC_NULL, 7, MPI_COMM_WORLD, &requests[0]);
    MPI_Wait(&requests[0], &status);
    CHECK_INT(theirs, check_rank > 0 ? 10 + left : -1);
    CHECK_INT(status.MPI_SOURCE, check_rank > 0 ? left : MPI_PROC_NULL);

    int sent[3] = {1, 2, 3}, got[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++)
        MPI_Isendrecv_c(&sent[i], 1, MPI_INT, right, i, &got[i], 1, MPI_INT, left, i, MPI_COMM_WORLD, &requests[i]);
    int seen = 0, index, flag;
    while (seen < 2) {
        MPI_Testany(3, requests, &index, &flag, MPI_STATUS_IGNORE);
        if (flag && index != MPI_UNDEFINED) seen++;
    }
    MPI_Waitall(3, requests, MPI_STATUSES_IGNORE);
    for (int i = 0; i < 3; i++) CHECK_INT(got[i], i + 1);

    int small = 0, large[2] = {1, 2};
    MPI_Isendrecv(large, 2, MPI_INT, right, 8, &small, 1, MPI_INT, left, 8, MPI_COMM_WORLD, &requests[0]);
    CHECK_ERROR(MPI_Wait(&requests[0], MPI_STATUS_IGNORE), MPI_ERR_TRUNCATE);
    CHECK_ERROR(MPI_Isendrecv(large, 2, MPI_INT, 99, 8, &small, 1, MPI_INT, left, 8, MPI_COMM_WORLD, &requests[0]),
                MPI_ERR_RANK);

    MPI_Isendrecv(&mine, 1, MPI_INT, right, 9, &theirs, 1, MPI_INT, left, 9, MPI_COMM_WORLD, &requests[0]);
    CHECK_ERROR(MPI_Cancel(&requests[0]), MPI_ERR_REQUEST);
    MPI_Wait(&requests[0], MPI_STATUS_IGNORE);
    return check_end();
}
