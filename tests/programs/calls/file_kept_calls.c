/* Open files survive a checkpoint and a restart, under another MPI too. 2 ranks.
 *
 *      view, individual and shared pointers, atomic mode, a file of each rank alone, sequential access,
 *      a write and a split collective begun before the checkpoint and completed after it,
 *      what was written after the checkpoint, which the restarted program writes again
 *
 * The first life leaves its files where they are: the second one needs them. Without mana it checks the same without a
 * checkpoint.
 */
#include "file_check.h"

#if __has_include(<mana.h>)
#include <mana.h>
#define CHECKPOINT() mana_checkpoint()
#else
#define CHECKPOINT() 1
#endif

enum { N = 300 };
static int out[N], pending[N], in[2 * N];
static char own_name[600], brief_name[600], stream_name[600];

/* The filetype: every other block of 5 ints. */
static MPI_Datatype blocks(void) {
    MPI_Datatype part, type;
    MPI_Type_contiguous(5, MPI_INT, &part);
    MPI_Type_create_resized(part, 0, 40, &type);
    MPI_Type_commit(&type);
    MPI_Type_free(&part);
    return type;
}

/* One process asks for the checkpoint, and tells the other how it came out. */
static int checkpoint(void) {
    int outcome = -1;
    if (check_rank == 0) {
        outcome = CHECKPOINT();
        MPI_Send(&outcome, 1, MPI_INT, 1, 0, MPI_COMM_WORLD);
    } else {
        MPI_Recv(&outcome, 1, MPI_INT, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    CHECK(outcome >= 0);
    return outcome;
}

static MPI_File open_with_view(void) {
    MPI_File file = file_fresh(0);
    MPI_Datatype filetype = blocks();
    CHECK_INT(MPI_File_set_view(file, 16 + 20 * check_rank, MPI_INT, filetype, "native", MPI_INFO_NULL), MPI_SUCCESS);
    MPI_Type_free(&filetype);
    CHECK_INT(MPI_File_write(file, out, 7, MPI_INT, MPI_STATUS_IGNORE), MPI_SUCCESS);
    return file;
}

static MPI_File open_alone(void) {
    MPI_File file;
    int modes = MPI_MODE_CREATE | MPI_MODE_RDWR;
    snprintf(own_name, sizeof own_name, "%s.own%d", file_name, check_rank);
    CHECK_INT(MPI_File_open(MPI_COMM_SELF, own_name, modes, MPI_INFO_NULL, &file), MPI_SUCCESS);
    CHECK_INT(MPI_File_set_view(file, 0, MPI_LONG, MPI_LONG, "external32", MPI_INFO_NULL), MPI_SUCCESS);
    long longs[3] = {-5, 6, check_rank};
    CHECK_INT(MPI_File_write(file, longs, 3, MPI_LONG, MPI_STATUS_IGNORE), MPI_SUCCESS);
    CHECK_INT(MPI_File_seek(file, 1, MPI_SEEK_SET), MPI_SUCCESS);
    return file;
}

/* A file that goes when it is closed, in atomic mode, with the shared pointer moved. */
static MPI_File open_brief(void) {
    MPI_File file;
    int modes = MPI_MODE_CREATE | MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE;
    snprintf(brief_name, sizeof brief_name, "%s.brief", file_name);
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, brief_name, modes, MPI_INFO_NULL, &file), MPI_SUCCESS);
    CHECK_INT(MPI_File_set_atomicity(file, 1), MPI_SUCCESS);
    CHECK_INT(MPI_File_set_view(file, 0, MPI_INT, MPI_INT, "native", MPI_INFO_NULL), MPI_SUCCESS);
    /* Only rank 0 knows that the shared pointer is in use. */
    if (check_rank == 0) CHECK_INT(MPI_File_write_shared(file, out, 3, MPI_INT, MPI_STATUS_IGNORE), MPI_SUCCESS);
    MPI_Barrier(MPI_COMM_WORLD);
    return file;
}

static MPI_File open_stream(void) {
    MPI_File file;
    int modes = MPI_MODE_CREATE | MPI_MODE_WRONLY | MPI_MODE_SEQUENTIAL;
    snprintf(stream_name, sizeof stream_name, "%s.stream", file_name);
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, stream_name, modes, MPI_INFO_NULL, &file), MPI_SUCCESS);
    CHECK_INT(MPI_File_write_ordered(file, &out[check_rank], 1, MPI_INT, MPI_STATUS_IGNORE), MPI_SUCCESS);
    return file;
}

static void check_view(MPI_File file, MPI_Request request, MPI_Request reading) {
    MPI_Status status;
    MPI_Offset offset, size;
    MPI_Datatype etype, filetype;
    char name[MPI_MAX_DATAREP_STRING];
    int amode;
    CHECK_INT(MPI_Wait(&request, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, N);
    CHECK_INT(MPI_Wait(&reading, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 7);
    CHECK(memcmp(in, out, 7 * sizeof(int)) == 0);
    CHECK_INT(MPI_File_write_all_end(file, out, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 20);
    MPI_File_get_amode(file, &amode);
    CHECK_INT(amode, MPI_MODE_CREATE | MPI_MODE_RDWR);
    MPI_File_get_position(file, &offset);
    CHECK_INT(offset, 27);
    CHECK_INT(MPI_File_get_view(file, &offset, &etype, &filetype, name), MPI_SUCCESS);
    CHECK_INT(offset, 16 + 20 * check_rank);
    CHECK(etype == MPI_INT && strcmp(name, "native") == 0);
    MPI_Type_free(&filetype);
    CHECK_INT(MPI_File_read_at(file, 7, in, 20, MPI_INT, &status), MPI_SUCCESS);
    CHECK(memcmp(in, out, 20 * sizeof(int)) == 0);
    CHECK_INT(MPI_File_read_at(file, 100, in, N, MPI_INT, &status), MPI_SUCCESS);
    CHECK(memcmp(in, pending, sizeof pending) == 0);
    /* What the first life appends here is gone in the second. */
    CHECK_INT(MPI_File_get_size(file, &size), MPI_SUCCESS);
    CHECK_INT(size, 16 + 20 + 40 * (100 + N) / 5 - 20);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_INT(MPI_File_write_at(file, 1000, out, 1, MPI_INT, &status), MPI_SUCCESS);
    CHECK_INT(MPI_File_close(&file), MPI_SUCCESS);
}

static void check_alone(MPI_File file) {
    long longs[2] = {0};
    MPI_Status status;
    CHECK_INT(MPI_File_read(file, longs, 2, MPI_LONG, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_LONG, 2);
    CHECK(longs[0] == 6 && longs[1] == check_rank);
    CHECK_INT(MPI_File_close(&file), MPI_SUCCESS);
}

static void check_brief(MPI_File file, int outcome) {
    MPI_Status status;
    MPI_Offset offset;
    int flag, amode;
    MPI_File_get_atomicity(file, &flag);
    CHECK_INT(flag, 1);
    MPI_File_get_amode(file, &amode);
    CHECK_INT(amode, MPI_MODE_CREATE | MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE);
    CHECK_INT(MPI_File_get_position_shared(file, &offset), MPI_SUCCESS);
    CHECK_INT(offset, 3);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_INT(MPI_File_write_ordered(file, out + 3 + 2 * check_rank, 2, MPI_INT, &status), MPI_SUCCESS);
    MPI_File_sync(file);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_INT(MPI_File_read_at(file, 0, in, 7, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 7);
    for (int i = 0; i < 3; i++) CHECK_INT(in[i], i);
    for (int i = 3; i < 7; i++) CHECK_INT(in[i], 1000 * (i > 4) + i);
    CHECK_INT(MPI_File_close(&file), MPI_SUCCESS);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK(access(brief_name, F_OK) != 0);
    MPI_Barrier(MPI_COMM_WORLD);
    /* It was to go, and the second life begins with it: put back what it held at the checkpoint. */
    if (outcome == 0 && check_rank == 0) {
        FILE *again = fopen(brief_name, "w");
        CHECK(again && fwrite(out, sizeof(int), 3, again) == 3 && fclose(again) == 0);
    }
}

static void check_stream(MPI_File file) {
    MPI_Status status;
    MPI_Offset offset;
    CHECK_INT(MPI_File_get_position_shared(file, &offset), MPI_SUCCESS);
    CHECK_INT(offset, 8);
    CHECK_INT(MPI_File_set_view(file, MPI_DISPLACEMENT_CURRENT, MPI_INT, MPI_INT, "native", MPI_INFO_NULL), MPI_SUCCESS);
    CHECK_INT(MPI_File_write_ordered(file, &out[7], 1, MPI_INT, &status), MPI_SUCCESS);
    CHECK_INT(MPI_File_close(&file), MPI_SUCCESS);
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, stream_name, MPI_MODE_RDONLY, MPI_INFO_NULL, &file), MPI_SUCCESS);
    CHECK_INT(MPI_File_read_at(file, 0, in, 4, MPI_INT, &status), MPI_SUCCESS);
    CHECK_COUNT(status, MPI_INT, 4);
    CHECK(in[0] == 0 && in[1] == 1001 && in[2] == 7 && in[3] == 1007);
    CHECK_INT(MPI_File_close(&file), MPI_SUCCESS);
}

int main(int argc, char **argv) {
    MPI_Request writing, reading;
    check_begin(&argc, &argv, 2);
    file_begin("file_kept_calls");
    for (int i = 0; i < N; i++) out[i] = 1000 * check_rank + i, pending[i] = -out[i];
    if (!check_under_mana()) return check_end(); /* external32 and sequential files differ among libraries */

    MPI_File viewed = open_with_view(), alone = open_alone(), brief = open_brief(), stream = open_stream();
    CHECK_INT(MPI_File_iwrite_at(viewed, 100, pending, N, MPI_INT, &writing), MPI_SUCCESS);
    CHECK_INT(MPI_File_iread_at(viewed, 0, in, 7, MPI_INT, &reading), MPI_SUCCESS);
    CHECK_INT(MPI_File_write_all_begin(viewed, out, 20, MPI_INT), MPI_SUCCESS);

    int outcome = checkpoint();

    check_view(viewed, writing, reading);
    check_alone(alone);
    check_brief(brief, outcome);
    check_stream(stream);
    if (outcome != 0) {
        file_end();
        unlink(own_name);
        if (check_rank == 0) unlink(stream_name);
    }
    return check_end();
}
