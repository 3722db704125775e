/* The standard ABI about itself, the machine's parts, and kinds of memory, on 2 ranks. Most of it before MPI_Init. */
#include "check.h"
#include <stdlib.h>

static int number_in(MPI_Info info, const char *key) {
    char value[MPI_MAX_INFO_VAL] = "";
    int flag = 0;
    MPI_Info_get(info, key, sizeof value - 1, value, &flag);
    return flag ? atoi(value) : -1;
}

static int is_in(MPI_Info info, const char *key, const char *wanted) {
    char value[MPI_MAX_INFO_VAL] = "";
    int flag = 0;
    MPI_Info_get(info, key, sizeof value - 1, value, &flag);
    return flag && strcmp(value, wanted) == 0;
}

static void versions(void) {
    int major = -1, minor = -1;
    MPI_Info info;
    CHECK_INT(MPI_Abi_get_version(&major, &minor), MPI_SUCCESS);
    CHECK(major == MPI_ABI_VERSION && minor == MPI_ABI_SUBVERSION);
    CHECK_INT(MPI_Abi_get_info(&info), MPI_SUCCESS);
    CHECK_INT(number_in(info, "mpi_aint_size"), sizeof(MPI_Aint));
    CHECK_INT(number_in(info, "mpi_count_size"), sizeof(MPI_Count));
    CHECK_INT(number_in(info, "mpi_offset_size"), sizeof(MPI_Offset));
    MPI_Info_free(&info);
}

static void fortran(void) {
    MPI_Info info, got;
    int flag = -1, yes = -1, no = 7;
    CHECK_INT(MPI_Abi_get_fortran_info(&got), MPI_SUCCESS);
    CHECK(got == MPI_INFO_NULL);
    MPI_Info_create(&info);
    MPI_Info_set(info, "mpi_integer_size", "4");
    CHECK_INT(MPI_Abi_set_fortran_info(info), MPI_SUCCESS);
    MPI_Info_set(info, "mpi_integer_size", "8");
    CHECK_INT(MPI_Abi_get_fortran_info(&got), MPI_SUCCESS);
    CHECK_INT(number_in(got, "mpi_integer_size"), 4);
    MPI_Info_free(&got);
    CHECK_INT(MPI_Abi_get_fortran_booleans(4, &yes, &no, &flag), MPI_SUCCESS);
    CHECK(flag == 0 && yes == -1 && no == 7);
    CHECK_INT(MPI_Abi_set_fortran_booleans(4, &yes, &no), MPI_SUCCESS);
    yes = no = 0;
    CHECK_INT(MPI_Abi_get_fortran_booleans(4, &yes, &no, &flag), MPI_SUCCESS);
    CHECK(flag == 1 && yes == -1 && no == 7);
    MPI_Info_free(&info);
}

static void fortran_again(void) {
    MPI_Info info;
    int yes = 1, no = 0;
    MPI_Info_create(&info);
    CHECK_ERROR(MPI_Abi_set_fortran_info(info), MPI_ERR_ABI);
    CHECK_ERROR(MPI_Abi_set_fortran_booleans(4, &yes, &no), MPI_ERR_ABI);
    CHECK_ERROR(MPI_Abi_set_fortran_booleans(3, &yes, &no), MPI_ERR_ARG);
    MPI_Info_free(&info);
}

static void machine(void) {
    MPI_Info parts;
    int keys = 0;
    CHECK_INT(MPI_Get_hw_resource_info(&parts), MPI_SUCCESS);
    MPI_Info_get_nkeys(parts, &keys);
    CHECK(keys >= 1);
    for (int n = 0; n < keys; n++) {
        char key[MPI_MAX_INFO_KEY];
        MPI_Info_get_nthkey(parts, n, key);
        CHECK(strstr(key, "://") != NULL);
        CHECK(is_in(parts, key, "true") || is_in(parts, key, "false"));
    }
    CHECK(is_in(parts, "mana://Machine", "true"));
    MPI_Info_free(&parts);
}

/* Who is restricted to one part of a kind is with its neighbours there; the others get no communicator. */
static void split_by_machine(void) {
    MPI_Info parts, hints;
    int keys = 0;
    MPI_Get_hw_resource_info(&parts);
    MPI_Info_get_nkeys(parts, &keys);
    for (int n = 0; n < keys; n++) {
        char key[MPI_MAX_INFO_KEY];
        MPI_Comm comm;
        MPI_Info_get_nthkey(parts, n, key);
        MPI_Info_create(&hints);
        MPI_Info_set(hints, "mpi_hw_resource_type", key);
        CHECK_INT(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_RESOURCE_GUIDED, 0, hints, &comm), MPI_SUCCESS);
        CHECK((comm != MPI_COMM_NULL) == is_in(parts, key, "true"));
        if (comm != MPI_COMM_NULL) MPI_Comm_free(&comm);
        MPI_Info_free(&hints);
    }
    MPI_Info_free(&parts);
}

static void memory_kinds(void) {
    MPI_Info info;
    CHECK(is_in(MPI_INFO_ENV, "mpi_memory_alloc_kinds", "mpi,system"));
    MPI_Comm_get_info(MPI_COMM_WORLD, &info);
    CHECK(is_in(info, "mpi_memory_alloc_kinds", "mpi,system"));
    MPI_Info_free(&info);
}

int main(int argc, char **argv) {
    versions();
    fortran();
    machine();
    check_begin(&argc, &argv, 2);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    versions();
    fortran_again();
    machine();
    split_by_machine();
    memory_kinds();
    return check_end();
}
