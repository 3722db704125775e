/* What MPI 4 added, each open across a pause in which checkpoints fall.
 *
 *      persistent collectives   allreduce, broadcast and a neighbour exchange on a grid, made once and started in each step
 *      partitioned messages     parts made ready before and after the pause, in another order each time, taken as they come
 *      sessions                 a communicator made of a session's groups, beside the world
 *      MPI_Isendrecv            both ways round the ring
 *
 * Usage: four STEPS [--pause-us N] [--progress]
 */
#include "torture.h"

enum { PARTS = 6, PART = 50 };

static int right, left;
static MPI_Session session;
static MPI_Comm of_session, grid;
static MPI_Request collectives[3], parts_out, parts_in;
static uint64_t mine, sum, word, neighbour_out[4], neighbour_in[4];
static uint64_t out[PARTS * PART], in[PARTS * PART];

static void make_all(void) {
    MPI_Group group;
    int dims[2] = {2, 2}, periods[2] = {1, 1};
    MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &session);
    MPI_Group_from_session_pset(session, "mpi://WORLD", &group);
    MPI_Comm_create_from_group(group, "torture/four", MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &of_session);
    MPI_Group_free(&group);
    MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 0, &grid);
    MPI_Allreduce_init(&mine, &sum, 1, MPI_UINT64_T, MPI_SUM, of_session, MPI_INFO_NULL, &collectives[0]);
    MPI_Bcast_init(&word, 1, MPI_UINT64_T, 2, MPI_COMM_WORLD, MPI_INFO_NULL, &collectives[1]);
    MPI_Neighbor_alltoall_init(neighbour_out, 1, MPI_UINT64_T, neighbour_in, 1, MPI_UINT64_T, grid, MPI_INFO_NULL,
                               &collectives[2]);
    MPI_Psend_init(out, PARTS, PART, MPI_UINT64_T, right, 1, MPI_COMM_WORLD, MPI_INFO_NULL, &parts_out);
    MPI_Precv_init(in, PARTS, PART, MPI_UINT64_T, left, 1, MPI_COMM_WORLD, MPI_INFO_NULL, &parts_in);
}

static void persistent_collectives(void) {
    mine = mix(digest);
    word = rank == 2 ? mix(digest + 1) : 0;
    for (int i = 0; i < 4; i++) neighbour_out[i] = mix(digest + (uint64_t)rank);
    MPI_Startall(3, collectives);
    dawdle();
    MPI_Waitall(3, collectives, MPI_STATUSES_IGNORE);
    fold(sum);
    fold(word);
    fold(neighbour_in[0] + neighbour_in[1] + neighbour_in[2] + neighbour_in[3]);
}

static void partitioned(int step) {
    int arrived = 0;
    for (int i = 0; i < PARTS * PART; i++) out[i] = mix(digest + (uint64_t)i);
    MPI_Start(&parts_in);
    MPI_Start(&parts_out);
    for (int i = 0; i < PARTS; i++) {
        MPI_Pready((i * 5 + step) % PARTS, parts_out);
        if (i == step % PARTS) dawdle();
    }
    while (!arrived) MPI_Parrived(parts_in, step % PARTS, &arrived);
    fold_words(in + step % PARTS * PART, PART);
    MPI_Wait(&parts_in, MPI_STATUS_IGNORE);
    MPI_Wait(&parts_out, MPI_STATUS_IGNORE);
    fold_words(in, PARTS * PART);
}

static void both_ways(void) {
    uint64_t to[2] = {mix(digest), mix(digest + 1)}, from[2];
    MPI_Request requests[2];
    MPI_Isendrecv(&to[0], 1, MPI_UINT64_T, right, 2, &from[0], 1, MPI_UINT64_T, left, 2, of_session, &requests[0]);
    MPI_Isendrecv(&to[1], 1, MPI_UINT64_T, left, 3, &from[1], 1, MPI_UINT64_T, right, 3, of_session, &requests[1]);
    dawdle();
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    fold_words(from, 2);
}

int main(int argc, char **argv) {
    options(argc, argv, NULL, NULL);
    MPI_Init(&argc, &argv);
    begin();
    check("the number of ranks", size, 4);
    right = (rank + 1) % size;
    left = (rank + size - 1) % size;
    make_all();
    for (int step = 0; step < steps; step++) {
        tell(step);
        persistent_collectives();
        partitioned(step);
        both_ways();
    }
    report("four/step", steps);
    for (int i = 0; i < 3; i++) MPI_Request_free(&collectives[i]);
    MPI_Request_free(&parts_in);
    MPI_Request_free(&parts_out);
    MPI_Comm_free(&grid);
    MPI_Comm_free(&of_session);
    MPI_Session_finalize(&session);
    MPI_Finalize();
    return 0;
}
