/* Handles of the tool information interface over a checkpoint, on 2 ranks. Only under mana.
 *
 *   handles, a written setting, a registration -> mana_checkpoint() = 0 or 1 -> all of them as before -> "ok"
 */
#include "check.h"
#include <mana.h>

static int called;

static void on_event(MPI_T_event_instance event, MPI_T_event_registration registration, MPI_T_cb_safety safety,
                     void *user_data) {
    (void)event, (void)registration, (void)safety;
    ++*(int *)user_data;
}

static int checkpoint(void) {
    int outcome = -1;
    if (check_rank == 0) {
        outcome = mana_checkpoint();
        MPI_Send(&outcome, 1, MPI_INT, 1, 9, MPI_COMM_WORLD);
    } else {
        MPI_Recv(&outcome, 1, MPI_INT, 0, 9, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    return outcome;
}

int main(int argc, char **argv) {
    MPI_T_cvar_handle keep;
    MPI_T_pvar_session session;
    MPI_T_pvar_handle sent, committed, queued;
    MPI_T_event_registration registration;
    int provided, index, count, value = 7, got = -1;
    unsigned long long number = 0;
    check_begin(&argc, &argv, 2);
    MPI_T_init_thread(MPI_THREAD_SINGLE, &provided);
    MPI_T_cvar_get_index("mana_ckpt_keep", &index);
    MPI_T_cvar_handle_alloc(index, NULL, &keep, &count);
    MPI_T_cvar_write(keep, &value);
    MPI_T_pvar_session_create(&session);
    MPI_T_pvar_get_index("mana_messages_sent", MPI_T_PVAR_CLASS_COUNTER, &index);
    MPI_T_pvar_handle_alloc(session, index, NULL, &sent, &count);
    MPI_T_pvar_get_index("mana_checkpoints_committed", MPI_T_PVAR_CLASS_COUNTER, &index);
    MPI_T_pvar_handle_alloc(session, index, NULL, &committed, &count);
    MPI_T_pvar_get_index("mana_messages_queued", MPI_T_PVAR_CLASS_LEVEL, &index);
    MPI_T_pvar_handle_alloc(session, index, NULL, &queued, &count);
    MPI_T_pvar_start(session, MPI_T_PVAR_ALL_HANDLES);
    MPI_T_event_get_index("mana_checkpoint_committed", &index);
    MPI_T_event_handle_alloc(index, NULL, MPI_INFO_NULL, &registration);
    MPI_T_event_register_callback(registration, MPI_T_CB_REQUIRE_NONE, MPI_INFO_NULL, &called, on_event);

    /* Two messages that nobody receives before the checkpoint. */
    int peer = 1 - check_rank;
    MPI_Request requests[2];
    for (int n = 0; n < 2; n++) MPI_Isend(&check_rank, 1, MPI_INT, peer, n, MPI_COMM_WORLD, &requests[n]);
    int outcome = checkpoint();
    CHECK(outcome == 0 || outcome == 1);

    CHECK_INT(MPI_T_cvar_read(keep, &value), MPI_SUCCESS);
    CHECK_INT(value, 7);
    CHECK_INT(MPI_T_pvar_read(session, queued, &number), MPI_SUCCESS);
    CHECK_INT(number, 2);
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    for (int n = 0; n < 2; n++) MPI_Recv(&got, 1, MPI_INT, peer, n, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_T_pvar_read(session, queued, &number);
    CHECK_INT(number, 0);
    CHECK_INT(MPI_T_pvar_read(session, sent, &number), MPI_SUCCESS);
    CHECK_INT(number, 2 + (check_rank == 0));
    CHECK_INT(MPI_T_pvar_read(session, committed, &number), MPI_SUCCESS);
    CHECK_INT(number, 1);
    /* The event of the checkpoint is heard by the life that made it, not by the one made from it. */
    CHECK_INT(called, outcome == 0);
    CHECK_INT(MPI_T_event_handle_free(registration, NULL, NULL), MPI_SUCCESS);
    CHECK_INT(MPI_T_pvar_session_free(&session), MPI_SUCCESS);
    CHECK_INT(MPI_T_cvar_handle_free(&keep), MPI_SUCCESS);
    CHECK_INT(MPI_T_finalize(), MPI_SUCCESS);
    return check_end();
}
