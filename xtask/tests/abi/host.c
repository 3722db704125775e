/* Loads the stub in a process that looks as the test wants it to:
 *
 *   host LIB gate MAGIC VERSION SLOTS HASH SLOT FUNCTION   with a gate mapped and announced
 *   host LIB secure                                        as if it were set-user-id
 *   host LIB late                                          after the environment has moved
 *
 * "Announced" means in the auxiliary vector, which this program may write to: it takes the entries
 * AT_PLATFORM (replaced) and AT_SECURE (changed). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GATE 0x100000UL
#define EXIT_SLOT 767
#define AT_MANA_GATE 0x4d414e41UL

struct header {
    char magic[8];
    uint32_t abi_version, gate_size;
    uint64_t hash;
    uint32_t slots;
};

static Elf64_auxv_t *entry(char **environment, uint64_t type) {
    while (*environment) environment++;
    Elf64_auxv_t *entry = (Elf64_auxv_t *)(environment + 1);
    while (entry->a_type != type) {
        if (entry->a_type == AT_NULL) exit(90);
        entry++;
    }
    return entry;
}

/* The "lower half": shows that each argument came through. */
static int64_t called(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f) {
    return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f;
}

/* What the stub's finaliser calls, through its own slot, before stdio is flushed. */
static void left(void) {
    if (write(1, "left\n", 5) != 5) _exit(93);
}

static void map_gate(char **argv) {
    char *gate = mmap((void *)GATE, 0x8000, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (gate != (char *)GATE) exit(91);
    struct header *header = (struct header *)gate;
    memcpy(header->magic, argv[3], 8);
    header->abi_version = (uint32_t)atoi(argv[4]);
    header->gate_size = 0x8000;
    header->slots = (uint32_t)atoi(argv[5]);
    header->hash = strtoull(argv[6], NULL, 0);
    ((uint64_t *)(gate + 0x1000))[atoi(argv[7])] = (uint64_t)called;
    ((uint64_t *)(gate + 0x1000))[EXIT_SLOT] = (uint64_t)left;
}

static void *function(void *library, const char *name) {
    void *function = dlsym(library, name);
    if (!function) exit(92);
    return function;
}

/* Handles convert to themselves, a status to the same eight integers, and null is refused. */
static int conversions(void *library) {
    int (*toint)(void *) = (int (*)(void *))function(library, "MPI_Comm_toint");
    void *(*fromint)(int) = (void *(*)(int))function(library, "MPI_Comm_fromint");
    int (*c2f)(void *) = (int (*)(void *))function(library, "MPI_Type_c2f");
    void *(*f2c)(int) = (void *(*)(int))function(library, "PMPI_Type_f2c");
    int (*status)(const int *, int *) = (int (*)(const int *, int *))function(library, "MPI_Status_c2f");
    int from[8] = {1, 2, 3, 4, 5, 6, 7, 8}, to[9] = {0, 0, 0, 0, 0, 0, 0, 0, 42};
    int big = 0x7fffffff;
    int same = toint((void *)0x101) == 0x101 && fromint(0x101) == (void *)0x101
        && c2f((void *)(intptr_t)big) == big && f2c(big) == (void *)(intptr_t)big
        && status(from, to) == 0 && memcmp(from, to, sizeof from) == 0 && to[8] == 42
        && status(NULL, to) == 13 && status(from, NULL) == 13;
    puts(same ? "converted" : "changed");
    return !same;
}

int main(int argc, char **argv, char **environment) {
    if (argc < 3) return 93;
    if (!strcmp(argv[2], "gate")) {
        map_gate(argv);
        Elf64_auxv_t *announced = entry(environment, AT_PLATFORM);
        announced->a_type = AT_MANA_GATE;
        announced->a_un.a_val = GATE;
    } else if (!strcmp(argv[2], "secure")) {
        entry(environment, AT_SECURE)->a_un.a_val = 1;
    } else {
        setenv("SAID", "set late", 1);
    }
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) { fprintf(stderr, "%s\n", dlerror()); return 94; }
    if (!strcmp(argv[8], "convert")) return conversions(library);
    int64_t (*call)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t) =
        (int64_t (*)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t))function(library, argv[8]);
    printf("%lld\n", (long long)call(1, 2, 3, 4, 5, 6));
    return 0;
}
