/* Limits of resources, the file mode mask, the working directory, and the flags that prctl sets. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "gate.h"

static void lower(int which, rlim_t to) {
    struct rlimit limit;
    CHECK(getrlimit(which, &limit) == 0);
    limit.rlim_cur = to;
    CHECK(setrlimit(which, &limit) == 0);
}

static void check_limit(int which, rlim_t wanted) {
    struct rlimit limit;
    CHECK(getrlimit(which, &limit) == 0 && limit.rlim_cur == wanted);
}

static void check(void) {
    char directory[1000];
    check_limit(RLIMIT_CORE, 0);
    check_limit(RLIMIT_NOFILE, 700);
    check_limit(RLIMIT_STACK, 3 << 20);
    CHECK(getcwd(directory, sizeof directory) != NULL && strcmp(directory, "/usr") == 0);
    const mode_t mask = umask(0);
    CHECK(mask == 0137);
    umask(mask);
    CHECK(prctl(PR_GET_DUMPABLE) == 0);
    CHECK(prctl(PR_GET_CHILD_SUBREAPER, &(int){0}) == 0);
    CHECK(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1);
    CHECK(personality(0xffffffff) & ADDR_NO_RANDOMIZE);
    int death = 0;
    CHECK(prctl(PR_GET_PDEATHSIG, &death) == 0 && death == SIGUSR1);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    lower(RLIMIT_CORE, 0);
    lower(RLIMIT_NOFILE, 700);
    lower(RLIMIT_STACK, 3 << 20);
    CHECK(chdir("/usr") == 0);
    umask(0137);
    CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
    CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
    CHECK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
    CHECK(personality(personality(0xffffffff) | ADDR_NO_RANDOMIZE) >= 0);
    check();
    gate(1);
    check();
    gate(2);
    check();
    return done();
}
