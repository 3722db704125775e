/* Ranks that are done at different times: rank 0 last, the others long before it, each in MPI_Finalize then or on its way
 * there, while the rest go on among themselves.
 *
 *      rank 3   ----------| MPI_Finalize ............................
 *      rank 2   --------------------| MPI_Finalize ..................
 *      rank 1   ------------------------------| MPI_Finalize ........
 *      rank 0   ----------------------------------------| its digest, MPI_Finalize
 *
 * Each hands its digest to rank 0 as it leaves; rank 0 receives the digests at its end.
 *
 * Usage: early STEPS [--pause-us N] [--progress]
 */
#include "torture.h"

enum { TAG = 9, LAST = 10 };

/* The ranks from 0 to `members` - 1. */
static MPI_Comm first(int members) {
    MPI_Group world, group;
    MPI_Comm comm;
    int range[1][3] = {{0, members - 1, 1}};
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_range_incl(world, 1, range, &group);
    MPI_Comm_create_group(MPI_COMM_WORLD, group, TAG, &comm);
    MPI_Group_free(&group);
    MPI_Group_free(&world);
    return comm;
}

static void step_among(MPI_Comm comm, int members) {
    uint64_t out = mix(digest), in = 0, all = 0;
    MPI_Request requests[2];
    const int to = (rank + 1) % members, from = (rank + members - 1) % members;
    MPI_Irecv(&in, 1, MPI_UINT64_T, from, TAG, comm, &requests[0]);
    MPI_Isend(&out, 1, MPI_UINT64_T, to, TAG, comm, &requests[1]);
    dawdle();
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    MPI_Allreduce(&out, &all, 1, MPI_UINT64_T, MPI_SUM, comm);
    fold(in);
    fold(all);
}

int main(int argc, char **argv) {
    options(argc, argv, NULL, NULL);
    MPI_Init(&argc, &argv);
    begin();
    for (int members = size; members > rank; members--) {
        MPI_Comm comm = first(members);
        for (int step = 0; step < steps / size; step++) {
            tell((size - members) * (steps / size) + step);
            step_among(comm, members);
        }
        MPI_Comm_free(&comm);
    }
    uint64_t mine = mix(digest + (uint64_t)rank), others = 0;
    if (rank > 0) {
        MPI_Send(&mine, 1, MPI_UINT64_T, 0, LAST, MPI_COMM_WORLD);
    } else {
        for (int other = 1; other < size; other++) {
            uint64_t theirs;
            MPI_Recv(&theirs, 1, MPI_UINT64_T, MPI_ANY_SOURCE, LAST, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            others += theirs;
        }
        printf("digest %016" PRIx64 "\n", mine + others);
    }
    MPI_Finalize();
    return 0;
}
