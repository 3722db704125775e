/* Streams that are no descriptors: into a growing buffer, within a fixed one, and of a program's own functions. */
#define _GNU_SOURCE
#include <string.h>

#include "gate.h"

static char fixed[64], taken[256];
static size_t length;

static ssize_t take(void *cookie, const char *bytes, size_t count) {
    memcpy((char *)cookie + length, bytes, count);
    length += count;
    return (ssize_t)count;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    char *grown = NULL;
    size_t size = 0;
    FILE *growing = open_memstream(&grown, &size);
    FILE *within = fmemopen(fixed, sizeof fixed, "w+");
    FILE *own = fopencookie(taken, "w", (cookie_io_functions_t){.write = take});
    for (int life = 0; life < 3; life++) {
        if (life > 0) gate(life);
        for (int i = 0; i < 1000; i++) fprintf(growing, "%d,", life);
        fprintf(within, "life %d;", life);
        fprintf(own, "%d%d%d", life, life, life);
    }
    fclose(growing);
    CHECK(size == 6000 && grown[0] == '0' && grown[2000] == '1' && grown[5998] == '2');
    free(grown);
    fclose(within);
    CHECK(strcmp(fixed, "life 0;life 1;life 2;") == 0);
    fclose(own);
    CHECK(length == 9 && memcmp(taken, "000111222", 9) == 0);
    return done();
}
