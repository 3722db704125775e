/* Nothing but collectives, as dense as they come, on 64 communicators that overlap in every way.
 *
 *      communicator   0   1   2   3   4 ...        each of some of the ranks (two at least), ranked in another order
 *      rank 0         x       x   x
 *      rank 1         x   x       x   x            in each step every rank passes all its communicators, beginning at
 *      rank 2             x   x   x   x            another one each time; every fourth collective is nonblocking and
 *      rank 3         x   x   x                    stays open until the end of the step
 *
 * Ranks are always somewhere else in the chain, and no moment is free of collectives.
 *
 * Usage: dense STEPS [--pause-us N] [--progress] [--rate]
 */
#include "torture.h"

enum { COMMS = 64, WORDS = 64, KINDS = 10 };

struct group {
    MPI_Comm comm; /* MPI_COMM_NULL in ranks that are not in it */
    int rank, size;
    MPI_Request open;
    uint64_t out, in[WORDS];
};

static struct group groups[COMMS];

/* Whether a rank is in a communicator: any two neighbours, and half of the others. */
static bool is_member(int index, int who) {
    const int first = index % size, second = (index + 1) % size;
    return who == first || who == second || mix((uint64_t)(index * 1000 + who)) % 2 == 0;
}

static void make_groups(void) {
    for (int i = 0; i < COMMS; i++) {
        struct group *group = &groups[i];
        const int color = is_member(i, rank) ? 0 : MPI_UNDEFINED;
        MPI_Comm_split(MPI_COMM_WORLD, color, (int)(mix((uint64_t)(i + rank * COMMS)) % 100), &group->comm);
        group->open = MPI_REQUEST_NULL;
        if (group->comm == MPI_COMM_NULL) continue;
        MPI_Comm_rank(group->comm, &group->rank);
        MPI_Comm_size(group->comm, &group->size);
    }
}

static void start(struct group *group, int kind) {
    group->out = mix(digest + (uint64_t)group->rank);
    if (kind % 2 == 0)
        MPI_Iallreduce(&group->out, group->in, 1, MPI_UINT64_T, MPI_SUM, group->comm, &group->open);
    else
        MPI_Iallgather(&group->out, 1, MPI_UINT64_T, group->in, 1, MPI_UINT64_T, group->comm, &group->open);
}

static void do_one(struct group *group, int kind, int root) {
    uint64_t mine[WORDS], *in = group->in;
    for (int i = 0; i < group->size; i++) mine[i] = mix(digest + (uint64_t)(i * 64 + group->rank));
    memset(in, 0, sizeof group->in);
    switch (kind) {
    case 0: MPI_Allreduce(mine, in, 1, MPI_UINT64_T, MPI_SUM, group->comm); break;
    case 1: MPI_Barrier(group->comm); break;
    case 2: MPI_Bcast(mine, group->size, MPI_UINT64_T, root, group->comm); memcpy(in, mine, sizeof mine[0]); break;
    case 3: MPI_Allgather(mine, 1, MPI_UINT64_T, in, 1, MPI_UINT64_T, group->comm); break;
    case 4: MPI_Alltoall(mine, 1, MPI_UINT64_T, in, 1, MPI_UINT64_T, group->comm); break;
    case 5: MPI_Reduce(mine, in, 1, MPI_UINT64_T, MPI_SUM, root, group->comm); break;
    case 6: MPI_Gather(mine, 1, MPI_UINT64_T, in, 1, MPI_UINT64_T, root, group->comm); break;
    case 7: MPI_Scatter(mine, 1, MPI_UINT64_T, in, 1, MPI_UINT64_T, root, group->comm); break;
    case 8: MPI_Scan(mine, in, 1, MPI_UINT64_T, MPI_SUM, group->comm); break;
    default: MPI_Reduce_scatter_block(mine, in, 1, MPI_UINT64_T, MPI_SUM, group->comm); break;
    }
    fold_words(in, group->size);
}

/* One pass over the communicators, in the same order in every rank; returns how many collectives this rank did. */
static int pass(int step) {
    int done = 0;
    for (int i = 0; i < COMMS; i++) {
        const int at = (i + step * 7) % COMMS, kind = (at + step) % KINDS;
        struct group *group = &groups[at];
        if (group->comm == MPI_COMM_NULL) continue;
        if ((at + step) % 4 == 0)
            start(group, kind);
        else
            do_one(group, kind, (step + at) % group->size);
        done++;
    }
    dawdle();
    for (int i = 0; i < COMMS; i++) {
        struct group *group = &groups[i];
        if (group->open == MPI_REQUEST_NULL) continue;
        const int words = ((i + step) % KINDS) % 2 == 0 ? 1 : group->size;
        MPI_Wait(&group->open, MPI_STATUS_IGNORE);
        fold_words(group->in, words);
    }
    return done;
}

int main(int argc, char **argv) {
    options(argc, argv, NULL, NULL);
    MPI_Init(&argc, &argv);
    begin();
    if (size < 2 || size > WORDS) wrong("the number of ranks", size, 4);
    make_groups();
    double done = 0;
    for (int step = 0; step < steps; step++) {
        tell(step);
        done += pass(step);
    }
    report("dense/collective", done);
    for (int i = 0; i < COMMS; i++)
        if (groups[i].comm != MPI_COMM_NULL) MPI_Comm_free(&groups[i].comm);
    MPI_Finalize();
    return 0;
}
