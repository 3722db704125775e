/* Views: etype, filetype, displacement, pointers and offsets in them, data representations (MPI-5.0 sections 14.3 to 14.5).
 * 2 ranks.
 *
 *      rank 0   4 bytes |00..00..00..|      filetype: 2 of 4 ints; the ranks' data lies interleaved in the file
 *      rank 1           |..11..11..11|
 */
#include "file_check.h"

static MPI_Datatype interleaved(MPI_Datatype basic) {
    MPI_Datatype type;
    int sizes[1] = {4}, subsizes[1] = {2}, starts[1] = {2 * check_rank};
    MPI_Type_create_subarray(1, sizes, subsizes, starts, MPI_ORDER_C, basic, &type);
    MPI_Type_commit(&type);
    return type;
}

static void views_and_pointers(void) {
    MPI_File file = file_fresh(0);
    MPI_Datatype filetype = interleaved(MPI_INT), etype, got;
    MPI_Offset offset;
    MPI_Status status;
    char name[MPI_MAX_DATAREP_STRING];
    int data[6], all[14] = {0};
    CHECK_INT(MPI_File_set_view(file, 8, MPI_INT, filetype, "native", MPI_INFO_NULL), MPI_SUCCESS);
    MPI_Type_free(&filetype); /* the view keeps it */
    for (int i = 0; i < 6; i++) data[i] = 10 * check_rank + i;
    CHECK_INT(MPI_File_write(file, data, 4, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 4);
    MPI_File_get_position(file, &offset);
    CHECK_INT(offset, 4);
    CHECK_INT(MPI_File_write_at(file, 4, data + 4, 2, MPI_INT, &status), MPI_SUCCESS);
    MPI_File_get_position(file, &offset);
    CHECK_INT(offset, 4);
    CHECK_INT(MPI_File_seek(file, -1, MPI_SEEK_CUR), MPI_SUCCESS);
    CHECK_INT(MPI_File_read(file, all, 2, MPI_INT, &status), MPI_SUCCESS);
    CHECK_INT(all[0], 10 * check_rank + 3);
    CHECK_INT(all[1], 10 * check_rank + 4);
    MPI_File_get_position(file, &offset);
    CHECK_INT(offset, 5);
    CHECK_ERROR(MPI_File_seek(file, -1, MPI_SEEK_SET), MPI_ERR_ARG);
    if (check_under_mana()) CHECK_ERROR(MPI_File_seek(file, 0, 77), MPI_ERR_ARG);
    CHECK_INT(MPI_File_get_byte_offset(file, 3, &offset), MPI_SUCCESS);
    CHECK_INT(offset, 8 + 16 + 8 * check_rank + 4);

    CHECK_INT(MPI_File_get_view(file, &offset, &etype, &got, name), MPI_SUCCESS);
    CHECK_INT(offset, 8);
    CHECK(etype == MPI_INT && strcmp(name, "native") == 0);
    int size;
    MPI_Aint lb, extent;
    MPI_Type_size(got, &size);
    MPI_Type_get_extent(got, &lb, &extent);
    CHECK_INT(size, 8);
    CHECK_INT(extent, 16);
    CHECK_INT(MPI_Type_free(&got), MPI_SUCCESS);

    MPI_File_sync(file);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_File_sync(file);
    CHECK_INT(MPI_File_set_view(file, 0, MPI_BYTE, MPI_BYTE, "internal", MPI_INFO_NULL), MPI_SUCCESS);
    MPI_File_get_position(file, &offset);
    CHECK_INT(offset, 0);
    CHECK_INT(MPI_File_read(file, all, 14, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 14);
    for (int i = 0; i < 12; i++) CHECK_INT(all[2 + i], 10 * (i / 2 % 2) + i / 4 * 2 + i % 2);
    /* Nothing is left to read. */
    CHECK_INT(MPI_File_read(file, all, 1, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 0);
    CHECK_INT(MPI_File_seek(file, -8, MPI_SEEK_END), MPI_SUCCESS);
    CHECK_INT(MPI_File_read(file, all, 9, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 2);
    CHECK_INT(all[1], 15);
    MPI_File_close(&file);
}

static void memory_types(void) {
    MPI_File file = file_fresh(0);
    MPI_Datatype every_other;
    MPI_Status status;
    int out[8] = {1, 2, 3, 4, 5, 6, 7, 8}, in[8] = {0};
    MPI_Type_vector(4, 1, 2, MPI_INT, &every_other);
    MPI_Type_commit(&every_other);
    MPI_Offset at = 100 * check_rank;
    CHECK_INT(MPI_File_write_at(file, at, out, 1, every_other, &status), MPI_SUCCESS);
    CHECK_COUNT(status, every_other, 1);
    CHECK_INT(MPI_File_read_at(file, at, in, 4, MPI_INT, &status), MPI_SUCCESS);
    for (int i = 0; i < 4; i++) CHECK_INT(in[i], 2 * i + 1);
    CHECK_INT(MPI_File_read_at_c(file, at, in, 1, every_other, &status), MPI_SUCCESS);
    CHECK(in[0] == 1 && in[2] == 3 && in[4] == 5 && in[6] == 7);
    if (check_under_mana()) {
        MPI_Datatype uncommitted;
        MPI_Type_contiguous(2, MPI_INT, &uncommitted);
        CHECK_ERROR(MPI_File_read_at(file, 0, in, 1, uncommitted, &status), MPI_ERR_TYPE);
        MPI_Type_free(&uncommitted);
    }
    MPI_Type_free(&every_other);
    MPI_File_close(&file);
}

static int extent_function(MPI_Datatype type, MPI_Aint *extent, void *state) {
    (void)state;
    MPI_Aint lb;
    return MPI_Type_get_extent(type, &lb, extent);
}

static void representations(void) {
    MPI_File file = file_fresh(0);
    MPI_Status status;
    MPI_Offset offset;
    MPI_Aint extent;
    MPI_Datatype type, etype;
    char name[MPI_MAX_DATAREP_STRING];
    unsigned char bytes[16];
    int word = 0x01020304, in = 0;
    long longs[4] = {-1, 2 + check_rank, -3, 4}, back[4] = {0};
    CHECK_ERROR(MPI_File_set_view(file, 0, MPI_INT, MPI_INT, "no such thing", MPI_INFO_NULL), MPI_ERR_UNSUPPORTED_DATAREP);
    if (!check_under_mana()) { /* libraries differ in what they make of external32 */
        MPI_File_close(&file);
        return;
    }
    CHECK_INT(MPI_Register_datarep("mine", MPI_CONVERSION_FN_NULL, MPI_CONVERSION_FN_NULL, extent_function, NULL), MPI_SUCCESS);
    CHECK_ERROR(MPI_Register_datarep_c("mine", MPI_CONVERSION_FN_NULL_C, MPI_CONVERSION_FN_NULL_C, extent_function, NULL),
                MPI_ERR_DUP_DATAREP);
    CHECK_ERROR(MPI_Register_datarep("native", MPI_CONVERSION_FN_NULL, MPI_CONVERSION_FN_NULL, extent_function, NULL),
                MPI_ERR_DUP_DATAREP);
    CHECK_ERROR(MPI_File_set_view(file, 0, MPI_INT, MPI_INT, "mine", MPI_INFO_NULL), MPI_ERR_UNSUPPORTED_DATAREP);

    CHECK_INT(MPI_File_set_view(file, 0, MPI_INT, MPI_INT, "external32", MPI_INFO_NULL), MPI_SUCCESS);
    CHECK_INT(MPI_File_write_at(file, check_rank, &word, 1, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 1);
    CHECK_INT(MPI_File_read_at(file, check_rank, &in, 1, MPI_INT, &status), MPI_SUCCESS);
    CHECK_INT(in, word);
    CHECK_INT(MPI_File_get_type_extent(file, MPI_LONG, &extent), MPI_SUCCESS);
    CHECK_INT(extent, 4);
    MPI_File_get_view(file, &offset, &etype, &type, name);
    CHECK(strcmp(name, "external32") == 0 && type == MPI_INT);

    /* A long has 4 bytes in external32: each rank's two of four make 16 bytes together. */
    type = interleaved(MPI_LONG);
    CHECK_INT(MPI_File_set_view(file, 100, MPI_LONG, type, "external32", MPI_INFO_NULL), MPI_SUCCESS);
    MPI_Type_free(&type);
    MPI_Request request;
    CHECK_INT(MPI_File_write_all(file, longs, 2, MPI_LONG, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_LONG, 2);
    CHECK_INT(MPI_File_iwrite(file, longs + 2, 2, MPI_LONG, &request), MPI_SUCCESS);
    CHECK_INT(MPI_Wait(&request, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_LONG, 2);
    MPI_File_get_byte_offset(file, 2, &offset);
    CHECK_INT(offset, 116 + 8 * check_rank);
    MPI_File_sync(file);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_File_sync(file);
    CHECK_INT(MPI_File_iread_at(file, 0, back, 4, MPI_LONG, &request), MPI_SUCCESS);
    MPI_Wait(&request, &status);
    CHECK_COUNT(status, MPI_LONG, 4);
    CHECK(memcmp(longs, back, sizeof back) == 0);
    CHECK_INT(MPI_File_set_view(file, 0, MPI_BYTE, MPI_BYTE, "native", MPI_INFO_NULL), MPI_SUCCESS);
    MPI_File_read_at(file, 4 * check_rank, bytes, 4, MPI_BYTE, &status);
    CHECK(bytes[0] == 1 && bytes[3] == 4);
    MPI_File_read_at(file, 100, bytes, 16, MPI_BYTE, &status);
    CHECK_COUNT(status, MPI_BYTE, 16);
    CHECK(bytes[0] == 0xff && bytes[3] == 0xff && bytes[7] == 2 && bytes[8] == 0xff && bytes[15] == 3);
    MPI_File_close(&file);
}

static void sequential(void) {
    MPI_File file = MPI_FILE_NULL;
    MPI_Status status;
    MPI_Offset offset;
    int out = 40 + check_rank, in[2] = {0};
    if (!check_under_mana()) return;
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_WRONLY | MPI_MODE_SEQUENTIAL, MPI_INFO_NULL, &file), MPI_SUCCESS);
    CHECK_ERROR(MPI_File_write(file, &out, 1, MPI_INT, &status), MPI_ERR_UNSUPPORTED_OPERATION);
    CHECK_ERROR(MPI_File_seek_shared(file, 0, MPI_SEEK_SET), MPI_ERR_UNSUPPORTED_OPERATION);
    CHECK_INT(MPI_File_write_ordered(file, &out, 1, MPI_INT, &status), MPI_SUCCESS);
    CHECK_ERROR(MPI_File_set_view(file, 0, MPI_INT, MPI_INT, "native", MPI_INFO_NULL), MPI_ERR_ARG);
    CHECK_INT(MPI_File_set_view(file, MPI_DISPLACEMENT_CURRENT, MPI_INT, MPI_INT, "native", MPI_INFO_NULL), MPI_SUCCESS);
    MPI_Datatype etype, filetype;
    char name[MPI_MAX_DATAREP_STRING];
    MPI_File_get_view(file, &offset, &etype, &filetype, name);
    CHECK_INT(offset, 8);
    out += 10;
    CHECK_INT(MPI_File_write_ordered(file, &out, 1, MPI_INT, &status), MPI_SUCCESS);
    MPI_File_close(&file);
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_RDONLY, MPI_INFO_NULL, &file), MPI_SUCCESS);
    MPI_File_read_at(file, 8, in, 2, MPI_INT, &status);
    CHECK(in[0] == 50 && in[1] == 51);
    MPI_File_close(&file);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    file_begin("file_view_calls");
    views_and_pointers();
    memory_types();
    representations();
    sequential();
    file_end();
    return check_end();
}
