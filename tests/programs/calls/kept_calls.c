/* What is freed while it is in use survives a checkpoint and a restart, under another MPI too.
 *
 *      MPI_Irecv(type)  MPI_Type_free(type)  mana_checkpoint()  MPI_Send  MPI_Wait       the message lands by `type`
 *      persistent receive with a freed type; a user operation and a derived type that live across the checkpoint
 *
 * Prints "ok" or what differs, once per life: in the job itself and in each restart of its checkpoint. Without mana it
 * checks the same without a checkpoint. 2 ranks.
 */
#include "check.h"

#if __has_include(<mana.h>)
#include <mana.h>
#define CHECKPOINT() CHECK(mana_checkpoint() >= 0)
#else
#define CHECKPOINT() ((void)0)
#endif

static MPI_Datatype seen;

static void larger(void *in, void *inout, int *len, MPI_Datatype *type) {
    int *a = in, *b = inout;
    for (int i = 0; i < 2 * *len; i++)
        if (a[i] > b[i]) b[i] = a[i];
    seen = *type;
}

int main(int argc, char **argv) {
    int once[9] = {0}, again[9] = {0}, out[4] = {7, 8, 9, 10};
    int mine[2], result[2] = {-1, -1};
    MPI_Datatype part, type, pair, quad;
    MPI_Request requests[2];
    MPI_Op op;
    check_begin(&argc, &argv, 2);
    int other = 1 - check_rank;

    MPI_Type_vector(2, 1, 2, MPI_INT, &part);
    MPI_Type_create_resized(part, 0, 20, &type); /* ints 0 and 2 of every 5 */
    MPI_Type_commit(&type);
    MPI_Irecv(once, 2, type, other, 0, MPI_COMM_WORLD, &requests[0]);
    MPI_Recv_init(again, 2, type, other, 1, MPI_COMM_WORLD, &requests[1]);
    MPI_Type_free(&part);
    MPI_Type_free(&type);
    MPI_Type_contiguous(2, MPI_INT, &pair);
    MPI_Type_commit(&pair);
    MPI_Type_create_f90_integer(9, &quad);
    MPI_Op_create(larger, 0, &op);

    CHECKPOINT();

    MPI_Start(&requests[1]);
    MPI_Send(out, 4, MPI_INT, other, 0, MPI_COMM_WORLD);
    MPI_Send(out, 4, quad, other, 1, MPI_COMM_WORLD);
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    for (int i = 0; i < 4; i++) {
        int at = i / 2 * 5 + i % 2 * 2;
        CHECK_INT(once[at], out[i]);
        CHECK_INT(again[at], out[i]);
    }
    CHECK_INT(once[1], 0);
    MPI_Request_free(&requests[1]);
    mine[0] = check_rank, mine[1] = 5 - check_rank;
    MPI_Allreduce(mine, result, 1, pair, op, MPI_COMM_WORLD);
    CHECK_INT(result[0], 1);
    CHECK_INT(result[1], 5);
    CHECK(seen == pair);
    MPI_Op_free(&op);
    MPI_Type_free(&pair);
    return check_end();
}
