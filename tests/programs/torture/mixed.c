/* Everything at once, with MPI_THREAD_MULTIPLE. In each rank, each thread on a communicator of its own:
 *
 *      main      collectives, blocking ones over nonblocking ones, and one-sided: fence, locks, fetch-and-add, post/start
 *      sender    a stream of messages round the ring of ranks, up to 16 in flight, of all sizes
 *      summer    small collectives without a pause
 *
 * so that the moment of a checkpoint finds one thread in a collective, one in a send and one in an epoch.
 *
 * Usage: mixed STEPS [--pause-us N] [--progress]
 */
#include "torture.h"

#include <pthread.h>

enum { CELLS = 64, STREAM = 16, WORDS_MAX = 4096 };

static MPI_Comm main_comm, ring, sums;
static MPI_Win window;
static uint64_t *cells; /* the window: CELLS words, then a counter, and as much again unused: MPICH 4.0 aligns badly */

/* A thread's own digest, joined into the rank's at the end. */
struct thread {
    pthread_t id;
    uint64_t digest;
};

static void *stream(void *argument) {
    struct thread *thread = argument;
    static uint64_t out[STREAM][WORDS_MAX], in[STREAM][WORDS_MAX];
    const int right = (rank + 1) % size, left = (rank + size - 1) % size;
    for (int step = 0; step < steps; step++) {
        MPI_Request requests[2 * STREAM];
        for (int i = 0; i < STREAM; i++) {
            const int count = 1 << ((step + i) % 13);
            for (int at = 0; at < count; at++) out[i][at] = mix(thread->digest + (uint64_t)(i * WORDS_MAX + at));
            MPI_Irecv(in[i], WORDS_MAX, MPI_UINT64_T, left, i % 3, ring, &requests[i]);
            MPI_Isend(out[i], count, MPI_UINT64_T, right, i % 3, ring, &requests[STREAM + i]);
        }
        dawdle();
        MPI_Waitall(2 * STREAM, requests, MPI_STATUSES_IGNORE);
        for (int i = 0; i < STREAM; i++)
            for (int at = 0; at < 1 << ((step + i) % 13); at++)
                thread->digest = (thread->digest ^ in[i][at]) * 0x100000001b3u;
        thread->digest = mix(thread->digest);
    }
    return NULL;
}

static void *sum(void *argument) {
    struct thread *thread = argument;
    for (int step = 0; step < 4 * steps; step++) {
        uint64_t mine[2] = {thread->digest, (uint64_t)step}, all[2];
        MPI_Allreduce(mine, all, 2, MPI_UINT64_T, MPI_SUM, sums);
        thread->digest = mix(thread->digest ^ all[0] ^ all[1]);
        if (step % 4 == 0) dawdle();
    }
    return NULL;
}

/* Each rank puts into its neighbour's cells, and reads what its other neighbour has put. */
static void fenced(int step) {
    uint64_t out[CELLS / 2], in[CELLS / 2];
    for (int i = 0; i < CELLS / 2; i++) out[i] = mix(digest + (uint64_t)i);
    MPI_Win_fence(0, window);
    MPI_Put(out, CELLS / 2, MPI_UINT64_T, (rank + 1) % size, 0, CELLS / 2, MPI_UINT64_T, window);
    MPI_Win_fence(0, window);
    MPI_Get(in, CELLS / 2, MPI_UINT64_T, (rank + 1 + step % (size - 1)) % size, 0, CELLS / 2, MPI_UINT64_T, window);
    MPI_Win_fence(0, window);
    fold_words(in, CELLS / 2);
    fold_words(cells, CELLS / 2);
}

/* Under locks: all add to a counter in rank 0 and learn which number they drew, and to cells of the next rank. */
static void locked(void) {
    uint64_t one = 1, drawn, out[4] = {digest & 0xff, 2, 3, 4};
    MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, window);
    MPI_Fetch_and_op(&one, &drawn, MPI_UINT64_T, 0, CELLS, MPI_SUM, window);
    MPI_Win_unlock(0, window);
    loose += mix(drawn);
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, (rank + 2) % size, 0, window);
    MPI_Accumulate(out, 4, MPI_UINT64_T, (rank + 2) % size, CELLS / 2, 4, MPI_UINT64_T, MPI_SUM, window);
    MPI_Win_unlock((rank + 2) % size, window);
    MPI_Barrier(main_comm);
    MPI_Win_lock(MPI_LOCK_SHARED, rank, 0, window);
    fold_words(cells + CELLS / 2, 4);
    MPI_Win_unlock(rank, window);
    MPI_Barrier(main_comm);
}

/* Post, start, complete, wait, between neighbours. */
static void exposed(void) {
    const int right = (rank + 1) % size, left = (rank + size - 1) % size;
    MPI_Group all, from, to;
    uint64_t out = mix(digest + 17);
    MPI_Comm_group(main_comm, &all);
    MPI_Group_incl(all, 1, &left, &from);
    MPI_Group_incl(all, 1, &right, &to);
    MPI_Win_post(from, 0, window);
    MPI_Win_start(to, 0, window);
    MPI_Put(&out, 1, MPI_UINT64_T, right, CELLS - 1, 1, MPI_UINT64_T, window);
    dawdle();
    MPI_Win_complete(window);
    MPI_Win_wait(window);
    fold(cells[CELLS - 1]);
    MPI_Group_free(&to);
    MPI_Group_free(&from);
    MPI_Group_free(&all);
}

static void main_step(int step) {
    uint64_t first = digest, added = 0, gathered[64], word = mix(digest), mine = digest;
    MPI_Request requests[3];
    MPI_Iallreduce(&first, &added, 1, MPI_UINT64_T, MPI_SUM, main_comm, &requests[0]);
    MPI_Iallgather(&mine, 1, MPI_UINT64_T, gathered, 1, MPI_UINT64_T, main_comm, &requests[1]);
    MPI_Ibcast(&word, 1, MPI_UINT64_T, step % size, main_comm, &requests[2]);
    dawdle();
    MPI_Barrier(main_comm);
    switch (step % 3) {
    case 0: fenced(step); break;
    case 1: locked(); break;
    default: exposed(); break;
    }
    MPI_Waitall(3, requests, MPI_STATUSES_IGNORE);
    fold(added);
    fold_words(gathered, size);
    fold(word);
}

int main(int argc, char **argv) {
    begin_with_threads(&argc, &argv);
    if (size < 3 || size > 64) wrong("the number of ranks", size, 4);
    MPI_Comm_dup(MPI_COMM_WORLD, &main_comm);
    MPI_Comm_dup(MPI_COMM_WORLD, &ring);
    MPI_Comm_dup(MPI_COMM_WORLD, &sums);
    MPI_Win_allocate(2 * CELLS * sizeof *cells, sizeof *cells, MPI_INFO_NULL, main_comm, &cells, &window);
    memset(cells, 0, 2 * CELLS * sizeof *cells);
    MPI_Barrier(main_comm);

    struct thread sender = {.digest = mix((uint64_t)rank + 1)}, summer = {.digest = mix((uint64_t)rank + 2)};
    pthread_create(&sender.id, NULL, stream, &sender);
    pthread_create(&summer.id, NULL, sum, &summer);
    for (int step = 0; step < steps; step++) {
        tell(step);
        main_step(step);
    }
    pthread_join(sender.id, NULL);
    pthread_join(summer.id, NULL);
    fold(sender.digest);
    fold(summer.digest);
    report("mixed/step", steps);
    MPI_Win_free(&window);
    MPI_Comm_free(&sums);
    MPI_Comm_free(&ring);
    MPI_Comm_free(&main_comm);
    MPI_Finalize();
    return 0;
}
