/* Communicators: making, comparing, naming, hints, intercommunicators, on 4 ranks. Prints "ok", or what differs.
 *
 * Whatever is made is used once: a sum over the members' world ranks.
 */
#include "check.h"

/* The sum over the world ranks of a communicator's (remote) members. */
static int sum_over(MPI_Comm comm) {
    int sum = -1;
    MPI_Allreduce(&check_rank, &sum, 1, MPI_INT, MPI_SUM, comm);
    return sum;
}

static int comparison(MPI_Comm one, MPI_Comm other) {
    int result = -1;
    MPI_Comm_compare(one, other, &result);
    return result;
}

static void dup(void) {
    MPI_Comm comm;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    CHECK_INT(comparison(comm, MPI_COMM_WORLD), MPI_CONGRUENT);
    CHECK_INT(comparison(comm, comm), MPI_IDENT);
    CHECK_INT(sum_over(comm), 6);
    MPI_Comm_free(&comm);
    CHECK(comm == MPI_COMM_NULL);
}

/* Two duplications under way at once, completed in the other order. */
static void idup(void) {
    MPI_Comm comms[2];
    MPI_Request requests[2];
    MPI_Comm_idup(MPI_COMM_WORLD, &comms[0], &requests[0]);
    MPI_Comm_idup(MPI_COMM_WORLD, &comms[1], &requests[1]);
    MPI_Wait(&requests[1], MPI_STATUS_IGNORE);
    MPI_Wait(&requests[0], MPI_STATUS_IGNORE);
    CHECK(requests[0] == MPI_REQUEST_NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(comparison(comms[i], MPI_COMM_WORLD), MPI_CONGRUENT);
        CHECK_INT(sum_over(comms[i]), 6);
    }
    /* A message on one is not seen on the other. */
    int right = (check_rank + 1) % 4, left = (check_rank + 3) % 4, first = 10 + check_rank, second = 20 + check_rank, got;
    MPI_Request sent[2];
    MPI_Isend(&first, 1, MPI_INT, right, 0, comms[0], &sent[0]);
    MPI_Isend(&second, 1, MPI_INT, right, 0, comms[1], &sent[1]);
    MPI_Recv(&got, 1, MPI_INT, left, 0, comms[1], MPI_STATUS_IGNORE);
    CHECK_INT(got, 20 + left);
    MPI_Recv(&got, 1, MPI_INT, left, 0, comms[0], MPI_STATUS_IGNORE);
    CHECK_INT(got, 10 + left);
    MPI_Wait(&sent[0], MPI_STATUS_IGNORE);
    MPI_Wait(&sent[1], MPI_STATUS_IGNORE);
    MPI_Comm_free(&comms[0]);
    MPI_Comm_free(&comms[1]);
}

static void split(void) {
    MPI_Comm comm;
    MPI_Comm_split(MPI_COMM_WORLD, check_rank % 2, -check_rank, &comm);
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    CHECK_INT(size, 2);
    CHECK_INT(rank, check_rank < 2);
    CHECK_INT(sum_over(comm), check_rank % 2 ? 4 : 2);
    MPI_Comm_free(&comm);

    MPI_Comm_split(MPI_COMM_WORLD, check_rank == 1 ? MPI_UNDEFINED : 0, 0, &comm);
    CHECK((comm == MPI_COMM_NULL) == (check_rank == 1));
    if (comm != MPI_COMM_NULL) {
        CHECK_INT(sum_over(comm), 5);
        MPI_Comm_free(&comm);
    }

    /* The ranks of this test share one machine. */
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 3 - check_rank, MPI_INFO_NULL, &comm);
    MPI_Comm_rank(comm, &rank);
    CHECK_INT(rank, 3 - check_rank);
    CHECK_INT(sum_over(comm), 6);
    MPI_Comm_free(&comm);
    MPI_Comm_split_type(MPI_COMM_WORLD, check_rank ? MPI_COMM_TYPE_SHARED : MPI_UNDEFINED, 0, MPI_INFO_NULL, &comm);
    CHECK((comm == MPI_COMM_NULL) == (check_rank == 0));
    if (comm != MPI_COMM_NULL) MPI_Comm_free(&comm);
}

static void create(void) {
    MPI_Group world, turned, mine;
    MPI_Comm comm;
    int rank;
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_incl(world, 3, (int[]){3, 1, 0}, &turned);
    MPI_Comm_create(MPI_COMM_WORLD, turned, &comm);
    CHECK((comm == MPI_COMM_NULL) == (check_rank == 2));
    if (comm != MPI_COMM_NULL) {
        MPI_Comm_rank(comm, &rank);
        CHECK_INT(rank, ((int[]){2, 1, -1, 0}[check_rank]));
        CHECK_INT(sum_over(comm), 4);
        MPI_Comm_free(&comm);
    }
    /* Only the members call; the same group twice, with two tags. */
    if (check_rank != 2) {
        for (int tag = 5; tag < 7; tag++) {
            MPI_Comm_create_group(MPI_COMM_WORLD, turned, tag, &comm);
            MPI_Comm_rank(comm, &rank);
            CHECK_INT(rank, ((int[]){2, 1, -1, 0}[check_rank]));
            CHECK_INT(sum_over(comm), 4);
            MPI_Comm_free(&comm);
        }
    }
    /* Two disjoint groups at once. */
    int ranges[1][3] = {{check_rank / 2 * 2, check_rank / 2 * 2 + 1, 1}};
    MPI_Group_range_incl(world, 1, ranges, &mine);
    MPI_Comm_create_group(MPI_COMM_WORLD, mine, 0, &comm);
    CHECK_INT(sum_over(comm), check_rank / 2 * 4 + 1);
    MPI_Comm_free(&comm);
    MPI_Comm_create(MPI_COMM_WORLD, mine, &comm);
    CHECK_INT(sum_over(comm), check_rank / 2 * 4 + 1);
    MPI_Comm_free(&comm);
    MPI_Group_free(&mine);
    MPI_Group_free(&turned);
    MPI_Group_free(&world);
}

/* All on one machine, in reverse order, but for rank 3; of a side alone there is none. */
static void split_types(MPI_Comm inter) {
    MPI_Comm part;
    int rank = -1;
    MPI_Comm_split_type(inter, check_rank == 3 ? MPI_UNDEFINED : MPI_COMM_TYPE_SHARED, -check_rank, MPI_INFO_NULL, &part);
    CHECK_INT(part == MPI_COMM_NULL, check_rank == 3);
    if (part != MPI_COMM_NULL) {
        MPI_Comm_rank(part, &rank);
        CHECK_INT(rank, check_rank == 0);
        CHECK_INT(sum_over(part), check_rank < 2 ? 2 : 1);
        MPI_Comm_free(&part);
    }
    MPI_Comm_split_type(inter, check_rank < 2 ? MPI_COMM_TYPE_SHARED : MPI_UNDEFINED, 0, MPI_INFO_NULL, &part);
    CHECK(part == MPI_COMM_NULL);
}

/* Ranks 0 and 1 on one side, 2 and 3 on the other; each side's last rank leads, and the leaders talk over a duplicate of
 * the world. */
static void intercommunicators(void) {
    MPI_Comm side, peers, inter, merged, again, part;
    int low = check_rank < 2, flag = -1, size = -1, rank = -1, got = -1;
    MPI_Comm_split(MPI_COMM_WORLD, low, 0, &side);
    MPI_Comm_dup(MPI_COMM_WORLD, &peers);
    MPI_Intercomm_create(side, 1, peers, low ? 3 : 1, 17, &inter);
    MPI_Comm_test_inter(inter, &flag);
    CHECK(flag);
    MPI_Comm_test_inter(side, &flag);
    CHECK(!flag);
    MPI_Comm_size(inter, &size);
    CHECK_INT(size, 2);
    MPI_Comm_remote_size(inter, &size);
    CHECK_INT(size, 2);
    MPI_Comm_rank(inter, &rank);
    CHECK_INT(rank, check_rank % 2);
    MPI_Group remote, world;
    MPI_Comm_remote_group(inter, &remote);
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_translate_ranks(remote, 1, &(int){0}, world, &got);
    CHECK_INT(got, low ? 2 : 0);
    MPI_Group_free(&remote);
    MPI_Group_free(&world);
    CHECK_INT(sum_over(inter), low ? 5 : 1);
    MPI_Sendrecv(&check_rank, 1, MPI_INT, 1 - rank, 1, &got, 1, MPI_INT, 1 - rank, 1, inter, MPI_STATUS_IGNORE);
    CHECK_INT(got, 3 - check_rank);
    /* To rank 0 from the other side; the root has nothing to send, and some libraries refuse a null buffer there. */
    if (check_under_mana()) {
        got = -1;
        MPI_Reduce(low ? NULL : &check_rank, &got, 1, MPI_INT, MPI_SUM, low ? (rank == 0 ? MPI_ROOT : MPI_PROC_NULL) : 0,
                   inter);
        if (check_rank == 0) CHECK_INT(got, 5);
    }

    MPI_Intercomm_merge(inter, low, &merged);
    MPI_Comm_rank(merged, &rank);
    CHECK_INT(rank, (check_rank + 2) % 4);
    CHECK_INT(sum_over(merged), 6);
    MPI_Comm_dup(inter, &again);
    CHECK_INT(comparison(again, inter), MPI_CONGRUENT);
    CHECK_INT(comparison(again, merged), MPI_UNEQUAL);
    /* Ranks 0 and 2, ranks 1 and 3. */
    MPI_Comm_split(inter, check_rank % 2, 0, &part);
    CHECK_INT(sum_over(part), (check_rank + 2) % 4);
    MPI_Comm_free(&part);
    /* Open MPI's own crashes before 5.0. */
    if (check_under_mana()) split_types(inter);
    MPI_Comm_free(&again);
    MPI_Comm_free(&merged);
    MPI_Comm_free(&inter);
    /* One rank on each side, from MPI_COMM_SELF; the other two do something else. */
    if (check_rank == 0 || check_rank == 3) {
        MPI_Intercomm_create(MPI_COMM_SELF, 0, peers, 3 - check_rank, 18, &inter);
        CHECK_INT(sum_over(inter), 3 - check_rank);
        MPI_Comm_free(&inter);
    }
    MPI_Comm_free(&peers);
    MPI_Comm_free(&side);
}

static void names(void) {
    char name[MPI_MAX_OBJECT_NAME];
    int length = -1;
    MPI_Comm comm;
    MPI_Comm_get_name(MPI_COMM_WORLD, name, &length);
    CHECK(strcmp(name, "MPI_COMM_WORLD") == 0 && length == 14);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_get_name(comm, name, &length);
    CHECK(name[0] == '\0' && length == 0);
    MPI_Comm_set_name(comm, "the second world");
    MPI_Comm_get_name(comm, name, &length);
    CHECK(strcmp(name, "the second world") == 0 && length == 16);
    MPI_Comm_free(&comm);
}

static void hints(void) {
    MPI_Info info, used;
    MPI_Comm comm, again;
    MPI_Request request;
    MPI_Info_create(&info);
    MPI_Info_set(info, "mpi_assert_no_any_tag", "false");
    MPI_Comm_dup_with_info(MPI_COMM_WORLD, info, &comm);
    CHECK_INT(sum_over(comm), 6);
    MPI_Comm_set_info(comm, info);
    MPI_Comm_get_info(comm, &used);
    CHECK(used != MPI_INFO_NULL);
    MPI_Info_free(&used);
    if (check_under_mana()) {
        /* Hints that are not known are not in use; those with a default are, given or not. */
        char text[MPI_MAX_INFO_VAL];
        int flag;
        MPI_Info_set(info, "mpi_assert_no_any_tag", "true");
        MPI_Info_set(info, "a hint of somebody else", "true");
        MPI_Info_set(info, "mpi_assert_exact_length", "perhaps");
        MPI_Comm_set_info(comm, info);
        MPI_Comm_get_info(comm, &used);
        MPI_Info_get(used, "mpi_assert_no_any_tag", sizeof text - 1, text, &flag);
        CHECK(flag && strcmp(text, "true") == 0);
        MPI_Info_get(used, "mpi_assert_exact_length", sizeof text - 1, text, &flag);
        CHECK(flag && strcmp(text, "false") == 0);
        MPI_Info_get(used, "a hint of somebody else", sizeof text - 1, text, &flag);
        CHECK(!flag);
        MPI_Info_free(&used);
    }
    MPI_Info_free(&info);
    MPI_Comm_idup(comm, &again, &request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    CHECK_INT(sum_over(again), 6);
    MPI_Comm_free(&again);
    MPI_Comm_free(&comm);
}

static void errors(void) {
    MPI_Comm comm;
    MPI_Group group;
    int value;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    CHECK_ERROR(MPI_Comm_size(MPI_COMM_NULL, &value), MPI_ERR_COMM);
    if (!check_under_mana()) return;
    CHECK_ERROR(MPI_Comm_remote_size(MPI_COMM_WORLD, &value), MPI_ERR_COMM);
    CHECK_ERROR(MPI_Intercomm_create(MPI_COMM_WORLD, 9, MPI_COMM_WORLD, 0, 1, &comm), MPI_ERR_RANK);
    /* Made with an error handler, it is inherited. */
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    CHECK_ERROR(MPI_Comm_remote_group(comm, &group), MPI_ERR_COMM);
    MPI_Comm_free(&comm);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 4);
    dup();
    idup();
    split();
    create();
    intercommunicators();
    names();
    hints();
    errors();
    return check_end();
}
