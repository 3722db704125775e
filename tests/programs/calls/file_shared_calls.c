/* The shared file pointer (MPI-5.0 section 14.4.4). 3 ranks.
 *
 *      write_shared    everybody's ints, in any order, none twice           write_ordered    in the order of ranks
 */
#include "file_check.h"

static void shared(MPI_File file) {
    MPI_Status status;
    MPI_Offset offset;
    int seen[3] = {0};
    for (int i = 0; i < 4; i++) {
        int two[2] = {check_rank, i};
        CHECK_INT(MPI_File_write_shared(file, two, 2, MPI_INT, &status), MPI_SUCCESS);
        CHECK_COUNT(status, MPI_INT, 2);
    }
    MPI_File_sync(file);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_File_sync(file);
    CHECK_INT(MPI_File_get_position_shared(file, &offset), MPI_SUCCESS);
    CHECK_INT(offset, 24);
    for (int i = 0; i < 12; i++) {
        int two[2] = {-1, -1};
        CHECK_INT(MPI_File_read_at(file, 2 * i, two, 2, MPI_INT, &status), MPI_SUCCESS);
        CHECK(two[0] >= 0 && two[0] < 3 && two[1] == seen[two[0]]++);
    }
    CHECK_INT(seen[0] + seen[1] + seen[2], 12);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_INT(MPI_File_seek_shared(file, 20, MPI_SEEK_SET), MPI_SUCCESS);
    int part[2], sum = 0, all = 0;
    MPI_Request request;
    if (check_rank < 2) {
        CHECK_INT(MPI_File_iread_shared(file, part, 2, MPI_INT, &request), MPI_SUCCESS);
        CHECK_INT(MPI_Wait(&request, &status), MPI_SUCCESS);
        CHECK_COUNT(status, MPI_INT, 2);
        sum = 1;
    }
    MPI_Allreduce(&sum, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_File_get_position_shared(file, &offset);
    CHECK_INT(offset, 24);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_INT(MPI_File_iwrite_shared(file, &check_rank, 1, MPI_INT, &request), MPI_SUCCESS);
    CHECK_INT(MPI_Wait(&request, &status), MPI_SUCCESS);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_File_get_position_shared(file, &offset);
    CHECK_INT(offset, 27);
    MPI_Barrier(MPI_COMM_WORLD);
}

static void ordered(MPI_File file) {
    MPI_Status status;
    int out[3] = {check_rank, check_rank, check_rank}, in[3] = {-1, -1, -1};
    CHECK_INT(MPI_File_seek_shared(file, 0, MPI_SEEK_SET), MPI_SUCCESS);
    CHECK_INT(MPI_File_write_ordered(file, out, check_rank + 1, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, check_rank + 1);
    CHECK_INT(MPI_File_write_ordered_begin(file, out, 1, MPI_INT), MPI_SUCCESS);
    CHECK_INT(MPI_File_write_ordered_end(file, out, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 1);
    MPI_File_sync(file);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_File_sync(file);
    static const int wanted[9] = {0, 1, 1, 2, 2, 2, 0, 1, 2};
    for (int i = 0; i < 9; i++) {
        CHECK_INT(MPI_File_read_at(file, i, in, 1, MPI_INT, &status), MPI_SUCCESS);
        CHECK_INT(in[0], wanted[i]);
    }
    CHECK_INT(MPI_File_seek_shared(file, -3, MPI_SEEK_CUR), MPI_SUCCESS);
    CHECK_INT(MPI_File_read_ordered(file, in, 1, MPI_INT, &status), MPI_SUCCESS);
    CHECK_INT(in[0], check_rank);
    CHECK_INT(MPI_File_seek_shared(file, 0, MPI_SEEK_SET), MPI_SUCCESS);
    CHECK_INT(MPI_File_read_ordered_begin_c(file, in, check_rank + 1, MPI_INT), MPI_SUCCESS);
    CHECK_INT(MPI_File_read_ordered_end(file, in, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, check_rank + 1);
    CHECK_INT(in[check_rank], check_rank);
    if (check_under_mana()) CHECK_ERROR(MPI_File_read_ordered_end(file, in, &status), MPI_ERR_OTHER);
    CHECK_INT(MPI_File_seek_shared(file, 2, MPI_SEEK_SET), MPI_SUCCESS);
    int one = -1;
    if (check_rank == 1) CHECK_INT(MPI_File_read_shared(file, &one, 1, MPI_INT, &status), MPI_SUCCESS);
    CHECK(check_rank != 1 || one == 1);
}

static void appended(void) {
    MPI_File file;
    MPI_Offset offset, size;
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_WRONLY | MPI_MODE_APPEND, MPI_INFO_NULL, &file), MPI_SUCCESS);
    MPI_File_get_size(file, &size);
    MPI_File_get_position(file, &offset);
    CHECK_INT(offset, size);
    MPI_File_get_position_shared(file, &offset);
    CHECK_INT(offset, size);
    MPI_File_close(&file);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 3);
    file_begin("file_shared_calls");
    MPI_File file = file_fresh(0);
    CHECK_INT(MPI_File_set_view(file, 0, MPI_INT, MPI_INT, "native", MPI_INFO_NULL), MPI_SUCCESS);
    shared(file);
    ordered(file);
    MPI_File_close(&file);
    appended();
    file_end();
    return check_end();
}
