/* What the programs of this folder share: a program checks the results of MPI calls on itself, says which differ, and
 * prints "ok" from rank 0 when none did on any rank. Exit status 1 otherwise.
 */
#ifndef CHECK_H
#define CHECK_H

#include <mpi.h>
#include <stdio.h>
#include <string.h>

static int check_failures, check_rank, check_size;

/* The condition must hold; the program goes on either way. */
#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            check_failures++;                                                                                         \
            printf("rank %d: %s:%d: not so: %s\n", check_rank, __FILE__, __LINE__, #condition);                       \
        }                                                                                                             \
    } while (0)

/* The integer expression must have this value. */
#define CHECK_INT(expression, wanted) check_int((long)(expression), (long)(wanted), #expression, __FILE__, __LINE__)

/* The call must fail with an error of this class (the communicator's error handler must be MPI_ERRORS_RETURN). */
#define CHECK_ERROR(call, wanted) check_error((call), (wanted), #call, __FILE__, __LINE__)

static inline void check_int(long got, long wanted, const char *expression, const char *file, int line) {
    if (got != wanted) {
        check_failures++;
        printf("rank %d: %s:%d: %s is %ld, not %ld\n", check_rank, file, line, expression, got, wanted);
    }
}

static inline void check_error(int code, int wanted, const char *call, const char *file, int line) {
    int class = MPI_SUCCESS;
    if (code != MPI_SUCCESS) MPI_Error_class(code, &class);
    check_int(class, wanted, call, file, line);
}

/* Whether MPI is mana's. Some libraries do not find an error that they may look for, or get a corner of the standard wrong
 * (MPICH cuts a grid's last dimension into MPI_COMM_NULL, Open MPI maps ranks beyond a grid into it); mana must not. */
static inline int check_under_mana(void) {
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(version, &length);
    return strncmp(version, "mana ", 5) == 0;
}

/* MPI has been started; the programs are written for exactly `ranks` ranks. */
static inline void check_started(int ranks) {
    MPI_Comm_rank(MPI_COMM_WORLD, &check_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &check_size);
    if (check_size != ranks) {
        if (check_rank == 0) fprintf(stderr, "start %d ranks, not %d\n", ranks, check_size);
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
}

static inline void check_begin(int *argc, char ***argv, int ranks) {
    MPI_Init(argc, argv);
    check_started(ranks);
}

/* The same with a thread level. */
static inline void check_begin_with(int *argc, char ***argv, int ranks, int thread_level) {
    int provided;
    MPI_Init_thread(argc, argv, thread_level, &provided);
    CHECK(provided >= thread_level);
    check_started(ranks);
}

/* Sums the failures, says "ok" if there are none, ends MPI; the result is the exit status. */
static inline int check_end(void) {
    int all = 0;
    fflush(stdout);
    MPI_Allreduce(&check_failures, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (check_rank == 0 && all == 0) printf("ok\n");
    MPI_Finalize();
    return all != 0;
}

#endif
