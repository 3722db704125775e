/* MPI_Allreduce (sum of doubles), 8 B to 1 MiB, all ranks. */
#include <mpi.h>

#include "measure.h"

static const struct {
    int bytes, times;
} sizes[] = {{8, 300}, {128, 300}, {1024, 150}, {8192, 75}, {65536, 15}, {262144, 4}, {1048576, 2}};

enum { SIZES = sizeof sizes / sizeof sizes[0], DOUBLES_MAX = 1048576 / sizeof(double) };

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    double *mine = calloc(DOUBLES_MAX, sizeof(double)), *sum = calloc(DOUBLES_MAX, sizeof(double));
    for (int s = 0; mine != NULL && sum != NULL && s < SIZES; s++) {
        const int doubles = sizes[s].bytes / (int)sizeof(double), times = sizes[s].times;
        double batches[BATCHES];
        for (int batch = 0; batch < BATCHES; batch++) {
            MPI_Barrier(MPI_COMM_WORLD);
            const double begin = now_ns();
            for (int i = 0; i < times; i++)
                MPI_Allreduce(mine, sum, doubles, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
            batches[batch] = (now_ns() - begin) / times;
        }
        char figure[64];
        snprintf(figure, sizeof figure, "allreduce/%d", sizes[s].bytes);
        if (rank == 0)
            report(figure, batches, BATCHES);
    }
    free(mine);
    free(sum);
    MPI_Finalize();
    return 0;
}
