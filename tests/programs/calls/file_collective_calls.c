/* Collective access to files: plain, split, atomic (MPI-5.0 section 14.4). 4 ranks.
 *
 *      write_at_all_begin ... computing ... write_at_all_end        one at a time per file
 */
#include "file_check.h"

enum { N = 1000 };
static int out[N], in[N];

/* Every rank's N ints, of round `round`, once all have read those of the last one. */
static void fill(int round) {
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < N; i++) out[i] = 1000000 * round + 10000 * check_rank + i, in[i] = -1;
}

/* What is in `in` was written by `rank` in round `round`. */
static void check_from(int rank, int round) {
    int wrong = 0;
    for (int i = 0; i < N; i++) wrong += in[i] != 1000000 * round + 10000 * rank + i;
    CHECK_INT(wrong, 0);
}

/* What the others wrote can be read. */
static void settle(MPI_File file) {
    MPI_File_sync(file);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_File_sync(file);
}

static void plain(MPI_File file) {
    MPI_Status status;
    MPI_Offset mine = (MPI_Offset)N * check_rank, next = (MPI_Offset)N * ((check_rank + 1) % 4), offset;
    fill(1);
    CHECK_INT(MPI_File_write_at_all(file, mine, out, N, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, N);
    settle(file);
    CHECK_INT(MPI_File_read_at_all(file, next, in, N, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, N);
    check_from((check_rank + 1) % 4, 1);
    fill(2);
    MPI_File_seek(file, mine, MPI_SEEK_SET);
    CHECK_INT(MPI_File_write_all_c(file, out, N, MPI_INT, &status), MPI_SUCCESS);
    MPI_File_get_position(file, &offset);
    CHECK_INT(offset, mine + N);
    settle(file);
    MPI_File_seek(file, next, MPI_SEEK_SET);
    CHECK_INT(MPI_File_read_all(file, in, N, MPI_INT, &status), MPI_SUCCESS);
    check_from((check_rank + 1) % 4, 2);
}

static void split(MPI_File file) {
    MPI_Status status;
    MPI_Offset mine = (MPI_Offset)N * check_rank, next = (MPI_Offset)N * ((check_rank + 1) % 4);
    fill(3);
    CHECK_INT(MPI_File_write_at_all_begin(file, mine, out, N, MPI_INT), MPI_SUCCESS);
    if (check_under_mana()) {
        CHECK_ERROR(MPI_File_write_at_all_begin(file, mine, out, N, MPI_INT), MPI_ERR_OTHER);
        CHECK_ERROR(MPI_File_write_all_end(file, out, &status), MPI_ERR_OTHER);
        CHECK_ERROR(MPI_File_sync(file), MPI_ERR_OTHER);
    }
    CHECK_INT(MPI_File_write_at_all_end(file, out, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, N);
    if (check_under_mana()) CHECK_ERROR(MPI_File_write_at_all_end(file, out, &status), MPI_ERR_OTHER);
    settle(file);
    CHECK_INT(MPI_File_read_at_all_begin_c(file, next, in, N, MPI_INT), MPI_SUCCESS);
    CHECK_INT(MPI_File_read_at_all_end(file, in, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, N);
    check_from((check_rank + 1) % 4, 3);
    fill(4);
    MPI_File_seek(file, mine, MPI_SEEK_SET);
    CHECK_INT(MPI_File_write_all_begin(file, out, N, MPI_INT), MPI_SUCCESS);
    CHECK_INT(MPI_File_write_all_end(file, out, MPI_STATUS_IGNORE), MPI_SUCCESS);
    settle(file);
    MPI_File_seek(file, next, MPI_SEEK_SET);
    CHECK_INT(MPI_File_read_all_begin(file, in, N, MPI_INT), MPI_SUCCESS);
    CHECK_INT(MPI_File_read_all_end(file, in, &status), MPI_SUCCESS);
    check_from((check_rank + 1) % 4, 4);
    MPI_Offset offset;
    MPI_File_get_position(file, &offset);
    CHECK_INT(offset, next + N);
}

static void atomic_mode(MPI_File file) {
    int flag = -1;
    MPI_Status status;
    CHECK_INT(MPI_File_get_atomicity(file, &flag), MPI_SUCCESS);
    CHECK_INT(flag, 0);
    CHECK_INT(MPI_File_set_atomicity(file, 1), MPI_SUCCESS);
    MPI_File_get_atomicity(file, &flag);
    CHECK_INT(flag, 1);
    fill(5);
    CHECK_INT(MPI_File_write_at(file, (MPI_Offset)N * check_rank, out, N, MPI_INT, &status), MPI_SUCCESS);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_INT(MPI_File_read_at(file, (MPI_Offset)N * ((check_rank + 2) % 4), in, N, MPI_INT, &status), MPI_SUCCESS);
    check_from((check_rank + 2) % 4, 5);
    CHECK_INT(MPI_File_set_atomicity(file, 0), MPI_SUCCESS);
}

/* A matrix of 8 x 8, each rank a quarter of it. */
static void blocks(MPI_File file) {
    MPI_Datatype quarter;
    MPI_Status status;
    int sizes[2] = {8, 8}, subsizes[2] = {4, 4}, starts[2] = {check_rank / 2 * 4, check_rank % 2 * 4};
    int mine[16], all[64];
    MPI_Type_create_subarray(2, sizes, subsizes, starts, MPI_ORDER_C, MPI_INT, &quarter);
    MPI_Type_commit(&quarter);
    for (int i = 0; i < 16; i++) mine[i] = (starts[0] + i / 4) * 8 + starts[1] + i % 4;
    CHECK_INT(MPI_File_set_view(file, 32, MPI_INT, quarter, "native", MPI_INFO_NULL), MPI_SUCCESS);
    MPI_Type_free(&quarter);
    CHECK_INT(MPI_File_write_all(file, mine, 16, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 16);
    settle(file);
    CHECK_INT(MPI_File_set_view(file, 32, MPI_INT, MPI_INT, "native", MPI_INFO_NULL), MPI_SUCCESS);
    CHECK_INT(MPI_File_read_at_all(file, 0, all, 64, MPI_INT, &status), MPI_SUCCESS);
    for (int i = 0; i < 64; i++) CHECK_INT(all[i], i);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 4);
    file_begin("file_collective_calls");
    MPI_File file = file_fresh(0);
    CHECK_INT(MPI_File_set_view(file, 0, MPI_INT, MPI_INT, "native", MPI_INFO_NULL), MPI_SUCCESS);
    plain(file);
    split(file);
    atomic_mode(file);
    blocks(file);
    MPI_File_close(&file);
    file_end();
    return check_end();
}
