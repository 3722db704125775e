/* Packing: MPI_Pack and MPI_Unpack, as a message of MPI_PACKED and by themselves, and the external32 representation byte
 * by byte.
 *
 *      struct { int; double } --pack--> 12 bytes --MPI_PACKED--> received as that struct
 *
 * Prints "ok" or, line by line, what differs. Usage: pack_calls (2 ranks)
 */
#include <stddef.h>

#include "check.h"

struct pair {
    int n;
    double x;
};

static MPI_Datatype pair_type(void) {
    MPI_Datatype type;
    MPI_Type_create_struct(2, (int[]){1, 1}, (MPI_Aint[]){offsetof(struct pair, n), offsetof(struct pair, x)},
                           (MPI_Datatype[]){MPI_INT, MPI_DOUBLE}, &type);
    MPI_Type_commit(&type);
    return type;
}

static void round_trip(void) {
    MPI_Datatype type = pair_type();
    struct pair out[3] = {{1, 1.5}, {2, 2.5}, {3, 3.5}}, in[3];
    char packed[256];
    int size, position = 0;
    MPI_Pack_size(3, type, MPI_COMM_WORLD, &size);
    CHECK(size >= 36 && size <= (int)sizeof packed);
    MPI_Pack(out, 2, type, packed, sizeof packed, &position, MPI_COMM_WORLD);
    MPI_Pack(&out[2].n, 1, MPI_INT, packed, sizeof packed, &position, MPI_COMM_WORLD);
    MPI_Pack(&out[2].x, 1, MPI_DOUBLE, packed, sizeof packed, &position, MPI_COMM_WORLD);
    int end = position;
    position = 0;
    memset(in, 0, sizeof in);
    MPI_Unpack(packed, end, &position, in, 3, type, MPI_COMM_WORLD);
    CHECK(position == end);
    for (int i = 0; i < 3; i++) CHECK(in[i].n == out[i].n && in[i].x == out[i].x);
    MPI_Type_free(&type);
}

/* Packed here, received as elements there. */
static void as_message(void) {
    MPI_Datatype type = pair_type();
    struct pair pairs[2] = {{4, 4.5}, {5, 5.5}};
    char packed[256];
    int position = 0;
    if (check_rank == 0) {
        MPI_Pack(pairs, 2, type, packed, sizeof packed, &position, MPI_COMM_WORLD);
        MPI_Send(packed, position, MPI_PACKED, 1, 0, MPI_COMM_WORLD);
        MPI_Send(pairs, 2, type, 1, 1, MPI_COMM_WORLD);
    } else {
        MPI_Status status;
        int n = -1;
        memset(pairs, 0, sizeof pairs);
        MPI_Recv(pairs, 2, type, 0, 0, MPI_COMM_WORLD, &status);
        MPI_Get_count(&status, type, &n);
        CHECK(n == 2);
        CHECK(pairs[0].n == 4 && pairs[0].x == 4.5 && pairs[1].n == 5 && pairs[1].x == 5.5);
        MPI_Recv(packed, sizeof packed, MPI_PACKED, 0, 1, MPI_COMM_WORLD, &status);
        MPI_Get_count(&status, MPI_PACKED, &n);
        memset(pairs, 0, sizeof pairs);
        MPI_Unpack(packed, n, &position, pairs, 2, type, MPI_COMM_WORLD);
        CHECK(pairs[0].n == 4 && pairs[0].x == 4.5 && pairs[1].n == 5 && pairs[1].x == 5.5);
    }
    MPI_Type_free(&type);
}

static void external32(void) {
    int n = 0x12345678, n_back = 0;
    short s[2] = {-2, 0x0102}, s_back[2] = {0, 0};
    double x = 1.0, x_back = 0;
    unsigned char packed[64];
    static const unsigned char expected[] = {0x12, 0x34, 0x56, 0x78, 0xff, 0xfe, 0x01, 0x02, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0};
    MPI_Aint size = 0, position = 0;
    MPI_Pack_external_size("external32", 3, MPI_DOUBLE, &size);
    CHECK(size == 24);
    MPI_Pack_external("external32", &n, 1, MPI_INT, packed, sizeof packed, &position);
    MPI_Pack_external("external32", s, 2, MPI_SHORT, packed, sizeof packed, &position);
    MPI_Pack_external("external32", &x, 1, MPI_DOUBLE, packed, sizeof packed, &position);
    CHECK(position == (MPI_Aint)sizeof expected);
    CHECK(memcmp(packed, expected, sizeof expected) == 0);
    position = 0;
    MPI_Unpack_external("external32", packed, sizeof expected, &position, &n_back, 1, MPI_INT);
    MPI_Unpack_external("external32", packed, sizeof expected, &position, s_back, 2, MPI_SHORT);
    MPI_Unpack_external("external32", packed, sizeof expected, &position, &x_back, 1, MPI_DOUBLE);
    CHECK(position == (MPI_Aint)sizeof expected);
    CHECK(n_back == n && s_back[0] == s[0] && s_back[1] == s[1] && x_back == x);
}

static void errors(void) {
    int n = 5, position = 0;
    char packed[8];
    MPI_Datatype type;
    CHECK(MPI_Pack(&n, 1, MPI_DATATYPE_NULL, packed, sizeof packed, &position, MPI_COMM_WORLD) != MPI_SUCCESS);
    CHECK(MPI_Pack(&n, -1, MPI_INT, packed, sizeof packed, &position, MPI_COMM_WORLD) != MPI_SUCCESS);
    CHECK(MPI_Pack(&n, 1, MPI_INT, packed, sizeof packed, &position, MPI_COMM_NULL) != MPI_SUCCESS);
    MPI_Type_contiguous(1, MPI_INT, &type);
    CHECK(MPI_Pack(&n, 1, type, packed, sizeof packed, &position, MPI_COMM_WORLD) != MPI_SUCCESS);
    CHECK(position == 0);
    if (check_under_mana()) {
        CHECK_ERROR(MPI_Pack(&n, 1, MPI_INT, packed, 2, &position, MPI_COMM_WORLD), MPI_ERR_TRUNCATE);
        CHECK_ERROR(MPI_Unpack(packed, 8, &(int){-1}, &n, 1, MPI_INT, MPI_COMM_WORLD), MPI_ERR_ARG);
        CHECK(position == 0 && n == 5);
    }
    MPI_Type_free(&type);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    round_trip();
    as_message();
    external32();
    errors();
    return check_end();
}
