/* Environment variables: those that a launcher gives are the new launcher's after a restart, and the program's own stay.
 * (variables_copied.c: the same, where the program has a copy of libc's variable.) */
#define _GNU_SOURCE
#include <string.h>
#include <sys/wait.h>

#include "../gate.h"

#ifdef COPIED
extern char **environ;
#endif

static const char *names[] = {"PMI_TEST_CHANGES", "PMI_TEST_GOES", "OMPI_TEST_COMES", "FI_TEST_OWN", "TEST_OTHER"};

/* What a program of its own is given. */
static void child(void) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execlp("sh", "sh", "-c", "echo child $PMI_TEST_CHANGES $PMI_TEST_GOES $OMPI_TEST_COMES $FI_TEST_OWN", NULL);
        _exit(1);
    }
    CHECK(waitpid(child, NULL, 0) == child);
}

static void look(int life) {
    for (int i = 0; i < 5; i++) {
        const char *value = getenv(names[i]);
        printf("%d %s=%s\n", life, names[i], value ? value : "");
    }
#ifdef COPIED
    int found = 0;
    for (char **at = environ; *at; at++) found += strncmp(*at, "PMI_TEST_CHANGES=", 17) == 0;
    CHECK(found == (getenv(names[0]) != NULL));
#endif
    child();
}

/* What the stack below keeps of setenv could pass for a call of it that is under way. */
static __attribute__((noinline)) void scrub(void) {
    volatile char below[16384];
    for (size_t i = 0; i < sizeof below; i++) below[i] = 0;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    gate_folder = argv[1];
    CHECK(setenv("FI_TEST_OWN", "own", 1) == 0);
    look(1);
    const char *kept = getenv("TEST_OTHER");
    scrub();
    gate(1);
    look(2);
    CHECK(kept == getenv("TEST_OTHER") && strcmp(kept, "first") == 0);
    CHECK(setenv("TEST_ADDED", "later", 1) == 0 && unsetenv("TEST_OTHER") == 0);
    scrub();
    gate(2);
    look(3);
    CHECK(strcmp(getenv("TEST_ADDED"), "later") == 0 && setenv("TEST_ADDED", "longer than before", 1) == 0);
    CHECK(clearenv() == 0 && getenv("PATH") == NULL);
    return done();
}
