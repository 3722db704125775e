/* MPI-IO under way: blocks that each rank writes and another reads, collectively, alone, and without waiting.
 *
 *      file    | step 0: block of rank 0, 1, 2, 3 | step 1: ... |      each place is written once, always with the same words
 *
 * So a program that goes back to a checkpoint writes again what is there already, and reads what it read before.
 *
 * Usage: files STEPS [--pause-us N] [--progress]     in the folder of TORTURE_FOLDER, or here
 */
#include "torture.h"

enum { WORDS = 700 };

static MPI_File file, log_file;

static uint64_t word(int step, int of, int at) { return mix((uint64_t)step << 40 | (uint64_t)of << 20 | (uint64_t)at); }

static MPI_Offset place(int step, int of) { return (MPI_Offset)(step * size + of) * WORDS; }

static void write_block(int step, uint64_t *out, MPI_Request *request) {
    MPI_Status status;
    int count;
    for (int i = 0; i < WORDS; i++) out[i] = word(step, rank, i);
    *request = MPI_REQUEST_NULL;
    switch (step % 4) {
    case 0: MPI_File_write_at_all(file, place(step, rank), out, WORDS, MPI_UINT64_T, &status); break;
    case 1: MPI_File_iwrite_at(file, place(step, rank), out, WORDS, MPI_UINT64_T, request); return;
    case 2: MPI_File_write_at(file, place(step, rank), out, WORDS, MPI_UINT64_T, &status); break;
    default:
        MPI_File_seek(file, place(step, rank), MPI_SEEK_SET);
        MPI_File_write_all(file, out, WORDS, MPI_UINT64_T, &status);
        break;
    }
    MPI_Get_count(&status, MPI_UINT64_T, &count);
    check("words written", count, WORDS);
}

static void read_block(int step) {
    uint64_t in[WORDS];
    MPI_Request request;
    MPI_Status status;
    const int of = (rank + 1 + step % (size - 1)) % size;
    memset(in, 0, sizeof in);
    if (step % 2 == 0) {
        MPI_File_iread_at(file, place(step, of), in, WORDS, MPI_UINT64_T, &request);
        dawdle();
        MPI_Wait(&request, &status);
    } else {
        MPI_File_read_at_all(file, place(step, of), in, WORDS, MPI_UINT64_T, &status);
    }
    for (int i = 0; i < WORDS; i++)
        if (in[i] != word(step, of, i)) wrong("a word in the file", (long long)in[i], (long long)word(step, of, i));
    fold_words(in, WORDS);
}

static MPI_File open_file(const char *name) {
    char path[4096];
    const char *folder = getenv("TORTURE_FOLDER");
    MPI_File opened;
    snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : ".", name);
    const int error = MPI_File_open(MPI_COMM_WORLD, path, MPI_MODE_CREATE | MPI_MODE_RDWR, MPI_INFO_NULL, &opened);
    if (error != MPI_SUCCESS) wrong("the error of MPI_File_open", error, MPI_SUCCESS);
    MPI_File_set_size(opened, 0);
    return opened;
}

int main(int argc, char **argv) {
    options(argc, argv, NULL, NULL);
    MPI_Init(&argc, &argv);
    begin();
    if (size < 2) wrong("the number of ranks", size, 4);
    file = open_file("torture-blocks");
    log_file = open_file("torture-log");
    MPI_File_set_view(file, 0, MPI_UINT64_T, MPI_UINT64_T, "native", MPI_INFO_NULL);
    MPI_File_set_atomicity(file, 1);
    for (int step = 0; step < steps; step++) {
        uint64_t out[WORDS], line[2] = {word(step, rank, 0), digest};
        MPI_Request request;
        tell(step);
        write_block(step, out, &request);
        dawdle();
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        MPI_File_sync(file);
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_File_sync(file);
        read_block(step);
        MPI_File_write_ordered(log_file, line, 2, MPI_UINT64_T, MPI_STATUS_IGNORE);
    }
    MPI_Offset end, bytes;
    MPI_File_sync(log_file);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_File_get_size(log_file, &bytes);
    MPI_File_get_position_shared(log_file, &end);
    check("bytes in the log", bytes, (long long)steps * size * 16);
    check("the shared file pointer", end, bytes);
    report("files/step", steps);
    MPI_File_close(&log_file);
    MPI_File_close(&file);
    MPI_Finalize();
    return 0;
}
