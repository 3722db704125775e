/* Windows and their memory at a checkpoint: allocated, shared, dynamic, on a part of the world; with what hangs on them.
 * The checkpoint is asked for by rank 0 while the others wait in calls about windows. 4 ranks.
 *
 * Prints "ok" or what differs, once per life. Without mana it checks the same without a checkpoint.
 */
#include "check.h"
#include <stdlib.h>

#if __has_include(<mana.h>)
#include <mana.h>
#define CHECKPOINT() CHECK(mana_checkpoint() >= 0)
#else
#define CHECKPOINT() ((void)0)
#endif

static int handled, deleted;

static void handler(MPI_Win *win, int *code, ...) {
    (void)win;
    handled = *code;
}

static int delete(MPI_Win win, int keyval, void *value, void *state) {
    (void)win, (void)keyval, (void)value, (void)state;
    deleted++;
    return MPI_SUCCESS;
}

int main(int argc, char **argv) {
    enum { LEN = 3000 };
    check_begin(&argc, &argv, 4);
    int next = (check_rank + 1) % 4, previous = (check_rank + 3) % 4, flag, keyval, length, unit;
    char name[MPI_MAX_OBJECT_NAME], text[MPI_MAX_INFO_VAL];
    MPI_Aint size, *size_at, mine, addresses[4];
    void *value;

    int *allocated_at;
    MPI_Win allocated;
    MPI_Info info;
    MPI_Errhandler errhandler;
    MPI_Info_create(&info);
    MPI_Info_set(info, "accumulate_ops", "same_op");
    MPI_Win_allocate(LEN * sizeof(int), sizeof(int), info, MPI_COMM_WORLD, &allocated_at, &allocated);
    MPI_Info_free(&info);
    MPI_Win_set_name(allocated, "kept");
    MPI_Win_create_keyval(MPI_WIN_NULL_COPY_FN, delete, &keyval, NULL);
    MPI_Win_set_attr(allocated, keyval, &keyval);
    MPI_Win_create_errhandler(handler, &errhandler);
    MPI_Win_set_errhandler(allocated, errhandler);
    MPI_Errhandler_free(&errhandler);
    MPI_Win_get_attr(allocated, MPI_WIN_SIZE, &size_at, &flag);
    for (int i = 0; i < LEN; i++) allocated_at[i] = check_rank * LEN + i;

    int *shared_at, *theirs;
    MPI_Win shared;
    MPI_Win_allocate_shared(LEN * sizeof(int), sizeof(int), MPI_INFO_NULL, MPI_COMM_WORLD, &shared_at, &shared);
    for (int i = 0; i < LEN; i++) shared_at[i] = 7 * check_rank * LEN + i;

    int *attached_at = malloc(LEN * sizeof(int));
    MPI_Win dynamic;
    MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, &dynamic);
    MPI_Win_attach(dynamic, attached_at, LEN * sizeof(int));
    for (int i = 0; i < LEN; i++) attached_at[i] = 3 * check_rank + i;
    MPI_Get_address(attached_at, &mine);
    MPI_Allgather(&mine, 1, MPI_AINT, addresses, 1, MPI_AINT, MPI_COMM_WORLD);

    /* Two windows side by side on halves of the world, one of which is all of a communicator that is freed. */
    MPI_Comm half;
    MPI_Win on_half;
    int half_at[2] = {-1, -1};
    MPI_Comm_split(MPI_COMM_WORLD, check_rank % 2, 0, &half);
    MPI_Win_create(half_at, sizeof half_at, sizeof(int), MPI_INFO_NULL, half, &on_half);
    MPI_Comm_free(&half);

    MPI_Win_lock_all(0, shared);
    MPI_Barrier(MPI_COMM_WORLD);
    /* Rank 1 holds what 2 wants; 3 waits for 1 to open its memory, which it does when 0 has been told to. */
    MPI_Group world, group;
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    int partner = check_rank == 1 ? 3 : 1, word = 0;
    MPI_Group_incl(world, 1, &partner, &group);
    if (check_rank == 1) MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, allocated);
    MPI_Barrier(MPI_COMM_WORLD);
    if (check_rank == 0) {
        CHECKPOINT();
        MPI_Send(&word, 1, MPI_INT, 1, 0, MPI_COMM_WORLD);
    } else if (check_rank == 1) {
        MPI_Recv(&word, 1, MPI_INT, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        word = 77;
        MPI_Put(&word, 1, MPI_INT, 0, 0, 1, MPI_INT, allocated);
        MPI_Win_unlock(0, allocated);
        MPI_Win_post(group, 0, dynamic);
        MPI_Win_wait(dynamic);
        CHECK_INT(attached_at[1], 88);
        attached_at[1] = 3 * check_rank + 1;
    } else if (check_rank == 2) {
        MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, allocated);
        MPI_Get(&word, 1, MPI_INT, 0, 0, 1, MPI_INT, allocated);
        MPI_Win_unlock(0, allocated);
        CHECK_INT(word, 77);
    } else {
        word = 88;
        MPI_Win_start(group, 0, dynamic);
        MPI_Put(&word, 1, MPI_INT, 1, MPI_Aint_add(addresses[1], sizeof(int)), 1, MPI_INT, dynamic);
        MPI_Win_complete(dynamic);
    }
    MPI_Group_free(&group);
    MPI_Group_free(&world);
    MPI_Barrier(MPI_COMM_WORLD);

    CHECK_INT(*size_at, LEN * sizeof(int));
    MPI_Win_get_attr(allocated, MPI_WIN_BASE, &value, &flag);
    CHECK(flag && value == allocated_at);
    for (int i = 1; i < LEN; i++) CHECK_INT(allocated_at[i], check_rank * LEN + i);
    MPI_Win_get_name(allocated, name, &length);
    CHECK(strcmp(name, "kept") == 0);
    if (check_under_mana()) {
        MPI_Win_get_info(allocated, &info);
        MPI_Info_get(info, "accumulate_ops", sizeof text - 1, text, &flag);
        CHECK(flag && strcmp(text, "same_op") == 0);
        MPI_Info_free(&info);
        CHECK(MPI_Win_unlock(0, allocated) != MPI_SUCCESS && handled == MPI_ERR_RMA_SYNC);
    }
    MPI_Win_free_keyval(&keyval);

    /* Still shared, and not only alike. */
    MPI_Win_shared_query(shared, next, &size, &unit, &theirs);
    for (int i = 0; i < LEN; i++) CHECK_INT(theirs[i], 7 * next * LEN + i);
    MPI_Barrier(MPI_COMM_WORLD);
    theirs[5] = 1000 + check_rank;
    MPI_Win_sync(shared);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_sync(shared);
    CHECK_INT(shared_at[5], 1000 + previous);
    MPI_Win_unlock_all(shared);

    int got[LEN];
    MPI_Win_lock(MPI_LOCK_SHARED, next, 0, dynamic);
    MPI_Get(got, LEN, MPI_INT, next, addresses[next], LEN, MPI_INT, dynamic);
    MPI_Win_unlock(next, dynamic);
    for (int i = 0; i < LEN; i++) CHECK_INT(got[i], 3 * next + i);

    MPI_Win_fence(0, on_half);
    MPI_Put(&check_rank, 1, MPI_INT, 1 - check_rank / 2, 1, 1, MPI_INT, on_half);
    MPI_Win_fence(MPI_MODE_NOSUCCEED, on_half);
    CHECK_INT(half_at[1], (check_rank + 2) % 4);

    MPI_Win_free(&on_half);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_detach(dynamic, attached_at);
    MPI_Win_free(&dynamic);
    MPI_Win_free(&shared);
    MPI_Win_free(&allocated);
    CHECK_INT(deleted, 1);
    free(attached_at);
    return check_end();
}
