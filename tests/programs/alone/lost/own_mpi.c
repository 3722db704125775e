/* Loads an MPI of its own, of which mana knows nothing: a library with such a name, and nothing of MPI in it. */
// flags: -ldl
#include <dlfcn.h>

#include "../gate.h"

#ifdef BUILD_LIBRARY

int nothing(void);
int nothing(void) { return 0; }

#else

int main(int argc, char **argv) {
    char library[600], name[600];
    if (argc != 2) return 2;
    gate_folder = argv[1];
    snprintf(library, sizeof library, "%s.so", argv[0]);
    snprintf(name, sizeof name, "%s/libmpi.so.40", argv[1]);
    CHECK(symlink(library, name) == 0);
    CHECK(dlopen(name, RTLD_NOW) != NULL);
    gate(1);
    return done();
}

#endif
