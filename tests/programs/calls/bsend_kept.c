/* Buffered messages that nobody has received yet, across a checkpoint: they arrive in order, and the buffer stays attached.
 *
 *      small and large Bsends both ways, on communicators with a buffer of their own and of a session that has one, an Iflush
 *      that waits for them
 *        ->  mana_checkpoint()  ->  received; flushed; room for the next ones; detached: what was attached
 *
 * Prints "ok" or what differs, once per life. 2 ranks.
 */
#include "file_check.h"
#include <mana.h>
#include <stdlib.h>

enum { LARGE = 300 * 1000, SMALL = 5 };

static double data[LARGE], in[LARGE];

static void receive(int tag, int length, double first, MPI_Comm comm) {
    MPI_Status status;
    int count;
    MPI_Recv(in, LARGE, MPI_DOUBLE, 1 - check_rank, tag, comm, &status);
    MPI_Get_count(&status, MPI_DOUBLE, &count);
    CHECK_INT(count, length);
    CHECK(in[0] == first && in[length - 1] == first + length - 1);
}

static void send(int length, double first, int tag, MPI_Comm comm) {
    for (int i = 0; i < length; i++) data[i] = first + i;
    CHECK_INT(MPI_Bsend(data, length, MPI_DOUBLE, 1 - check_rank, tag, comm), MPI_SUCCESS);
}

/* A communicator of `group`, instead of `before`; both are freed. */
static MPI_Comm of_group(MPI_Group group, const char *tag, MPI_Comm before) {
    MPI_Comm made;
    MPI_Comm_create_from_group(group, tag, MPI_INFO_NULL, MPI_ERRORS_RETURN, &made);
    MPI_Group_free(&group);
    MPI_Comm_free(&before);
    return made;
}

/* A communicator of the group of a window of `comm`, which is freed. */
static MPI_Comm of_window(MPI_Comm comm) {
    MPI_Group group;
    MPI_Win window;
    void *memory;
    MPI_Win_allocate(8, 1, MPI_INFO_NULL, comm, &memory, &window);
    MPI_Win_get_group(window, &group);
    MPI_Win_free(&window);
    return of_group(group, "of a window", comm);
}

/* A communicator of the group of a file of `comm`, which is freed. */
static MPI_Comm of_file(MPI_Comm comm) {
    MPI_Group group;
    MPI_File file;
    MPI_File_open(comm, file_name, MPI_MODE_CREATE | MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE, MPI_INFO_NULL, &file);
    MPI_File_get_group(file, &group);
    MPI_File_close(&file);
    return of_group(group, "of a file", comm);
}

/* A communicator of many steps' descent from a session that has a buffer for one large message. */
static MPI_Comm of_session(MPI_Session *session, void *buffer, int room) {
    MPI_Group all, some;
    MPI_Comm comm, copy;
    int range[1][3] = {{0, 1, 1}};
    MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_RETURN, session);
    MPI_Session_attach_buffer(*session, buffer, room);
    MPI_Group_from_session_pset(*session, "mpi://WORLD", &all);
    MPI_Group_range_incl(all, 1, range, &some);
    MPI_Comm_create_from_group(some, "bsend", MPI_INFO_NULL, MPI_ERRORS_RETURN, &comm);
    MPI_Comm_dup(comm, &copy);
    MPI_Comm_free(&comm);
    MPI_Group_free(&some);
    MPI_Group_free(&all);
    return of_file(of_window(copy));
}

int main(int argc, char **argv) {
    int size, room = 2 * (LARGE * 8 + MPI_BSEND_OVERHEAD) + 2 * (SMALL * 8 + MPI_BSEND_OVERHEAD);
    int own_room = LARGE * 8 + MPI_BSEND_OVERHEAD;
    int session_room = LARGE * 8 + MPI_BSEND_OVERHEAD;
    void *buffer = malloc(room), *own_buffer = malloc(own_room), *session_buffer = malloc(session_room), *back;
    MPI_Request flush, persistent;
    MPI_Session session;
    MPI_Comm comm, session_comm;
    check_begin(&argc, &argv, 2);
    file_begin("bsend_kept");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Buffer_attach(buffer, room);
    MPI_Comm_attach_buffer(comm, own_buffer, own_room);

    MPI_Bsend_init(data, SMALL, MPI_DOUBLE, 1 - check_rank, 7, MPI_COMM_WORLD, &persistent);
    mana_critical_begin(); /* a checkpoint that the other rank asks for would empty the buffers */
    send(LARGE, 1, 5, MPI_COMM_WORLD);
    send(SMALL, 2, 5, MPI_COMM_WORLD);
    send(LARGE, 3, 6, MPI_COMM_WORLD);
    MPI_Start(&persistent); /* complete at once, and not waited for */
    send(LARGE, 4, 5, comm);
    MPI_Buffer_iflush(&flush);
    session_comm = of_session(&session, session_buffer, session_room);
    CHECK(MPI_Bsend(data, LARGE, MPI_DOUBLE, 1 - check_rank, 8, MPI_COMM_WORLD) != MPI_SUCCESS); /* the process' is full */
    send(LARGE, 9, 8, session_comm);
    CHECK(MPI_Bsend(data, LARGE, MPI_DOUBLE, 1 - check_rank, 8, session_comm) != MPI_SUCCESS);
    mana_critical_end();

    CHECK(mana_checkpoint() >= 0);

    receive(6, LARGE, 3, MPI_COMM_WORLD);
    receive(5, LARGE, 1, MPI_COMM_WORLD);
    receive(5, SMALL, 2, MPI_COMM_WORLD);
    receive(7, SMALL, 3, MPI_COMM_WORLD);
    receive(5, LARGE, 4, comm);
    receive(8, LARGE, 9, session_comm);
    MPI_Session_flush_buffer(session);
    send(LARGE, 10, 8, session_comm);
    receive(8, LARGE, 10, session_comm);
    MPI_Session_detach_buffer(session, &back, &size);
    CHECK(back == session_buffer);
    CHECK_INT(size, session_room);
    MPI_Comm_free(&session_comm);
    MPI_Session_finalize(&session);
    MPI_Wait(&flush, MPI_STATUS_IGNORE);
    MPI_Wait(&persistent, MPI_STATUS_IGNORE);
    send(LARGE, 5, 5, MPI_COMM_WORLD); /* the room is free again */
    send(LARGE, 6, 5, MPI_COMM_WORLD);
    MPI_Start(&persistent);
    MPI_Wait(&persistent, MPI_STATUS_IGNORE);
    receive(5, LARGE, 5, MPI_COMM_WORLD);
    receive(5, LARGE, 6, MPI_COMM_WORLD);
    receive(7, SMALL, 6, MPI_COMM_WORLD);
    MPI_Request_free(&persistent);
    MPI_Buffer_detach(&back, &size);
    CHECK(back == buffer);
    CHECK_INT(size, room);
    MPI_Comm_detach_buffer(comm, &back, &size);
    CHECK(back == own_buffer);
    CHECK_INT(size, own_room);
    MPI_Comm_free(&comm);

    /* A detach that a checkpoint interrupts: rank 1 receives only after it has asked for one. */
    MPI_Buffer_attach(buffer, room);
    if (check_rank == 0) {
        send(LARGE, 8, 9, MPI_COMM_WORLD);
        MPI_Buffer_detach(&back, &size);
        CHECK(back == buffer);
        CHECK_INT(size, room);
    } else {
        CHECK(mana_checkpoint() >= 0);
        receive(9, LARGE, 8, MPI_COMM_WORLD);
        MPI_Buffer_detach(&back, &size);
    }
    free(buffer);
    free(own_buffer);
    free(session_buffer);
    return check_end();
}
