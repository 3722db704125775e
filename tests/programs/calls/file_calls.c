/* Opening, closing and deleting files, access modes, sizes, hints, and whose error handler hears of what (MPI-5.0 sections
 * 14.2 and 14.7). 4 ranks.
 *
 *      MPI_FILE_NULL's handler: errors of open and delete, and what new files start with
 *      a file's handler:        errors of calls on it
 */
#include "file_check.h"

static int handled, handler_calls;
static MPI_File handled_file;

static void handler(MPI_File *file, int *code, ...) {
    handled_file = *file;
    MPI_Error_class(*code, &handled);
    handler_calls++;
}

static void modes_and_errors(void) {
    MPI_File file = MPI_FILE_NULL;
    int amode, exists = MPI_MODE_CREATE | MPI_MODE_EXCL | MPI_MODE_RDWR;
    CHECK_ERROR(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_RDONLY, MPI_INFO_NULL, &file), MPI_ERR_NO_SUCH_FILE);
    CHECK_ERROR(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_RDONLY | MPI_MODE_RDWR, MPI_INFO_NULL, &file), MPI_ERR_AMODE);
    CHECK_ERROR(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_RDONLY | MPI_MODE_CREATE, MPI_INFO_NULL, &file), MPI_ERR_AMODE);
    CHECK_ERROR(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_CREATE, MPI_INFO_NULL, &file), MPI_ERR_AMODE);
    CHECK_ERROR(MPI_File_delete(file_name, MPI_INFO_NULL), MPI_ERR_NO_SUCH_FILE);
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, file_name, exists, MPI_INFO_NULL, &file), MPI_SUCCESS);
    CHECK_INT(MPI_File_get_amode(file, &amode), MPI_SUCCESS);
    CHECK_INT(amode, exists);
    CHECK_INT(MPI_File_close(&file), MPI_SUCCESS);
    CHECK(file == MPI_FILE_NULL);
    CHECK_ERROR(MPI_File_open(MPI_COMM_WORLD, file_name, exists, MPI_INFO_NULL, &file), MPI_ERR_FILE_EXISTS);
    CHECK_ERROR(MPI_File_close(&file), MPI_ERR_FILE);

    int word = 7;
    MPI_Status status;
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_RDONLY, MPI_INFO_NULL, &file), MPI_SUCCESS);
    CHECK_ERROR(MPI_File_write(file, &word, 1, MPI_INT, &status), MPI_ERR_READ_ONLY);
    CHECK_ERROR(MPI_File_set_size(file, 8), MPI_ERR_READ_ONLY);
    MPI_File_close(&file);
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_WRONLY, MPI_INFO_NULL, &file), MPI_SUCCESS);
    CHECK_ERROR(MPI_File_read(file, &word, 1, MPI_INT, &status), MPI_ERR_ACCESS);
    if (check_under_mana()) {
        CHECK_ERROR(MPI_File_write(file, &word, -1, MPI_INT, &status), MPI_ERR_COUNT);
        CHECK_ERROR(MPI_File_write_at(file, -4, &word, 1, MPI_INT, &status), MPI_ERR_ARG);
        CHECK_ERROR(MPI_File_set_size(file, -1), MPI_ERR_ARG);
    }
    MPI_File_close(&file);
    MPI_Barrier(MPI_COMM_WORLD);
    if (check_rank == 0) CHECK_INT(MPI_File_delete(file_name, MPI_INFO_NULL), MPI_SUCCESS);
    MPI_Barrier(MPI_COMM_WORLD);
}

static void sizes_and_group(void) {
    MPI_File file = file_fresh(0);
    MPI_Offset size = -1;
    MPI_Group group, world;
    int result;
    CHECK_INT(MPI_File_set_size(file, 1000), MPI_SUCCESS);
    CHECK_INT(MPI_File_get_size(file, &size), MPI_SUCCESS);
    CHECK_INT(size, 1000);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_INT(MPI_File_preallocate(file, 3000), MPI_SUCCESS);
    MPI_File_get_size(file, &size);
    CHECK_INT(size, 3000);
    CHECK_INT(MPI_File_sync(file), MPI_SUCCESS);
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    CHECK_INT(MPI_File_get_group(file, &group), MPI_SUCCESS);
    MPI_Group_compare(group, world, &result);
    CHECK_INT(result, MPI_IDENT);
    MPI_Group_free(&group);
    MPI_Group_free(&world);
    CHECK_INT(MPI_File_close(&file), MPI_SUCCESS);

    /* Half of the ranks have a file of their own. */
    MPI_Comm half;
    MPI_Comm_split(MPI_COMM_WORLD, check_rank % 2, check_rank, &half);
    char own[600];
    snprintf(own, sizeof own, "%s.%d", file_name, check_rank % 2);
    int modes = MPI_MODE_CREATE | MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE;
    CHECK_INT(MPI_File_open(half, own, modes, MPI_INFO_NULL, &file), MPI_SUCCESS);
    MPI_Comm_free(&half);
    int out = check_rank, in = -1;
    MPI_Status status;
    CHECK_INT(MPI_File_write_at_all(file, check_rank / 2 * sizeof out, &out, 1, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 1);
    MPI_File_sync(file);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_File_sync(file);
    int other = (check_rank + 2) % 4;
    CHECK_INT(MPI_File_read_at(file, other / 2 * sizeof in, &in, 1, MPI_INT, &status), MPI_SUCCESS);
    CHECK_INT(in, other);
    CHECK_INT(MPI_File_close(&file), MPI_SUCCESS);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK(access(own, F_OK) != 0);
}

static void hints(void) {
    MPI_File file;
    MPI_Info info, used;
    char value[MPI_MAX_INFO_VAL];
    int flag;
    MPI_Info_create(&info);
    MPI_Info_set(info, "cb_buffer_size", "131072");
    MPI_Info_set(info, "a_key_that_is_longer_than_thirty_six_characters", "1");
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_RDWR, info, &file), MPI_SUCCESS);
    CHECK_INT(MPI_File_set_info(file, info), MPI_SUCCESS);
    MPI_Info_create(&used);
    CHECK_INT(MPI_File_set_info(file, used), MPI_SUCCESS); /* without hints */
    MPI_Info_free(&used);
    CHECK_INT(MPI_File_get_info(file, &used), MPI_SUCCESS);
    CHECK(used != MPI_INFO_NULL);
    MPI_Info_get(used, "cb_buffer_size", sizeof value - 1, value, &flag);
    if (flag) CHECK(strcmp(value, "131072") == 0);
    MPI_Info_get(used, "mpi_memory_alloc_kinds", sizeof value - 1, value, &flag);
    if (check_under_mana()) CHECK(flag && strcmp(value, "mpi,system") == 0);
    MPI_Info_free(&used);
    MPI_Info_free(&info);
    MPI_File_close(&file);
}

static void handlers(void) {
    MPI_Errhandler mine, got;
    MPI_File file = MPI_FILE_NULL;
    int word = 0;
    MPI_Offset offset;
    MPI_File_get_errhandler(MPI_FILE_NULL, &got);
    CHECK(got == MPI_ERRORS_RETURN);
    MPI_File_create_errhandler(handler, &mine);
    MPI_File_set_errhandler(MPI_FILE_NULL, mine);
    char missing[600];
    snprintf(missing, sizeof missing, "%s.missing", file_name);
    CHECK_ERROR(MPI_File_open(MPI_COMM_WORLD, missing, MPI_MODE_RDONLY, MPI_INFO_NULL, &file), MPI_ERR_NO_SUCH_FILE);
    CHECK_INT(handler_calls, 1);
    CHECK_INT(handled, MPI_ERR_NO_SUCH_FILE);
    CHECK(handled_file == MPI_FILE_NULL);
    CHECK_ERROR(MPI_File_delete(missing, MPI_INFO_NULL), MPI_ERR_NO_SUCH_FILE);
    CHECK_INT(handler_calls, 2);
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_WRONLY, MPI_INFO_NULL, &file), MPI_SUCCESS);
    CHECK_ERROR(MPI_File_read(file, &word, 1, MPI_INT, MPI_STATUS_IGNORE), MPI_ERR_ACCESS);
    CHECK_INT(handler_calls, 3);
    CHECK(handled_file == file);
    MPI_File_set_errhandler(MPI_FILE_NULL, MPI_ERRORS_RETURN);
    CHECK_ERROR(MPI_File_read(file, &word, 1, MPI_INT, MPI_STATUS_IGNORE), MPI_ERR_ACCESS);
    CHECK_INT(handler_calls, 4);
    MPI_File_set_errhandler(file, MPI_ERRORS_RETURN);
    CHECK_ERROR(MPI_File_read(file, &word, 1, MPI_INT, MPI_STATUS_IGNORE), MPI_ERR_ACCESS);
    CHECK_INT(handler_calls, 4);
    MPI_File_close(&file);
    CHECK_ERROR(MPI_File_get_position(MPI_FILE_NULL, &offset), MPI_ERR_FILE);
    MPI_Errhandler_free(&mine);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 4);
    file_begin("file_calls");
    modes_and_errors();
    sizes_and_group();
    hints();
    handlers();
    file_end();
    return check_end();
}
