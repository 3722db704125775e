/* A message of more than 2 GiB that is under way at a checkpoint, and that nobody has posted a receive for. Only under mana;
 * needs 10 GiB of memory.
 *
 *      rank 0      Isend_c of 2^31 + 16 bytes - mana_checkpoint() - the outcome to rank 1 - Wait
 *      rank 1      Recv of the outcome - Mprobe: how long it is - Mrecv_c as blocks of 16 bytes: every page of it
 *
 * Prints "ok" or what differs, once per life. 2 ranks.
 */
#include "check.h"
#include <mana.h>
#include <stdlib.h>

static const MPI_Count bytes = (1LL << 31) + 16;
enum { PAGE = 4096 };

/* The first byte of each page tells which it is. */
static char mark(MPI_Count at) { return (char)(at / PAGE * 7 % 251 + 1); }

int main(int argc, char **argv) {
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Message message;
    MPI_Status status;
    MPI_Datatype block;
    MPI_Count length, wrong = 0;
    int outcome = -1;
    check_begin(&argc, &argv, 2);
    char *data = calloc(1, bytes);
    if (check_rank == 0) {
        for (MPI_Count at = 0; at < bytes; at += PAGE) data[at] = mark(at);
        data[bytes - 1] = 'z';
        MPI_Isend_c(data, bytes, MPI_CHAR, 1, 4, MPI_COMM_WORLD, &request);
        outcome = mana_checkpoint();
        MPI_Send(&outcome, 1, MPI_INT, 1, 5, MPI_COMM_WORLD);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
    } else {
        MPI_Recv(&outcome, 1, MPI_INT, 0, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Type_contiguous(16, MPI_CHAR, &block);
        MPI_Type_commit(&block);
        MPI_Mprobe(0, 4, MPI_COMM_WORLD, &message, &status);
        MPI_Get_count_c(&status, MPI_CHAR, &length);
        CHECK(length == bytes);
        MPI_Mrecv_c(data, bytes / 16, block, &message, &status);
        for (MPI_Count at = 0; at < bytes; at += PAGE) wrong += data[at] != mark(at);
        CHECK(wrong == 0);
        CHECK(data[bytes - 1] == 'z');
        MPI_Type_free(&block);
    }
    CHECK(outcome == 0 || outcome == 1);
    free(data);
    return check_end();
}
