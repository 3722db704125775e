/* Generalized requests: when each of the three functions is called, what status and errors they give.
 *
 *      Wait, Test, Waitall, Waitsome, Request_get_status, Request_free before and after completion, Cancel
 *
 * Prints "ok" or what differs. 2 ranks.
 */
#include "check.h"

struct work {
    int queries, frees, cancels, cancelled_complete;
    int fails_query, fails_free;
};

static int query(void *state, MPI_Status *status) {
    struct work *work = state;
    work->queries++;
    MPI_Status_set_elements(status, MPI_INT, 3);
    MPI_Status_set_cancelled(status, work->cancels > 0);
    status->MPI_SOURCE = 77;
    status->MPI_TAG = 88;
    return work->fails_query;
}

static int release(void *state) {
    struct work *work = state;
    work->frees++;
    return work->fails_free;
}

static int cancel(void *state, int complete) {
    struct work *work = state;
    work->cancels++;
    work->cancelled_complete = complete;
    return MPI_SUCCESS;
}

static MPI_Request begin(struct work *work) {
    MPI_Request request;
    memset(work, 0, sizeof *work);
    MPI_Grequest_start(query, release, cancel, work, &request);
    return request;
}

int main(int argc, char **argv) {
    struct work work, other;
    MPI_Request request, requests[3], copy;
    MPI_Status status, statuses[3];
    int flag, count, number = 0, indices[3];
    check_begin(&argc, &argv, 2);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);

    request = begin(&work);
    MPI_Test(&request, &flag, &status);
    CHECK(!flag && work.queries == 0);
    MPI_Request_get_status(request, &flag, &status);
    CHECK(!flag && work.queries == 0);
    MPI_Grequest_complete(request);
    CHECK(work.queries == 0 && work.frees == 0);
    MPI_Request_get_status(request, &flag, &status);
    CHECK(flag && work.queries == 1 && work.frees == 0);
    CHECK_ERROR(MPI_Grequest_complete(request), MPI_ERR_REQUEST);
    memset(&status, 0, sizeof status);
    MPI_Wait(&request, &status);
    CHECK(request == MPI_REQUEST_NULL);
    CHECK(work.queries == 2 && work.frees == 1);
    MPI_Get_count(&status, MPI_INT, &count);
    CHECK_INT(count, 3);
    CHECK_INT(status.MPI_SOURCE, 77);
    CHECK_INT(status.MPI_TAG, 88);

    /* Ignoring the status calls the functions all the same. */
    request = begin(&work);
    MPI_Grequest_complete(request);
    MPI_Test(&request, &flag, MPI_STATUS_IGNORE);
    CHECK(flag && work.queries == 1 && work.frees == 1);

    /* Cancelling only tells the application. */
    request = begin(&work);
    MPI_Cancel(&request);
    CHECK(work.cancels == 1 && work.cancelled_complete == 0);
    MPI_Grequest_complete(request);
    MPI_Cancel(&request);
    CHECK(work.cancels == 2 && work.cancelled_complete == 1);
    MPI_Wait(&request, &status);
    MPI_Test_cancelled(&status, &flag);
    CHECK(flag);

    /* Giving it back: free_fn when it is complete, by whichever call comes last. */
    copy = request = begin(&work);
    MPI_Request_free(&request);
    CHECK(request == MPI_REQUEST_NULL && work.frees == 0);
    MPI_Grequest_complete(copy);
    CHECK(work.frees == 1 && work.queries == 0);
    request = begin(&work);
    MPI_Grequest_complete(request);
    MPI_Request_free(&request);
    CHECK(work.frees == 1 && work.queries == 0);

    /* Together with messages. */
    requests[0] = begin(&work);
    requests[1] = begin(&other);
    MPI_Irecv(&number, 1, MPI_INT, 1 - check_rank, 0, MPI_COMM_WORLD, &requests[2]);
    MPI_Grequest_complete(requests[1]);
    MPI_Waitany(2, requests, &count, &status);
    CHECK_INT(count, 1);
    CHECK(requests[1] == MPI_REQUEST_NULL && other.frees == 1);
    MPI_Send(&check_rank, 1, MPI_INT, 1 - check_rank, 0, MPI_COMM_WORLD);
    MPI_Grequest_complete(requests[0]);
    MPI_Waitall(3, requests, statuses);
    CHECK_INT(number, 1 - check_rank);
    CHECK_INT(statuses[0].MPI_SOURCE, 77);
    CHECK(work.queries == 1 && work.frees == 1);

    /* Errors: the last function's for one request, in the status for several. */
    request = begin(&work);
    work.fails_query = MPI_ERR_ARG;
    MPI_Grequest_complete(request);
    CHECK_ERROR(MPI_Wait(&request, MPI_STATUS_IGNORE), MPI_ERR_ARG);
    request = begin(&work);
    work.fails_query = MPI_ERR_ARG;
    work.fails_free = MPI_ERR_IO;
    MPI_Grequest_complete(request);
    CHECK_ERROR(MPI_Wait(&request, MPI_STATUS_IGNORE), MPI_ERR_IO);
    CHECK_INT(work.frees, 1);
    requests[0] = begin(&work);
    requests[1] = begin(&other);
    work.fails_free = MPI_ERR_IO;
    MPI_Grequest_complete(requests[0]);
    MPI_Grequest_complete(requests[1]);
    CHECK_ERROR(MPI_Waitsome(2, requests, &count, indices, statuses), MPI_ERR_IN_STATUS);
    CHECK_INT(count, 2);
    CHECK_INT(statuses[0].MPI_ERROR, MPI_ERR_IO);
    CHECK_INT(statuses[1].MPI_ERROR, MPI_SUCCESS);

    MPI_Irecv(&number, 1, MPI_INT, 1 - check_rank, 1, MPI_COMM_WORLD, &request);
    CHECK_ERROR(MPI_Grequest_complete(request), MPI_ERR_REQUEST);
    MPI_Send(&check_rank, 1, MPI_INT, 1 - check_rank, 1, MPI_COMM_WORLD);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    return check_end();
}
