/* A little of everything, once: for `cargo xtask torture --every-safe-point`, which takes a checkpoint at each safe point of
 * each rank in turn. So that every call is there, and few are there twice. Three ranks.
 *
 * Usage: points 1
 */
#include "torture.h"

enum { WORDS = 8, LARGE = 1 << 15 };

static int right, left;

static void messages(void) {
    static uint64_t out[LARGE], in[LARGE];
    uint64_t note = mix(digest), heard = 0, token = digest;
    MPI_Request requests[3];
    MPI_Status status;
    MPI_Message message;
    for (int i = 0; i < LARGE; i++) out[i] = mix(digest + (uint64_t)i);
    MPI_Irecv(in, LARGE, MPI_UINT64_T, left, 1, MPI_COMM_WORLD, &requests[0]);
    MPI_Isend(out, LARGE, MPI_UINT64_T, right, 1, MPI_COMM_WORLD, &requests[1]);
    MPI_Isend(&note, 1, MPI_UINT64_T, right, 2, MPI_COMM_WORLD, &requests[2]);
    MPI_Mprobe(MPI_ANY_SOURCE, 2, MPI_COMM_WORLD, &message, &status);
    MPI_Mrecv(&heard, 1, MPI_UINT64_T, &message, &status);
    MPI_Waitall(3, requests, MPI_STATUSES_IGNORE);
    MPI_Sendrecv_replace(&token, 1, MPI_UINT64_T, right, 3, left, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (rank == 0) {
        MPI_Ssend(&token, 1, MPI_UINT64_T, right, 4, MPI_COMM_WORLD);
        MPI_Recv(&token, 1, MPI_UINT64_T, left, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
        MPI_Recv(&token, 1, MPI_UINT64_T, left, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Ssend(&token, 1, MPI_UINT64_T, right, 4, MPI_COMM_WORLD);
    }
    fold_words(in, LARGE);
    fold(heard);
    fold(token);
}

/* A receive that is pending on a communicator and with a datatype that are freed, and one that nobody will serve. */
static void freed(void) {
    uint64_t out[2 * WORDS], in[2 * WORDS] = {0};
    MPI_Comm comm;
    MPI_Datatype every_other;
    MPI_Request request, vain;
    MPI_Status status;
    int flag;
    for (int i = 0; i < 2 * WORDS; i++) out[i] = mix(digest + (uint64_t)i);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Irecv(&flag, 1, MPI_INT, left, 6, comm, &vain);
    MPI_Type_vector(WORDS, 1, 2, MPI_UINT64_T, &every_other);
    MPI_Type_commit(&every_other);
    MPI_Irecv(in, 1, every_other, left, 5, comm, &request);
    MPI_Barrier(comm);
    if (rank != 1) MPI_Send(out, 1, every_other, right, 5, comm);
    MPI_Type_free(&every_other);
    if (rank != 1) MPI_Comm_free(&comm);
    if (rank == 1) MPI_Send(out, WORDS, MPI_UINT64_T, right, 5, comm);
    if (rank == 1) MPI_Comm_free(&comm);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    MPI_Cancel(&vain);
    MPI_Wait(&vain, &status);
    MPI_Test_cancelled(&status, &flag);
    check("a receive cancelled", flag, 1);
    fold_words(in, 2 * WORDS);
}

static void collectives(void) {
    uint64_t mine = mix(digest), sum = 0, all[3], word = mix(digest + 1);
    MPI_Comm half;
    MPI_Request request;
    MPI_Iallgather(&mine, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, MPI_COMM_WORLD, &request);
    MPI_Comm_split(MPI_COMM_WORLD, rank == 2, rank, &half);
    MPI_Allreduce(&mine, &sum, 1, MPI_UINT64_T, MPI_SUM, half);
    MPI_Bcast(&word, 1, MPI_UINT64_T, 1, MPI_COMM_WORLD);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    MPI_Comm_free(&half);
    fold(sum);
    fold(word);
    fold_words(all, 3);
}

static void one_sided(void) {
    uint64_t *cells, out = mix(digest), drawn = 0, one = 1;
    MPI_Win window;
    MPI_Win_allocate(WORDS * sizeof *cells, sizeof *cells, MPI_INFO_NULL, MPI_COMM_WORLD, &cells, &window);
    memset(cells, 0, WORDS * sizeof *cells);
    MPI_Win_fence(0, window);
    MPI_Put(&out, 1, MPI_UINT64_T, right, 0, 1, MPI_UINT64_T, window);
    MPI_Win_fence(0, window);
    fold(cells[0]);
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, window);
    MPI_Fetch_and_op(&one, &drawn, MPI_UINT64_T, 0, 1, MPI_SUM, window);
    MPI_Win_unlock(0, window);
    loose += mix(drawn);
    MPI_Win_free(&window);
}

static void file(void) {
    char path[4096];
    const char *folder = getenv("TORTURE_FOLDER");
    uint64_t out = mix(digest), in = 0;
    MPI_File file;
    MPI_Request request;
    snprintf(path, sizeof path, "%s/torture-points", folder != NULL ? folder : ".");
    MPI_File_open(MPI_COMM_WORLD, path, MPI_MODE_CREATE | MPI_MODE_RDWR, MPI_INFO_NULL, &file);
    MPI_File_iwrite_at(file, 8 * rank, &out, 1, MPI_UINT64_T, &request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    MPI_File_sync(file);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_File_sync(file);
    MPI_File_read_at_all(file, 8 * right, &in, 1, MPI_UINT64_T, MPI_STATUS_IGNORE);
    MPI_File_close(&file);
    fold(in);
}

int main(int argc, char **argv) {
    options(argc, argv, NULL, NULL);
    MPI_Init(&argc, &argv);
    begin();
    check("the number of ranks", size, 3);
    right = (rank + 1) % size;
    left = (rank + size - 1) % size;
    messages();
    freed();
    collectives();
    one_sided();
    file();
    report("points", 1);
    MPI_Finalize();
    return 0;
}
