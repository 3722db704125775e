/* A session that is open at a checkpoint, without the world model, on 4 ranks. Only under mana.
 *
 *   session, its communicator and error handler -> mana_checkpoint() = 0 or 1 -> all of them as before -> "ok"
 */
#include "check.h"
#include <mana.h>

static int handled;

static void on_error(MPI_Session *session, int *code, ...) {
    (void)session;
    handled = *code;
}

int main(void) {
    MPI_Session session;
    MPI_Errhandler errhandler;
    MPI_Group group, nobody;
    MPI_Comm comm, inter, again;
    MPI_Info info;
    int flag = -1, outcome = -1, sum = 0, remote = 0;
    char value[MPI_MAX_INFO_VAL];

    MPI_Info_create(&info);
    MPI_Info_set(info, "thread_level", "MPI_THREAD_SERIALIZED");
    MPI_Session_create_errhandler(on_error, &errhandler);
    MPI_Session_init(info, errhandler, &session);
    MPI_Info_free(&info);
    MPI_Group_from_session_pset(session, "mpi://WORLD", &group);
    MPI_Comm_create_from_group(group, "kept", MPI_INFO_NULL, MPI_ERRORS_RETURN, &comm);
    MPI_Comm_rank(comm, &check_rank);
    MPI_Comm_size(comm, &check_size);
    CHECK_INT(check_size, 4);
    int half[1][3] = {{check_rank < 2 ? 0 : 2, check_rank < 2 ? 1 : 3, 1}};
    int other[1][3] = {{check_rank < 2 ? 2 : 0, check_rank < 2 ? 3 : 1, 1}};
    MPI_Group mine, theirs;
    MPI_Group_range_incl(group, 1, half, &mine);
    MPI_Group_range_incl(group, 1, other, &theirs);
    MPI_Intercomm_create_from_groups(mine, 0, theirs, 0, "kept", MPI_INFO_NULL, MPI_ERRORS_RETURN, &inter);

    /* One process asks; the others wait for its word, and not in a collective, which the cut would let it join first. */
    if (check_rank == 0) {
        outcome = mana_checkpoint();
        for (int rank = 1; rank < check_size; rank++) MPI_Send(&outcome, 1, MPI_INT, rank, 0, comm);
    } else {
        MPI_Recv(&outcome, 1, MPI_INT, 0, 0, comm, MPI_STATUS_IGNORE);
    }
    CHECK(outcome == 0 || outcome == 1);

    MPI_Initialized(&flag);
    CHECK_INT(flag, 0);
    CHECK(MPI_Group_from_session_pset(session, "nobody", &nobody) != MPI_SUCCESS && handled == MPI_ERR_ARG);
    MPI_Session_get_info(session, &info);
    MPI_Info_get(info, "thread_level", sizeof value - 1, value, &flag);
    CHECK(flag && strcmp(value, "MPI_THREAD_SERIALIZED") == 0);
    MPI_Info_free(&info);
    MPI_Allreduce(&check_rank, &sum, 1, MPI_INT, MPI_SUM, comm);
    CHECK_INT(sum, 6);
    MPI_Comm_remote_size(inter, &remote);
    CHECK_INT(remote, 2);
    int got = -1;
    MPI_Sendrecv(&check_rank, 1, MPI_INT, check_rank % 2, 0, &got, 1, MPI_INT, check_rank % 2, 0, inter,
                 MPI_STATUS_IGNORE);
    CHECK_INT(got, (check_rank + 2) % 4);
    MPI_Comm_create_from_group(group, "kept", MPI_INFO_NULL, MPI_ERRORS_RETURN, &again);
    int all = 0;
    MPI_Allreduce(&check_failures, &all, 1, MPI_INT, MPI_SUM, again);
    MPI_Comm_free(&again);
    MPI_Comm_free(&inter);
    MPI_Comm_free(&comm);
    MPI_Session_finalize(&session);
    if (check_rank == 0 && all == 0) printf("ok\n");
    return all != 0;
}
