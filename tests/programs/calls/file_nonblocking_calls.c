/* Nonblocking access to files, individual and collective (MPI-5.0 section 14.4). 2 ranks. */
#include "file_check.h"

enum { N = 500 };
static int out[4 * N], in[4 * N];

static void individual(MPI_File file) {
    MPI_Request requests[4];
    MPI_Status statuses[4];
    MPI_Datatype pair;
    MPI_Offset base = (MPI_Offset)4 * N * check_rank, offset;
    MPI_Type_contiguous(2, MPI_INT, &pair);
    MPI_Type_commit(&pair);
    for (int i = 0; i < 4 * N; i++) out[i] = 5000 * check_rank + i, in[i] = -1;
    MPI_File_seek(file, base, MPI_SEEK_SET);
    CHECK_INT(MPI_File_iwrite(file, out, N / 2, pair, &requests[0]), MPI_SUCCESS);
    CHECK_INT(MPI_File_iwrite_c(file, out + N, N, MPI_INT, &requests[1]), MPI_SUCCESS);
    CHECK_INT(MPI_File_iwrite_at(file, base + 2 * N, out + 2 * N, N, MPI_INT, &requests[2]), MPI_SUCCESS);
    CHECK_INT(MPI_File_iwrite_at_c(file, base + 3 * N, out + 3 * N, N / 2, pair, &requests[3]), MPI_SUCCESS);
    MPI_Type_free(&pair);
    CHECK_INT(MPI_Waitall(4, requests, statuses), MPI_SUCCESS);
    for (int i = 0; i < 4; i++) {
        CHECK_COUNT(statuses[i], MPI_INT, N);
        CHECK(requests[i] == MPI_REQUEST_NULL);
    }
    MPI_File_get_position(file, &offset);
    CHECK_INT(offset, base + 2 * N);
    MPI_File_seek(file, base, MPI_SEEK_SET);
    CHECK_INT(MPI_File_iread(file, in, N, MPI_INT, &requests[0]), MPI_SUCCESS);
    CHECK_INT(MPI_File_iread_at(file, base + N, in + N, 3 * N, MPI_INT, &requests[1]), MPI_SUCCESS);
    int done = 0;
    while (!done) CHECK_INT(MPI_Testall(2, requests, &done, statuses), MPI_SUCCESS);
    CHECK_COUNT(statuses[1], MPI_INT, 3 * N);
    CHECK(memcmp(in, out, sizeof in) == 0);
    /* Nothing to write is written at once. */
    CHECK_INT(MPI_File_iwrite(file, out, 0, MPI_INT, &requests[0]), MPI_SUCCESS);
    CHECK_INT(MPI_Wait(&requests[0], &statuses[0]), MPI_SUCCESS);
    CHECK_COUNT(statuses[0], MPI_INT, 0);
}

static void collective(MPI_File file) {
    MPI_Request requests[2];
    MPI_Status status;
    MPI_Offset base = (MPI_Offset)2 * N * check_rank;
    for (int i = 0; i < 2 * N; i++) out[i] = 70000 * (check_rank + 1) + i, in[i] = -1;
    MPI_File_seek(file, base, MPI_SEEK_SET);
    CHECK_INT(MPI_File_iwrite_all(file, out, N, MPI_INT, &requests[0]), MPI_SUCCESS);
    CHECK_INT(MPI_Wait(&requests[0], &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, N);
    CHECK_INT(MPI_File_iwrite_at_all(file, base + N, out + N, N, MPI_INT, &requests[0]), MPI_SUCCESS);
    CHECK_INT(MPI_Wait(&requests[0], &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, N);
    MPI_File_sync(file);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_File_sync(file);
    MPI_Offset other = (MPI_Offset)2 * N * (1 - check_rank);
    MPI_File_seek(file, other, MPI_SEEK_SET);
    CHECK_INT(MPI_File_iread_all(file, in, N, MPI_INT, &requests[0]), MPI_SUCCESS);
    CHECK_INT(MPI_Wait(&requests[0], &status), MPI_SUCCESS);
    CHECK_INT(MPI_File_iread_at_all_c(file, other + N, in + N, N, MPI_INT, &requests[0]), MPI_SUCCESS);
    CHECK_INT(MPI_Wait(&requests[0], &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, N);
    int wrong = 0;
    for (int i = 0; i < 2 * N; i++) wrong += in[i] != 70000 * (2 - check_rank) + i;
    CHECK_INT(wrong, 0);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    file_begin("file_nonblocking_calls");
    MPI_File file = file_fresh(0);
    CHECK_INT(MPI_File_set_view(file, 0, MPI_INT, MPI_INT, "native", MPI_INFO_NULL), MPI_SUCCESS);
    individual(file);
    MPI_Barrier(MPI_COMM_WORLD);
    collective(file);
    MPI_File_close(&file);
    file_end();
    return check_end();
}
