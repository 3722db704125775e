/* Heat in a plate: an ordinary MPI program, written for no checkpointer.
 *
 *      +-------+-------+      an N x N plate, hot on its upper edge, dealt to a 2-D grid of ranks
 *      | 0     | 1     |      (MPI_Cart_create); each rank has its tile and a frame of one cell
 *      |     <---->    |      around it, the halo, that its neighbours' cells are copied into.
 *      +---^---+-------+
 *      | 2 |   | 3     |      Rows of a tile are contiguous, columns are an MPI_Type_vector;
 *      |   v   |       |      the halo travels while the cells that need none of it are computed.
 *      +-------+-------+
 *
 * Every 10 steps the largest change of a cell is agreed on by MPI_Allreduce, and the mean temperature by MPI_Gather and a
 * sum in rank order (a sum by MPI_Reduce would depend on the MPI's order of addition). At the end rank 0 prints
 *
 *      residual 1.234567e-03 mean 0.123456789
 *      digest 0123456789abcdef
 *
 * where the digest covers every bit of every cell. It does not depend on the MPI, on timing, or on the number of ranks.
 * Usage: heat N STEPS [--pause-us N] [--progress]
 */
#include <inttypes.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UP, DOWN, LEFT, RIGHT, SIDES };

struct plate {
    MPI_Comm grid;
    MPI_Datatype column;     /* one cell of each row of the tile */
    int neighbour[SIDES];    /* MPI_PROC_NULL beyond the plate's edge */
    int n;                   /* cells along the plate's edge */
    int row0, column0;       /* where in the plate the tile begins */
    int rows, columns;       /* of the tile, without halo */
    int stride;              /* columns + 2 */
    double *now, *next;      /* (rows + 2) x stride */
};

static double *cell(double *field, const struct plate *plate, int row, int column) {
    return &field[row * plate->stride + column];
}

/* Cuts n cells into parts that differ by one at most. */
static void part(int n, int parts, int index, int *begin, int *length) {
    *begin = index * n / parts;
    *length = (index + 1) * n / parts - *begin;
}

static void create(struct plate *plate, int n) {
    int size, rank, dims[2] = {0, 0}, periodic[2] = {0, 0}, at[2];
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Dims_create(size, 2, dims);
    MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periodic, 1, &plate->grid);
    MPI_Comm_rank(plate->grid, &rank);
    MPI_Cart_coords(plate->grid, rank, 2, at);
    MPI_Cart_shift(plate->grid, 0, 1, &plate->neighbour[UP], &plate->neighbour[DOWN]);
    MPI_Cart_shift(plate->grid, 1, 1, &plate->neighbour[LEFT], &plate->neighbour[RIGHT]);

    plate->n = n;
    part(n, dims[0], at[0], &plate->row0, &plate->rows);
    part(n, dims[1], at[1], &plate->column0, &plate->columns);
    plate->stride = plate->columns + 2;
    MPI_Type_vector(plate->rows, 1, plate->stride, MPI_DOUBLE, &plate->column);
    MPI_Type_commit(&plate->column);

    size_t cells = (size_t)(plate->rows + 2) * (size_t)plate->stride;
    plate->now = calloc(cells, sizeof(double));
    plate->next = calloc(cells, sizeof(double));
    if (plate->now == NULL || plate->next == NULL) {
        fprintf(stderr, "heat: no memory for %zu cells\n", cells);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (at[0] == 0) /* the plate's hot edge is the halo of the upper tiles, and stays */
        for (int j = 0; j < plate->stride; j++)
            *cell(plate->now, plate, 0, j) = *cell(plate->next, plate, 0, j) = 1.0 + 0.001 * (plate->column0 + j);
}

static void start_halo(struct plate *plate, MPI_Request requests[2 * SIDES]) {
    const int rows = plate->rows, columns = plate->columns;
    double *field = plate->now;
    struct {
        double *halo, *edge;
        int count;
        MPI_Datatype type;
    } side[SIDES] = {
        [UP] = {cell(field, plate, 0, 1), cell(field, plate, 1, 1), columns, MPI_DOUBLE},
        [DOWN] = {cell(field, plate, rows + 1, 1), cell(field, plate, rows, 1), columns, MPI_DOUBLE},
        [LEFT] = {cell(field, plate, 1, 0), cell(field, plate, 1, 1), 1, plate->column},
        [RIGHT] = {cell(field, plate, 1, columns + 1), cell(field, plate, 1, columns), 1, plate->column},
    };
    const int opposite[SIDES] = {[UP] = DOWN, [DOWN] = UP, [LEFT] = RIGHT, [RIGHT] = LEFT};
    for (int s = 0; s < SIDES; s++) {
        MPI_Irecv(side[s].halo, side[s].count, side[s].type, plate->neighbour[s], s, plate->grid, &requests[2 * s]);
        MPI_Isend(side[s].edge, side[s].count, side[s].type, plate->neighbour[s], opposite[s], plate->grid,
                  &requests[2 * s + 1]);
    }
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

/* One Jacobi step for rows [row0, row1) and columns [column0, column1) of the tile; gives the largest change. */
static double relax(struct plate *plate, int row0, int row1, int column0, int column1) {
    double largest = 0.0;
    for (int i = row0; i < row1; i++) {
        for (int j = column0; j < column1; j++) {
            const double old = *cell(plate->now, plate, i, j);
            const double mean = 0.25 * ((*cell(plate->now, plate, i - 1, j) + *cell(plate->now, plate, i + 1, j)) +
                                        (*cell(plate->now, plate, i, j - 1) + *cell(plate->now, plate, i, j + 1)));
            *cell(plate->next, plate, i, j) = mean;
            largest = larger(largest, mean > old ? mean - old : old - mean);
        }
    }
    return largest;
}

static double step(struct plate *plate, unsigned pause_us) {
    const int rows = plate->rows, columns = plate->columns;
    MPI_Request requests[2 * SIDES];
    start_halo(plate, requests);
    double largest = relax(plate, 2, rows, 2, columns); /* what needs no halo */
    if (pause_us > 0)
        usleep(pause_us);
    MPI_Waitall(2 * SIDES, requests, MPI_STATUSES_IGNORE);
    largest = larger(largest, relax(plate, 1, 2, 1, columns + 1));
    largest = larger(largest, relax(plate, rows, rows + 1, 1, columns + 1));
    largest = larger(largest, relax(plate, 2, rows, 1, 2));
    largest = larger(largest, relax(plate, 2, rows, columns, columns + 1));
    double *swap = plate->now;
    plate->now = plate->next;
    plate->next = swap;
    return largest;
}

/* The mean temperature, summed in rank order on rank 0 and told to all. */
static double mean_temperature(struct plate *plate) {
    int size, rank;
    MPI_Comm_size(plate->grid, &size);
    MPI_Comm_rank(plate->grid, &rank);
    double mine = 0.0, mean = 0.0, *all = rank == 0 ? calloc((size_t)size, sizeof(double)) : NULL;
    for (int i = 1; i <= plate->rows; i++)
        for (int j = 1; j <= plate->columns; j++)
            mine += *cell(plate->now, plate, i, j);
    MPI_Gather(&mine, 1, MPI_DOUBLE, all, 1, MPI_DOUBLE, 0, plate->grid);
    for (int r = 0; rank == 0 && r < size; r++)
        mean += all[r] / ((double)plate->n * plate->n);
    free(all);
    MPI_Bcast(&mean, 1, MPI_DOUBLE, 0, plate->grid);
    return mean;
}

/* One round of splitmix64: every bit of the result depends on every bit of x. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Every bit of every cell, each with its place in the plate, so the sum does not depend on who holds which cell. */
static uint64_t digest(struct plate *plate) {
    uint64_t mine = 0, all = 0;
    for (int i = 1; i <= plate->rows; i++) {
        for (int j = 1; j <= plate->columns; j++) {
            uint64_t bits, place = (uint64_t)(plate->row0 + i) * (uint64_t)plate->n + (uint64_t)(plate->column0 + j);
            memcpy(&bits, cell(plate->now, plate, i, j), sizeof bits);
            mine += mix(bits ^ mix(place));
        }
    }
    MPI_Reduce(&mine, &all, 1, MPI_UINT64_T, MPI_SUM, 0, plate->grid);
    return all;
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    int n = argc > 1 ? atoi(argv[1]) : 128, steps = argc > 2 ? atoi(argv[2]) : 100;
    unsigned pause_us = 0;
    bool progress = false;
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--pause-us") == 0 && i + 1 < argc)
            pause_us = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--progress") == 0)
            progress = true;
    }

    struct plate plate;
    create(&plate, n);
    if (plate.rows < 2 || plate.columns < 2) {
        fprintf(stderr, "heat: a plate of %d x %d is too small for so many ranks\n", n, n);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    int rank;
    MPI_Comm_rank(plate.grid, &rank);
    double residual = 0.0, mean = 0.0;
    for (int s = 0; s < steps; s++) {
        if (progress && rank == 0)
            fprintf(stderr, "step %d\n", s);
        double largest = step(&plate, pause_us);
        if (s % 10 == 0 || s == steps - 1) {
            MPI_Allreduce(&largest, &residual, 1, MPI_DOUBLE, MPI_MAX, plate.grid);
            mean = mean_temperature(&plate);
        }
    }
    uint64_t all = digest(&plate);
    if (rank == 0)
        printf("residual %.6e mean %.9f\ndigest %016" PRIx64 "\n", residual, mean, all);

    MPI_Type_free(&plate.column);
    MPI_Comm_free(&plate.grid);
    free(plate.now);
    free(plate.next);
    MPI_Finalize();
    return 0;
}
