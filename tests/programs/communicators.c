/* Communicators of every kind: some made at the start and used in every step, others made, used and freed in each step
 * while ranks come to the constructors at different times. Four ranks.
 *
 *      at the start   dup, named, with hints            at a restart all of these must be made anew, with the same
 *                     grid 2 x 2, its columns           members, order, neighbours, weights, names and hints
 *                     graph, distributed graphs
 *                     intercommunicator, merged one
 *      in each step   one of: idup, create_group, split, intercommunicator, part of a grid, distributed graph
 *
 * What every rank hears goes into its digest, and rank 0 prints
 *
 *      digest 0123456789abcdef
 *
 * Usage: communicators STEPS [--pause-us N] [--progress]
 */
#include <inttypes.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RANKS = 4, TAG = 7 };

static int rank;
static unsigned pause_us;
static uint64_t digest;

static MPI_Comm named, grid, column, graph, adjacent, any_order, side, inter, merged;

static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void fold(uint64_t word) { digest = mix(digest ^ word); }

/* Ranks arrive at what comes next at different times, in another order each time. */
static void dawdle(int step) {
    if (pause_us > 0) usleep(pause_us * (unsigned)((rank * 3 + step) % RANKS) / 2);
}

/* A sum over the communicator's members (its remote ones, if it has any). */
static void use(MPI_Comm comm) {
    uint64_t mine = mix(digest), sum = 0;
    int member;
    MPI_Comm_rank(comm, &member);
    MPI_Allreduce(&mine, &sum, 1, MPI_UINT64_T, MPI_SUM, comm);
    fold(sum + (uint64_t)member);
}

/* An exchange with the neighbours of a grid. */
static void use_grid(MPI_Comm comm) {
    uint64_t mine = mix(digest + 1), heard[4] = {1, 2, 3, 4};
    int dims[2], periods[2], coords[2];
    MPI_Cart_get(comm, 2, dims, periods, coords);
    MPI_Neighbor_allgather(&mine, 1, MPI_UINT64_T, heard, 1, MPI_UINT64_T, comm);
    for (int i = 0; i < 4; i++) fold(heard[i] + (uint64_t)(10 * coords[0] + coords[1]));
}

/* An exchange with the neighbours of a graph that all know. */
static void use_graph(MPI_Comm comm) {
    uint64_t mine = mix(digest + 2), heard[RANKS];
    int count, neighbours[RANKS];
    MPI_Graph_neighbors_count(comm, rank, &count);
    MPI_Graph_neighbors(comm, rank, count, neighbours);
    MPI_Neighbor_allgather(&mine, 1, MPI_UINT64_T, heard, 1, MPI_UINT64_T, comm);
    for (int i = 0; i < count; i++) fold(heard[i] ^ (uint64_t)neighbours[i]);
}

/* An exchange with the neighbours of a distributed graph. Their order is the library's choice, so what is heard is summed;
 * but the collective must keep to the order that the query tells. */
static void use_distributed(MPI_Comm comm) {
    int in, out, weighted, sources[RANKS], in_weights[RANKS], destinations[RANKS], out_weights[RANKS];
    uint64_t mine[2] = {(uint64_t)rank, mix(digest + 3)}, heard[RANKS][2], sum = 0;
    MPI_Dist_graph_neighbors_count(comm, &in, &out, &weighted);
    MPI_Dist_graph_neighbors(comm, in, sources, in_weights, out, destinations, out_weights);
    MPI_Neighbor_allgather(mine, 2, MPI_UINT64_T, heard, 2, MPI_UINT64_T, comm);
    for (int i = 0; i < in; i++) {
        if (heard[i][0] != (uint64_t)sources[i]) {
            fprintf(stderr, "rank %d: neighbour %d is %d, but rank %d was heard\n", rank, i, sources[i], (int)heard[i][0]);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        sum += heard[i][1] * (uint64_t)(in_weights[i] + 1);
    }
    for (int i = 0; i < out; i++) sum += mix((uint64_t)destinations[i]) * (uint64_t)(out_weights[i] + 1);
    fold(sum);
}

/* Rank `from` says for all who is whose neighbour: each rank sends to all others. */
static MPI_Comm everyone_to_all_others(int from) {
    MPI_Comm comm;
    int sources[RANKS] = {0, 1, 2, 3}, degrees[RANKS] = {3, 3, 3, 3}, destinations[RANKS * 3], weights[RANKS * 3], at = 0;
    for (int source = 0; source < RANKS; source++)
        for (int other = 0; other < 3; other++, at++) {
            destinations[at] = (source + (int[]){2, 1, 3}[other]) % RANKS;
            weights[at] = 10 * source + destinations[at];
        }
    MPI_Dist_graph_create(MPI_COMM_WORLD, rank == from ? RANKS : 0, sources, degrees, destinations, weights, MPI_INFO_NULL, 0,
                          &comm);
    return comm;
}

static void make_lasting(void) {
    int left = (rank + 3) % RANKS, right = (rank + 1) % RANKS, weights[2] = {10 * left + rank, 10 * rank + right};
    MPI_Comm_dup(MPI_COMM_WORLD, &named);
    MPI_Comm_set_name(named, "lasting");
    MPI_Cart_create(MPI_COMM_WORLD, 2, (int[]){2, 2}, (int[]){1, 0}, 0, &grid);
    MPI_Cart_sub(grid, (int[]){1, 0}, &column);
    MPI_Graph_create(MPI_COMM_WORLD, 4, (int[]){2, 3, 4, 6}, (int[]){1, 3, 0, 3, 0, 2}, 0, &graph);
    MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 1, &left, &weights[0], 1, &right, &weights[1], MPI_INFO_NULL, 0, &adjacent);
    any_order = everyone_to_all_others(3);
    MPI_Comm_split(MPI_COMM_WORLD, rank / 2, -rank, &side);
    MPI_Intercomm_create(side, 0, MPI_COMM_WORLD, rank < 2 ? 3 : 1, TAG, &inter);
    MPI_Intercomm_merge(inter, rank < 2, &merged);
}

static void use_lasting(void) {
    char name[MPI_MAX_OBJECT_NAME];
    int length, result;
    MPI_Comm_get_name(named, name, &length);
    for (int i = 0; i < length; i++) fold((uint64_t)name[i]);
    MPI_Comm_compare(named, MPI_COMM_WORLD, &result);
    fold(result == MPI_CONGRUENT);
    use(named);
    use_grid(grid);
    use(column);
    use_graph(graph);
    use_distributed(adjacent);
    use_distributed(any_order);
    use(side);
    use(inter);
    use(merged);
}

static void free_lasting(void) {
    MPI_Comm *all[] = {&merged, &inter, &side, &any_order, &adjacent, &graph, &column, &grid, &named};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) MPI_Comm_free(all[i]);
}

/* All but one rank, in the order of `step`, among themselves. */
static void some(int step) {
    int absent = step % RANKS, members[RANKS - 1];
    MPI_Group world, group;
    MPI_Comm comm;
    if (rank == absent) return;
    for (int i = 0; i < RANKS - 1; i++) members[i] = (absent + 1 + (i + step) % (RANKS - 1)) % RANKS;
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_incl(world, RANKS - 1, members, &group);
    dawdle(step);
    MPI_Comm_create_group(MPI_COMM_WORLD, group, TAG, &comm);
    use(comm);
    MPI_Comm_free(&comm);
    MPI_Group_free(&group);
    MPI_Group_free(&world);
}

/* Two sides of two ranks; who leads changes. */
static void two_sides(int step) {
    MPI_Comm comm;
    int leader = step / 6 % 2;
    /* `side` is in falling order: ranks 1, 0 and ranks 3, 2. */
    int other = (rank < 2 ? 3 : 1) - leader;
    dawdle(step);
    MPI_Intercomm_create(side, leader, named, other, TAG, &comm);
    use(comm);
    MPI_Comm_free(&comm);
}

static void step_once(int step) {
    MPI_Comm comm;
    MPI_Request request;
    switch (step % 6) {
    case 0:
        MPI_Comm_idup(grid, &comm, &request);
        dawdle(step);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        use_grid(comm);
        MPI_Comm_free(&comm);
        break;
    case 1: some(step); break;
    case 2:
        dawdle(step);
        MPI_Comm_split(MPI_COMM_WORLD, (rank + step) % 3, -rank, &comm);
        use(comm);
        MPI_Comm_free(&comm);
        break;
    case 3: two_sides(step); break;
    case 4:
        dawdle(step);
        MPI_Cart_sub(grid, (int[]){step / 6 % 2, 1 - step / 6 % 2}, &comm);
        use(comm);
        MPI_Comm_free(&comm);
        break;
    case 5:
        dawdle(step);
        comm = everyone_to_all_others(step / 6 % RANKS);
        use_distributed(comm);
        MPI_Comm_free(&comm);
        break;
    }
    use_lasting();
}

int main(int argc, char **argv) {
    int size, steps = argc > 1 ? atoi(argv[1]) : 60;
    bool progress = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--pause-us") == 0 && i + 1 < argc)
            pause_us = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--progress") == 0)
            progress = true;
    }
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size != RANKS) {
        fprintf(stderr, "communicators: needs %d ranks\n", RANKS);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    digest = mix((uint64_t)rank);
    make_lasting();
    for (int step = 0; step < steps; step++) {
        if (progress && rank == 0) fprintf(stderr, "step %d\n", step);
        step_once(step);
    }
    free_lasting();
    uint64_t mine = mix(digest), all = 0;
    MPI_Reduce(&mine, &all, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0) printf("digest %016" PRIx64 "\n", all);
    MPI_Finalize();
    return 0;
}
