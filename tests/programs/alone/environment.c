/* Arguments, environment, locale, the auxiliary vector, /proc/self/exe, and what atexit was told. */
#define _GNU_SOURCE
#include <errno.h>
#include <locale.h>
#include <string.h>
#include <sys/auxv.h>

#include "gate.h"

extern char **environ;
static unsigned long entry;

static void at_exit(void) { printf("at exit\n"); }

static void check(int argc, char **argv) {
    char path[1000] = "", own[1000] = "";
    CHECK(argc == 2 && strcmp(argv[1], gate_folder) == 0 && argv[2] == NULL);
    CHECK(strcmp(getenv("OF_THE_PROGRAM"), "set") == 0 && getenv("PATH") != NULL && getenv("HOME") == NULL);
    CHECK(getauxval(AT_ENTRY) == entry && getauxval(AT_PAGESZ) == 4096 && getauxval(AT_RANDOM) != 0);
    CHECK(strcmp(setlocale(LC_ALL, NULL), "C.UTF-8") == 0);
    CHECK(readlink("/proc/self/exe", path, sizeof path - 1) > 0 && realpath(argv[0], own) != NULL);
    CHECK(strcmp(path, own) == 0 && strcmp(program_invocation_name, argv[0]) == 0);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    entry = getauxval(AT_ENTRY);
    atexit(at_exit);
    setenv("OF_THE_PROGRAM", "set", 1);
    unsetenv("HOME");
    CHECK(setlocale(LC_ALL, "C.UTF-8") != NULL);
    check(argc, argv);
    gate(1);
    check(argc, argv);
    gate(2);
    check(argc, argv);
    return done();
}
