/* Info objects, MPI_Alloc_mem, and MPI_Request_get_status, on 2 ranks. Prints "ok", or what differs. */
#include "check.h"

static void setting_and_getting(void) {
    MPI_Info info;
    char text[MPI_MAX_INFO_VAL];
    int flag = -1, length = -1, keys = -1;
    MPI_Info_create(&info);
    MPI_Info_set(info, "first", "one");
    MPI_Info_set(info, "second", "a \xe4 b");
    MPI_Info_set(info, "first", "uno");
    MPI_Info_get_nkeys(info, &keys);
    CHECK_INT(keys, 2);
    MPI_Info_get_nthkey(info, 1, text);
    CHECK(strcmp(text, "second") == 0);

    MPI_Info_get(info, "first", MPI_MAX_INFO_VAL - 1, text, &flag);
    CHECK(flag && strcmp(text, "uno") == 0);
    MPI_Info_get(info, "first", 2, text, &flag);
    CHECK(flag && strcmp(text, "un") == 0);
    MPI_Info_get(info, "third", MPI_MAX_INFO_VAL - 1, text, &flag);
    CHECK(!flag);
    MPI_Info_get_valuelen(info, "second", &length, &flag);
    CHECK(flag && length == 5);

    length = 0;
    strcpy(text, "untouched");
    MPI_Info_get_string(info, "second", &length, text, &flag);
    CHECK(flag && length == 6 && strcmp(text, "untouched") == 0);
    length = 3;
    MPI_Info_get_string(info, "second", &length, text, &flag);
    CHECK(flag && length == 6 && strcmp(text, "a ") == 0);
    length = 6;
    MPI_Info_get_string(info, "second", &length, text, &flag);
    CHECK(flag && strcmp(text, "a \xe4 b") == 0);

    MPI_Info_delete(info, "first");
    CHECK_ERROR(MPI_Info_delete(info, "first"), MPI_ERR_INFO_NOKEY);
    MPI_Info_get_nkeys(info, &keys);
    CHECK_INT(keys, 1);
    MPI_Info_free(&info);
    CHECK(info == MPI_INFO_NULL);
}

static void duplicates_are_apart(void) {
    MPI_Info info, copy;
    char text[MPI_MAX_INFO_VAL];
    int flag;
    MPI_Info_create(&info);
    MPI_Info_set(info, "key", "old");
    MPI_Info_dup(info, &copy);
    MPI_Info_set(info, "key", "new");
    MPI_Info_get(copy, "key", MPI_MAX_INFO_VAL - 1, text, &flag);
    CHECK(flag && strcmp(text, "old") == 0);
    MPI_Info_free(&info);
    MPI_Info_get(copy, "key", MPI_MAX_INFO_VAL - 1, text, &flag);
    CHECK(flag && strcmp(text, "old") == 0);
    MPI_Info_free(&copy);
}

static void wrong_arguments(void) {
    char key[2 * MPI_MAX_INFO_KEY];
    int keys;
    MPI_Info info;
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = 0;
    MPI_Info_create(&info);
    CHECK_ERROR(MPI_Info_set(info, key, "value"), MPI_ERR_INFO_KEY);
    CHECK_ERROR(MPI_Info_set(info, "", "value"), MPI_ERR_INFO_KEY);
    CHECK_ERROR(MPI_Info_get_nthkey(info, 0, key), MPI_ERR_ARG);
    CHECK(MPI_Info_get_nkeys(MPI_INFO_NULL, &keys) != MPI_SUCCESS);
    MPI_Info_free(&info);
}

static void environment(void) {
    int keys = 0, flag = 0;
    char text[MPI_MAX_INFO_VAL];
    MPI_Info_get_nkeys(MPI_INFO_ENV, &keys);
    MPI_Info_get(MPI_INFO_ENV, "maxprocs", MPI_MAX_INFO_VAL - 1, text, &flag);
    if (check_under_mana()) CHECK(keys >= 3 && flag && strcmp(text, "2") == 0);
#if MPI_VERSION >= 4
    MPI_Info info;
    MPI_Info_create_env(0, NULL, &info);
    if (check_under_mana()) { /* as one that is made before MPI_Init, which cannot know it */
        int known;
        MPI_Info_get(info, "maxprocs", 0, NULL, &known);
        CHECK(!known);
    }
    MPI_Info_set(info, "mine", "too");
    MPI_Info_free(&info);
#endif
}

/* Memory is writable, aligned, and apart; a second piece is not harmed when the first goes. */
static void memory(void) {
    double *first, *second;
    MPI_Alloc_mem(1000 * sizeof(double), MPI_INFO_NULL, &first);
    MPI_Alloc_mem(5000000, MPI_INFO_NULL, &second);
    CHECK((size_t)first % 16 == 0 && (size_t)second % 16 == 0);
    for (int i = 0; i < 1000; i++) first[i] = second[i] = i;
    MPI_Free_mem(first);
    int peer = 1 - check_rank;
    MPI_Sendrecv_replace(second, 1000, MPI_DOUBLE, peer, 0, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    CHECK(second[999] == 999);
    MPI_Free_mem(second);
    if (check_under_mana()) {
        CHECK_ERROR(MPI_Free_mem(second), MPI_ERR_BASE);
        CHECK_ERROR(MPI_Alloc_mem(-1, MPI_INFO_NULL, &first), MPI_ERR_ARG);
    }
}

/* A look at a request leaves it as it is: MPI_Wait still finds the message. */
static void looking_at_requests(void) {
    int peer = 1 - check_rank, value = -1, mine = 70 + check_rank, flag = 0, count;
    MPI_Request request;
    MPI_Status status;
    MPI_Irecv(&value, 1, MPI_INT, peer, 3, MPI_COMM_WORLD, &request);
    MPI_Request_get_status(request, &flag, MPI_STATUS_IGNORE);
    CHECK(!flag);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Send(&mine, 1, MPI_INT, peer, 3, MPI_COMM_WORLD);
    while (!flag) MPI_Request_get_status(request, &flag, &status);
    MPI_Get_count(&status, MPI_INT, &count);
    CHECK(request != MPI_REQUEST_NULL && status.MPI_SOURCE == peer && status.MPI_TAG == 3 && count == 1);
    CHECK_INT(value, 70 + peer);
    flag = 0;
    MPI_Request_get_status(request, &flag, MPI_STATUS_IGNORE);
    CHECK(flag);
#if MPI_VERSION > 4
    MPI_Request both[2] = {MPI_REQUEST_NULL, request};
    MPI_Status statuses[2];
    int index = -1, indices[2];
    MPI_Request_get_status_all(2, both, &flag, statuses);
    CHECK(flag && statuses[1].MPI_SOURCE == peer && statuses[0].MPI_SOURCE == MPI_ANY_SOURCE);
    MPI_Request_get_status_any(2, both, &index, &flag, &status);
    CHECK(flag && index == 1 && status.MPI_TAG == 3);
    MPI_Request_get_status_some(2, both, &count, indices, statuses);
    CHECK(count == 1 && indices[0] == 1 && statuses[0].MPI_TAG == 3);
    MPI_Request_get_status_some(1, both, &count, indices, statuses);
    CHECK_INT(count, MPI_UNDEFINED);
    status.MPI_ERROR = MPI_ERR_OTHER;
    MPI_Request_get_status_any(1, both, &index, &flag, &status);
    CHECK(flag && index == MPI_UNDEFINED && status.MPI_TAG == MPI_ANY_TAG && status.MPI_ERROR == MPI_SUCCESS);
#endif
    MPI_Request none = MPI_REQUEST_NULL;
    status.MPI_ERROR = MPI_ERR_OTHER;
    MPI_Wait(&none, &status);
    CHECK(status.MPI_SOURCE == MPI_ANY_SOURCE && (status.MPI_ERROR == MPI_SUCCESS || !check_under_mana()));
    MPI_Wait(&request, &status);
    CHECK(request == MPI_REQUEST_NULL && status.MPI_SOURCE == peer);
    MPI_Request_get_status(MPI_REQUEST_NULL, &flag, &status);
    CHECK(flag && status.MPI_SOURCE == MPI_ANY_SOURCE);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    setting_and_getting();
    duplicates_are_apart();
    wrong_arguments();
    environment();
    memory();
    looking_at_requests();
    return check_end();
}
