/* A program with a lot of memory, for the whole checkpoint to be timed: every rank fills MIB mebibytes with noise that no
 * codec can compress, then waits in steps, with a message round the ring in each. Usage: ballast MIB STEPS
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    const size_t words = (size_t)(argc > 1 ? atoi(argv[1]) : 16) * (1 << 20) / sizeof(uint64_t);
    const int steps = argc > 2 ? atoi(argv[2]) : 100;
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);

    uint64_t *noise = malloc(words * sizeof *noise), state = (uint64_t)rank + 1;
    for (size_t i = 0; noise != NULL && i < words; i++) {
        state ^= state << 13; /* xorshift64 */
        state ^= state >> 7;
        state ^= state << 17;
        noise[i] = state;
    }
    MPI_Barrier(MPI_COMM_WORLD);
    for (int step = 0; noise != NULL && step < steps; step++) {
        uint64_t mine = noise[(size_t)step % words], theirs;
        MPI_Sendrecv(&mine, 1, MPI_UINT64_T, (rank + 1) % size, 0, &theirs, 1, MPI_UINT64_T, (rank + size - 1) % size, 0,
                     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        noise[(size_t)step % words] ^= theirs;
        if (rank == 0)
            fprintf(stderr, "step %d\n", step);
        usleep(10000);
    }
    free(noise);
    MPI_Finalize();
    return 0;
}
