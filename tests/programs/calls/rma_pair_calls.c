/* Accumulating pairs of a value and an index: the types of MPI_MAXLOC and MPI_MINLOC, most of which have gaps, in every
 * function that takes an operation, one element and several, in arrays and strided, from several ranks at once. 4 ranks. */
#include "check.h"

enum { PAIRS = 6, ROUNDS = 20 };

/* Everybody's pairs at the beginning: those of rank r are (10 r + i, 100 r + i). */
#define PAIR_TEST(NAME, VALUE, TYPE)                                                                                   \
    struct NAME {                                                                                                      \
        VALUE value;                                                                                                   \
        int at;                                                                                                        \
    };                                                                                                                 \
    static void fill_##NAME(struct NAME *pairs, int rank) {                                                            \
        for (int i = 0; i < PAIRS; i++) pairs[i].value = 10 * rank + i, pairs[i].at = 100 * rank + i;                  \
    }                                                                                                                  \
    static void is_##NAME(const struct NAME *pair, int value, int at, const char *what, int i) {                       \
        check_int((long)pair->value, value, #NAME " value", what, i);                                                  \
        check_int(pair->at, at, #NAME " at", what, i);                                                                 \
    }                                                                                                                  \
    /* What a function leaves at the next rank, and what it fetches. */                                                \
    static void several_##NAME(int count, int strided) {                                                               \
        struct NAME memory[PAIRS], from[PAIRS], got[PAIRS];                                                            \
        int next = (check_rank + 1) % 4, before = (check_rank + 3) % 4, step = strided ? 2 : 1;                        \
        int blocks = strided ? 1 : count;                                                                              \
        MPI_Datatype type = TYPE;                                                                                      \
        MPI_Request request;                                                                                           \
        MPI_Win win;                                                                                                   \
        if (strided) MPI_Type_vector(count, 1, 2, TYPE, &type), MPI_Type_commit(&type);                                \
        MPI_Win_create(memory, sizeof memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_WORLD, &win);                    \
        fill_##NAME(memory, check_rank);                                                                               \
        fill_##NAME(from, check_rank + 5);                                                                             \
        fill_##NAME(got, 9);                                                                                           \
        MPI_Barrier(MPI_COMM_WORLD);                                                                                   \
        MPI_Win_lock_all(0, win);                                                                                      \
        MPI_Get_accumulate(NULL, 0, MPI_BYTE, got, blocks, type, next, 0, blocks, type, MPI_NO_OP, win);               \
        MPI_Win_flush(next, win);                                                                                      \
        for (int i = 0; i < PAIRS; i++) {                                                                              \
            int there = i % step == 0 && i / step < count ? next : 9;                                                  \
            is_##NAME(&got[i], 10 * there + i, 100 * there + i, "MPI_NO_OP", 10 * count + i);                          \
        }                                                                                                              \
        MPI_Barrier(MPI_COMM_WORLD);                                                                                   \
        /* Smaller ones change nothing, larger ones all. */                                                            \
        MPI_Accumulate(from, blocks, type, next, 0, blocks, type, MPI_MINLOC, win);                                    \
        MPI_Win_flush(next, win);                                                                                      \
        MPI_Raccumulate(from, blocks, type, next, 0, blocks, type, MPI_MAXLOC, win, &request);                         \
        MPI_Wait(&request, MPI_STATUS_IGNORE);                                                                         \
        MPI_Win_flush(next, win);                                                                                      \
        MPI_Barrier(MPI_COMM_WORLD);                                                                                   \
        for (int i = 0; i < PAIRS; i++) {                                                                              \
            int of = i % step == 0 && i / step < count ? before + 5 : check_rank;                                      \
            is_##NAME(&memory[i], 10 * of + i, 100 * of + i, "MPI_MAXLOC", 10 * count + i);                            \
        }                                                                                                              \
        MPI_Barrier(MPI_COMM_WORLD);                                                                                   \
        fill_##NAME(from, check_rank);                                                                                 \
        MPI_Rget_accumulate(from, blocks, type, got, blocks, type, next, 0, blocks, type, MPI_REPLACE, win, &request); \
        MPI_Wait(&request, MPI_STATUS_IGNORE);                                                                         \
        MPI_Win_flush(next, win);                                                                                      \
        for (int i = 0; i < PAIRS; i++) {                                                                              \
            int of = i % step == 0 && i / step < count ? check_rank + 5 : 9;                                           \
            is_##NAME(&got[i], 10 * of + i, 100 * of + i, "MPI_Rget_accumulate", 10 * count + i);                      \
        }                                                                                                              \
        MPI_Barrier(MPI_COMM_WORLD);                                                                                   \
        for (int i = 0; i < PAIRS; i++) {                                                                              \
            int of = i % step == 0 && i / step < count ? before : check_rank;                                          \
            is_##NAME(&memory[i], 10 * of + i, 100 * of + i, "MPI_REPLACE", 10 * count + i);                           \
        }                                                                                                              \
        MPI_Win_unlock_all(win);                                                                                       \
        MPI_Win_free(&win);                                                                                            \
        if (strided) MPI_Type_free(&type);                                                                             \
    }                                                                                                                  \
    /* All at once at one of rank 1's: the largest of all stays. */                                                    \
    static void together_##NAME(void) {                                                                                \
        struct NAME memory[PAIRS], mine, got;                                                                          \
        MPI_Win win;                                                                                                   \
        MPI_Win_create(memory, sizeof memory, sizeof *memory, MPI_INFO_NULL, MPI_COMM_WORLD, &win);                    \
        fill_##NAME(memory, 0);                                                                                        \
        MPI_Barrier(MPI_COMM_WORLD);                                                                                   \
        MPI_Win_lock_all(0, win);                                                                                      \
        int last = -1;                                                                                                 \
        for (int i = 0; i < ROUNDS; i++) {                                                                             \
            mine.value = 10 + 4 * i + check_rank, mine.at = 7 * (10 + 4 * i + check_rank);                             \
            if (i % 2) MPI_Accumulate(&mine, 1, TYPE, 1, PAIRS - 1, 1, TYPE, MPI_MAXLOC, win);                         \
            else MPI_Fetch_and_op(&mine, &got, TYPE, 1, PAIRS - 1, MPI_MAXLOC, win);                                   \
            MPI_Win_flush(1, win);                                                                                     \
            if (i % 2) continue;                                                                                       \
            CHECK((int)got.value >= last);                                                                             \
            if (got.value > PAIRS) CHECK_INT(got.at, 7 * (int)got.value);                                              \
            last = (int)got.value;                                                                                     \
        }                                                                                                              \
        MPI_Win_unlock_all(win);                                                                                       \
        MPI_Barrier(MPI_COMM_WORLD);                                                                                   \
        int largest = 10 + 4 * (ROUNDS - 1) + 3;                                                                       \
        if (check_rank == 1) is_##NAME(&memory[PAIRS - 1], largest, 7 * largest, "of all", 0);                         \
        if (check_rank == 1) is_##NAME(&memory[PAIRS - 2], PAIRS - 2, PAIRS - 2, "beside it", 0);                      \
        MPI_Win_free(&win);                                                                                            \
    }                                                                                                                  \
    static void test_##NAME(void) {                                                                                    \
        for (int count = 1; count <= 3; count++) several_##NAME(count, 0), several_##NAME(count, 1);                   \
        several_##NAME(PAIRS, 0);                                                                                      \
        together_##NAME();                                                                                             \
    }

PAIR_TEST(two_int, int, MPI_2INT)
PAIR_TEST(float_int, float, MPI_FLOAT_INT)
PAIR_TEST(short_int, short, MPI_SHORT_INT)
PAIR_TEST(long_int, long, MPI_LONG_INT)
PAIR_TEST(double_int, double, MPI_DOUBLE_INT)
PAIR_TEST(long_double_int, long double, MPI_LONG_DOUBLE_INT)

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 4);
    test_two_int();
    test_float_int();
    test_short_int();
    test_long_int();
    test_double_int();
    test_long_double_int();
    return check_end();
}
