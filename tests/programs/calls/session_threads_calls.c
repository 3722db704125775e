/* Sessions of several threads of each of 2 ranks: each makes communicators of the same group at the same time, told apart by their
 * string tags, which differ in little. Prints "ok", or what differs. */
#include <pthread.h>

#include "check.h"

enum { THREADS = 3, ROUNDS = 10 };

static void *work(void *place) {
    int number = *(int *)place;
    char tag[30];
    for (int round = 0; round < ROUNDS; round++) {
        MPI_Session session;
        MPI_Group group;
        MPI_Comm comm = MPI_COMM_NULL;
        CHECK_INT(MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_RETURN, &session), MPI_SUCCESS);
        CHECK_INT(MPI_Group_from_session_pset(session, "mpi://WORLD", &group), MPI_SUCCESS);
        snprintf(tag, sizeof tag, "thread %d", number);
        CHECK_INT(MPI_Comm_create_from_group(group, tag, MPI_INFO_NULL, MPI_ERRORS_RETURN, &comm), MPI_SUCCESS);
        /* Whose communicator it is. */
        int mine = 10 * number + round, least = -1;
        CHECK_INT(MPI_Allreduce(&mine, &least, 1, MPI_INT, MPI_MIN, comm), MPI_SUCCESS);
        CHECK_INT(least, mine);
        MPI_Comm_free(&comm);
        MPI_Group_free(&group);
        CHECK_INT(MPI_Session_finalize(&session), MPI_SUCCESS);
    }
    return NULL;
}

int main(int argc, char **argv) {
    int numbers[THREADS];
    pthread_t threads[THREADS];
    check_begin_with(&argc, &argv, 2, MPI_THREAD_MULTIPLE);
    for (int n = 0; n < THREADS; n++) {
        numbers[n] = n;
        pthread_create(&threads[n], NULL, work, &numbers[n]);
    }
    for (int n = 0; n < THREADS; n++) pthread_join(threads[n], NULL);
    return check_end();
}
