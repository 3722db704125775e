/* Groups: every MPI_Group_* of MPI-3, on 4 ranks. Prints "ok", or what differs. */
#include "check.h"

/* The group must have these members, named by their ranks in MPI_COMM_WORLD. */
static void check_members(MPI_Group group, int size, const int *wanted, int line) {
    MPI_Group world;
    int got_size, ranks[8], members[8];
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_size(group, &got_size);
    check_int(got_size, size, "the group's size", __FILE__, line);
    for (int i = 0; i < got_size && i < 8; i++) ranks[i] = i;
    MPI_Group_translate_ranks(group, got_size, ranks, world, members);
    for (int i = 0; i < got_size && i < size; i++) check_int(members[i], wanted[i], "a member", __FILE__, line);
    MPI_Group_free(&world);
}

#define MEMBERS(group, ...)                                                                                           \
    check_members(group, (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (int[]){__VA_ARGS__}, __LINE__)

static void selection(MPI_Group world) {
    MPI_Group group;
    MPI_Group_incl(world, 3, (int[]){3, 0, 2}, &group);
    MEMBERS(group, 3, 0, 2);
    int rank;
    MPI_Group_rank(group, &rank);
    CHECK_INT(rank, ((int[]){1, MPI_UNDEFINED, 2, 0}[check_rank]));
    MPI_Group_free(&group);
    CHECK(group == MPI_GROUP_NULL);

    MPI_Group_excl(world, 2, (int[]){2, 0}, &group);
    MEMBERS(group, 1, 3);
    MPI_Group_free(&group);

    int ranges[2][3] = {{3, 2, -1}, {0, 1, 1}};
    MPI_Group_range_incl(world, 2, ranges, &group);
    MEMBERS(group, 3, 2, 0, 1);
    MPI_Group_free(&group);
    int odd[1][3] = {{1, 3, 2}};
    MPI_Group_range_excl(world, 1, odd, &group);
    MEMBERS(group, 0, 2);
    MPI_Group_free(&group);
}

static void algebra(MPI_Group world) {
    MPI_Group low, middle, group;
    MPI_Group_incl(world, 2, (int[]){1, 0}, &low);
    MPI_Group_incl(world, 2, (int[]){1, 2}, &middle);
    MPI_Group_union(low, middle, &group);
    MEMBERS(group, 1, 0, 2);
    MPI_Group_free(&group);
    MPI_Group_intersection(world, low, &group);
    MEMBERS(group, 0, 1);
    MPI_Group_free(&group);
    MPI_Group_difference(world, low, &group);
    MEMBERS(group, 2, 3);

    int ranks[2];
    MPI_Group_translate_ranks(low, 2, (int[]){0, 1}, middle, ranks);
    CHECK_INT(ranks[0], 0);
    CHECK_INT(ranks[1], MPI_UNDEFINED);
    MPI_Group_translate_ranks(low, 1, (int[]){MPI_PROC_NULL}, middle, ranks);
    CHECK_INT(ranks[0], MPI_PROC_NULL);
    MPI_Group_free(&group);
    MPI_Group_free(&low);
    MPI_Group_free(&middle);
}

static void comparison(MPI_Group world) {
    MPI_Group same, turned, less;
    int result;
    MPI_Group_incl(world, 4, (int[]){0, 1, 2, 3}, &same);
    MPI_Group_incl(world, 4, (int[]){3, 2, 1, 0}, &turned);
    MPI_Group_incl(world, 3, (int[]){0, 1, 2}, &less);
    MPI_Group_compare(world, same, &result);
    CHECK_INT(result, MPI_IDENT);
    MPI_Group_compare(world, turned, &result);
    CHECK_INT(result, MPI_SIMILAR);
    MPI_Group_compare(world, less, &result);
    CHECK_INT(result, MPI_UNEQUAL);
    MPI_Group_free(&same);
    MPI_Group_free(&turned);
    MPI_Group_free(&less);
}

static void emptiness(MPI_Group world) {
    MPI_Group group;
    int result, size = -1, rank = -1;
    MPI_Group_size(MPI_GROUP_EMPTY, &size);
    CHECK_INT(size, 0);
    MPI_Group_rank(MPI_GROUP_EMPTY, &rank);
    CHECK_INT(rank, MPI_UNDEFINED);
    MPI_Group_incl(world, 0, NULL, &group);
    MPI_Group_compare(group, MPI_GROUP_EMPTY, &result);
    CHECK_INT(result, MPI_IDENT);
    MPI_Group_difference(world, world, &group);
    MPI_Group_compare(group, MPI_GROUP_EMPTY, &result);
    CHECK_INT(result, MPI_IDENT);
    MPI_Group_excl(world, 0, NULL, &group);
    MPI_Group_compare(group, world, &result);
    CHECK_INT(result, MPI_IDENT);
    MPI_Group_free(&group);
}

/* Errors of groups are raised on MPI_COMM_SELF (MPI 4) or MPI_COMM_WORLD (before). */
static void errors(MPI_Group world) {
    MPI_Group group;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    CHECK_ERROR(MPI_Group_incl(world, 1, (int[]){4}, &group), MPI_ERR_RANK);
    CHECK_ERROR(MPI_Group_size(MPI_GROUP_NULL, &(int){0}), MPI_ERR_GROUP);
    if (!check_under_mana()) return;
    CHECK_ERROR(MPI_Group_incl(world, 2, (int[]){1, 1}, &group), MPI_ERR_RANK);
    if (check_under_mana()) CHECK_ERROR(MPI_Group_translate_ranks(world, 1, (int[]){0}, world, NULL), MPI_ERR_ARG);
    CHECK_ERROR(MPI_Group_incl(world, -1, NULL, &group), MPI_ERR_ARG);
    int nowhere[1][3] = {{0, 3, 0}};
    CHECK_ERROR(MPI_Group_range_incl(world, 1, nowhere, &group), MPI_ERR_ARG);
}

int main(int argc, char **argv) {
    MPI_Group world;
    check_begin(&argc, &argv, 4);
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MEMBERS(world, 0, 1, 2, 3);
    selection(world);
    algebra(world);
    comparison(world);
    emptiness(world);
    errors(world);
    MPI_Group_free(&world);
    return check_end();
}
