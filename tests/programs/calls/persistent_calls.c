/* Persistent collectives: every MPI_*_init, started several times with new contents, in its plain and large-count form.
 *
 *      init, then 3 x { new input, Start, Wait, check }, Request_free; arrays and handles that are changed or freed after
 *      the init; Startall of several; starts in an order of each rank's own; errors of Start
 *
 * Prints "ok" or what differs. 4 ranks.
 */
#include "check.h"

enum { N = 4 };

static int in[N * N], out[N * N], round_number;
static int counts[N], displs[N];
static MPI_Count large_counts[N];
static MPI_Aint large_displs[N], byte_displs[N];
static MPI_Datatype types[N];

/* What rank `from` sends to rank `to` in this round. */
static int value(int from, int to) { return 10000 * round_number + 100 * from + to; }

static void arrays(void) {
    for (int i = 0; i < N; i++) {
        counts[i] = large_counts[i] = 1;
        displs[i] = large_displs[i] = i;
        byte_displs[i] = i * (MPI_Aint)sizeof(int);
        types[i] = MPI_INT;
    }
}

static void spoil_arrays(void) {
    memset(counts, 0x7f, sizeof counts);
    memset(displs, 0x7f, sizeof displs);
    memset(large_counts, 0x7f, sizeof large_counts);
    memset(large_displs, 0x7f, sizeof large_displs);
    memset(byte_displs, 0x7f, sizeof byte_displs);
    memset(types, 0, sizeof types);
}

/* What the operation leaves in `out`. */
enum kind { NOTHING, ALLGATHER, ALLTOALL, BCAST, GATHER, SCATTER, SUM, SUM_AT_ROOT, SCAN, EXSCAN, SCATTERED_SUM, RING };

static const int root = 2;

static void verify(enum kind kind, const char *name) {
    int wrong = 0, sum;
    switch (kind) {
    case NOTHING: break;
    case ALLGATHER: for (int i = 0; i < N; i++) wrong += out[i] != value(i, 0); break;
    case ALLTOALL: for (int i = 0; i < N; i++) wrong += out[i] != value(i, check_rank); break;
    case BCAST: wrong += out[0] != value(root, 0); break;
    case GATHER: for (int i = 0; i < N && check_rank == root; i++) wrong += out[i] != value(i, 0); break;
    case SCATTER: wrong += out[0] != value(root, check_rank); break;
    case SUM:
    case SUM_AT_ROOT:
        sum = value(0, 0) + value(1, 0) + value(2, 0) + value(3, 0);
        if (kind == SUM || check_rank == root) wrong += out[0] != sum;
        break;
    case SCAN:
    case EXSCAN:
        sum = 0;
        for (int i = 0; i < check_rank + (kind == SCAN); i++) sum += value(i, 0);
        if (kind == SCAN || check_rank > 0) wrong += out[0] != sum;
        break;
    case SCATTERED_SUM:
        sum = 0;
        for (int i = 0; i < N; i++) sum += value(i, check_rank);
        wrong += out[0] != sum;
        break;
    case RING: /* neighbours: left, right */
        wrong += out[0] != value((check_rank + N - 1) % N, 1) || out[1] != value((check_rank + 1) % N, 0);
        break;
    }
    if (wrong) printf("rank %d: %s, round %d\n", check_rank, name, round_number);
    CHECK_INT(wrong, 0);
}

static void run(MPI_Request request, enum kind kind, const char *name) {
    spoil_arrays();
    for (int round = 1; round <= 3; round++) {
        round_number = round;
        for (int i = 0; i < N; i++) in[i] = value(check_rank, i);
        memset(out, 0xff, sizeof out);
        if (kind == BCAST) out[0] = check_rank == root ? in[0] : -1;
        MPI_Start(&request);
        CHECK_ERROR(MPI_Start(&request), MPI_ERR_REQUEST);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        CHECK(request != MPI_REQUEST_NULL);
        verify(kind, name);
    }
    MPI_Request_free(&request);
    CHECK(request == MPI_REQUEST_NULL);
    arrays();
}

/* Calls init function `name` with what is in parentheses, communicator, info and request added, and runs it. */
#define RUN(name, kind, comm, ...)                                                                                    \
    do {                                                                                                              \
        MPI_Request request = MPI_REQUEST_NULL;                                                                       \
        CHECK_INT(name(__VA_ARGS__, comm, MPI_INFO_NULL, &request), MPI_SUCCESS);                                     \
        run(request, kind, #name);                                                                                    \
    } while (0)
/* Both forms: `name` takes arrays of int, `name_c` large ones. */
#define BOTH(name, kind, ...)                                                                                         \
    RUN(name, kind, MPI_COMM_WORLD, __VA_ARGS__);                                                                     \
    RUN(name##_c, kind, MPI_COMM_WORLD, __VA_ARGS__)

static void all(void) {
    MPI_Request barrier;
    MPI_Barrier_init(MPI_COMM_WORLD, MPI_INFO_NULL, &barrier);
    run(barrier, NOTHING, "MPI_Barrier_init");
    BOTH(MPI_Allgather_init, ALLGATHER, in, 1, MPI_INT, out, 1, MPI_INT);
    RUN(MPI_Allgatherv_init, ALLGATHER, MPI_COMM_WORLD, in, 1, MPI_INT, out, counts, displs, MPI_INT);
    RUN(MPI_Allgatherv_init_c, ALLGATHER, MPI_COMM_WORLD, in, 1, MPI_INT, out, large_counts, large_displs, MPI_INT);
    BOTH(MPI_Allreduce_init, SUM, in, out, 1, MPI_INT, MPI_SUM);
    BOTH(MPI_Alltoall_init, ALLTOALL, in, 1, MPI_INT, out, 1, MPI_INT);
    RUN(MPI_Alltoallv_init, ALLTOALL, MPI_COMM_WORLD, in, counts, displs, MPI_INT, out, counts, displs, MPI_INT);
    RUN(MPI_Alltoallv_init_c, ALLTOALL, MPI_COMM_WORLD, in, large_counts, large_displs, MPI_INT, out, large_counts,
        large_displs, MPI_INT);
    int bytes[N] = {0, 4, 8, 12};
    RUN(MPI_Alltoallw_init, ALLTOALL, MPI_COMM_WORLD, in, counts, bytes, types, out, counts, bytes, types);
    RUN(MPI_Alltoallw_init_c, ALLTOALL, MPI_COMM_WORLD, in, large_counts, byte_displs, types, out, large_counts,
        byte_displs, types);
    BOTH(MPI_Bcast_init, BCAST, out, 1, MPI_INT, root);
    BOTH(MPI_Exscan_init, EXSCAN, in, out, 1, MPI_INT, MPI_SUM);
    BOTH(MPI_Gather_init, GATHER, in, 1, MPI_INT, out, 1, MPI_INT, root);
    BOTH(MPI_Reduce_init, SUM_AT_ROOT, in, out, 1, MPI_INT, MPI_SUM, root);
    BOTH(MPI_Reduce_scatter_block_init, SCATTERED_SUM, in, out, 1, MPI_INT, MPI_SUM);
    RUN(MPI_Reduce_scatter_init, SCATTERED_SUM, MPI_COMM_WORLD, in, out, counts, MPI_INT, MPI_SUM);
    RUN(MPI_Reduce_scatter_init_c, SCATTERED_SUM, MPI_COMM_WORLD, in, out, large_counts, MPI_INT, MPI_SUM);
    BOTH(MPI_Scan_init, SCAN, in, out, 1, MPI_INT, MPI_SUM);
    BOTH(MPI_Scatter_init, SCATTER, in, 1, MPI_INT, out, 1, MPI_INT, root);
    /* The arrays mean something at the root only. */
    int *at_root = check_rank == root ? counts : (int *)16;
    MPI_Count *large_at_root = check_rank == root ? large_counts : (MPI_Count *)16;
    RUN(MPI_Gatherv_init, GATHER, MPI_COMM_WORLD, in, 1, MPI_INT, out, at_root, displs, MPI_INT, root);
    RUN(MPI_Gatherv_init_c, GATHER, MPI_COMM_WORLD, in, 1, MPI_INT, out, large_at_root, large_displs, MPI_INT, root);
    RUN(MPI_Scatterv_init, SCATTER, MPI_COMM_WORLD, in, at_root, displs, MPI_INT, out, 1, MPI_INT, root);
    RUN(MPI_Scatterv_init_c, SCATTER, MPI_COMM_WORLD, in, large_at_root, large_displs, MPI_INT, out, 1, MPI_INT, root);
}

static void neighbours(void) {
    MPI_Comm ring;
    int dims = N, periodic = 1;
    MPI_Cart_create(MPI_COMM_WORLD, 1, &dims, &periodic, 0, &ring);
    RUN(MPI_Neighbor_alltoall_init, RING, ring, in, 1, MPI_INT, out, 1, MPI_INT);
    RUN(MPI_Neighbor_alltoall_init_c, RING, ring, in, 1, MPI_INT, out, 1, MPI_INT);
    RUN(MPI_Neighbor_alltoallv_init, RING, ring, in, counts, displs, MPI_INT, out, counts, displs, MPI_INT);
    RUN(MPI_Neighbor_alltoallv_init_c, RING, ring, in, large_counts, large_displs, MPI_INT, out, large_counts,
        large_displs, MPI_INT);
    RUN(MPI_Neighbor_alltoallw_init, RING, ring, in, counts, byte_displs, types, out, counts, byte_displs, types);
    RUN(MPI_Neighbor_alltoallw_init_c, RING, ring, in, large_counts, byte_displs, types, out, large_counts, byte_displs,
        types);
    MPI_Request requests[4];
    MPI_Neighbor_allgather_init(in, 1, MPI_INT, &out[0], 1, MPI_INT, ring, MPI_INFO_NULL, &requests[0]);
    MPI_Neighbor_allgather_init_c(in, 1, MPI_INT, &out[2], 1, MPI_INT, ring, MPI_INFO_NULL, &requests[1]);
    MPI_Neighbor_allgatherv_init(in, 1, MPI_INT, &out[4], counts, displs, MPI_INT, ring, MPI_INFO_NULL, &requests[2]);
    MPI_Neighbor_allgatherv_init_c(in, 1, MPI_INT, &out[6], large_counts, large_displs, MPI_INT, ring, MPI_INFO_NULL,
                                   &requests[3]);
    in[0] = check_rank;
    memset(out, 0xff, sizeof out);
    MPI_Startall(4, requests);
    MPI_Waitall(4, requests, MPI_STATUSES_IGNORE);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(out[2 * i], (check_rank + N - 1) % N);
        CHECK_INT(out[2 * i + 1], (check_rank + 1) % N);
        MPI_Request_free(&requests[i]);
    }
    MPI_Comm_free(&ring);
}

static void larger(void *a, void *b, int *len, MPI_Datatype *type) {
    (void)type;
    for (int i = 0; i < 2 * *len; i++)
        if (((int *)a)[i] > ((int *)b)[i]) ((int *)b)[i] = ((int *)a)[i];
}

/* What is freed after the init stays for the starts; under MPI_IN_PLACE; with a message in the same Startall. */
static void freed(void) {
    MPI_Op op;
    MPI_Datatype pair;
    MPI_Request requests[3];
    int both[2], token = -1, flag;
    MPI_Type_contiguous(2, MPI_INT, &pair);
    MPI_Type_commit(&pair);
    MPI_Op_create(larger, 1, &op);
    MPI_Allreduce_init(MPI_IN_PLACE, both, 1, pair, op, MPI_COMM_WORLD, MPI_INFO_NULL, &requests[0]);
    MPI_Type_free(&pair);
    MPI_Op_free(&op);
    MPI_Send_init(&check_rank, 1, MPI_INT, (check_rank + 1) % N, 0, MPI_COMM_WORLD, &requests[1]);
    MPI_Recv_init(&token, 1, MPI_INT, (check_rank + N - 1) % N, 0, MPI_COMM_WORLD, &requests[2]);
    for (int i = 0; i < 3; i++) {
        both[0] = check_rank + i, both[1] = -check_rank;
        MPI_Startall(3, requests);
        for (flag = 0; !flag;) MPI_Testall(3, requests, &flag, MPI_STATUSES_IGNORE);
        CHECK_INT(both[0], N - 1 + i);
        CHECK_INT(both[1], 0);
        CHECK_INT(token, (check_rank + N - 1) % N);
    }
    MPI_Test(&requests[0], &flag, MPI_STATUS_IGNORE); /* inactive */
    CHECK(flag && requests[0] != MPI_REQUEST_NULL);
    for (int i = 0; i < 3; i++) MPI_Request_free(&requests[i]);
}

/* Each rank starts three persistent collectives of one communicator in an order of its own. */
static void in_own_order(MPI_Request requests[3], int *sent, int *sum, int expected) {
    for (int round = 1; round <= 3; round++) {
        *sent = check_rank == 0 ? 40 + round : -1;
        *sum = round;
        for (int i = 0; i < 3; i++) MPI_Start(&requests[(i + check_rank) % 3]);
        MPI_Waitall(3, requests, MPI_STATUSES_IGNORE);
        CHECK_INT(*sent, 40 + round);
        CHECK_INT(*sum, expected * round);
    }
}

static void three(MPI_Comm comm, int *sent, int *sum, MPI_Request requests[3]) {
    MPI_Bcast_init(sent, 1, MPI_INT, 0, comm, MPI_INFO_NULL, &requests[0]);
    MPI_Allreduce_init(MPI_IN_PLACE, sum, 1, MPI_INT, MPI_SUM, comm, MPI_INFO_NULL, &requests[1]);
    MPI_Barrier_init(comm, MPI_INFO_NULL, &requests[2]);
}

/* Members need not start in one order, nor free in one; and what was started from a communicator outlives its handle. */
static void orders(void) {
    MPI_Comm comm;
    MPI_Request requests[3], more[3];
    int sent, sum, other_sent, other_sum;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    three(comm, &sent, &sum, requests);
    in_own_order(requests, &sent, &sum, N);
    /* One of another place goes on each rank before the next are made. */
    MPI_Request_free(&requests[check_rank % 3]);
    three(comm, &other_sent, &other_sum, more);
    in_own_order(more, &other_sent, &other_sum, N);
    for (int i = 0; i < 3; i++)
        if (i != check_rank % 3) MPI_Request_free(&requests[i]);
    three(comm, &sent, &sum, requests);
    in_own_order(requests, &sent, &sum, N);
    MPI_Comm_free(&comm);
    in_own_order(more, &other_sent, &other_sum, N);
    for (int i = 0; i < 3; i++) MPI_Request_free(&requests[i]);
    for (int i = 0; i < 3; i++) MPI_Request_free(&more[i]);
}

/* The same across an intercommunicator: each side gets what the other has. */
static void orders_across(void) {
    MPI_Comm half, inter;
    MPI_Request sums[2];
    int mine[2], theirs[2], side = check_rank % 2;
    MPI_Comm_split(MPI_COMM_WORLD, side, 0, &half);
    MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, 1 - side, 5, &inter);
    for (int life = 0; life < 3; life++) {
        for (int i = 0; i < 2; i++)
            MPI_Allreduce_init(&mine[i], &theirs[i], 1, MPI_INT, MPI_SUM, inter, MPI_INFO_NULL, &sums[i]);
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < 2; i++) mine[i] = 100 * side + 10 * i + round;
            for (int i = 0; i < 2; i++) MPI_Start(&sums[(i + check_rank / 2) % 2]);
            MPI_Waitall(2, sums, MPI_STATUSES_IGNORE);
            for (int i = 0; i < 2; i++) CHECK_INT(theirs[i], 2 * (100 * (1 - side) + 10 * i + round));
        }
        for (int i = 0; i < 2; i++) MPI_Request_free(&sums[i]);
    }
    MPI_Comm_free(&inter);
    MPI_Comm_free(&half);
}

/* Whoever promises to start in one order may have as many as there is memory for. */
static void strict_order(void) {
    enum { MANY = 3000 };
    static MPI_Request requests[MANY];
    MPI_Comm comm;
    MPI_Info info;
    MPI_Info_create(&info);
    MPI_Info_set(info, "mpi_assert_strict_persistent_collective_ordering", "true");
    MPI_Comm_dup_with_info(MPI_COMM_WORLD, info, &comm);
    MPI_Info_free(&info);
    for (int i = 0; i < MANY; i++) CHECK_INT(MPI_Barrier_init(comm, MPI_INFO_NULL, &requests[i]), MPI_SUCCESS);
    for (int i = 0; i < MANY; i += MANY - 1) {
        MPI_Start(&requests[i]);
        MPI_Wait(&requests[i], MPI_STATUS_IGNORE);
    }
    for (int i = 0; i < MANY; i++) MPI_Request_free(&requests[i]);
    MPI_Comm_free(&comm);
}

static void errors(void) {
    MPI_Request requests[2];
    int number = 0;
    requests[0] = MPI_REQUEST_NULL;
    CHECK_ERROR(MPI_Start(&requests[0]), MPI_ERR_REQUEST);
    CHECK_ERROR(MPI_Startall(-1, requests), MPI_ERR_COUNT);
    MPI_Irecv(&number, 1, MPI_INT, check_rank, 3, MPI_COMM_WORLD, &requests[1]);
    CHECK_ERROR(MPI_Start(&requests[1]), MPI_ERR_REQUEST);
    MPI_Recv_init(&number, 1, MPI_INT, MPI_PROC_NULL, 3, MPI_COMM_WORLD, &requests[0]);
    CHECK_ERROR(MPI_Startall(2, requests), MPI_ERR_REQUEST); /* then none is started */
    CHECK_ERROR(MPI_Start(&requests[0]), MPI_SUCCESS);
    MPI_Wait(&requests[0], MPI_STATUS_IGNORE);
    MPI_Request_free(&requests[0]);
    MPI_Cancel(&requests[1]);
    MPI_Wait(&requests[1], MPI_STATUS_IGNORE);
    MPI_Barrier_init(MPI_COMM_WORLD, MPI_INFO_NULL, &requests[0]);
    MPI_Start(&requests[0]);
    CHECK_ERROR(MPI_Cancel(&requests[0]), MPI_ERR_REQUEST);
    MPI_Wait(&requests[0], MPI_STATUS_IGNORE);
    MPI_Request_free(&requests[0]);
    CHECK_ERROR(MPI_Barrier_init(MPI_COMM_NULL, MPI_INFO_NULL, &requests[0]), MPI_ERR_COMM);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, N);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    arrays();
    all();
    neighbours();
    freed();
    orders();
    orders_across();
    strict_order();
    errors();
    return check_end();
}
