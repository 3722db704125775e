/* Latency and bandwidth: a message there and back between two ranks, 8 B to 4 MiB. A figure is half the round trip. */
#include <mpi.h>

#include "measure.h"

static const struct {
    int bytes, times;
} sizes[] = {{8, 300}, {64, 300}, {512, 300}, {4096, 300}, {32768, 60}, {262144, 15}, {1048576, 4}, {4194304, 2}};

enum { SIZES = sizeof sizes / sizeof sizes[0], BYTES_MAX = 4194304 };

static void ping_pong(char *buffer, int bytes, int rank) {
    if (rank == 0) {
        MPI_Send(buffer, bytes, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
        MPI_Recv(buffer, bytes, MPI_CHAR, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
        MPI_Recv(buffer, bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Send(buffer, bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD);
    }
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    char *buffer = calloc(1, BYTES_MAX);
    for (int s = 0; buffer != NULL && s < SIZES; s++) {
        const int bytes = sizes[s].bytes, times = sizes[s].times;
        double batches[BATCHES];
        for (int batch = 0; batch < BATCHES; batch++) {
            MPI_Barrier(MPI_COMM_WORLD);
            const double begin = now_ns();
            for (int i = 0; i < times; i++)
                ping_pong(buffer, bytes, rank);
            batches[batch] = (now_ns() - begin) / (2.0 * times);
        }
        char figure[64];
        snprintf(figure, sizeof figure, "pingpong/%d", bytes);
        if (rank == 0)
            report(figure, batches, BATCHES);
    }
    free(buffer);
    MPI_Finalize();
    return 0;
}
