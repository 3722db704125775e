/* Buffered sends: modes, exact accounting of the attached buffer, flushing and detaching, buffers of communicators.
 *
 *      Bsend, Ibsend, Bsend_init into one buffer; a message that does not fit is MPI_ERR_BUFFER; room comes back when a
 *      message is delivered; Detach gives back what was attached; a communicator's buffer goes before the process'
 *
 * Prints "ok" or what differs. 2 ranks.
 */
#include "check.h"
#include <stdlib.h>

#define LENGTH 1000
#define ROOM(n) ((n) * (int)(LENGTH * sizeof(int) + MPI_BSEND_OVERHEAD))

static int in[LENGTH], out[LENGTH];

static void receive(int tag, int first, MPI_Comm comm) {
    memset(in, 0, sizeof in);
    MPI_Recv(in, LENGTH, MPI_INT, 1 - check_rank, tag, comm, MPI_STATUS_IGNORE);
    CHECK_INT(in[0], first);
    CHECK_INT(in[LENGTH - 1], first + LENGTH - 1);
}

static void fill(int first) {
    for (int i = 0; i < LENGTH; i++) out[i] = first + i;
}

static void modes(char *room) {
    MPI_Request request;
    MPI_Datatype every_other;
    int other = 1 - check_rank;
    MPI_Buffer_attach(room, ROOM(6));
    fill(10);
    MPI_Bsend(out, LENGTH, MPI_INT, other, 1, MPI_COMM_WORLD);
    fill(20); /* the message is a copy */
    MPI_Ibsend(out, LENGTH, MPI_INT, other, 2, MPI_COMM_WORLD, &request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    fill(30);
    MPI_Bsend_init(out, LENGTH, MPI_INT, other, 3, MPI_COMM_WORLD, &request);
    for (int i = 0; i < 2; i++) {
        MPI_Start(&request);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        fill(31 + i);
    }
    MPI_Request_free(&request);
    MPI_Bsend(out, LENGTH, MPI_INT, MPI_PROC_NULL, 3, MPI_COMM_WORLD);
    MPI_Type_vector(LENGTH / 2, 1, 2, MPI_INT, &every_other);
    MPI_Type_commit(&every_other);
    MPI_Bsend(out, 1, every_other, other, 4, MPI_COMM_WORLD);
    MPI_Type_free(&every_other);
    receive(2, 20, MPI_COMM_WORLD);
    receive(1, 10, MPI_COMM_WORLD);
    receive(3, 30, MPI_COMM_WORLD);
    receive(3, 31, MPI_COMM_WORLD);
    MPI_Recv(in, LENGTH, MPI_INT, other, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    CHECK_INT(in[0], 32);
    CHECK_INT(in[LENGTH / 2 - 1], 32 + LENGTH - 2);
    void *back;
    int size;
    MPI_Buffer_detach(&back, &size);
    CHECK(back == room);
    CHECK_INT(size, ROOM(6));
}

/* A buffer for exactly one message. */
static void accounting(char *room) {
    MPI_Request request;
    int other = 1 - check_rank, done;
    CHECK_ERROR(MPI_Bsend(out, 1, MPI_INT, other, 0, MPI_COMM_WORLD), MPI_ERR_BUFFER); /* none attached */
    MPI_Buffer_attach(room, LENGTH * sizeof(int));
    CHECK_ERROR(MPI_Buffer_attach(room, 10), MPI_ERR_BUFFER);
    CHECK_ERROR(MPI_Bsend(out, LENGTH, MPI_INT, other, 0, MPI_COMM_WORLD), MPI_ERR_BUFFER);
    MPI_Buffer_detach(&room, &done);
    if (check_under_mana()) { /* room for the overhead of a library that has less */
        MPI_Buffer_attach(room, LENGTH * sizeof(int) + 95);
        fill(90);
        CHECK_ERROR(MPI_Bsend(out, LENGTH, MPI_INT, other, 5, MPI_COMM_WORLD), MPI_SUCCESS);
        receive(5, 90, MPI_COMM_WORLD);
        MPI_Buffer_detach(&room, &done);
    }
    MPI_Buffer_attach(room, ROOM(1));
    for (int i = 0; i < 3; i++) { /* the room is used again and again */
        fill(100 + i);
        CHECK_ERROR(MPI_Bsend(out, LENGTH, MPI_INT, other, 5, MPI_COMM_WORLD), MPI_SUCCESS);
        receive(5, 100 + i, MPI_COMM_WORLD);
        MPI_Buffer_flush();
    }
    fill(200);
    MPI_Bsend(out, LENGTH, MPI_INT, other, 6, MPI_COMM_WORLD);
    MPI_Buffer_iflush(&request);
    receive(6, 200, MPI_COMM_WORLD);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    CHECK(request == MPI_REQUEST_NULL);
    CHECK_ERROR(MPI_Bsend(out, LENGTH, MPI_INT, other, 6, MPI_COMM_WORLD), MPI_SUCCESS);
    receive(6, 200, MPI_COMM_WORLD);
    MPI_Count size;
    void *back;
    MPI_Buffer_detach_c(&back, &size);
    CHECK(back == room);
    CHECK_INT(size, ROOM(1));
}

static void of_communicators(char *room) {
    MPI_Comm comm;
    MPI_Request request;
    void *back;
    int size, other = 1 - check_rank;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Buffer_attach(MPI_BUFFER_AUTOMATIC, 0);
    MPI_Comm_attach_buffer(comm, room, ROOM(1));
    CHECK_ERROR(MPI_Comm_attach_buffer(comm, room, 1), MPI_ERR_BUFFER);
    fill(7);
    for (int i = 0; i < 3; i++) MPI_Bsend(out, LENGTH, MPI_INT, other, 1, MPI_COMM_WORLD); /* automatic: no limit */
    CHECK_ERROR(MPI_Bsend(out, LENGTH + MPI_BSEND_OVERHEAD / 4, MPI_INT, other, 1, comm), MPI_ERR_BUFFER);
    CHECK_ERROR(MPI_Bsend(out, LENGTH, MPI_INT, other, 1, comm), MPI_SUCCESS);
    MPI_Comm_iflush_buffer(comm, &request);
    receive(1, 7, comm);
    for (int i = 0; i < 3; i++) receive(1, 7, MPI_COMM_WORLD);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    MPI_Comm_flush_buffer(comm);
    MPI_Comm_detach_buffer(comm, &back, &size);
    CHECK(back == room);
    CHECK_INT(size, ROOM(1));
    MPI_Bsend(out, LENGTH, MPI_INT, other, 2, comm); /* now by the process' */
    receive(2, 7, comm);
    MPI_Buffer_detach(&back, &size);
    CHECK(back == MPI_BUFFER_AUTOMATIC);
    MPI_Comm_attach_buffer(comm, room, ROOM(1));
    MPI_Bsend(out, LENGTH, MPI_INT, other, 3, comm);
    receive(3, 7, comm);
    MPI_Comm_free(&comm); /* takes the buffer away */
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    char *room = malloc(ROOM(6));
    modes(room);
    accounting(room);
    of_communicators(room);
    free(room);
    return check_end();
}
