/* Message rate: rank 0 has 64 messages of 8 B in flight to rank 1, again and again. A figure is the time per message. */
#include <mpi.h>

#include "measure.h"

enum { WINDOW = 64, WINDOWS = 60 };

static void window(long *words, int rank) {
    MPI_Request requests[WINDOW];
    for (int i = 0; i < WINDOW; i++) {
        if (rank == 0)
            MPI_Isend(&words[i], 1, MPI_LONG, 1, 0, MPI_COMM_WORLD, &requests[i]);
        else
            MPI_Irecv(&words[i], 1, MPI_LONG, 0, 0, MPI_COMM_WORLD, &requests[i]);
    }
    MPI_Waitall(WINDOW, requests, MPI_STATUSES_IGNORE);
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    int rank;
    long words[WINDOW] = {0};
    double batches[BATCHES];
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int batch = 0; batch < BATCHES; batch++) {
        MPI_Barrier(MPI_COMM_WORLD);
        const double begin = now_ns();
        for (int i = 0; i < WINDOWS; i++)
            window(words, rank);
        MPI_Barrier(MPI_COMM_WORLD);
        batches[batch] = (now_ns() - begin) / (WINDOW * WINDOWS);
    }
    if (rank == 0)
        report("rate/8", batches, BATCHES);
    MPI_Finalize();
    return 0;
}
