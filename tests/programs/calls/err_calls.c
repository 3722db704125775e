/* Error handlers, and the classes, codes and strings of errors, on 2 ranks. Prints "ok", or what differs. */
#include "check.h"

static int calls, seen_code;
static MPI_Comm seen_comm;

/* A handler that uses MPI itself. */
static void handler(MPI_Comm *comm, int *code, ...) {
    int size;
    MPI_Comm_size(*comm, &size);
    calls += size > 0;
    seen_comm = *comm;
    seen_code = *code;
}

static int class_of(int code) {
    int class = -1;
    MPI_Error_class(code, &class);
    return class;
}

static void handlers(void) {
    MPI_Errhandler mine, got;
    MPI_Comm comm, copy;
    int value = 0;
    calls = 0;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_create_errhandler(handler, &mine);
    MPI_Comm_set_errhandler(comm, mine);
    MPI_Comm_get_errhandler(comm, &got);
    CHECK(got == mine);
    MPI_Errhandler_free(&got);
    CHECK(got == MPI_ERRHANDLER_NULL);

    /* It outlives its handle while a communicator uses it, and is inherited. */
    MPI_Errhandler_free(&mine);
    CHECK(mine == MPI_ERRHANDLER_NULL);
    int code = MPI_Send(&value, 1, MPI_INT, 5, 0, comm);
    CHECK(code != MPI_SUCCESS && calls == 1 && seen_comm == comm && seen_code == code);
    CHECK_INT(class_of(code), MPI_ERR_RANK);
    MPI_Comm_dup(comm, &copy);
    CHECK_INT(class_of(MPI_Send(&value, -1, MPI_INT, 0, 0, copy)), MPI_ERR_COUNT);
    CHECK(calls == 2 && seen_comm == copy);

    /* The handler a communicator has can be put back. */
    MPI_Comm_get_errhandler(copy, &got);
    MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN);
    CHECK(MPI_Send(&value, 1, MPI_INT, 5, 0, copy) != MPI_SUCCESS && calls == 2);
    MPI_Comm_set_errhandler(copy, got);
    MPI_Errhandler_free(&got);
    MPI_Comm_call_errhandler(copy, MPI_ERR_OTHER);
    CHECK(calls == 3 && seen_code == MPI_ERR_OTHER);
    MPI_Comm_get_errhandler(MPI_COMM_WORLD, &got);
    CHECK(got == MPI_ERRORS_RETURN);
    MPI_Errhandler_free(&got);
    MPI_Comm_free(&copy);
    MPI_Comm_free(&comm);
    CHECK(MPI_Comm_set_errhandler(MPI_COMM_NULL, MPI_ERRORS_RETURN) != MPI_SUCCESS);
    CHECK(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRHANDLER_NULL) != MPI_SUCCESS);
}

/* Where nobody chose a handler, MPI_COMM_WORLD's judges, as in MPICH; by the standard's letter, and in Open MPI, the job ends. */
static void handlers_nobody_chose(void) {
    MPI_Errhandler mine, got;
    MPI_Comm copy;
    MPI_Win win;
    int value = 0;
    calls = 0;
    MPI_Comm_dup(MPI_COMM_SELF, &copy);
    MPI_Win_create(&value, sizeof value, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    MPI_Comm_get_errhandler(copy, &got);
    CHECK(got == MPI_ERRORS_ARE_FATAL);
    MPI_Win_get_errhandler(win, &got);
    CHECK(got == MPI_ERRORS_ARE_FATAL);
    CHECK_ERROR(MPI_Send(&value, 1, MPI_INT, 5, 0, copy), MPI_ERR_RANK);
    CHECK_ERROR(MPI_Win_set_attr(win, MPI_KEYVAL_INVALID, NULL), MPI_ERR_KEYVAL);

    MPI_Comm_create_errhandler(handler, &mine);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, mine);
    CHECK_ERROR(MPI_Send(&value, 1, MPI_INT, 5, 0, copy), MPI_ERR_RANK);
    CHECK(calls == 1 && seen_comm == MPI_COMM_WORLD);
    MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN);
    CHECK_ERROR(MPI_Send(&value, 1, MPI_INT, 5, 0, copy), MPI_ERR_RANK);
    CHECK(calls == 1);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Errhandler_free(&mine);
    MPI_Win_free(&win);
    MPI_Comm_free(&copy);
}

static void strings(void) {
    char text[MPI_MAX_ERROR_STRING];
    int length = -1;
    MPI_Error_string(MPI_ERR_RANK, text, &length);
    CHECK(length > 0 && strlen(text) == (size_t)length);
    CHECK_INT(class_of(MPI_ERR_TRUNCATE), MPI_ERR_TRUNCATE);
    CHECK_INT(class_of(MPI_SUCCESS), MPI_SUCCESS);
}

/* Classes and codes of the program's own. */
static void added(void) {
    char text[MPI_MAX_ERROR_STRING];
    int class, code, other, length;
    MPI_Add_error_class(&class);
    MPI_Add_error_code(class, &code);
    MPI_Add_error_code(MPI_ERR_TAG, &other);
    CHECK(class > MPI_ERR_LASTCODE || !check_under_mana());
    CHECK(class != code && code != other);
    CHECK_INT(class_of(code), class);
    CHECK_INT(class_of(class), class);
    CHECK_INT(class_of(other), MPI_ERR_TAG);
    MPI_Error_string(code, text, &length);
    CHECK(length == 0 && text[0] == 0);
    MPI_Add_error_string(code, "the reactor is too hot");
    MPI_Error_string(code, text, &length);
    CHECK(strcmp(text, "the reactor is too hot") == 0 && length == 22);
    if (check_under_mana()) CHECK(MPI_Add_error_string(MPI_ERR_TAG, "not allowed") != MPI_SUCCESS);

    MPI_Errhandler mine;
    MPI_Comm_create_errhandler(handler, &mine);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, mine);
    MPI_Errhandler_free(&mine);
    CHECK_INT(MPI_Comm_call_errhandler(MPI_COMM_SELF, code), MPI_SUCCESS);
    CHECK(seen_code == code && seen_comm == MPI_COMM_SELF);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
#if MPI_VERSION > 4
    CHECK(MPI_Remove_error_class(class) != MPI_SUCCESS);
    CHECK(MPI_Remove_error_code(code) != MPI_SUCCESS);
    CHECK_INT(MPI_Remove_error_string(code), MPI_SUCCESS);
    CHECK_INT(MPI_Remove_error_code(code), MPI_SUCCESS);
    CHECK_INT(MPI_Remove_error_class(class), MPI_SUCCESS);
    CHECK(MPI_Error_class(code, &class) != MPI_SUCCESS);
#endif
}

/* What a handler writes over the code is what the call returns. */
static void forgiving(MPI_Comm *comm, int *code, ...) {
    (void)comm;
    if (*code == MPI_ERR_RANK) *code = MPI_SUCCESS;
}

static void overwritten(void) {
    MPI_Errhandler mine;
    MPI_Comm comm;
    int value = 0;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_create_errhandler(forgiving, &mine);
    MPI_Comm_set_errhandler(comm, mine);
    MPI_Errhandler_free(&mine);
    if (check_under_mana()) CHECK_INT(MPI_Send(&value, 1, MPI_INT, 5, 0, comm), MPI_SUCCESS);
    CHECK_ERROR(MPI_Send(&value, -1, MPI_INT, 0, 0, comm), MPI_ERR_COUNT);
    MPI_Comm_free(&comm);
}

/* An error about no object is MPI_COMM_SELF's; while that has the handler it began with, MPI_COMM_WORLD's, as of old. */
static void of_nothing(void) {
    MPI_Datatype type;
    if (!check_under_mana()) return;
    CHECK_ERROR(MPI_Type_contiguous(-1, MPI_INT, &type), MPI_ERR_COUNT);
    CHECK_ERROR(MPI_Send(&type, 0, MPI_INT, 0, 0, MPI_COMM_NULL), MPI_ERR_COMM);
}

/* There must be a place for a result, and what could not be made is null. */
static void results(void) {
    MPI_Datatype type = MPI_INT;
    MPI_Comm comm = MPI_COMM_WORLD;
    int dims[1] = {check_size + 1}, periods[1] = {0}, value = 0;
    if (!check_under_mana()) return;
    CHECK_ERROR(MPI_Comm_split(MPI_COMM_WORLD, 0, 0, NULL), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Comm_size(MPI_COMM_WORLD, NULL), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Comm_rank(MPI_COMM_WORLD, NULL), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Type_size(MPI_INT, NULL), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Isend(&value, 1, MPI_INT, 0, 0, MPI_COMM_WORLD, NULL), MPI_ERR_ARG);
    CHECK(MPI_Type_vector(1, -1, 1, MPI_INT, &type) != MPI_SUCCESS && type == MPI_DATATYPE_NULL);
    CHECK(MPI_Cart_create(MPI_COMM_WORLD, 1, dims, periods, 0, &comm) != MPI_SUCCESS && comm == MPI_COMM_NULL);
}

/* For no elements the datatype may be the null handle, as in MPICH; for some it may not. */
static void of_no_elements(void) {
    int value = 0;
    MPI_Request request;
    CHECK_INT(MPI_Irecv(NULL, 0, MPI_DATATYPE_NULL, check_rank, 3, MPI_COMM_WORLD, &request), MPI_SUCCESS);
    CHECK_INT(MPI_Send(NULL, 0, MPI_DATATYPE_NULL, check_rank, 3, MPI_COMM_WORLD), MPI_SUCCESS);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    CHECK_ERROR(MPI_Send(&value, 1, MPI_DATATYPE_NULL, check_rank, 3, MPI_COMM_WORLD), MPI_ERR_TYPE);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    of_nothing();
    results();
    if (check_under_mana()) {
        handlers_nobody_chose();
        of_no_elements();
    }
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    handlers();
    overwritten();
    strings();
    added();
    return check_end();
}
