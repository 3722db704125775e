/* Windows: making, freeing, attributes, names, hints, groups, error handlers; what is refused. 4 ranks. */
#include "check.h"
#include <stdlib.h>

static int deleted, handled;

static int delete(MPI_Win win, int keyval, void *value, void *state) {
    (void)win, (void)keyval;
    CHECK(value == &deleted);
    *(int *)state += 1;
    return MPI_SUCCESS;
}

static void handler(MPI_Win *win, int *code, ...) {
    (void)win;
    handled = *code;
}

static void attributes(MPI_Win win, void *base, MPI_Aint size, int unit, int flavor) {
    void *value;
    int flag = 0;
    MPI_Win_get_attr(win, MPI_WIN_BASE, &value, &flag);
    CHECK(flag && value == base);
    MPI_Win_get_attr(win, MPI_WIN_SIZE, &value, &flag);
    CHECK(flag && *(MPI_Aint *)value == size);
    MPI_Win_get_attr(win, MPI_WIN_DISP_UNIT, &value, &flag);
    CHECK(flag && *(int *)value == unit);
    MPI_Win_get_attr(win, MPI_WIN_CREATE_FLAVOR, &value, &flag);
    CHECK(flag && *(int *)value == flavor);
    MPI_Win_get_attr(win, MPI_WIN_MODEL, &value, &flag);
    CHECK(flag && (*(int *)value == MPI_WIN_UNIFIED || *(int *)value == MPI_WIN_SEPARATE));
}

static void hang_things_on(MPI_Win win) {
    char name[MPI_MAX_OBJECT_NAME];
    int length = -1, keyval, flag;
    void *value;
    if (check_under_mana()) {
        MPI_Win_get_name(win, name, &length);
        CHECK(length == 0 && name[0] == 0);
    }
    MPI_Win_set_name(win, "a window");
    MPI_Win_get_name(win, name, &length);
    CHECK(length == 8 && strcmp(name, "a window") == 0);

    MPI_Win_create_keyval(MPI_WIN_NULL_COPY_FN, delete, &keyval, &deleted);
    MPI_Win_set_attr(win, keyval, &deleted);
    MPI_Win_get_attr(win, keyval, &value, &flag);
    CHECK(flag && value == &deleted);
    MPI_Win_free_keyval(&keyval);

    MPI_Info info;
    char text[MPI_MAX_INFO_VAL];
    MPI_Info_create(&info);
    MPI_Info_set(info, "accumulate_ordering", "none");
    MPI_Win_set_info(win, info);
    MPI_Info_free(&info);
    MPI_Win_get_info(win, &info);
    if (check_under_mana()) {
        MPI_Info_get(info, "accumulate_ordering", sizeof text - 1, text, &flag);
        CHECK(flag && strcmp(text, "none") == 0);
        MPI_Info_get(info, "accumulate_ops", sizeof text - 1, text, &flag);
        CHECK(flag && strcmp(text, "same_op_no_op") == 0);
        MPI_Info_get(info, "mpi_memory_alloc_kinds", sizeof text - 1, text, &flag);
        CHECK(flag && strcmp(text, "mpi,system") == 0);
    }
    MPI_Info_free(&info);

    MPI_Group group, world;
    int result;
    MPI_Win_get_group(win, &group);
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_compare(group, world, &result);
    CHECK_INT(result, MPI_IDENT);
    MPI_Group_free(&group);
    MPI_Group_free(&world);
}

/* What every library may refuse; mana must. */
static void refusals(MPI_Win win, int *memory) {
    MPI_Win none = MPI_WIN_NULL, made;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    MPI_Win_set_errhandler(win, MPI_ERRORS_RETURN);
    CHECK_ERROR(MPI_Put(memory, 1, MPI_INT, 0, 0, 1, MPI_INT, none), MPI_ERR_WIN);
    CHECK_ERROR(MPI_Win_create(memory, -1, 1, MPI_INFO_NULL, MPI_COMM_SELF, &made), MPI_ERR_SIZE);
    CHECK_ERROR(MPI_Win_create(memory, 4, 0, MPI_INFO_NULL, MPI_COMM_SELF, &made), MPI_ERR_DISP);
    CHECK_ERROR(MPI_Win_create(memory, 4, 1, MPI_INFO_NULL, MPI_COMM_NULL, &made), MPI_ERR_COMM);
    CHECK_ERROR(MPI_Win_fence(1 << 20, win), MPI_ERR_ASSERT);
    CHECK_ERROR(MPI_Put(memory, 1, MPI_INT, 0, 0, 1, MPI_INT, win), MPI_ERR_RMA_SYNC);
    CHECK_ERROR(MPI_Win_flush(0, win), MPI_ERR_RMA_SYNC);
    CHECK_ERROR(MPI_Win_unlock(0, win), MPI_ERR_RMA_SYNC);
    CHECK_ERROR(MPI_Win_unlock_all(win), MPI_ERR_RMA_SYNC);
    CHECK_ERROR(MPI_Win_complete(win), MPI_ERR_RMA_SYNC);
    CHECK_ERROR(MPI_Win_wait(win), MPI_ERR_RMA_SYNC);
    CHECK_ERROR(MPI_Win_lock(12345, 0, 0, win), MPI_ERR_LOCKTYPE);
    CHECK_ERROR(MPI_Win_lock(MPI_LOCK_SHARED, 4, 0, win), MPI_ERR_RANK);
    CHECK_ERROR(MPI_Win_attach(win, memory, 4), MPI_ERR_RMA_FLAVOR);

    MPI_Win_lock(MPI_LOCK_SHARED, check_rank, 0, win);
    CHECK_ERROR(MPI_Win_lock(MPI_LOCK_SHARED, check_rank, 0, win), MPI_ERR_RMA_SYNC);
    CHECK_ERROR(MPI_Win_lock_all(0, win), MPI_ERR_RMA_SYNC);
    CHECK_ERROR(MPI_Win_fence(0, win), MPI_ERR_RMA_SYNC);
    CHECK_ERROR(MPI_Win_free(&win), MPI_ERR_RMA_SYNC);
    CHECK_ERROR(MPI_Put(memory, 1, MPI_INT, (check_rank + 1) % 4, 0, 1, MPI_INT, win), MPI_ERR_RMA_SYNC);
    CHECK_ERROR(MPI_Put(memory, -1, MPI_INT, check_rank, 0, 1, MPI_INT, win), MPI_ERR_COUNT);
    CHECK_ERROR(MPI_Put(memory, 1, MPI_INT, 4, 0, 1, MPI_INT, win), MPI_ERR_RANK);
    CHECK_ERROR(MPI_Put(memory, 1, MPI_INT, check_rank, -1, 1, MPI_INT, win), MPI_ERR_DISP);
    CHECK_ERROR(MPI_Put(memory, 1, MPI_DATATYPE_NULL, check_rank, 0, 1, MPI_INT, win), MPI_ERR_TYPE);
    CHECK_ERROR(MPI_Accumulate(memory, 1, MPI_INT, check_rank, 0, 1, MPI_INT, MPI_NO_OP, win), MPI_ERR_OP);
    CHECK_INT(MPI_Put(memory, 1, MPI_INT, MPI_PROC_NULL, 0, 1, MPI_INT, win), MPI_SUCCESS);
    MPI_Win_unlock(check_rank, win);

    MPI_Errhandler errhandler;
    MPI_Win_create_errhandler(handler, &errhandler);
    MPI_Win_set_errhandler(win, errhandler);
    MPI_Errhandler_free(&errhandler);
    int code = MPI_Win_flush(9, win), class;
    CHECK_INT(code, handled);
    MPI_Error_class(code, &class);
    CHECK_INT(class, MPI_ERR_RANK);
}

static void dynamic(void) {
    MPI_Win win;
    int values[4] = {10 * check_rank, 1, 2, 3}, more = 7 + check_rank, got = -1;
    MPI_Aint mine, all[4];
    MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    attributes(win, MPI_BOTTOM, 0, 1, MPI_WIN_FLAVOR_DYNAMIC);
    MPI_Win_attach(win, values, sizeof values);
    MPI_Win_attach(win, &more, sizeof more);
    if (check_under_mana()) {
        MPI_Win_set_errhandler(win, MPI_ERRORS_RETURN);
        CHECK_ERROR(MPI_Win_attach(win, values + 1, 4), MPI_ERR_RMA_ATTACH);
        CHECK_ERROR(MPI_Win_detach(win, values + 1), MPI_ERR_BASE);
    }
    MPI_Get_address(&more, &mine);
    MPI_Allgather(&mine, 1, MPI_AINT, all, 1, MPI_AINT, MPI_COMM_WORLD);
    int next = (check_rank + 1) % 4;
    MPI_Win_lock(MPI_LOCK_SHARED, next, 0, win);
    MPI_Get(&got, 1, MPI_INT, next, all[next], 1, MPI_INT, win);
    MPI_Win_unlock(next, win);
    CHECK_INT(got, 7 + next);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_detach(win, &more);
    MPI_Get_address(values, &mine);
    MPI_Allgather(&mine, 1, MPI_AINT, all, 1, MPI_AINT, MPI_COMM_WORLD);
    MPI_Win_fence(0, win);
    MPI_Put(&check_rank, 1, MPI_INT, next, MPI_Aint_add(all[next], 4), 1, MPI_INT, win);
    MPI_Win_fence(MPI_MODE_NOSUCCEED, win);
    CHECK_INT(values[1], (check_rank + 3) % 4);
    CHECK_INT(values[0], 10 * check_rank);
    MPI_Win_detach(win, values);
    MPI_Win_free(&win);
    CHECK(win == MPI_WIN_NULL);
}

int main(int argc, char **argv) {
    int *memory = calloc(8, sizeof *memory), *base = NULL;
    MPI_Win win, again;
    check_begin(&argc, &argv, 4);
    MPI_Win_create(memory, 8 * sizeof *memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    attributes(win, memory, 8 * sizeof *memory, sizeof *memory, MPI_WIN_FLAVOR_CREATE);
    hang_things_on(win);
    if (check_under_mana()) refusals(win, memory);
    MPI_Win_free(&win);
    CHECK(win == MPI_WIN_NULL);
    CHECK_INT(deleted, 1);

    /* Of different sizes and units; one has nothing. */
    MPI_Aint size = check_rank * 16;
    int unit = check_rank + 1;
    MPI_Win_allocate(size, unit, MPI_INFO_NULL, MPI_COMM_WORLD, &base, &win);
    if (size > 0) attributes(win, base, size, unit, MPI_WIN_FLAVOR_ALLOCATE);
    MPI_Win_create(memory, 4, 4, MPI_INFO_NULL, MPI_COMM_WORLD, &again);
    for (int i = 0; i < size / 4; i++) base[i] = -1;
    MPI_Win_fence(MPI_MODE_NOPRECEDE, win);
    if (check_rank == 0)
        for (int to = 1; to < 4; to++) MPI_Put(&to, 1, MPI_INT, to, 8 / (to + 1), 1, MPI_INT, win), MPI_Win_fence(0, win);
    else
        for (int i = 1; i < 4; i++) MPI_Win_fence(0, win);
    MPI_Win_fence(MPI_MODE_NOSUCCEED, win);
    if (check_rank == 1) CHECK_INT(base[2], 1);
    if (check_rank == 3) CHECK_INT(base[2], 3);
    MPI_Win_free(&again);
    MPI_Win_free(&win);
    dynamic();
    free(memory);
    return check_end();
}
