/* What the programs about files share: a name of their own below CHECK_FOLDER (or here), the same on all ranks. */
#ifndef FILE_CHECK_H
#define FILE_CHECK_H

#include "check.h"
#include <stdlib.h>
#include <unistd.h>

/* The file a program works on. */
static char file_name[512];

/* Names the file; collective. */
static inline void file_begin(const char *program) {
    const char *folder = getenv("CHECK_FOLDER");
    if (check_rank == 0)
        snprintf(file_name, sizeof file_name, "%s/mana_%s_%d.dat", folder ? folder : ".", program, (int)getpid());
    MPI_Bcast(file_name, sizeof file_name, MPI_CHAR, 0, MPI_COMM_WORLD);
}

/* Removes the file; collective. */
static inline void file_end(void) {
    MPI_Barrier(MPI_COMM_WORLD);
    if (check_rank == 0) unlink(file_name);
}

/* Opens it anew, empty, for reading and writing. */
static inline MPI_File file_fresh(int more_modes) {
    MPI_File file = MPI_FILE_NULL;
    CHECK_INT(MPI_File_open(MPI_COMM_WORLD, file_name, MPI_MODE_CREATE | MPI_MODE_RDWR | more_modes, MPI_INFO_NULL, &file),
              MPI_SUCCESS);
    CHECK_INT(MPI_File_set_size(file, 0), MPI_SUCCESS);
    return file;
}

/* The status tells of `wanted` elements of `type`. */
#define CHECK_COUNT(status, type, wanted) file_check_count(&(status), type, wanted, __LINE__)

static inline void file_check_count(const MPI_Status *status, MPI_Datatype type, int wanted, int line) {
    int count = -1;
    MPI_Get_count(status, type, &count);
    check_int(count, wanted, "count in the status", __FILE__, line);
}

#endif
