/* One-sided communication by several threads of each of 2 ranks: locks of one's own and of the other's memory, and operations
 * that are atomic for each other. Prints "ok", or what differs.
 *
 * Open MPI 4 has another component for it with MPI_THREAD_MULTIPLE, which natively ends in a segmentation fault where a process
 * compares and swaps eight bytes of its own. */
#include <pthread.h>

#include "check.h"

enum { THREADS = 3, ROUNDS = 20, COUNTED = 300 };

static MPI_Win win;
static int64_t *memory;
static MPI_Comm comms[THREADS];

/* Words 0 and 1 of both ranks are always equal, and changed under exclusive locks; a window has one epoch of a process at a
 * time, so its threads take turns. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void under_locks(int round) {
    int64_t got[2], put[2];
    int target = (check_rank + round) % 2;
    pthread_mutex_lock(&turn);
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, target, 0, win);
    MPI_Get(got, 2, MPI_INT64_T, target, 0, 2, MPI_INT64_T, win);
    MPI_Win_flush(target, win);
    CHECK_INT(got[0], got[1]);
    put[0] = put[1] = got[0] + 1;
    MPI_Put(put, 2, MPI_INT64_T, target, 0, 2, MPI_INT64_T, win);
    MPI_Win_unlock(target, win);
    pthread_mutex_unlock(&turn);
}

static void *work(void *place) {
    MPI_Comm comm = comms[(MPI_Comm *)place - comms];
    int other;
    for (int round = 0; round < ROUNDS; round++) {
        under_locks(round);
        MPI_Sendrecv(&round, 1, MPI_INT, 1 - check_rank, 0, &other, 1, MPI_INT, 1 - check_rank, 0, comm, MPI_STATUS_IGNORE);
        CHECK_INT(other, round);
    }
    return NULL;
}

static void *add(void *unused) {
    (void)unused;
    int64_t one = 1, old;
    for (int round = 0; round < ROUNDS; round++) {
        int target = (check_rank + round) % 2;
        MPI_Fetch_and_op(&one, &old, MPI_INT64_T, target, 2, MPI_SUM, win);
        MPI_Win_flush(target, win);
    }
    return NULL;
}

static void together(void *(*function)(void *)) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, function, &comms[i]);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    MPI_Barrier(MPI_COMM_WORLD);
}

static int64_t swap(int64_t expected, int64_t wanted, int target) {
    int64_t old;
    MPI_Compare_and_swap(&wanted, &expected, &old, MPI_INT64_T, target, 3, win);
    MPI_Win_flush(target, win);
    return old;
}

/* A process' own word 3 is swapped if it is what is expected; both ranks count in that of rank 0. */
static void own_swaps(void) {
    int64_t other = 2 - check_rank, seen = 0;
    CHECK_INT(swap(0, check_rank + 1, check_rank), other);
    CHECK_INT(memory[3], other);
    CHECK_INT(swap(other, 0, check_rank), other);
    CHECK_INT(memory[3], 0);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int round = 0; round < COUNTED; round++) {
        int64_t old;
        while ((old = swap(seen, seen + 1, 0)) != seen) seen = old;
        seen++;
    }
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_INT(memory[3], check_rank ? 0 : 2 * COUNTED);
}

/* Word 3 and, as ints, word 4 of both ranks: each sets them at the other, then at itself in vain. */
static void swaps(void) {
    int64_t mine = check_rank + 1, none = 0, old;
    int small = check_rank + 1, zero = 0, before;
    MPI_Win_lock_all(0, win);
    MPI_Compare_and_swap(&mine, &none, &old, MPI_INT64_T, 1 - check_rank, 3, win);
    MPI_Compare_and_swap(&small, &zero, &before, MPI_INT, 1 - check_rank, 4, win);
    MPI_Win_flush(1 - check_rank, win);
    CHECK_INT(old, 0);
    CHECK_INT(before, 0);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Compare_and_swap(&small, &zero, &before, MPI_INT, check_rank, 4, win);
    MPI_Win_flush(check_rank, win);
    CHECK_INT(before, 2 - check_rank);
    CHECK_INT(memory[3], 2 - check_rank);
    if (check_under_mana()) own_swaps();
    MPI_Win_unlock_all(win);
}

int main(int argc, char **argv) {
    check_begin_with(&argc, &argv, 2, MPI_THREAD_MULTIPLE);
    MPI_Win_allocate(5 * sizeof *memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &win);
    for (int i = 0; i < 5; i++) memory[i] = 0;
    for (int i = 0; i < THREADS; i++) MPI_Comm_dup(MPI_COMM_WORLD, &comms[i]);
    MPI_Barrier(MPI_COMM_WORLD);
    together(work);
    MPI_Win_lock_all(0, win);
    together(add);
    MPI_Win_unlock_all(win);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_INT(memory[0], THREADS * ROUNDS);
    CHECK_INT(memory[1], THREADS * ROUNDS);
    CHECK_INT(memory[2], THREADS * ROUNDS);
    swaps();
    for (int i = 0; i < THREADS; i++) MPI_Comm_free(&comms[i]);
    MPI_Win_free(&win);
    return check_end();
}
