/* Checkpoints that are asked for, against critical parts and collectives, on 2 ranks. Only under mana. Prints "ok", or what
 * differs.
 *
 *   rank 0:  begin ........ work ........ end         begin end begin end begin end ... until rank 1 says "done"
 *   rank 1:          mana_checkpoint() ------> 0      mana_checkpoint() several times, then "done"
 */
#include "check.h"
#include <mana.h>

enum { DONE = 5, ENDED = 6, CHECKPOINTS = 3 };

/* No checkpoint is complete before the part that it found begun has ended. */
static void a_part_holds_a_checkpoint_off(void) {
    double ended = 0, complete = 0;
    if (check_rank == 0) {
        mana_critical_begin();
        MPI_Barrier(MPI_COMM_WORLD);
        for (double begun = MPI_Wtime(); ended - begun < 0.2;) ended = MPI_Wtime();
        mana_critical_end();
        MPI_Send(&ended, 1, MPI_DOUBLE, 1, ENDED, MPI_COMM_WORLD);
    } else {
        MPI_Barrier(MPI_COMM_WORLD);
        CHECK_INT(mana_checkpoint(), 0);
        complete = MPI_Wtime();
        MPI_Recv(&ended, 1, MPI_DOUBLE, 0, ENDED, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        CHECK(complete >= ended);
    }
}

/* Parts that begin over and over let checkpoints through between them. */
static void checkpoints_come_through_between_parts(void) {
    int done = 0;
    if (check_rank == 0) {
        while (!done) {
            CHECK_INT(mana_critical_begin(), 1);
            MPI_Iprobe(1, DONE, MPI_COMM_WORLD, &done, MPI_STATUS_IGNORE);
            CHECK_INT(mana_critical_end(), 0);
        }
        MPI_Recv(&done, 1, MPI_INT, 1, DONE, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
        for (int i = 0; i < CHECKPOINTS; i++) CHECK_INT(mana_checkpoint(), 0);
        MPI_Send(&done, 1, MPI_INT, 0, DONE, MPI_COMM_WORLD);
    }
}

/* One that is awaited in a collective does not wait for a checkpoint that those in the collective hold off; and all may
 * ask at once. */
static void nobody_waits_for_ever(void) {
    for (int i = 0; i < 20; i++) {
        if (check_rank == i % 2) {
            int outcome = mana_checkpoint();
            CHECK(outcome == 0 || outcome == 2);
        }
        MPI_Barrier(MPI_COMM_WORLD);
    }
    for (int i = 0; i < CHECKPOINTS; i++) {
        int outcome = mana_checkpoint();
        CHECK(outcome == 0 || outcome == 2);
        MPI_Barrier(MPI_COMM_WORLD);
    }
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    a_part_holds_a_checkpoint_off();
    checkpoints_come_through_between_parts();
    nobody_waits_for_ever();
    return check_end();
}
