/* Whose error handler hears of an operation that fails when it is waited for: that of the object it was on. 2 ranks.
 *
 *      MPI_Irecv(1 int, comm)  <- 4 ints        MPI_Wait: comm's handler, not MPI_COMM_SELF's, which would end the job
 */
#include "check.h"

static MPI_Comm failed_comm;
static int calls;

static void handler(MPI_Comm *comm, int *code, ...) {
    (void)code;
    failed_comm = *comm;
    calls++;
}

int main(int argc, char **argv) {
    int in = 0, out[4] = {1, 2, 3, 4}, done = 0, code = MPI_SUCCESS;
    MPI_Errhandler mine;
    MPI_Request request;
    MPI_Status status;
    MPI_Comm comm;
    check_begin(&argc, &argv, 2);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_create_errhandler(handler, &mine);
    MPI_Comm_set_errhandler(comm, mine);
    MPI_Errhandler_free(&mine);
    for (int round = 0; round < 3; round++) {
        if (check_rank == 0) {
            MPI_Send(out, 4, MPI_INT, 1, 0, comm);
            continue;
        }
        MPI_Irecv(&in, 1, MPI_INT, 0, 0, comm, &request);
        if (round == 0) {
            CHECK_ERROR(MPI_Wait(&request, &status), MPI_ERR_TRUNCATE);
        } else if (round == 1) {
            CHECK_ERROR(MPI_Waitall(1, &request, &status), MPI_ERR_IN_STATUS);
            CHECK_ERROR(status.MPI_ERROR, MPI_ERR_TRUNCATE);
        } else {
            for (done = 0; !done && code == MPI_SUCCESS;) code = MPI_Test(&request, &done, &status);
            CHECK_ERROR(code, MPI_ERR_TRUNCATE);
        }
        CHECK_INT(calls, round + 1);
        CHECK(failed_comm == comm);
    }
    MPI_Comm_free(&comm);
    return check_end();
}
