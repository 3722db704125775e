/* Attributes on communicators and datatypes, on 2 ranks: who calls which callback when. Prints "ok", or what differs.
 *
 * Every callback appends a letter and its value to a diary; each part of the program checks what it finds there.
 */
#include "check.h"
#include <stdlib.h>

static char diary[256];
static int extra = 5;

static void note(char what, void *value) {
    size_t length = strlen(diary);
    snprintf(diary + length, sizeof diary - length, "%c%ld ", what, (long)value);
}

#define DIARY(wanted)                                                                                                 \
    do {                                                                                                              \
        if (strcmp(diary, wanted) != 0) printf("diary: \"%s\", not \"%s\"\n", diary, wanted);                         \
        CHECK(strcmp(diary, wanted) == 0);                                                                            \
        diary[0] = 0;                                                                                                 \
    } while (0)

/* Copies odd values, plus 100; even ones stay behind. The callback uses MPI itself. */
static int copy(MPI_Comm comm, int keyval, void *state, void *in, void *out, int *flag) {
    int size = 0;
    MPI_Comm_size(comm, &size);
    void *seen = NULL;
    int there = 0;
    MPI_Comm_get_attr(comm, keyval, &seen, &there);
    CHECK(size == 2 && state == &extra && there && seen == in);
    note('c', in);
    *flag = (long)in % 2;
    *(long *)out = (long)in + 100;
    return MPI_SUCCESS;
}

static int delete(MPI_Comm comm, int keyval, void *value, void *state) {
    (void)comm, (void)keyval;
    CHECK(state == &extra);
    note('d', value);
    return MPI_SUCCESS;
}

static int failing_copy(MPI_Comm comm, int keyval, void *state, void *in, void *out, int *flag) {
    (void)comm, (void)keyval, (void)state, (void)in, (void)out, (void)flag;
    return MPI_ERR_NAME;
}

static int failing_delete(MPI_Comm comm, int keyval, void *value, void *state) {
    (void)comm, (void)keyval, (void)value;
    return *(int *)state;
}

static void *value_of(MPI_Comm comm, int keyval) {
    void *value = NULL;
    int flag;
    MPI_Comm_get_attr(comm, keyval, &value, &flag);
    return flag ? value : NULL;
}

static void copies(void) {
    int called, kept, left;
    MPI_Comm parent, child;
    MPI_Comm_create_keyval(copy, delete, &called, &extra);
    MPI_Comm_create_keyval(MPI_COMM_DUP_FN, MPI_COMM_NULL_DELETE_FN, &kept, NULL);
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, delete, &left, &extra);
    MPI_Comm_dup(MPI_COMM_WORLD, &parent);
    MPI_Comm_set_attr(parent, called, (void *)1);
    MPI_Comm_set_attr(parent, kept, (void *)2);
    MPI_Comm_set_attr(parent, left, (void *)3);
    DIARY("");
    MPI_Comm_dup(parent, &child);
    DIARY("c1 ");
    CHECK(value_of(child, called) == (void *)101);
    CHECK(value_of(child, kept) == (void *)2);
    CHECK(value_of(child, left) == NULL);
    MPI_Comm_free(&child);
    DIARY("d101 ");

    /* Replacing deletes the old value; an even value is not copied. */
    MPI_Comm_set_attr(parent, called, (void *)4);
    DIARY("d1 ");
    MPI_Comm_dup(parent, &child);
    CHECK(value_of(child, called) == NULL);
    DIARY("c4 ");
    MPI_Comm_free(&child);
    MPI_Comm_delete_attr(parent, called);
    DIARY("d4 ");
    CHECK(value_of(parent, called) == NULL);

    /* A freed key lives on in its values. */
    MPI_Comm_set_attr(parent, called, (void *)7);
    int freed = called;
    MPI_Comm_free_keyval(&called);
    CHECK_INT(called, MPI_KEYVAL_INVALID);
    MPI_Comm_dup(parent, &child);
    MPI_Comm_free(&child);
    CHECK(strncmp(diary, "c7 ", 3) == 0 && strstr(diary, "d107") != NULL);
    diary[0] = 0;
    if (check_under_mana()) { /* once more, while a value uses it */
        CHECK_INT(MPI_Comm_free_keyval(&freed), MPI_SUCCESS);
        CHECK_INT(freed, MPI_KEYVAL_INVALID);
    }
    MPI_Comm_free(&parent);
    CHECK(strstr(diary, "d7 ") && strstr(diary, "d3 "));
    diary[0] = 0;
    MPI_Comm_free_keyval(&kept);
    MPI_Comm_free_keyval(&left);
}

static void failures(void) {
    int key, status = MPI_ERR_NAME;
    MPI_Comm parent, child = MPI_COMM_SELF;
    MPI_Comm_dup(MPI_COMM_WORLD, &parent);
    MPI_Comm_create_keyval(failing_copy, failing_delete, &key, &status);
    MPI_Comm_set_attr(parent, key, &status);
    CHECK(MPI_Comm_dup(parent, &child) != MPI_SUCCESS);
    if (check_under_mana()) CHECK(child == MPI_COMM_NULL);
    CHECK(MPI_Comm_delete_attr(parent, key) != MPI_SUCCESS);
    CHECK(value_of(parent, key) == &status);
    CHECK(MPI_Comm_free(&parent) != MPI_SUCCESS && parent != MPI_COMM_NULL);
    status = MPI_SUCCESS;
    MPI_Comm_free(&parent);
    MPI_Comm_free_keyval(&key);
}

static void wrong_arguments(void) {
    int type_key, invalid = MPI_KEYVAL_INVALID, *value, flag;
    MPI_Type_create_keyval(MPI_TYPE_NULL_COPY_FN, MPI_TYPE_NULL_DELETE_FN, &type_key, NULL);
    CHECK(MPI_Comm_set_attr(MPI_COMM_WORLD, type_key, NULL) != MPI_SUCCESS);
    CHECK(MPI_Comm_set_attr(MPI_COMM_WORLD, MPI_TAG_UB, NULL) != MPI_SUCCESS);
    CHECK(MPI_Comm_set_attr(MPI_COMM_WORLD, MPI_KEYVAL_INVALID, NULL) != MPI_SUCCESS);
    CHECK_ERROR(MPI_Comm_get_attr(MPI_COMM_NULL, MPI_TAG_UB, &value, &flag), MPI_ERR_COMM);
    CHECK(MPI_Comm_free_keyval(&invalid) != MPI_SUCCESS);
    MPI_Type_free_keyval(&type_key);
}

static void predefined(void) {
    int *value = NULL, *again = NULL, flag = 0, tag = 77, peer = 1 - check_rank;
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &value, &flag);
    CHECK(flag && *value >= 32767);
    if (check_under_mana()) CHECK_INT(*value, (1 << 19) - 1);
    MPI_Sendrecv(&check_rank, 1, MPI_INT, peer, *value, &tag, 1, MPI_INT, peer, *value, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    CHECK_INT(tag, peer);
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_WTIME_IS_GLOBAL, &value, &flag);
    CHECK(!flag || *value == 0 || *value == 1);
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_IO, &value, &flag);
    CHECK(flag && *value == MPI_ANY_SOURCE);
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_UNIVERSE_SIZE, &value, &flag);
    CHECK(!flag || *value >= 2);
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &value, &flag);
    CHECK(!flag || *value == 0);

    int class, code;
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_LASTUSEDCODE, &value, &flag);
    CHECK(flag && *value >= MPI_ERR_LASTCODE);
    MPI_Add_error_class(&class);
    MPI_Add_error_code(class, &code);
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_LASTUSEDCODE, &again, &flag);
    if (check_under_mana()) CHECK(again == value && *value == code);
    CHECK(*again >= code || *again >= class);
}

static int copy_type(MPI_Datatype type, int keyval, void *state, void *in, void *out, int *flag) {
    (void)type, (void)keyval, (void)state;
    note('c', in);
    *(void **)out = in;
    *flag = 1;
    return MPI_SUCCESS;
}

static int delete_type(MPI_Datatype type, int keyval, void *value, void *state) {
    (void)type, (void)keyval, (void)state;
    note('d', value);
    return MPI_SUCCESS;
}

static void datatypes(void) {
    int key, flag = 0;
    void *value = NULL;
    MPI_Datatype type, copy;
    MPI_Type_create_keyval(copy_type, delete_type, &key, NULL);
    MPI_Type_contiguous(3, MPI_INT, &type);
    MPI_Type_set_attr(type, key, (void *)8);
    MPI_Type_set_attr(MPI_INT, key, (void *)9);
    MPI_Type_get_attr(MPI_INT, key, &value, &flag);
    CHECK(flag && value == (void *)9);
    MPI_Type_delete_attr(MPI_INT, key);
    DIARY("d9 ");
    MPI_Type_dup(type, &copy);
    DIARY("c8 ");
    MPI_Type_get_attr(copy, key, &value, &flag);
    CHECK(flag && value == (void *)8);
    /* When the original's value goes is open: a library may keep the original for the sake of its copy. */
    MPI_Type_free(&type);
    MPI_Type_free(&copy);
    DIARY("d8 d8 ");
    MPI_Type_free_keyval(&key);
}

static int delete_at_end(MPI_Comm comm, int keyval, void *value, void *state) {
    (void)keyval, (void)state;
    int initialized, finalized, size;
    MPI_Initialized(&initialized);
    MPI_Finalized(&finalized);
    MPI_Comm_size(comm, &size);
    CHECK(initialized && !finalized && size == 1);
    note('d', value);
    return MPI_SUCCESS;
}

/* The values of MPI_COMM_SELF are deleted by MPI_Finalize, the last set first; so the verdict comes after it. */
int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    copies();
    failures();
    wrong_arguments();
    predefined();
    datatypes();
    for (long i = 1; i <= 3; i++) {
        int key;
        MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, delete_at_end, &key, NULL);
        MPI_Comm_set_attr(MPI_COMM_SELF, key, (void *)i);
        MPI_Comm_free_keyval(&key);
    }
    int all = 0;
    MPI_Allreduce(&check_failures, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    check_failures = all;
    MPI_Finalize();
    DIARY("d3 d2 d1 ");
    if (check_rank == 0 && check_failures == 0) printf("ok\n");
    return check_failures != 0;
}
