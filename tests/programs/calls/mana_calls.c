/* mana.h, and what the objects of MPI are like on both sides of a checkpoint, on 2 ranks. Only under mana.
 *
 *   first run:  set up -> mana_checkpoint() = 0 -> verify -> "ok"
 *   restart:              mana_checkpoint() = 1 -> verify -> "ok"
 */
#include "check.h"
#include <mana.h>
#include <stdlib.h>

static int restarts_seen[2], deleted, handled;

static void on_restart(void *state) {
    int *seen = state;
    *seen += 1;
    /* Called in the order of naming. */
    CHECK(restarts_seen[0] >= restarts_seen[1]);
    free(malloc(100));
}

static int delete(MPI_Comm comm, int keyval, void *value, void *state) {
    (void)comm, (void)keyval, (void)value;
    *(int *)state += 1;
    /* A checkpoint would wait for this function, which would wait for the checkpoint. */
    CHECK(mana_checkpoint() < 0);
    return MPI_SUCCESS;
}

static void handler(MPI_Comm *comm, int *code, ...) {
    (void)comm;
    handled = *code;
}

static void critical_parts(void) {
    CHECK(mana_critical_end() < 0);
    CHECK_INT(mana_critical_begin(), 1);
    CHECK_INT(mana_critical_begin(), 2);
    CHECK(mana_checkpoint() < 0);
    CHECK_INT(mana_critical_end(), 1);
    CHECK_INT(mana_critical_end(), 0);
    CHECK(mana_critical_end() < 0);
}

int main(int argc, char **argv) {
    /* Before MPI there is nothing to save; a critical part may begin all the same. */
    CHECK(mana_checkpoint() < 0);
    CHECK_INT(mana_critical_begin(), 1);
    check_begin(&argc, &argv, 2);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    CHECK(mana_checkpoint() < 0);
    CHECK_INT(mana_critical_end(), 0);
    critical_parts();
    CHECK_INT(mana_restart_count(), 0);
    CHECK(mana_on_restart(NULL, NULL) < 0);
    CHECK_INT(mana_on_restart(on_restart, &restarts_seen[0]), 0);
    CHECK_INT(mana_on_restart(on_restart, &restarts_seen[1]), 0);

    int keyval, flag, code, length, *tag_limit, *memory;
    char text[MPI_MAX_INFO_VAL];
    MPI_Comm comm;
    MPI_Info info;
    MPI_Errhandler errhandler;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_create_keyval(MPI_COMM_DUP_FN, delete, &keyval, &deleted);
    MPI_Comm_set_attr(comm, keyval, &memory);
    MPI_Comm_create_errhandler(handler, &errhandler);
    MPI_Comm_set_errhandler(comm, errhandler);
    MPI_Errhandler_free(&errhandler);
    MPI_Info_create(&info);
    MPI_Info_set(info, "key", "value");
    MPI_Add_error_code(MPI_ERR_TAG, &code);
    MPI_Add_error_string(code, "text");
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &tag_limit, &flag);
    MPI_Alloc_mem(3 * sizeof(int), MPI_INFO_NULL, &memory);
    memory[2] = 31 + check_rank;

    /* One process asks. The other waits for its word, and so does as after a restart whatever it was doing. */
    int outcome = -1;
    if (check_rank == 0) {
        outcome = mana_checkpoint();
        MPI_Send(&outcome, 1, MPI_INT, 1, 0, MPI_COMM_WORLD);
    } else {
        MPI_Recv(&outcome, 1, MPI_INT, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    CHECK(outcome == 0 || outcome == 1);
    CHECK_INT(mana_restart_count(), outcome);
    CHECK(restarts_seen[0] == outcome && restarts_seen[1] == outcome);

    void *value = NULL;
    MPI_Comm_get_attr(comm, keyval, &value, &flag);
    CHECK(flag && value == &memory && memory[2] == 31 + check_rank);
    MPI_Free_mem(memory);
    CHECK_INT(*tag_limit, (1 << 19) - 1);
    MPI_Info_get(info, "key", sizeof text - 1, text, &flag);
    CHECK(flag && strcmp(text, "value") == 0);
    MPI_Info_free(&info);
    MPI_Error_string(code, text, &length);
    CHECK(strcmp(text, "text") == 0);
    CHECK(MPI_Send(&flag, 1, MPI_INT, 9, 0, comm) != MPI_SUCCESS && handled == MPI_ERR_RANK);
    MPI_Comm_free(&comm);
    CHECK_INT(deleted, 1);
    MPI_Comm_free_keyval(&keyval);
    critical_parts();

    int all = 0;
    MPI_Allreduce(&check_failures, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (check_rank == 0 && all == 0) printf("ok\n");
    MPI_Finalize();
    return all != 0;
}
