/* Generators of random numbers go on where they were; what the kernel gives is new each time. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/random.h>

#include "gate.h"

enum { NUMBERS = 6 };

static unsigned short own[3] = {1, 2, 3};
static char buffer[128];
static struct random_data data;

static void draw(long *drawn) {
    int32_t number = 0;
    random_r(&data, &number);
    drawn[0] = rand();
    drawn[1] = random();
    drawn[2] = lrand48();
    drawn[3] = nrand48(own);
    drawn[4] = number;
    drawn[5] = (long)(drand48() * 1e9);
}

static void seed(void) {
    srandom(7);
    srand48(9);
    own[0] = 1, own[1] = 2, own[2] = 3;
    memset(&data, 0, sizeof data);
    initstate_r(11, buffer, sizeof buffer, &data);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    long expected[3][NUMBERS], now[NUMBERS];
    unsigned char of_kernel[3][32];
    seed();
    for (int i = 0; i < 3; i++) draw(expected[i]);
    seed();
    draw(now);
    CHECK(memcmp(now, expected[0], sizeof now) == 0);
    CHECK(getrandom(of_kernel[0], 32, 0) == 32);
    gate(1);
    draw(now);
    CHECK(memcmp(now, expected[1], sizeof now) == 0);
    CHECK(getrandom(of_kernel[1], 32, 0) == 32);
    gate(2);
    draw(now);
    CHECK(memcmp(now, expected[2], sizeof now) == 0);
    CHECK(getrandom(of_kernel[2], 32, 0) == 32);
    CHECK(memcmp(of_kernel[0], of_kernel[1], 32) != 0 && memcmp(of_kernel[1], of_kernel[2], 32) != 0);
    return done();
}
