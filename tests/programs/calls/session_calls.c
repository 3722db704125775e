/* Sessions on 4 ranks: before, beside and after the world model; communicators of groups; errors.
 *
 *   session alone -> its communicators work, MPI_Initialized is false -> finalised, and opened again
 *   two sessions and MPI_Init ... MPI_Finalize with a session open: it goes on -> last session finalised -> exit
 */
#include "check.h"
#include <stdlib.h>

static int handled_session, handled_comm;

static void on_session_error(MPI_Session *session, int *code, ...) {
    (void)session;
    handled_session = *code;
}

static void on_comm_error(MPI_Comm *comm, int *code, ...) {
    (void)comm;
    handled_comm = *code;
}

/* The communicator of a process set. */
static MPI_Comm comm_of(MPI_Session session, const char *set, const char *tag) {
    MPI_Group group;
    MPI_Comm comm = MPI_COMM_NULL;
    CHECK_INT(MPI_Group_from_session_pset(session, set, &group), MPI_SUCCESS);
    CHECK_INT(MPI_Comm_create_from_group(group, tag, MPI_INFO_NULL, MPI_ERRORS_RETURN, &comm), MPI_SUCCESS);
    MPI_Group_free(&group);
    return comm;
}

static void process_sets(MPI_Session session) {
    int number = 0, length = 0, flag;
    char name[MPI_MAX_PSET_NAME_LEN], value[MPI_MAX_INFO_VAL];
    MPI_Info info;
    CHECK_INT(MPI_Session_get_num_psets(session, MPI_INFO_NULL, &number), MPI_SUCCESS);
    CHECK(number >= 2);
    int seen_world = 0, seen_self = 0;
    for (int n = 0; n < number; n++) {
        length = 0;
        strcpy(name, "untouched");
        CHECK_INT(MPI_Session_get_nth_pset(session, MPI_INFO_NULL, n, &length, name), MPI_SUCCESS);
        CHECK(length > 1 && strcmp(name, "untouched") == 0);
        int needed = length;
        CHECK_INT(MPI_Session_get_nth_pset(session, MPI_INFO_NULL, n, &length, name), MPI_SUCCESS);
        CHECK_INT(strlen(name) + 1, needed);
        seen_world += strcmp(name, "mpi://WORLD") == 0;
        seen_self += strcmp(name, "mpi://SELF") == 0;
        CHECK_INT(MPI_Session_get_pset_info(session, name, &info), MPI_SUCCESS);
        MPI_Info_get(info, "mpi_size", sizeof value - 1, value, &flag);
        CHECK(flag && (atoi(value) == (strcmp(name, "mpi://SELF") == 0 ? 1 : check_size)));
        MPI_Info_free(&info);
        length = 5;
        CHECK_INT(MPI_Session_get_nth_pset(session, MPI_INFO_NULL, n, &length, name), MPI_SUCCESS);
        CHECK(strcmp(name, "mpi:") == 0 && length == needed);
    }
    CHECK(seen_world == 1 && seen_self == 1);
    CHECK_ERROR(MPI_Session_get_nth_pset(session, MPI_INFO_NULL, number, &length, name), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Session_get_pset_info(session, "mpi://NOBODY", &info), MPI_ERR_ARG);
    MPI_Group group;
    CHECK_INT(MPI_Group_from_session_pset(session, "MPI://world", &group), MPI_SUCCESS);
    int size = 0, rank = -1;
    MPI_Group_size(group, &size);
    MPI_Group_rank(group, &rank);
    CHECK(size == check_size && rank == check_rank);
    MPI_Group_free(&group);
}

static void handlers(void) {
    MPI_Session session;
    MPI_Errhandler errhandler, comm_handler, got;
    MPI_Group group, empty = MPI_GROUP_EMPTY;
    MPI_Comm comm;
    MPI_Session_create_errhandler(on_session_error, &errhandler);
    MPI_Comm_create_errhandler(on_comm_error, &comm_handler);
    CHECK_INT(MPI_Session_init(MPI_INFO_NULL, errhandler, &session), MPI_SUCCESS);
    CHECK(MPI_Group_from_session_pset(session, "mana://nothing", &group) != MPI_SUCCESS);
    CHECK_INT(handled_session, MPI_ERR_ARG);
    MPI_Session_get_errhandler(session, &got);
    CHECK(got == errhandler);
    MPI_Errhandler_free(&got);
    MPI_Session_set_errhandler(session, MPI_ERRORS_RETURN);
    handled_session = 0;
    CHECK(MPI_Group_from_session_pset(session, "mana://nothing", &group) != MPI_SUCCESS);
    CHECK_INT(handled_session, 0);
    CHECK_INT(MPI_Comm_create_from_group(empty, "tag", MPI_INFO_NULL, MPI_ERRORS_RETURN, &comm), MPI_SUCCESS);
    CHECK(comm == MPI_COMM_NULL);
    /* A group without the caller. */
    int other = (check_rank + 1) % check_size;
    MPI_Group world;
    MPI_Group_from_session_pset(session, "mpi://WORLD", &world);
    MPI_Group_incl(world, 1, &other, &group);
    CHECK_ERROR(MPI_Comm_create_from_group(group, "tag", MPI_INFO_NULL, comm_handler, &comm), MPI_ERR_GROUP);
    CHECK_INT(handled_comm, MPI_ERR_GROUP);
    MPI_Group_free(&group);
    MPI_Group_free(&world);
    MPI_Errhandler_free(&errhandler);
    MPI_Errhandler_free(&comm_handler);
    CHECK_INT(MPI_Session_finalize(&session), MPI_SUCCESS);
    CHECK(session == MPI_SESSION_NULL);
}

static void intercommunicators(MPI_Session session) {
    MPI_Group world, mine, theirs;
    MPI_Comm inter;
    int half = check_size / 2, low = check_rank < half;
    int lower[1][3] = {{0, half - 1, 1}}, upper[1][3] = {{half, check_size - 1, 1}};
    MPI_Group_from_session_pset(session, "mpi://WORLD", &world);
    MPI_Group_range_incl(world, 1, low ? lower : upper, &mine);
    MPI_Group_range_incl(world, 1, low ? upper : lower, &theirs);
    int leads = check_rank == 0 || check_rank == check_size - 1;
    /* Only the leaders know the other side: rank 0 and the last one. */
    CHECK_INT(MPI_Intercomm_create_from_groups(mine, low ? 0 : half - 1, leads ? theirs : MPI_GROUP_EMPTY,
                                               leads ? (low ? half - 1 : 0) : -1, "bridge", MPI_INFO_NULL,
                                               MPI_ERRORS_RETURN, &inter),
              MPI_SUCCESS);
    int flag = 0, size = 0, remote = 0, rank = -1, got = -1;
    MPI_Comm_test_inter(inter, &flag);
    MPI_Comm_size(inter, &size);
    MPI_Comm_rank(inter, &rank);
    MPI_Comm_remote_size(inter, &remote);
    CHECK(flag && size == half && remote == half && rank == check_rank % half);
    MPI_Sendrecv(&check_rank, 1, MPI_INT, rank, 3, &got, 1, MPI_INT, rank, 3, inter, MPI_STATUS_IGNORE);
    CHECK_INT(got, (check_rank + half) % check_size);
    MPI_Comm_free(&inter);
    MPI_Group_free(&mine);
    MPI_Group_free(&theirs);
    MPI_Group_free(&world);
}

/* Messages of a session's communicator go by the session's buffer. */
static void buffers(MPI_Session session, MPI_Comm self) {
#if MPI_VERSION > 4
    static char room[MPI_BSEND_OVERHEAD + 100];
    char in = 0, *back;
    int size;
    CHECK_ERROR(MPI_Bsend("x", 1, MPI_CHAR, 0, 0, self), MPI_ERR_BUFFER);
    CHECK_INT(MPI_Session_attach_buffer(session, room, sizeof room), MPI_SUCCESS);
    CHECK_INT(MPI_Bsend("x", 1, MPI_CHAR, 0, 0, self), MPI_SUCCESS);
    MPI_Recv(&in, 1, MPI_CHAR, 0, 0, self, MPI_STATUS_IGNORE);
    CHECK_INT(in, 'x');
    CHECK_INT(MPI_Session_detach_buffer(session, &back, &size), MPI_SUCCESS);
    CHECK(back == room && size == (int)sizeof room);
#endif
    (void)session, (void)self;
}

int main(int argc, char **argv) {
    int flag = -1, sum = 0;
    char value[MPI_MAX_INFO_VAL];
    MPI_Info info, used;
    MPI_Session session, second;
    MPI_Comm comm, self;

    /* Allowed before anything is initialised. */
    CHECK_INT(MPI_Info_create(&info), MPI_SUCCESS);
    MPI_Info_set(info, "thread_level", "MPI_THREAD_FUNNELED");
    MPI_Initialized(&flag);
    CHECK_INT(flag, 0);

    CHECK_INT(MPI_Session_init(info, MPI_ERRORS_RETURN, &session), MPI_SUCCESS);
    MPI_Info_free(&info);
    comm = comm_of(session, "mpi://WORLD", "org.example.first");
    MPI_Comm_rank(comm, &check_rank);
    MPI_Comm_size(comm, &check_size);
    CHECK_INT(check_size, 4);
    MPI_Initialized(&flag);
    CHECK_INT(flag, 0);
    CHECK_INT(MPI_Session_get_info(session, &used), MPI_SUCCESS);
    MPI_Info_get(used, "thread_level", sizeof value - 1, value, &flag);
    CHECK(flag && strcmp(value, "MPI_THREAD_FUNNELED") == 0);
    MPI_Info_get(used, "mpi_memory_alloc_kinds", sizeof value - 1, value, &flag);
    CHECK(flag && strcmp(value, "mpi,system") == 0);
    MPI_Info_free(&used);
    process_sets(session);
    MPI_Allreduce(&check_rank, &sum, 1, MPI_INT, MPI_SUM, comm);
    CHECK_INT(sum, 6);
    CHECK_ERROR(MPI_Send(&sum, 1, MPI_INT, 99, 0, comm), MPI_ERR_RANK);
    self = comm_of(session, "mpi://SELF", "org.example.first");
    MPI_Comm_size(self, &sum);
    CHECK_INT(sum, 1);
    buffers(session, self);
    intercommunicators(session);
    intercommunicators(session);
    handlers();
    MPI_Comm_free(&self);
    MPI_Comm_free(&comm);
    CHECK_INT(MPI_Session_finalize(&session), MPI_SUCCESS);

    /* Again, and two at once, and the world model in between. */
    CHECK_INT(MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_RETURN, &session), MPI_SUCCESS);
    CHECK_INT(MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_RETURN, &second), MPI_SUCCESS);
    CHECK(session != second);
    int provided = -1;
    CHECK_INT(MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &provided), MPI_SUCCESS);
    CHECK(provided >= MPI_THREAD_SERIALIZED);
    MPI_Initialized(&flag);
    CHECK_INT(flag, 1);
    MPI_Allreduce(&check_rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    CHECK_INT(sum, 6);
    comm = comm_of(second, "mpi://WORLD", "org.example.second");
    CHECK_INT(MPI_Session_finalize(&session), MPI_SUCCESS);
    CHECK_INT(MPI_Finalize(), MPI_SUCCESS);
    MPI_Finalized(&flag);
    CHECK_INT(flag, 1);

    /* The session that is still open goes on. */
    int all = 0;
    CHECK_INT(MPI_Allreduce(&check_failures, &all, 1, MPI_INT, MPI_SUM, comm), MPI_SUCCESS);
    MPI_Comm_free(&comm);
    CHECK_INT(MPI_Session_finalize(&second), MPI_SUCCESS);
    fflush(stdout);
    if (check_rank == 0 && all == 0 && check_failures == 0) printf("ok\n");
    return all != 0 || check_failures != 0;
}
