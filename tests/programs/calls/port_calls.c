/* Ports between the two ranks of a job: a name has room where MPI_MAX_PORT_NAME says so, whatever library is below.
 *
 *      rank 0   MPI_Open_port, name --message--> rank 1      MPI_Comm_accept <-> MPI_Comm_connect, a sum across, disconnect
 *
 * Prints "ok" or what differs. 2 ranks.
 */
#include "check.h"

int main(int argc, char **argv) {
    char name[MPI_MAX_PORT_NAME + 1];
    MPI_Comm across;
    int size = 0, mine, theirs = -1;
    check_begin(&argc, &argv, 2);
    memset(name, 'x', sizeof name);
    if (check_rank == 0) {
        CHECK_INT(MPI_Open_port(MPI_INFO_NULL, name), MPI_SUCCESS);
        CHECK(memchr(name, 0, MPI_MAX_PORT_NAME) != NULL);
        CHECK_INT(name[MPI_MAX_PORT_NAME], 'x');
        MPI_Send(name, MPI_MAX_PORT_NAME, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
        MPI_Comm_accept(name, MPI_INFO_NULL, 0, MPI_COMM_SELF, &across);
        MPI_Close_port(name);
    } else {
        MPI_Recv(name, MPI_MAX_PORT_NAME, MPI_CHAR, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Comm_connect(name, MPI_INFO_NULL, 0, MPI_COMM_SELF, &across);
    }
    MPI_Comm_remote_size(across, &size);
    CHECK_INT(size, 1);
    mine = 10 + check_rank;
    MPI_Allreduce(&mine, &theirs, 1, MPI_INT, MPI_SUM, across);
    CHECK_INT(theirs, 11 - check_rank);
    MPI_Comm_disconnect(&across);
    return check_end();
}
