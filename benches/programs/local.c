/* Calls that need no other rank, on one rank.
 *
 *      local/...        what an MPI answers from its own memory: no switch between the halves
 *      crossing/...     the cheapest calls that do cross; their added cost is the cost of crossing
 *      fs_switch/pair   two writes of the FS base, what a crossing cannot do without (x86-64 with FSGSBASE)
 */
#include <mpi.h>
#include <sys/auxv.h>

#include "measure.h"

enum { TIMES = 30000 };

static void local_queries(void) {
    int rank, size, count;
    double time = 0;
    MPI_Status status;
    char sent = 0, received;
    MPI_Sendrecv(&sent, 1, MPI_CHAR, 0, 0, &received, 1, MPI_CHAR, 0, 0, MPI_COMM_SELF, &status);
    MEASURE("local/comm_rank", TIMES, MPI_Comm_rank(MPI_COMM_WORLD, &rank));
    MEASURE("local/comm_size", TIMES, MPI_Comm_size(MPI_COMM_WORLD, &size));
    MEASURE("local/get_count", TIMES, MPI_Get_count(&status, MPI_CHAR, &count));
    MEASURE("local/type_size", TIMES, MPI_Type_size(MPI_DOUBLE, &size));
    MEASURE("local/wtime", TIMES, time += MPI_Wtime());
}

static void crossings(void) {
    int flag;
    MPI_Status status;
    MEASURE("crossing/send_to_proc_null", TIMES,
            MPI_Send(NULL, 0, MPI_CHAR, MPI_PROC_NULL, 0, MPI_COMM_WORLD));
    MEASURE("crossing/iprobe_proc_null", TIMES,
            MPI_Iprobe(MPI_PROC_NULL, 0, MPI_COMM_WORLD, &flag, &status));
}

#if defined(__x86_64__)
#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE (1 << 1)
#endif
/* Writes back the value that is there: the thread-local storage in use stays the same. */
static void fs_switches(void) {
    if ((getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) == 0)
        return;
    unsigned long base;
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    MEASURE("fs_switch/pair", TIMES,
            __asm__ volatile("wrfsbase %0\n\twrfsbase %0" : : "r"(base) : "memory"));
}
#else
static void fs_switches(void) {}
#endif

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    local_queries();
    crossings();
    fs_switches();
    MPI_Finalize();
    return 0;
}
