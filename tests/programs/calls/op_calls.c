/* The application's own reduction operations: commuting or not, on predefined and derived types, freed while a collective
 * that uses them is under way, and hundreds of them one after the other.
 *
 *      2 x 2 matrices, whose product does not commute:   MPI_Allreduce = M(rank 0) M(rank 1)
 *
 * Prints "ok" or, line by line, what differs. Usage: op_calls (2 ranks)
 */
#include "check.h"

static int calls;
static MPI_Datatype seen; /* what the last call of a function was told */

struct matrix {
    long at[2][2];
};

static void multiply(void *in, void *inout, int *len, MPI_Datatype *type) {
    struct matrix *a = in, *b = inout;
    for (int i = 0; i < *len; i++) {
        struct matrix c;
        for (int row = 0; row < 2; row++)
            for (int column = 0; column < 2; column++)
                c.at[row][column] = a[i].at[row][0] * b[i].at[0][column] + a[i].at[row][1] * b[i].at[1][column];
        b[i] = c;
    }
    seen = *type;
    calls++;
}

static void larger(void *in, void *inout, int *len, MPI_Datatype *type) {
    int *a = in, *b = inout;
    for (int i = 0; i < *len; i++)
        if (a[i] > b[i]) b[i] = a[i];
    seen = *type;
    calls++;
}

static void derived_type(void) {
    struct matrix mine[2] = {{{{1, check_rank + 1}, {0, 1}}}, {{{1, 0}, {check_rank + 2, 1}}}}, product[2];
    struct matrix local[2] = {{{{1, 1}, {0, 1}}}, {{{1, 0}, {2, 1}}}}, other[2] = {{{{1, 2}, {0, 1}}}, {{{1, 0}, {3, 1}}}};
    MPI_Datatype type;
    MPI_Op op;
    int commutes = -1;
    mine[0].at[1][1] = check_rank + 2; /* so that the order matters */
    local[0].at[1][1] = 2, other[0].at[1][1] = 3;
    MPI_Type_contiguous(4, MPI_LONG, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(multiply, 0, &op);
    MPI_Op_commutative(op, &commutes);
    CHECK(commutes == 0);
    MPI_Allreduce(mine, product, 2, type, op, MPI_COMM_WORLD);
    MPI_Reduce_local(local, other, 2, type, op); /* other = local * other, by one rank alone */
    CHECK(calls > 0 && seen == type);
    CHECK(memcmp(product, other, sizeof product) == 0);
    MPI_Op_free(&op);
    CHECK(op == MPI_OP_NULL);
    MPI_Type_free(&type);
}

static void predefined_type(void) {
    int mine[3] = {check_rank, -check_rank, 7}, result[3] = {0, 0, 0}, commutes = -1;
    MPI_Op op;
    MPI_Op_create(larger, 1, &op);
    MPI_Op_commutative(op, &commutes);
    CHECK(commutes == 1);
    MPI_Allreduce(mine, result, 3, MPI_INT, op, MPI_COMM_WORLD);
    CHECK(result[0] == 1 && result[1] == 0 && result[2] == 7);
    MPI_Scan(mine, result, 3, MPI_INT, op, MPI_COMM_WORLD);
    CHECK(result[0] == check_rank && result[1] == 0 && result[2] == 7);
    MPI_Op_free(&op);
    MPI_Op_commutative(MPI_SUM, &commutes);
    CHECK(commutes == 1);
    int a = 3, b = 4;
    MPI_Reduce_local(&a, &b, 1, MPI_INT, MPI_SUM);
    CHECK(a == 3 && b == 7);
}

/* The handle goes while the reduction is under way; another operation must not get in its place. */
static void freed_while_pending(void) {
    int mine = check_rank + 5, result = 0, result_2 = 0;
    MPI_Op op, second;
    MPI_Request requests[2];
    MPI_Op_create(larger, 1, &op);
    MPI_Iallreduce(&mine, &result, 1, MPI_INT, op, MPI_COMM_WORLD, &requests[0]);
    MPI_Op_free(&op);
    MPI_Op_create(larger, 1, &second);
    MPI_Iallreduce(&mine, &result_2, 1, MPI_INT, second, MPI_COMM_WORLD, &requests[1]);
    MPI_Op_free(&second);
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    CHECK(result == 6 && result_2 == 6);
}

static void many(void) {
    for (int i = 0; i < 1000; i++) {
        MPI_Op op;
        int mine = i + check_rank, result = -1;
        CHECK(MPI_Op_create(larger, 1, &op) == MPI_SUCCESS);
        if (i % 100 == 0) {
            MPI_Allreduce(&mine, &result, 1, MPI_INT, op, MPI_COMM_WORLD);
            CHECK(result == i + 1);
        }
        MPI_Op_free(&op);
    }
}

static void errors(void) {
    MPI_Op op = MPI_SUM;
    int a = 0, b = 0, class = 0;
    MPI_Error_class(MPI_Op_free(&op), &class);
    CHECK(class == MPI_ERR_OP && op == MPI_SUM);
    CHECK(MPI_Reduce_local(&a, &b, 1, MPI_INT, MPI_OP_NULL) != MPI_SUCCESS);
    if (!check_under_mana()) return;
    CHECK_ERROR(MPI_Reduce_local(&a, &b, -1, MPI_INT, MPI_SUM), MPI_ERR_COUNT);
}

#if MPI_VERSION >= 4
static void larger_c(void *in, void *inout, MPI_Count *len, MPI_Datatype *type) {
    int *a = in, *b = inout;
    for (MPI_Count i = 0; i < *len; i++)
        if (a[i] > b[i]) b[i] = a[i];
    seen = *type;
    calls++;
}

static void large(void) {
    int mine[2] = {check_rank, 1 - check_rank}, result[2] = {-1, -1};
    MPI_Op op;
    MPI_Op_create_c(larger_c, 1, &op);
    MPI_Allreduce_c(mine, result, 2, MPI_INT, op, MPI_COMM_WORLD);
    CHECK(result[0] == 1 && result[1] == 1);
    MPI_Reduce_local_c((int[]){9}, result, 1, MPI_INT, op);
    CHECK(result[0] == 9 && result[1] == 1 && seen == MPI_INT);
    MPI_Op_free(&op);
}
#endif

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    derived_type();
    predefined_type();
    freed_while_pending();
    many();
    errors();
#if MPI_VERSION >= 4
    large();
#endif
    return check_end();
}
