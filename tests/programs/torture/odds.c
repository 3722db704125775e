/* Odds and ends of point to point, each open across a pause in which checkpoints fall.
 *
 *      wildcards     receives from anyone with any tag; whoever comes
 *      probes        MPI_Iprobe, MPI_Mprobe and MPI_Improbe, and matched messages held over the pause
 *      persistent    a ring of persistent sends and receives, some of them synchronous
 *      cancelled     receives that nobody will ever serve, cancelled after the pause
 *      freed         a communicator and a datatype freed while messages on them are under way
 *      fresh         messages on a communicator the moment it exists, when others have not got theirs yet
 *      self          to oneself, to nobody, of no bytes
 *      any, some     MPI_Waitany, MPI_Testsome over mixed requests
 *
 * Usage: odds STEPS [--pause-us N] [--progress]
 */
#include "torture.h"

enum { NOTES = 5, TAG = 40, NEVER = 999, BLOCK = 30 };

static int right, left;
static MPI_Comm notes_comm, probe_comm;

/* Sent before the pause, received after it: short messages to every other rank. */
static void send_notes(MPI_Comm comm, int step, uint64_t (*out)[3], MPI_Request *requests) {
    for (int i = 0; i < NOTES; i++) {
        out[i][0] = mix(digest + (uint64_t)i);
        out[i][1] = (uint64_t)step;
        out[i][2] = (uint64_t)i;
        MPI_Isend(out[i], 3, MPI_UINT64_T, (rank + 1 + i % (size - 1)) % size, TAG + i, comm, &requests[i]);
    }
}

static uint64_t heard(const uint64_t *note, const MPI_Status *status) {
    return mix(mix(note[0] ^ note[1]) + mix(note[2]) + (uint64_t)(status->MPI_SOURCE * 1000 + status->MPI_TAG));
}

/* From anyone, with any tag: half by receives posted before the pause, half after it. */
static void wildcards(int step) {
    uint64_t out[NOTES][3], in[NOTES][3];
    MPI_Request sends[NOTES], receives[NOTES];
    MPI_Status statuses[NOTES];
    for (int i = 0; i < NOTES / 2; i++)
        MPI_Irecv(in[i], 3, MPI_UINT64_T, MPI_ANY_SOURCE, MPI_ANY_TAG, notes_comm, &receives[i]);
    send_notes(notes_comm, step, out, sends);
    dawdle();
    for (int i = NOTES / 2; i < NOTES; i++)
        MPI_Irecv(in[i], 3, MPI_UINT64_T, MPI_ANY_SOURCE, MPI_ANY_TAG, notes_comm, &receives[i]);
    MPI_Waitall(NOTES, receives, statuses);
    for (int i = 0; i < NOTES; i++) loose += heard(in[i], &statuses[i]);
    MPI_Waitall(NOTES, sends, MPI_STATUSES_IGNORE);
    MPI_Barrier(notes_comm); /* no note of the next step may come into this one */
}

/* Matched before the pause, received after it. */
static void probes(int step) {
    uint64_t out[NOTES][3], in[3];
    MPI_Request sends[NOTES], open;
    MPI_Message first, message;
    MPI_Status status;
    int flag = 0, count;
    send_notes(probe_comm, step, out, sends);
    MPI_Mprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, probe_comm, &first, &status);
    dawdle();
    MPI_Get_count(&status, MPI_UINT64_T, &count);
    check("words of a matched message", count, 3);
    MPI_Imrecv(in, count, MPI_UINT64_T, &first, &open);
    MPI_Wait(&open, &status);
    loose += heard(in, &status);
    for (int i = 1; i < NOTES; i++) {
        switch (i % 3) {
        case 0:
            for (flag = 0; !flag;) MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, probe_comm, &flag, &status);
            MPI_Recv(in, 3, MPI_UINT64_T, status.MPI_SOURCE, status.MPI_TAG, probe_comm, &status);
            break;
        case 1:
            for (flag = 0; !flag;) MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, probe_comm, &flag, &message, &status);
            MPI_Mrecv(in, 3, MPI_UINT64_T, &message, &status);
            break;
        default:
            MPI_Probe(MPI_ANY_SOURCE, MPI_ANY_TAG, probe_comm, &status);
            MPI_Recv(in, 3, MPI_UINT64_T, status.MPI_SOURCE, MPI_ANY_TAG, probe_comm, &status);
            break;
        }
        loose += heard(in, &status);
    }
    MPI_Waitall(NOTES, sends, MPI_STATUSES_IGNORE);
    MPI_Barrier(probe_comm);
}

static uint64_t persistent_out[2][BLOCK], persistent_in[2][BLOCK];
static MPI_Request persistents[4];

static void make_persistent(void) {
    MPI_Recv_init(persistent_in[0], BLOCK, MPI_UINT64_T, left, 1, MPI_COMM_WORLD, &persistents[0]);
    MPI_Recv_init(persistent_in[1], BLOCK, MPI_UINT64_T, left, 2, MPI_COMM_WORLD, &persistents[1]);
    MPI_Send_init(persistent_out[0], BLOCK, MPI_UINT64_T, right, 1, MPI_COMM_WORLD, &persistents[2]);
    MPI_Ssend_init(persistent_out[1], BLOCK, MPI_UINT64_T, right, 2, MPI_COMM_WORLD, &persistents[3]);
}

static void persistent(void) {
    for (int i = 0; i < BLOCK; i++) persistent_out[0][i] = mix(digest + (uint64_t)i), persistent_out[1][i] = digest ^ (uint64_t)i;
    MPI_Startall(2, persistents);
    MPI_Start(&persistents[2]);
    dawdle();
    MPI_Start(&persistents[3]);
    MPI_Waitall(4, persistents, MPI_STATUSES_IGNORE);
    fold_words(persistent_in[0], BLOCK);
    fold_words(persistent_in[1], BLOCK);
}

/* The last one on a communicator that is gone by then. */
static void cancelled(void) {
    uint64_t never[3];
    MPI_Request requests[3];
    MPI_Status status;
    MPI_Comm gone;
    int flag;
    MPI_Comm_dup(MPI_COMM_WORLD, &gone);
    MPI_Irecv(&never[2], 1, MPI_UINT64_T, left, NEVER, gone, &requests[2]);
    MPI_Comm_free(&gone);
    MPI_Irecv(&never[0], 1, MPI_UINT64_T, left, NEVER, MPI_COMM_WORLD, &requests[0]);
    MPI_Irecv(&never[1], 1, MPI_UINT64_T, MPI_ANY_SOURCE, NEVER, MPI_COMM_WORLD, &requests[1]);
    dawdle();
    for (int i = 0; i < 3; i++) {
        MPI_Cancel(&requests[i]);
        MPI_Wait(&requests[i], &status);
        MPI_Test_cancelled(&status, &flag);
        check("a receive cancelled", flag, 1);
    }
}

/* Communicator and datatype live on below until the messages are through (MPI 4.1, sections 5.1.9 and 7.4.3). */
static void freed(int step) {
    uint64_t out[2 * BLOCK], in[BLOCK];
    MPI_Comm comm;
    MPI_Datatype every_other;
    MPI_Request requests[2];
    for (int i = 0; i < 2 * BLOCK; i++) out[i] = mix(digest + (uint64_t)(i + step));
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Type_vector(BLOCK, 1, 2, MPI_UINT64_T, &every_other);
    MPI_Type_commit(&every_other);
    MPI_Irecv(in, BLOCK, MPI_UINT64_T, left, 3, comm, &requests[0]);
    if (step % 2 == 0) dawdle();
    MPI_Isend(out, 1, every_other, right, 3, comm, &requests[1]);
    MPI_Type_free(&every_other);
    MPI_Comm_free(&comm);
    dawdle();
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    fold_words(in, BLOCK);
}

/* The first rank to have its communicator sends on it at once. */
static void fresh(int step) {
    uint64_t out = mix(digest + 5), in;
    MPI_Comm comm;
    MPI_Request request;
    if ((step + rank) % size == 0) dawdle();
    MPI_Comm_split(MPI_COMM_WORLD, 0, (rank + step) % size, &comm);
    int mine;
    MPI_Comm_rank(comm, &mine);
    MPI_Isend(&out, 1, MPI_UINT64_T, (mine + 1) % size, 4, comm, &request);
    MPI_Recv(&in, 1, MPI_UINT64_T, (mine + size - 1) % size, 4, comm, MPI_STATUS_IGNORE);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    MPI_Comm_free(&comm);
    fold(in);
}

static void self(void) {
    uint64_t out = mix(digest), in[2] = {0, 0}, swapped = digest;
    MPI_Request requests[5];
    MPI_Status status;
    MPI_Isend(&out, 1, MPI_UINT64_T, 0, 5, MPI_COMM_SELF, &requests[0]);
    MPI_Isend(NULL, 0, MPI_UINT64_T, right, 6, MPI_COMM_WORLD, &requests[1]);
    MPI_Isend(&out, 1, MPI_UINT64_T, MPI_PROC_NULL, 7, MPI_COMM_WORLD, &requests[2]);
    dawdle();
    MPI_Irecv(&in[0], 1, MPI_UINT64_T, 0, MPI_ANY_TAG, MPI_COMM_SELF, &requests[3]);
    MPI_Irecv(&in[1], 1, MPI_UINT64_T, MPI_PROC_NULL, 7, MPI_COMM_WORLD, &requests[4]);
    MPI_Recv(NULL, 0, MPI_UINT64_T, left, 6, MPI_COMM_WORLD, &status);
    MPI_Waitall(5, requests, MPI_STATUSES_IGNORE);
    MPI_Sendrecv_replace(&swapped, 1, MPI_UINT64_T, right, 8, left, 8, MPI_COMM_WORLD, &status);
    fold(in[0] + in[1]);
    fold(swapped);
    fold((uint64_t)status.MPI_SOURCE);
}

static void any_and_some(void) {
    uint64_t out[4], in[4];
    MPI_Request requests[8];
    int indices[8], done = 0, index, count;
    for (int i = 0; i < 4; i++) {
        out[i] = mix(digest + (uint64_t)i);
        MPI_Irecv(&in[i], 1, MPI_UINT64_T, left, 10 + i, MPI_COMM_WORLD, &requests[i]);
    }
    for (int i = 3; i >= 0; i--) {
        MPI_Issend(&out[i], 1, MPI_UINT64_T, right, 10 + i, MPI_COMM_WORLD, &requests[4 + i]);
        if (i == 2) dawdle();
    }
    MPI_Waitany(8, requests, &index, MPI_STATUS_IGNORE);
    for (done = 1; done < 8; done += count) MPI_Testsome(8, requests, &count, indices, MPI_STATUSES_IGNORE);
    fold_words(in, 4);
}

int main(int argc, char **argv) {
    options(argc, argv, NULL, NULL);
    MPI_Init(&argc, &argv);
    begin();
    if (size < 3) wrong("the number of ranks", size, 4);
    right = (rank + 1) % size;
    left = (rank + size - 1) % size;
    MPI_Comm_dup(MPI_COMM_WORLD, &notes_comm);
    MPI_Comm_dup(MPI_COMM_WORLD, &probe_comm);
    make_persistent();
    for (int step = 0; step < steps; step++) {
        tell(step);
        wildcards(step);
        probes(step);
        persistent();
        cancelled();
        freed(step);
        fresh(step);
        self();
        any_and_some();
    }
    for (int i = 0; i < 4; i++) MPI_Request_free(&persistents[i]);
    report("odds/step", steps);
    MPI_Comm_free(&probe_comm);
    MPI_Comm_free(&notes_comm);
    MPI_Finalize();
    return 0;
}
