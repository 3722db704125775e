/* Rounding modes, exceptions and masks of both floating-point units, in two threads; vector registers that are in use over the
 * gate, where the program waits without calling anything. */
// flags: -frounding-math -lm
#define _GNU_SOURCE
#include <fenv.h>
#include <pthread.h>
#include <string.h>
#include <xmmintrin.h>

#include "gate.h"

static pthread_barrier_t stand, go;
static volatile int stop, spinning;

static void check(int mode) {
    volatile double one = 1, three = 3;
    volatile long double long_one = 1, long_three = 3;
    CHECK(fegetround() == mode);
    const double third = one / three;
    const long double long_third = long_one / long_three;
    CHECK(mode == FE_UPWARD ? third * 3 > 1 || third > 0.333333333333333314 : third < 0.33333333333333337);
    CHECK(mode == FE_UPWARD ? long_third > 0.3333333333333333333L : long_third <= 0.3333333333333333334L);
    CHECK(fetestexcept(FE_DIVBYZERO) != 0);
    CHECK(_mm_getcsr() & _MM_FLUSH_ZERO_ON);
}

static void set(int mode) {
    fesetround(mode);
    feraiseexcept(FE_DIVBYZERO);
    _mm_setcsr(_mm_getcsr() | _MM_FLUSH_ZERO_ON);
    check(mode);
}

static void *rounds(void *argument) {
    set(FE_UPWARD);
    pthread_barrier_wait(&stand);
    pthread_barrier_wait(&go);
    check(FE_UPWARD);
    return argument;
}

/* Four registers hold values while the loop runs, and no call saves them. */
static void *spins(void *argument) {
    double in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8] = {0};
    long double top = 0;
    spinning = 1;
    __asm__ volatile(
        "movupd %[i0], %%xmm0\n movupd %[i1], %%xmm7\n movupd %[i2], %%xmm14\n movupd %[i3], %%xmm15\n"
        "fldpi\n"
        "1: cmpl $0, %[stop]\n je 1b\n"
        "movupd %%xmm0, %[o0]\n movupd %%xmm7, %[o1]\n movupd %%xmm14, %[o2]\n movupd %%xmm15, %[o3]\n"
        "fstpt %[top]\n"
        : [o0] "=m"(out[0]), [o1] "=m"(out[2]), [o2] "=m"(out[4]), [o3] "=m"(out[6]), [top] "=m"(top)
        : [i0] "m"(in[0]), [i1] "m"(in[2]), [i2] "m"(in[4]), [i3] "m"(in[6]), [stop] "m"(stop)
        : "xmm0", "xmm7", "xmm14", "xmm15", "memory", "cc");
    CHECK(memcmp(in, out, sizeof in) == 0);
    CHECK(top > 3.14159L && top < 3.1416L);
    return argument;
}

#ifdef __x86_64__
__attribute__((target("avx"))) static void *spins_with_avx(void *argument) {
    float in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8] = {0};
    spinning = 1;
    __asm__ volatile(
        "vmovups %[in], %%ymm9\n 1: cmpl $0, %[stop]\n je 1b\n vmovups %%ymm9, %[out]\n vzeroupper\n"
        : [out] "=m"(out)
        : [in] "m"(in), [stop] "m"(stop)
        : "xmm9", "memory", "cc");
    CHECK(memcmp(in, out, sizeof in) == 0);
    return argument;
}
#endif

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    pthread_t rounding, vectors;
    pthread_barrier_init(&stand, NULL, 2);
    pthread_barrier_init(&go, NULL, 2);
    set(FE_TOWARDZERO);
    pthread_create(&rounding, NULL, rounds, NULL);
    pthread_barrier_wait(&stand);
    pthread_create(&vectors, NULL, spins, NULL);
    while (!spinning) usleep(1000);
    gate(1);
    check(FE_TOWARDZERO);
    stop = 1;
    pthread_join(vectors, NULL);
    stop = spinning = 0;
    pthread_create(&vectors, NULL, __builtin_cpu_supports("avx") ? spins_with_avx : spins, NULL);
    while (!spinning) usleep(1000);
    gate(2);
    stop = 1;
    pthread_join(vectors, NULL);
    pthread_barrier_wait(&go);
    pthread_join(rounding, NULL);
    check(FE_TOWARDZERO);
    return done();
}
