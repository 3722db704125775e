/* Virtual topologies: grids, graphs, distributed graphs, on 4 ranks. Prints "ok", or what differs.
 *
 * The order of a distributed graph's edges is the library's choice, so a neighbourhood collective must agree with what
 * MPI_Dist_graph_neighbors says.
 */
#include "check.h"

static int topology(MPI_Comm comm) {
    int kind = -1;
    MPI_Topo_test(comm, &kind);
    return kind;
}

static void dims(void) {
    int balanced[3] = {0, 0, 0}, given[2] = {0, 3};
    MPI_Dims_create(12, 3, balanced);
    CHECK(balanced[0] == 3 && balanced[1] == 2 && balanced[2] == 2);
    MPI_Dims_create(12, 2, given);
    CHECK(given[0] == 4 && given[1] == 3);
}

/* Of a communicator that leaves processes out: how many it has, and how many answer. (MPICH 5.0's own has all in its group.) */
static void has_members(MPI_Comm comm, int members) {
    int size, one = 1, sum;
    MPI_Group group;
    if (comm == MPI_COMM_NULL) return;
    MPI_Comm_size(comm, &size);
    CHECK_INT(size, members);
    MPI_Comm_group(comm, &group);
    MPI_Group_size(group, &size);
    if (check_under_mana()) CHECK_INT(size, members);
    MPI_Group_free(&group);
    MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, comm);
    CHECK_INT(sum, members);
}

/* A grid of which no dimension remains: each rank alone, without neighbours. */
static void point(MPI_Comm cart) {
    MPI_Comm alone;
    int value;
    MPI_Cart_sub(cart, (int[]){0, 0}, &alone);
    CHECK_INT(topology(alone), MPI_CART);
    MPI_Cartdim_get(alone, &value);
    CHECK_INT(value, 0);
    MPI_Comm_size(alone, &value);
    CHECK_INT(value, 1);
    MPI_Cart_rank(alone, NULL, &value);
    CHECK_INT(value, 0);
    int heard = -1;
    MPI_Neighbor_allgather(&check_rank, 1, MPI_INT, &heard, 1, MPI_INT, alone);
    CHECK_INT(heard, -1);
    MPI_Comm_free(&alone);
}

/* A 2 x 2 grid, the first dimension closed to a ring:  0 1
 *                                                      2 3  */
static void grid(void) {
    MPI_Comm cart, copy, row, none;
    int rank, dims[2], periods[2], coords[2], value, source, destination;
    MPI_Cart_create(MPI_COMM_WORLD, 2, (int[]){2, 2}, (int[]){1, 0}, 0, &cart);
    CHECK_INT(topology(cart), MPI_CART);
    CHECK_INT(topology(MPI_COMM_WORLD), MPI_UNDEFINED);
    MPI_Cartdim_get(cart, &value);
    CHECK_INT(value, 2);
    MPI_Cart_get(cart, 2, dims, periods, coords);
    CHECK(dims[0] == 2 && dims[1] == 2 && periods[0] && !periods[1]);
    CHECK(coords[0] == check_rank / 2 && coords[1] == check_rank % 2);
    MPI_Cart_coords(cart, 2, 2, coords);
    CHECK(coords[0] == 1 && coords[1] == 0);
    MPI_Cart_rank(cart, (int[]){3, 1}, &rank);
    CHECK_INT(rank, 3);
    MPI_Cart_shift(cart, 0, 1, &source, &destination);
    CHECK(source == (check_rank + 2) % 4 && destination == source);
    MPI_Cart_shift(cart, 1, 1, &source, &destination);
    CHECK_INT(source, check_rank % 2 ? check_rank - 1 : MPI_PROC_NULL);
    CHECK_INT(destination, check_rank % 2 ? MPI_PROC_NULL : check_rank + 1);
    MPI_Cart_map(MPI_COMM_WORLD, 1, (int[]){3}, (int[]){0}, &rank);
    if (check_under_mana()) CHECK_INT(rank, check_rank < 3 ? check_rank : MPI_UNDEFINED);
    if (check_under_mana()) { /* a grid without places */
        int place = 0;
        MPI_Cart_map(MPI_COMM_WORLD, 2, (int[]){2, 0}, (int[]){0, 0}, &place);
        CHECK_INT(place, MPI_UNDEFINED);
    }

    int all[4] = {-1, -1, -1, -1};
    MPI_Comm_dup(cart, &copy);
    CHECK_INT(topology(copy), MPI_CART);
    MPI_Neighbor_allgather(&check_rank, 1, MPI_INT, all, 1, MPI_INT, copy);
    CHECK(all[0] == (check_rank + 2) % 4 && all[1] == all[0]);
    CHECK(all[2] == (check_rank % 2 ? check_rank - 1 : -1) && all[3] == (check_rank % 2 ? -1 : check_rank + 1));
    MPI_Comm_free(&copy);

    MPI_Cart_sub(cart, (int[]){0, 1}, &row);
    MPI_Cartdim_get(row, &value);
    CHECK_INT(value, 1);
    MPI_Comm_size(row, &value);
    CHECK_INT(value, 2);
    MPI_Comm_rank(row, &rank);
    CHECK_INT(rank, check_rank % 2);
    MPI_Cart_shift(row, 0, 1, &source, &destination);
    CHECK_INT(destination, rank ? MPI_PROC_NULL : 1);
    MPI_Comm_free(&row);
    if (check_under_mana()) point(cart);
    MPI_Comm_free(&cart);

    MPI_Cart_create(MPI_COMM_WORLD, 1, (int[]){3}, (int[]){1}, 1, &none);
    CHECK((none == MPI_COMM_NULL) == (check_rank == 3));
    has_members(none, 3);
    if (none != MPI_COMM_NULL) MPI_Comm_free(&none);
}

/* 0 -> 1, 3;  1 -> 0;  2 -> 3;  3 -> 0, 2 */
static void graph(void) {
    const int index[4] = {2, 3, 4, 6}, edges[6] = {1, 3, 0, 3, 0, 2};
    MPI_Comm comm, small;
    int nodes, count, got_index[4], got_edges[6], neighbours[2] = {-1, -1}, rank;
    MPI_Graph_create(MPI_COMM_WORLD, 4, index, edges, 0, &comm);
    CHECK_INT(topology(comm), MPI_GRAPH);
    MPI_Graphdims_get(comm, &nodes, &count);
    CHECK(nodes == 4 && count == 6);
    MPI_Graph_get(comm, 4, 6, got_index, got_edges);
    CHECK(memcmp(got_index, index, sizeof index) == 0 && memcmp(got_edges, edges, sizeof edges) == 0);
    MPI_Graph_neighbors_count(comm, 3, &count);
    CHECK_INT(count, 2);
    MPI_Graph_neighbors(comm, 3, 2, neighbours);
    CHECK(neighbours[0] == 0 && neighbours[1] == 2);
    MPI_Graph_map(MPI_COMM_WORLD, 2, (int[]){1, 2}, (int[]){1, 0}, &rank);
    if (check_under_mana()) CHECK_INT(rank, check_rank < 2 ? check_rank : MPI_UNDEFINED);

    MPI_Graph_neighbors_count(comm, check_rank, &count);
    MPI_Graph_neighbors(comm, check_rank, count, neighbours);
    int heard[2] = {-1, -1};
    MPI_Neighbor_allgather(&check_rank, 1, MPI_INT, heard, 1, MPI_INT, comm);
    for (int i = 0; i < count; i++) CHECK_INT(heard[i], neighbours[i]);
    MPI_Comm_free(&comm);

    MPI_Graph_create(MPI_COMM_WORLD, 2, (int[]){1, 2}, (int[]){1, 0}, 0, &small);
    CHECK((small == MPI_COMM_NULL) == (check_rank >= 2));
    has_members(small, 2);
    if (small != MPI_COMM_NULL) MPI_Comm_free(&small);
}

/* What a neighbourhood collective hears must come from the neighbours in the order in which they are told. */
static void check_exchange(MPI_Comm comm, int indegree, int outdegree, int weighted) {
    int in, out, flag, sources[4], in_weights[4], destinations[4], out_weights[4], heard[4];
    MPI_Dist_graph_neighbors_count(comm, &in, &out, &flag);
    CHECK_INT(in, indegree);
    CHECK_INT(out, outdegree);
    CHECK_INT(!flag, !weighted);
    MPI_Dist_graph_neighbors(comm, in, sources, weighted ? in_weights : MPI_UNWEIGHTED, out, destinations,
                             weighted ? out_weights : MPI_UNWEIGHTED);
    /* Every edge of these graphs from a to b weighs 10 a + b. */
    for (int i = 0; i < in && weighted; i++) CHECK_INT(in_weights[i], 10 * sources[i] + check_rank);
    for (int i = 0; i < out && weighted; i++) CHECK_INT(out_weights[i], 10 * check_rank + destinations[i]);
    MPI_Neighbor_allgather(&check_rank, 1, MPI_INT, heard, 1, MPI_INT, comm);
    for (int i = 0; i < in; i++) CHECK_INT(heard[i], sources[i]);
}

/* A ring, given by each rank for itself; and a star from rank 0, all edges given by rank 3. */
static void distributed_graph(void) {
    MPI_Comm comm, copy;
    int right = (check_rank + 1) % 4, left = (check_rank + 3) % 4;
    MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 1, &left, &(int){10 * left + check_rank}, 1, &right,
                                   &(int){10 * check_rank + right}, MPI_INFO_NULL, 0, &comm);
    CHECK_INT(topology(comm), MPI_DIST_GRAPH);
    check_exchange(comm, 1, 1, 1);
    MPI_Comm_dup(comm, &copy);
    CHECK_INT(topology(copy), MPI_DIST_GRAPH);
    check_exchange(copy, 1, 1, 1);
    MPI_Comm_free(&copy);
    MPI_Comm_free(&comm);

    MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 2, (int[]){right, left}, MPI_UNWEIGHTED, 2, (int[]){left, right},
                                   MPI_UNWEIGHTED, MPI_INFO_NULL, 0, &comm);
    check_exchange(comm, 2, 2, 0);
    MPI_Comm_free(&comm);

    int gives = check_rank == 3;
    MPI_Dist_graph_create(MPI_COMM_WORLD, gives, (int[]){0}, (int[]){3}, (int[]){2, 1, 3},
                          gives ? (int[]){2, 1, 3} : MPI_WEIGHTS_EMPTY, MPI_INFO_NULL, 0, &comm);
    check_exchange(comm, check_rank != 0, check_rank == 0 ? 3 : 0, 1);
    MPI_Comm_free(&comm);
    MPI_Dist_graph_create(MPI_COMM_WORLD, 1, &check_rank, (int[]){3}, (int[]){0, 1, 2}, MPI_UNWEIGHTED, MPI_INFO_NULL, 0,
                          &comm);
    check_exchange(comm, check_rank == 3 ? 0 : 4, 3, 0);
    MPI_Comm_free(&comm);
}

static void errors(void) {
    MPI_Comm comm;
    int value;
    /* MPI_Dims_create has no communicator: its errors are raised on MPI_COMM_SELF (MPI 4) or MPI_COMM_WORLD (before). */
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    CHECK_ERROR(MPI_Cartdim_get(MPI_COMM_WORLD, &value), MPI_ERR_TOPOLOGY);
    CHECK_ERROR(MPI_Graph_neighbors_count(MPI_COMM_WORLD, 0, &value), MPI_ERR_TOPOLOGY);
    CHECK(MPI_Cart_create(MPI_COMM_WORLD, 1, (int[]){5}, (int[]){0}, 0, &comm) != MPI_SUCCESS);
    CHECK(MPI_Dims_create(7, 2, (int[]){2, 0}) != MPI_SUCCESS);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 4);
    dims();
    grid();
    graph();
    distributed_graph();
    errors();
    return check_end();
}
