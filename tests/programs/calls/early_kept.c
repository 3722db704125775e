/* A rank that is done early waits in MPI_Finalize like anywhere else: the others can still be checkpointed, and it is in the
 * image, too.
 *
 *      rank 0      MPI_Recv ----------- mana_checkpoint() - "ok" - MPI_Finalize
 *      rank 1      MPI_Finalize -> the deletion of an attribute of MPI_COMM_SELF, which sends that message
 *
 * Prints "ok" or what differs, once per life. 2 ranks.
 */
#include "check.h"
#include <mana.h>

static int on_finalize(MPI_Comm comm, int keyval, void *value, void *state) {
    int word = 7;
    (void)comm, (void)keyval, (void)value, (void)state;
    MPI_Send(&word, 1, MPI_INT, 0, 1, MPI_COMM_WORLD);
    return MPI_SUCCESS;
}

int main(int argc, char **argv) {
    int keyval, word = 0;
    check_begin(&argc, &argv, 2);
    if (check_rank == 1) {
        MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_finalize, &keyval, NULL);
        MPI_Comm_set_attr(MPI_COMM_SELF, keyval, NULL);
    } else {
        MPI_Recv(&word, 1, MPI_INT, 1, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        CHECK_INT(word, 7);
        int outcome = mana_checkpoint();
        CHECK_INT(outcome, mana_restart_count());
        if (check_failures == 0) printf("ok\n");
    }
    MPI_Finalize();
    return check_failures != 0;
}
