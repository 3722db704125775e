/* Counts that an int cannot hold, also over libraries whose functions take an int.
 *
 *      messages, collectives and reductions of 3 * 10^9 elements of an empty type: counts without memory
 *      with any argument also one message of 2^31 + 16 bytes, sent and received as other types: needs 2 GiB on each rank
 *
 * Prints "ok" or what differs. 2 ranks.
 */
#include "check.h"
#include <stdlib.h>

static const MPI_Count many = 3000000000, bytes = (1LL << 31) + 16;

/* Elements of no bytes: every function must take the count, and nothing comes. */
static void empty(void) {
    MPI_Datatype none;
    MPI_Request requests[3];
    MPI_Status status;
    MPI_Message message;
    MPI_Count length;
    int other = 1 - check_rank, in = 5, out = 6;
    MPI_Type_contiguous(0, MPI_INT, &none);
    MPI_Type_commit(&none);
    MPI_Irecv_c(&in, many, none, other, 1, MPI_COMM_WORLD, &requests[0]);
    MPI_Isend_c(&out, many, none, other, 1, MPI_COMM_WORLD, &requests[1]);
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    MPI_Sendrecv_c(&out, many, none, other, 2, &in, many, none, other, 2, MPI_COMM_WORLD, &status);
    MPI_Get_count_c(&status, MPI_INT, &length);
    CHECK_INT(length, 0);
    MPI_Isend_c(&out, many, none, other, 3, MPI_COMM_WORLD, &requests[0]);
    MPI_Mprobe(other, 3, MPI_COMM_WORLD, &message, &status);
    MPI_Mrecv_c(&in, many, none, &message, &status);
    MPI_Wait(&requests[0], MPI_STATUS_IGNORE);
    MPI_Bcast_c(&in, many, none, 0, MPI_COMM_WORLD);
    MPI_Allgather_c(&out, many, none, &in, many, none, MPI_COMM_WORLD);
    MPI_Ialltoall_c(&out, many, none, &in, many, none, MPI_COMM_WORLD, &requests[0]);
    MPI_Wait(&requests[0], MPI_STATUS_IGNORE);
    MPI_Gather_c(&out, many, none, check_rank ? NULL : &in, check_rank ? -7 : many,
                 check_rank ? MPI_DATATYPE_NULL : none, 0, MPI_COMM_WORLD);
    MPI_Scatter_init_c(check_rank ? NULL : &out, many, none, &in, many, none, 0, MPI_COMM_WORLD, MPI_INFO_NULL,
                       &requests[0]);
    MPI_Start(&requests[0]);
    MPI_Wait(&requests[0], MPI_STATUS_IGNORE);
    MPI_Request_free(&requests[0]);
    MPI_Type_free(&none);
    CHECK_INT(in, 5);
}

static void one_message(void) {
    MPI_Status status;
    MPI_Count length;
    MPI_Datatype block;
    char *data = malloc(bytes);
    MPI_Type_contiguous(16, MPI_CHAR, &block);
    MPI_Type_commit(&block);
    if (check_rank == 0) {
        memset(data, 'x', bytes);
        data[0] = 'a', data[(1LL << 31) - 1] = 'y', data[1LL << 31] = 'z', data[bytes - 1] = 'b';
        MPI_Send_c(data, bytes, MPI_CHAR, 1, 4, MPI_COMM_WORLD);
    } else {
        MPI_Recv_c(data, bytes / 16, block, 0, 4, MPI_COMM_WORLD, &status);
        MPI_Get_count_c(&status, MPI_CHAR, &length);
        CHECK_INT(length, bytes);
        CHECK(data[0] == 'a' && data[1] == 'x' && data[(1LL << 31) - 2] == 'x');
        CHECK(data[(1LL << 31) - 1] == 'y' && data[1LL << 31] == 'z' && data[bytes - 1] == 'b');
    }
    MPI_Type_free(&block);
    free(data);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    empty();
    if (argc > 1) one_message();
    return check_end();
}
