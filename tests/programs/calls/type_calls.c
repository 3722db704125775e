/* Derived datatypes: every constructor, what its type says of itself, and a message sent with it.
 *
 *      rank 0   buffer of 64 ints --type--> message --type--> buffer of rank 1, where exactly the type's ints changed
 *
 * Prints "ok" or, line by line, what differs. Usage: type_calls (2 ranks)
 */
#include "check.h"

enum { INTS = 64 };

/* Sends one `type` from rank 0 to rank 1; exactly the `count` ints at `places` must arrive. */
static void exchange(int line, MPI_Datatype type, int count, const int places[]) {
    int buffer[INTS];
    for (int i = 0; i < INTS; i++) buffer[i] = check_rank == 0 ? 1000 + i : -1;
    if (check_rank == 0) MPI_Send(buffer, 1, type, 1, line, MPI_COMM_WORLD);
    if (check_rank != 1) return;
    MPI_Status status;
    MPI_Recv(buffer, 1, type, 0, line, MPI_COMM_WORLD, &status);
    int elements = -1, whole = -1, wrong = 0;
    MPI_Get_elements(&status, type, &elements);
    MPI_Get_count(&status, type, &whole);
    for (int i = 0; i < INTS; i++) {
        int expected = -1;
        for (int k = 0; k < count; k++)
            if (places[k] == i) expected = 1000 + i;
        wrong += buffer[i] != expected;
    }
    if (wrong || elements != count || whole != 1) {
        printf("type of line %d: %d wrong ints, %d elements of %d, count %d\n", line, wrong, elements, count, whole);
        check_failures++;
    }
}

/* Commits, checks size and bounds (in ints) and envelope, exchanges, frees. */
static void examine(int line, MPI_Datatype type, int combiner, const int envelope[3], int lb, int extent, int count,
                    const int places[]) {
    int size, integers, addresses, types, made_by;
    MPI_Aint got_lb, got_extent;
    MPI_Type_commit(&type);
    MPI_Type_size(type, &size);
    MPI_Type_get_extent(type, &got_lb, &got_extent);
    MPI_Type_get_envelope(type, &integers, &addresses, &types, &made_by);
    int bytes = (int)sizeof(int);
    if (size != count * bytes || got_lb != lb * bytes || got_extent != extent * bytes) {
        printf("type of line %d: size %d, lb %ld, extent %ld\n", line, size, (long)got_lb, (long)got_extent);
        check_failures++;
    }
    if (made_by != combiner || integers != envelope[0] || addresses != envelope[1] || types != envelope[2]) {
        printf("type of line %d: combiner %d, envelope %d %d %d\n", line, made_by, integers, addresses, types);
        check_failures++;
    }
    exchange(line, type, count, places);
    MPI_Type_free(&type);
    CHECK(type == MPI_DATATYPE_NULL);
}

#define EXAMINE(type, combiner, integers, addresses, types, lb, extent, ...)                                           \
    examine(__LINE__, type, combiner, (int[]){integers, addresses, types}, lb, extent,                                 \
            (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (int[]){__VA_ARGS__})

static void constructors(void) {
    const int lengths[] = {2, 1, 1}, at[] = {0, 5, 3}, blocks[] = {1, 7, 4};
    const MPI_Aint at_bytes[] = {0, 20, 12}, blocks_bytes[] = {4, 28, 16};
    MPI_Datatype type, part;

    MPI_Type_contiguous(3, MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_CONTIGUOUS, 1, 0, 1, 0, 3, 0, 1, 2);
    MPI_Type_vector(3, 2, 4, MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_VECTOR, 3, 0, 1, 0, 10, 0, 1, 4, 5, 8, 9);
    MPI_Type_create_hvector(2, 1, 12, MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_HVECTOR, 2, 1, 1, 0, 4, 0, 3);
    MPI_Type_indexed(3, lengths, at, MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_INDEXED, 7, 0, 1, 0, 6, 0, 1, 5, 3);
    MPI_Type_create_hindexed(3, lengths, at_bytes, MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_HINDEXED, 4, 3, 1, 0, 6, 0, 1, 5, 3);
    MPI_Type_create_indexed_block(3, 2, blocks, MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_INDEXED_BLOCK, 5, 0, 1, 1, 8, 1, 2, 7, 8, 4, 5);
    MPI_Type_create_hindexed_block(3, 1, blocks_bytes, MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_HINDEXED_BLOCK, 2, 3, 1, 1, 7, 1, 7, 4);
    MPI_Type_create_subarray(2, (int[]){4, 6}, (int[]){2, 3}, (int[]){1, 2}, MPI_ORDER_C, MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_SUBARRAY, 8, 0, 1, 0, 24, 8, 9, 10, 14, 15, 16);
    MPI_Type_create_subarray(2, (int[]){4, 6}, (int[]){2, 3}, (int[]){1, 2}, MPI_ORDER_FORTRAN, MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_SUBARRAY, 8, 0, 1, 0, 24, 9, 10, 13, 14, 17, 18);
    MPI_Type_create_resized(MPI_INT, -4, 12, &type);
    EXAMINE(type, MPI_COMBINER_RESIZED, 0, 2, 1, -1, 3, 0);
    MPI_Type_dup(MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_DUP, 0, 0, 1, 0, 1, 0);

    /* A part that is freed before the whole is used; padding up to the strictest alignment. */
    MPI_Type_vector(2, 1, 2, MPI_INT, &part);
    MPI_Type_create_struct(2, (int[]){1, 2}, (MPI_Aint[]){8, 40}, (MPI_Datatype[]){part, MPI_INT}, &type);
    MPI_Type_free(&part);
    EXAMINE(type, MPI_COMBINER_STRUCT, 3, 2, 2, 2, 10, 2, 4, 10, 11);
}

static void distributed_arrays(void) {
    int gsizes[] = {4, 6}, distribs[] = {MPI_DISTRIBUTE_BLOCK, MPI_DISTRIBUTE_CYCLIC};
    int dargs[] = {MPI_DISTRIBUTE_DFLT_DARG, 2}, psizes[] = {2, 1};
    MPI_Datatype type;
    MPI_Type_create_darray(2, 1, 2, gsizes, distribs, dargs, psizes, MPI_ORDER_C, MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_DARRAY, 12, 0, 1, 0, 24, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23);
    MPI_Type_create_darray(2, 0, 1, (int[]){7}, distribs + 1, dargs + 1, (int[]){2}, MPI_ORDER_FORTRAN, MPI_INT, &type);
    EXAMINE(type, MPI_COMBINER_DARRAY, 8, 0, 1, 0, 7, 0, 1, 4, 5);
}

static void contents(void) {
    int integers[8], made_by, n[3];
    MPI_Aint addresses[8];
    MPI_Datatype types[2], part, type, again;
    MPI_Type_contiguous(2, MPI_INT, &part);
    MPI_Type_create_struct(2, (int[]){3, 1}, (MPI_Aint[]){0, 32}, (MPI_Datatype[]){part, MPI_DOUBLE}, &type);
    MPI_Type_free(&part);
    MPI_Type_get_contents(type, 3, 2, 2, integers, addresses, types);
    CHECK(integers[0] == 2 && integers[1] == 3 && integers[2] == 1);
    CHECK(addresses[0] == 0 && addresses[1] == 32);
    CHECK(types[1] == MPI_DOUBLE);
    MPI_Type_get_envelope(types[0], &n[0], &n[1], &n[2], &made_by);
    CHECK(made_by == MPI_COMBINER_CONTIGUOUS && n[0] == 1 && n[1] == 0 && n[2] == 1);
    MPI_Type_get_contents(types[0], 1, 0, 1, integers, addresses, &again);
    CHECK(integers[0] == 2 && again == MPI_INT);
    MPI_Type_free(&types[0]);
    MPI_Type_free(&type);
    MPI_Type_get_envelope(MPI_INT, &n[0], &n[1], &n[2], &made_by);
    CHECK(made_by == MPI_COMBINER_NAMED && n[0] == 0 && n[1] == 0 && n[2] == 0);
}

static void bounds_and_names(void) {
    MPI_Datatype type;
    MPI_Aint lb, extent;
    MPI_Count lb_x, extent_x, size_x;
    char name[MPI_MAX_OBJECT_NAME];
    int len;
    MPI_Type_create_resized(MPI_INT, -4, 40, &type);
    MPI_Type_get_true_extent(type, &lb, &extent);
    CHECK(lb == 0 && extent == 4);
    MPI_Type_get_extent_x(type, &lb_x, &extent_x);
    CHECK(lb_x == -4 && extent_x == 40);
    MPI_Type_get_true_extent_x(type, &lb_x, &extent_x);
    CHECK(lb_x == 0 && extent_x == 4);
    MPI_Type_size_x(type, &size_x);
    CHECK(size_x == 4);
    MPI_Type_get_name(type, name, &len);
    CHECK(len == 0 && name[0] == '\0');
    MPI_Type_set_name(type, "wide int");
    MPI_Type_get_name(type, name, &len);
    CHECK(len == 8 && strcmp(name, "wide int") == 0);
    MPI_Type_get_name(MPI_LONG_LONG, name, &len);
    if (check_under_mana()) CHECK(strcmp(name, "MPI_LONG_LONG_INT") == 0);
    MPI_Type_get_name(MPI_DOUBLE, name, &len);
    CHECK(strcmp(name, "MPI_DOUBLE") == 0);
    MPI_Type_free(&type);
}

static void fortran_types(void) {
    MPI_Datatype type, again;
    int size, made_by, n[3], arguments[2];
    if (MPI_Type_create_f90_real(15, MPI_UNDEFINED, &type) == MPI_SUCCESS) {
        MPI_Type_size(type, &size);
        CHECK(size == 8);
        MPI_Type_create_f90_real(15, MPI_UNDEFINED, &again);
        CHECK(type == again);
        MPI_Type_get_envelope(type, &n[0], &n[1], &n[2], &made_by);
        CHECK(made_by == MPI_COMBINER_F90_REAL && n[0] == 2 && n[1] == 0 && n[2] == 0);
        MPI_Type_get_contents(type, 2, 0, 0, arguments, NULL, NULL);
        CHECK(arguments[0] == 15 && arguments[1] == MPI_UNDEFINED);
        double sum = -1, mine = check_rank + 1.5;
        MPI_Allreduce(&mine, &sum, 1, type, MPI_SUM, MPI_COMM_WORLD);
        CHECK(sum == 4);
    }
    if (MPI_Type_match_size(MPI_TYPECLASS_INTEGER, 8, &type) == MPI_SUCCESS) {
        MPI_Type_size(type, &size);
        CHECK(size == 8);
    }
}

static void statuses(void) {
    MPI_Status status;
    MPI_Datatype pair;
    int n, flag;
    MPI_Count n_x;
    memset(&status, 0, sizeof status);
    MPI_Type_create_struct(2, (int[]){1, 1}, (MPI_Aint[]){0, 8}, (MPI_Datatype[]){MPI_DOUBLE, MPI_INT}, &pair);
    MPI_Type_commit(&pair);
    MPI_Status_set_elements(&status, MPI_INT, 5);
    MPI_Get_elements(&status, pair, &n);
    CHECK(n == 3);
    MPI_Get_count(&status, MPI_BYTE, &n);
    CHECK(n == 20);
    if (!check_under_mana()) { /* MPICH takes the size of the whole type for that of an element */
        MPI_Type_free(&pair);
        return;
    }
    MPI_Status_set_elements(&status, pair, 3);
    MPI_Get_elements(&status, pair, &n);
    CHECK(n == 3);
    MPI_Get_count(&status, pair, &n);
    CHECK(n == MPI_UNDEFINED);
    MPI_Get_count(&status, MPI_BYTE, &n);
    CHECK(n == 20);
    MPI_Status_set_elements_x(&status, pair, 4);
    MPI_Get_elements_x(&status, pair, &n_x);
    CHECK(n_x == 4);
    MPI_Get_count(&status, pair, &n);
    CHECK(n == 2);
    MPI_Status_set_cancelled(&status, 1);
    MPI_Test_cancelled(&status, &flag);
    CHECK(flag);
    MPI_Status_set_cancelled(&status, 0);
    MPI_Test_cancelled(&status, &flag);
    CHECK(!flag);
    MPI_Type_free(&pair);
}

/* A type freed while a receive is pending with it. */
static void freed_while_pending(void) {
    int buffer[8] = {0}, out[2] = {7, 8};
    MPI_Datatype type;
    MPI_Request request;
    MPI_Type_vector(2, 1, 4, MPI_INT, &type);
    MPI_Type_commit(&type);
    MPI_Irecv(buffer, 1, type, 1 - check_rank, 0, MPI_COMM_WORLD, &request);
    MPI_Type_free(&type);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Send(out, 2, MPI_INT, 1 - check_rank, 0, MPI_COMM_WORLD);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    CHECK(buffer[0] == 7 && buffer[4] == 8 && buffer[1] == 0);
}

static void errors(void) {
    MPI_Datatype type = MPI_INT, made;
    int n[4];
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    CHECK_ERROR(MPI_Type_free(&type), MPI_ERR_TYPE);
    CHECK(type == MPI_INT);
    CHECK_ERROR(MPI_Type_contiguous(1, MPI_DATATYPE_NULL, &made), MPI_ERR_TYPE);
    CHECK(MPI_Type_contiguous(-1, MPI_INT, &made) != MPI_SUCCESS);
    CHECK_ERROR(MPI_Type_get_envelope(MPI_DATATYPE_NULL, &n[0], &n[1], &n[2], &n[3]), MPI_ERR_TYPE);
    if (!check_under_mana()) return;
    CHECK_ERROR(MPI_Type_contiguous(-1, MPI_INT, &made), MPI_ERR_COUNT);
    CHECK(MPI_Type_create_subarray(1, (int[]){4}, (int[]){3}, (int[]){2}, MPI_ORDER_C, MPI_INT, &made) != MPI_SUCCESS);
    CHECK_ERROR(MPI_Send(n, 1, MPI_DATATYPE_NULL, MPI_PROC_NULL, 0, MPI_COMM_WORLD), MPI_ERR_TYPE);
}

#if MPI_VERSION >= 4
static void large(void) {
    MPI_Datatype type;
    MPI_Count n[4], counts[8], size, lb, extent;
    int made_by, integers[8];
    MPI_Aint addresses[8];
    MPI_Datatype types[2];
    MPI_Type_vector_c(2, 1, (MPI_Count)1 << 31, MPI_BYTE, &type);
    MPI_Type_get_envelope_c(type, &n[0], &n[1], &n[2], &n[3], &made_by);
    CHECK(made_by == MPI_COMBINER_VECTOR && n[0] == 0 && n[1] == 0 && n[2] == 3 && n[3] == 1);
    MPI_Type_get_contents_c(type, 0, 0, 3, 1, integers, addresses, counts, types);
    CHECK(counts[0] == 2 && counts[1] == 1 && counts[2] == (MPI_Count)1 << 31 && types[0] == MPI_BYTE);
    MPI_Type_size_c(type, &size);
    MPI_Type_get_extent_c(type, &lb, &extent);
    CHECK(size == 2 && lb == 0 && extent == ((MPI_Count)1 << 31) + 1);
    MPI_Type_free(&type);
    MPI_Type_contiguous_c(((MPI_Count)1 << 31) + 7, MPI_SHORT, &type);
    MPI_Type_commit(&type);
    MPI_Type_get_envelope_c(type, &n[0], &n[1], &n[2], &n[3], &made_by);
    CHECK(made_by == MPI_COMBINER_CONTIGUOUS && n[2] == 1 && n[3] == 1);
    MPI_Type_size_c(type, &size);
    CHECK(size == ((MPI_Count)1 << 32) + 14);
    MPI_Type_free(&type);
}
#endif

#ifdef MPI_REAL2
/* Types that many libraries lack: they travel, and are parts of other types. */
static void rare_types(void) {
    MPI_Datatype rare[] = {MPI_REAL2, MPI_COMPLEX4, MPI_INTEGER16, MPI_LOGICAL16}, pair, found;
    char name[MPI_MAX_OBJECT_NAME];
    int length, i;
    for (i = 0; i < 4; i++) {
        char sent[40], got[40];
        int size;
        memset(sent, 'a' + check_rank, sizeof sent);
        memset(got, 0, sizeof got);
        MPI_Type_size(rare[i], &size);
        MPI_Type_contiguous(2, rare[i], &pair);
        MPI_Type_commit(&pair);
        MPI_Sendrecv(sent, 1, pair, 1 - check_rank, 0, got, 2, rare[i], 1 - check_rank, 0, MPI_COMM_WORLD,
                     MPI_STATUS_IGNORE);
        CHECK(got[0] == 'b' - check_rank && got[2 * size - 1] == 'b' - check_rank && got[2 * size] == 0);
        MPI_Type_free(&pair);
    }
    MPI_Type_get_name(MPI_DATATYPE_NULL, name, &length);
    CHECK(strcmp(name, "MPI_DATATYPE_NULL") == 0);
    CHECK_ERROR(MPI_Type_get_value_index(MPI_DATATYPE_NULL, MPI_INT, &found), MPI_ERR_TYPE);
    CHECK_ERROR(MPI_Type_get_value_index(MPI_INT, MPI_DATATYPE_NULL, &found), MPI_ERR_TYPE);
}
#endif

#ifdef MANA_MPI_H
/* Names that MPI-3 removed mean what replaced them. */
static void removed_names(void) {
    MPI_Aint lb, ub, extent, at, displacements[2] = {4, 12};
    MPI_Datatype type, old[2] = {MPI_INT, MPI_DOUBLE};
    MPI_Errhandler handler;
    int lengths[2] = {1, 1}, here;
    MPI_Type_struct(2, lengths, displacements, old, &type);
    MPI_Type_lb(type, &lb);
    MPI_Type_ub(type, &ub);
    MPI_Type_extent(type, &extent);
    CHECK_INT((int)lb, 4);
    CHECK_INT((int)(ub - lb), (int)extent);
    CHECK(ub >= 20);
    MPI_Type_free(&type);
    MPI_Type_hvector(2, 1, 12, MPI_INT, &type);
    MPI_Type_extent(type, &extent);
    CHECK_INT((int)extent, 16);
    MPI_Type_free(&type);
    MPI_Type_hindexed(2, lengths, displacements, MPI_INT, &type);
    MPI_Type_lb(type, &lb);
    CHECK_INT((int)lb, 4);
    MPI_Type_free(&type);
    MPI_Address(&here, &at);
    CHECK(at == (MPI_Aint)&here);
    MPI_Errhandler_get(MPI_COMM_WORLD, &handler);
    MPI_Errhandler_set(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    CHECK_ERROR(MPI_Type_extent(MPI_INT, NULL), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Type_ub(MPI_INT, NULL), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Type_lb(MPI_INT, NULL), MPI_ERR_ARG);
    MPI_Errhandler_set(MPI_COMM_WORLD, handler);
}

/* MPI_LB and MPI_UB, which MPI-3 removed, set a struct's bounds, and those of what is made of it (MPI-2.2 section 4.1.7). */
static void removed_bounds(void) {
    MPI_Datatype old[3] = {MPI_LB, MPI_INT, MPI_UB}, only_lb = MPI_LB, type, row, read[3];
    MPI_Aint displacements[3] = {-4, 0, 12}, at = 10, lb, ub, extent, addresses[3];
    int lengths[3] = {1, 1, 1}, size, integers[4], values[8], got[2] = {0, 0}, length, one = 1;
    char name[MPI_MAX_OBJECT_NAME];
    MPI_Status status;
    MPI_Type_struct(3, lengths, displacements, old, &type);
    MPI_Type_contiguous(2, type, &row);
    MPI_Type_commit(&row);
    MPI_Type_lb(row, &lb);
    MPI_Type_ub(row, &ub);
    MPI_Type_size(row, &size);
    CHECK_INT((int)lb, -4);
    CHECK_INT((int)ub, 28);
    CHECK_INT(size, 8);
    for (int i = 0; i < 8; i++) values[i] = i;
    /* Elements are 16 bytes apart. */
    MPI_Sendrecv(values, 1, row, check_rank, 7, got, 2, MPI_INT, check_rank, 7, MPI_COMM_WORLD, &status);
    CHECK_INT(got[0], 0);
    CHECK_INT(got[1], 4);
    MPI_Type_get_contents(type, 4, 3, 3, integers, addresses, read);
    CHECK(read[0] == MPI_LB && read[2] == MPI_UB);
    MPI_Type_free(&row);
    MPI_Type_free(&type);
    MPI_Type_get_name(MPI_UB, name, &length);
    CHECK(strcmp(name, "MPI_UB") == 0);
    /* Without an upper bound it ends where its data does; there is none. */
    MPI_Type_struct(1, &one, &at, &only_lb, &type);
    MPI_Type_extent(type, &extent);
    CHECK_INT((int)extent, -10);
    MPI_Type_free(&type);
}
#endif

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    constructors();
    distributed_arrays();
    contents();
    bounds_and_names();
    statuses();
    freed_while_pending();
    errors();
    fortran_types();
#ifdef MANA_MPI_H
    removed_names();
    removed_bounds();
#endif
    if (check_under_mana()) {
#ifdef MPI_REAL2
        rare_types();
#endif
    }
#if MPI_VERSION >= 4
    large();
#endif
    return check_end();
}
