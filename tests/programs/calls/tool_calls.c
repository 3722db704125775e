/* The tool information interface on 2 ranks, before MPI_Init, within MPI, and after MPI_Finalize. Only under mana: the
 * variables are its own.
 */
#include "check.h"
#include <mana.h>
#include <stdlib.h>

#define TEXT 512

static void not_initialised(void) {
    int n;
    MPI_Count time;
    CHECK_INT(MPI_T_cvar_get_num(&n), MPI_T_ERR_NOT_INITIALIZED);
    CHECK_INT(MPI_T_pvar_get_num(&n), MPI_T_ERR_NOT_INITIALIZED);
    CHECK_INT(MPI_T_category_get_num(&n), MPI_T_ERR_NOT_INITIALIZED);
    CHECK_INT(MPI_T_event_get_num(&n), MPI_T_ERR_NOT_INITIALIZED);
    CHECK_INT(MPI_T_source_get_timestamp(0, &time), MPI_T_ERR_NOT_INITIALIZED);
    CHECK_INT(MPI_T_finalize(), MPI_T_ERR_NOT_INITIALIZED);
}

static void strings(void) {
    char name[TEXT] = "untouched";
    int needed = 0, again = 0, index = -1;
    CHECK_INT(MPI_T_cvar_get_index("mana_ckpt_keep", &index), MPI_SUCCESS);
    /* A length of 0, or no place for the text: only the length comes back. */
    CHECK_INT(MPI_T_cvar_get_info(index, name, &needed, NULL, NULL, NULL, NULL, NULL, NULL, NULL), MPI_SUCCESS);
    CHECK(strcmp(name, "untouched") == 0);
    CHECK_INT(needed, strlen("mana_ckpt_keep") + 1);
    again = TEXT;
    CHECK_INT(MPI_T_cvar_get_info(index, NULL, &again, NULL, NULL, NULL, NULL, NULL, NULL, NULL), MPI_SUCCESS);
    CHECK_INT(again, needed);
    CHECK_INT(MPI_T_cvar_get_info(index, name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), MPI_SUCCESS);
    CHECK(strcmp(name, "untouched") == 0);
    /* Less room than needed: a part, with its NUL. */
    again = 5;
    CHECK_INT(MPI_T_cvar_get_info(index, name, &again, NULL, NULL, NULL, NULL, NULL, NULL, NULL), MPI_SUCCESS);
    CHECK(strcmp(name, "mana") == 0 && again == needed);
}

static void enumeration(MPI_T_enum handle, int items) {
    int number = 0, value = -1, length = TEXT;
    char name[TEXT];
    CHECK_INT(MPI_T_enum_get_info(handle, &number, name, &length), MPI_SUCCESS);
    CHECK_INT(number, items);
    for (int n = 0; n < number; n++) {
        length = TEXT;
        CHECK_INT(MPI_T_enum_get_item(handle, n, &value, name, &length), MPI_SUCCESS);
        CHECK(value == n && (size_t)length == strlen(name) + 1);
    }
    CHECK_INT(MPI_T_enum_get_item(handle, number, &value, name, &length), MPI_T_ERR_INVALID_ITEM);
}

static void cvars(void) {
    int number = 0, index = -1, count = 0, value = 0;
    CHECK_INT(MPI_T_cvar_get_num(&number), MPI_SUCCESS);
    CHECK(number >= 3);
    for (int n = 0; n < number; n++) {
        char name[TEXT], description[TEXT];
        int name_len = TEXT, desc_len = TEXT, verbosity, bind, scope;
        MPI_Datatype datatype;
        MPI_T_enum kinds;
        CHECK_INT(MPI_T_cvar_get_info(n, name, &name_len, &verbosity, &datatype, &kinds, description, &desc_len, &bind,
                                      &scope),
                  MPI_SUCCESS);
        CHECK(strncmp(name, "mana_", 5) == 0 && desc_len > 10);
        CHECK_INT(MPI_T_cvar_get_index(name, &index), MPI_SUCCESS);
        CHECK_INT(index, n);
        CHECK_INT(bind, MPI_T_BIND_NO_OBJECT);
        CHECK(datatype == MPI_INT || datatype == MPI_DOUBLE || datatype == MPI_CHAR);
        if (kinds != MPI_T_ENUM_NULL) enumeration(kinds, 3);
        /* Those that cannot be written say so. */
        MPI_T_cvar_handle handle;
        CHECK_INT(MPI_T_cvar_handle_alloc(n, NULL, &handle, &count), MPI_SUCCESS);
        char *buffer = calloc(count, 8);
        CHECK_INT(MPI_T_cvar_read(handle, buffer), MPI_SUCCESS);
        if (datatype == MPI_CHAR) CHECK_INT(strlen(buffer) + 1, count);
        CHECK_INT(MPI_T_cvar_write(handle, buffer),
                  scope == MPI_T_SCOPE_READONLY ? MPI_T_ERR_CVAR_SET_NEVER : MPI_SUCCESS);
        free(buffer);
        CHECK_INT(MPI_T_cvar_handle_free(&handle), MPI_SUCCESS);
        CHECK(handle == MPI_T_CVAR_HANDLE_NULL);
    }
    CHECK_INT(MPI_T_cvar_get_index("no such variable", &index), MPI_T_ERR_INVALID_NAME);
    CHECK_INT(MPI_T_cvar_get_info(number, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
              MPI_T_ERR_INVALID_INDEX);

    MPI_T_cvar_handle handle, stale;
    MPI_T_cvar_get_index("mana_ckpt_keep", &index);
    MPI_T_cvar_handle_alloc(index, NULL, &handle, &count);
    CHECK_INT(count, 1);
    value = 5;
    CHECK_INT(MPI_T_cvar_write(handle, &value), MPI_SUCCESS);
    value = 0;
    CHECK_INT(MPI_T_cvar_write(handle, &value), MPI_T_ERR_INVALID);
    CHECK_INT(MPI_T_cvar_read(handle, &value), MPI_SUCCESS);
    CHECK_INT(value, 5);
    stale = handle;
    MPI_T_cvar_handle_free(&handle);
    CHECK_INT(MPI_T_cvar_read(stale, &value), MPI_T_ERR_INVALID_HANDLE);
    CHECK_INT(MPI_T_cvar_handle_free(&stale), MPI_T_ERR_INVALID_HANDLE);
}

/* A handle of the variable of that name. */
static MPI_T_pvar_handle watch(MPI_T_pvar_session session, const char *name, int class, void *object) {
    int index = -1, count = 0;
    MPI_T_pvar_handle handle = MPI_T_PVAR_HANDLE_NULL;
    CHECK_INT(MPI_T_pvar_get_index(name, class, &index), MPI_SUCCESS);
    CHECK_INT(MPI_T_pvar_handle_alloc(session, index, object, &handle, &count), MPI_SUCCESS);
    CHECK_INT(count, 1);
    return handle;
}

static void pvar_infos(void) {
    int number = 0, index;
    CHECK_INT(MPI_T_pvar_get_num(&number), MPI_SUCCESS);
    CHECK(number >= 5);
    for (int n = 0; n < number; n++) {
        char name[TEXT], description[TEXT];
        int name_len = TEXT, desc_len = TEXT, verbosity, class, bind, readonly, continuous, atomic;
        MPI_Datatype datatype;
        MPI_T_enum states;
        CHECK_INT(MPI_T_pvar_get_info(n, name, &name_len, &verbosity, &class, &datatype, &states, description, &desc_len,
                                      &bind, &readonly, &continuous, &atomic),
                  MPI_SUCCESS);
        CHECK_INT(MPI_T_pvar_get_index(name, class, &index), MPI_SUCCESS);
        CHECK_INT(index, n);
        CHECK((states != MPI_T_ENUM_NULL) == (class == MPI_T_PVAR_CLASS_STATE));
        if (states != MPI_T_ENUM_NULL) enumeration(states, 4);
        CHECK_INT(MPI_T_pvar_get_index(name, MPI_T_PVAR_CLASS_GENERIC, &index), MPI_T_ERR_INVALID_NAME);
    }
}

static void pvars(void) {
    MPI_T_pvar_session session, other;
    MPI_T_pvar_handle sent, twice, requests, queued, drained;
    unsigned long long value = 99;
    int peer = 1 - check_rank, got = -1, state = -1, index = -1, count;
    double seconds = -1;
    pvar_infos();
    CHECK_INT(MPI_T_pvar_session_create(&session), MPI_SUCCESS);
    CHECK_INT(MPI_T_pvar_session_create(&other), MPI_SUCCESS);
    sent = watch(session, "mana_messages_sent", MPI_T_PVAR_CLASS_COUNTER, NULL);
    twice = watch(session, "mana_messages_sent", MPI_T_PVAR_CLASS_COUNTER, NULL);
    requests = watch(session, "mana_requests", MPI_T_PVAR_CLASS_LEVEL, NULL);

    /* A counter stands still until it is started, and each handle counts for itself. */
    MPI_Sendrecv(&check_rank, 1, MPI_INT, peer, 0, &got, 1, MPI_INT, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    CHECK_INT(MPI_T_pvar_read(session, sent, &value), MPI_SUCCESS);
    CHECK_INT(value, 0);
    CHECK_INT(MPI_T_pvar_start(session, sent), MPI_SUCCESS);
    for (int n = 0; n < 3; n++)
        MPI_Sendrecv(&check_rank, 1, MPI_INT, peer, 0, &got, 1, MPI_INT, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    CHECK_INT(MPI_T_pvar_read(session, sent, &value), MPI_SUCCESS);
    CHECK_INT(value, 3);
    CHECK_INT(MPI_T_pvar_readreset(session, sent, &value), MPI_SUCCESS);
    CHECK_INT(value, 3);
    MPI_Sendrecv(&check_rank, 1, MPI_INT, peer, 0, &got, 1, MPI_INT, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    CHECK_INT(MPI_T_pvar_stop(session, sent), MPI_SUCCESS);
    MPI_Sendrecv(&check_rank, 1, MPI_INT, peer, 0, &got, 1, MPI_INT, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    CHECK_INT(MPI_T_pvar_read(session, sent, &value), MPI_SUCCESS);
    CHECK_INT(value, 1);
    value = 40;
    CHECK_INT(MPI_T_pvar_write(session, sent, &value), MPI_SUCCESS);
    CHECK_INT(MPI_T_pvar_start(session, MPI_T_PVAR_ALL_HANDLES), MPI_SUCCESS);
    MPI_Sendrecv(&check_rank, 1, MPI_INT, peer, 0, &got, 1, MPI_INT, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_T_pvar_read(session, sent, &value);
    CHECK_INT(value, 41);
    MPI_T_pvar_read(session, twice, &value);
    CHECK_INT(value, 1);
    CHECK_INT(MPI_T_pvar_reset(session, MPI_T_PVAR_ALL_HANDLES), MPI_SUCCESS);
    MPI_T_pvar_read(session, sent, &value);
    CHECK_INT(value, 0);

    /* A level always runs and cannot be written. */
    MPI_Request request;
    unsigned long long before = 0;
    MPI_T_pvar_read(session, requests, &before);
    MPI_Send_init(&got, 1, MPI_INT, peer, 0, MPI_COMM_WORLD, &request);
    MPI_T_pvar_read(session, requests, &value);
    CHECK_INT(value, before + 1);
    MPI_Request_free(&request);
    MPI_T_pvar_read(session, requests, &value);
    CHECK_INT(value, before);
    CHECK_INT(MPI_T_pvar_start(session, requests), MPI_T_ERR_PVAR_NO_STARTSTOP);
    CHECK_INT(MPI_T_pvar_reset(session, requests), MPI_T_ERR_PVAR_NO_WRITE);
    CHECK_INT(MPI_T_pvar_write(session, requests, &value), MPI_T_ERR_PVAR_NO_WRITE);
    CHECK_INT(MPI_T_pvar_readreset(session, requests, &value), MPI_T_ERR_PVAR_NO_WRITE);

    /* Bound to an object; a state; a timer. */
    MPI_Comm comm = MPI_COMM_WORLD;
    queued = watch(session, "mana_comm_messages_queued", MPI_T_PVAR_CLASS_LEVEL, &comm);
    CHECK_INT(MPI_T_pvar_read(session, queued, &value), MPI_SUCCESS);
    CHECK_INT(value, 0);
    comm = MPI_COMM_NULL;
    MPI_T_pvar_get_index("mana_comm_messages_queued", MPI_T_PVAR_CLASS_LEVEL, &index);
    CHECK_INT(MPI_T_pvar_handle_alloc(session, index, &comm, &queued, &count), MPI_T_ERR_INVALID_HANDLE);
    MPI_T_pvar_handle phase = watch(session, "mana_phase", MPI_T_PVAR_CLASS_STATE, NULL);
    CHECK_INT(MPI_T_pvar_read(session, phase, &state), MPI_SUCCESS);
    CHECK_INT(state, 0);
    drained = watch(session, "mana_time_drain", MPI_T_PVAR_CLASS_TIMER, NULL);
    seconds = 2.5;
    CHECK_INT(MPI_T_pvar_write(session, drained, &seconds), MPI_SUCCESS);
    seconds = -1;
    CHECK_INT(MPI_T_pvar_read(session, drained, &seconds), MPI_SUCCESS);
    CHECK(seconds > 2.49 && seconds < 2.51);

    /* Handles belong to a session and end with it. */
    CHECK_INT(MPI_T_pvar_read(other, sent, &value), MPI_T_ERR_INVALID_HANDLE);
    CHECK_INT(MPI_T_pvar_handle_free(session, &twice), MPI_SUCCESS);
    CHECK(twice == MPI_T_PVAR_HANDLE_NULL);
    MPI_T_pvar_session stale = session;
    CHECK_INT(MPI_T_pvar_session_free(&session), MPI_SUCCESS);
    CHECK(session == MPI_T_PVAR_SESSION_NULL);
    CHECK_INT(MPI_T_pvar_read(stale, sent, &value), MPI_T_ERR_INVALID_SESSION);
    CHECK_INT(MPI_T_pvar_read(other, sent, &value), MPI_T_ERR_INVALID_HANDLE);
    CHECK_INT(MPI_T_pvar_session_free(&other), MPI_SUCCESS);
}

/* The categories hold every variable and event exactly once. */
static void categories(void) {
    int number = 0, seen[4] = {0, 0, 0, 0}, wanted[3], index, stamp = -1;
    CHECK_INT(MPI_T_category_get_num(&number), MPI_SUCCESS);
    CHECK_INT(MPI_T_category_changed(&stamp), MPI_SUCCESS);
    for (int n = 0; n < number; n++) {
        char name[TEXT], description[TEXT];
        int name_len = TEXT, desc_len = TEXT, cvars_in, pvars_in, categories_in, events_in, indices[64];
        CHECK_INT(MPI_T_category_get_info(n, name, &name_len, description, &desc_len, &cvars_in, &pvars_in,
                                          &categories_in),
                  MPI_SUCCESS);
        CHECK_INT(MPI_T_category_get_num_events(n, &events_in), MPI_SUCCESS);
        CHECK_INT(MPI_T_category_get_index(name, &index), MPI_SUCCESS);
        CHECK_INT(index, n);
        CHECK_INT(MPI_T_category_get_cvars(n, 64, indices), MPI_SUCCESS);
        CHECK_INT(MPI_T_category_get_events(n, 64, indices), MPI_SUCCESS);
        CHECK_INT(MPI_T_category_get_pvars(n, 64, indices), MPI_SUCCESS);
        for (int i = 1; i < pvars_in; i++) CHECK(indices[i] != indices[i - 1]);
        CHECK_INT(MPI_T_category_get_categories(n, 64, indices), MPI_SUCCESS);
        for (int i = 0; i < categories_in; i++) CHECK(indices[i] != n && indices[i] < number);
        seen[0] += cvars_in, seen[1] += pvars_in, seen[2] += events_in, seen[3] += categories_in;
    }
    MPI_T_cvar_get_num(&wanted[0]);
    MPI_T_pvar_get_num(&wanted[1]);
    MPI_T_event_get_num(&wanted[2]);
    for (int i = 0; i < 3; i++) CHECK_INT(seen[i], wanted[i]);
    CHECK_INT(seen[3], number - 1);
    CHECK_INT(MPI_T_category_get_num_events(number, &index), MPI_T_ERR_INVALID_INDEX);
}

static int called, freed, dropped;
static MPI_Count last_time;

static void on_event(MPI_T_event_instance event, MPI_T_event_registration registration, MPI_T_cb_safety safety,
                     void *user_data) {
    unsigned long long number = 0, both[2] = {0, 0};
    int source = -1, size = 0;
    CHECK(user_data == &called && registration != NULL && safety == MPI_T_CB_REQUIRE_NONE);
    CHECK_INT(MPI_T_event_read(event, 0, &number), MPI_SUCCESS);
    CHECK_INT(MPI_T_event_copy(event, both), MPI_SUCCESS);
    CHECK(number == both[0] && number >= 1 && both[1] > 0);
    CHECK_INT(MPI_T_event_read(event, 2, &number), MPI_T_ERR_INVALID_INDEX);
    CHECK_INT(MPI_T_event_get_timestamp(event, &last_time), MPI_SUCCESS);
    CHECK_INT(MPI_T_event_get_source(event, &source), MPI_SUCCESS);
    CHECK_INT(source, 0);
    /* It may call MPI. */
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    CHECK_INT(size, 2);
    called++;
}

static void on_dropped(MPI_Count count, MPI_T_event_registration registration, int source, MPI_T_cb_safety safety,
                       void *user_data) {
    (void)registration, (void)source, (void)safety, (void)user_data;
    dropped += (int)count;
}

static void on_free(MPI_T_event_registration registration, MPI_T_cb_safety safety, void *user_data) {
    (void)registration, (void)safety;
    freed += *(int *)user_data;
}

static void take_checkpoint(void) {
    int outcome = -1;
    if (check_rank == 0) {
        outcome = mana_checkpoint();
        MPI_Send(&outcome, 1, MPI_INT, 1, 0, MPI_COMM_WORLD);
    } else {
        MPI_Recv(&outcome, 1, MPI_INT, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    CHECK_INT(outcome, 0);
}

static void events(void) {
    int number = 0, index = -1, elements = 8, bind = -1, hundred = 100;
    char name[TEXT];
    int name_len = TEXT, sources = 0;
    MPI_Datatype types[8];
    MPI_Aint places[8];
    MPI_Info info;
    MPI_T_enum kinds;
    MPI_Count before = 0, after = 0, ticks = 0, most = 0;
    MPI_T_source_order order;
    CHECK_INT(MPI_T_event_get_num(&number), MPI_SUCCESS);
    CHECK(number >= 1);
    CHECK_INT(MPI_T_event_get_index("mana_checkpoint_committed", &index), MPI_SUCCESS);
    CHECK_INT(MPI_T_event_get_info(index, name, &name_len, NULL, types, places, &elements, &kinds, &info, NULL, NULL,
                                   &bind),
              MPI_SUCCESS);
    CHECK_INT(elements, 2);
    CHECK(types[1] == MPI_UNSIGNED_LONG_LONG && places[0] == 0 && places[1] == 8 && bind == MPI_T_BIND_NO_OBJECT);
    MPI_Info_free(&info);
    CHECK_INT(MPI_T_source_get_num(&sources), MPI_SUCCESS);
    CHECK_INT(sources, 1);
    name_len = TEXT;
    CHECK_INT(MPI_T_source_get_info(0, name, &name_len, NULL, NULL, &order, &ticks, &most, &info), MPI_SUCCESS);
    CHECK(order == MPI_T_SOURCE_ORDERED && ticks == 1000000000 && most > ticks);
    MPI_Info_free(&info);

    MPI_T_event_registration registration, without;
    CHECK_INT(MPI_T_event_handle_alloc(index, NULL, MPI_INFO_NULL, &registration), MPI_SUCCESS);
    CHECK_INT(MPI_T_event_handle_alloc(index, NULL, MPI_INFO_NULL, &without), MPI_SUCCESS);
    CHECK_INT(MPI_T_event_register_callback(registration, MPI_T_CB_REQUIRE_THREAD_SAFE, MPI_INFO_NULL, &called, on_event),
              MPI_SUCCESS);
    CHECK_INT(MPI_T_event_set_dropped_handler(without, on_dropped), MPI_SUCCESS);
    MPI_Info_create(&info);
    MPI_Info_set(info, "hint", "value");
    CHECK_INT(MPI_T_event_callback_set_info(registration, MPI_T_CB_REQUIRE_THREAD_SAFE, info), MPI_SUCCESS);
    CHECK_INT(MPI_T_event_callback_set_info(registration, MPI_T_CB_REQUIRE_NONE, info), MPI_T_ERR_INVALID);
    CHECK_INT(MPI_T_event_handle_set_info(registration, info), MPI_SUCCESS);
    MPI_Info_free(&info);
    CHECK_INT(MPI_T_event_handle_get_info(registration, &info), MPI_SUCCESS);
    MPI_Info_free(&info);
    CHECK_INT(MPI_T_event_callback_get_info(registration, MPI_T_CB_REQUIRE_THREAD_SAFE, &info), MPI_SUCCESS);
    MPI_Info_free(&info);

    CHECK_INT(MPI_T_source_get_timestamp(0, &before), MPI_SUCCESS);
    take_checkpoint();
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_INT(MPI_T_source_get_timestamp(0, &after), MPI_SUCCESS);
    CHECK(called == 1 && dropped == 1);
    CHECK(before <= last_time && last_time <= after);
    /* Without its callback the registration hears nothing more. */
    CHECK_INT(MPI_T_event_register_callback(registration, MPI_T_CB_REQUIRE_THREAD_SAFE, MPI_INFO_NULL, NULL, NULL),
              MPI_SUCCESS);
    CHECK_INT(MPI_T_event_handle_free(without, NULL, NULL), MPI_SUCCESS);
    take_checkpoint();
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK(called == 1 && dropped == 1);
    CHECK_INT(MPI_T_event_handle_free(registration, &hundred, on_free), MPI_SUCCESS);
    CHECK_INT(freed, 100);
    CHECK_INT(MPI_T_event_handle_free(registration, &hundred, on_free), MPI_T_ERR_INVALID_HANDLE);
}

static void counts_checkpoints(void) {
    MPI_T_pvar_session session;
    unsigned long long committed = 0;
    double seconds = 0;
    MPI_T_pvar_session_create(&session);
    MPI_T_pvar_handle number = watch(session, "mana_checkpoints_committed", MPI_T_PVAR_CLASS_COUNTER, NULL);
    MPI_T_pvar_handle time = watch(session, "mana_time_write", MPI_T_PVAR_CLASS_TIMER, NULL);
    MPI_T_pvar_start(session, MPI_T_PVAR_ALL_HANDLES);
    take_checkpoint();
    MPI_T_pvar_read(session, number, &committed);
    MPI_T_pvar_read(session, time, &seconds);
    CHECK_INT(committed, 1);
    CHECK(seconds > 0);
    MPI_T_pvar_session_free(&session);
}

int main(int argc, char **argv) {
    int provided = -1, number = 0;
    not_initialised();
    CHECK_INT(MPI_T_init_thread(MPI_THREAD_SINGLE, &provided), MPI_SUCCESS);
    CHECK(provided >= MPI_THREAD_SINGLE);
    CHECK_INT(MPI_T_init_thread(MPI_THREAD_SINGLE, &provided), MPI_SUCCESS);
    CHECK_INT(MPI_T_finalize(), MPI_SUCCESS);
    strings();
    cvars();
    categories();
    check_begin(&argc, &argv, 2);
    strings();
    cvars();
    pvars();
    categories();
    events();
    counts_checkpoints();
    int status = check_end();
    CHECK_INT(MPI_T_cvar_get_num(&number), MPI_SUCCESS);
    CHECK_INT(MPI_T_finalize(), MPI_SUCCESS);
    not_initialised();
    return status != 0 || check_failures != 0;
}
