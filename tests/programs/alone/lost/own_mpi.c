/* Loads an MPI of its own, of which mana knows nothing: a library with such a name, and nothing of MPI in it. */
// flags: -ldl
#include <dlfcn.h>

#include "../gate.h"

#ifdef BUILD_LIBRARY

int nothing(void);
int nothing(void) { return 0; }

#else

static void copy(const char *from, const char *to) {
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    for (int byte; (byte = getc(in)) != EOF;) putc(byte, out);
    fclose(in);
    CHECK(fclose(out) == 0);
}

int main(int argc, char **argv) {
    char library[600], name[600];
    if (argc != 2) return 2;
    gate_folder = argv[1];
    snprintf(library, sizeof library, "%s.so", argv[0]);
    snprintf(name, sizeof name, "%s/libmpi.so.40", argv[1]);
    copy(library, name);
    CHECK(dlopen(name, RTLD_NOW) != NULL);
    gate(1);
    gate(2);
    return done();
}

#endif
