/* A thousand descriptors, high numbers, and a limit on them that the program has raised. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/resource.h>

#include "gate.h"

#define MANY 1000

static int numbers[MANY];
static struct rlimit limit;

static void look(long at) {
    struct rlimit now;
    for (int i = 0; i < MANY; i++) CHECK(lseek(numbers[i], 0, SEEK_CUR) == i + at);
    CHECK(getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur == limit.rlim_cur);
    CHECK(lseek(3000, 0, SEEK_CUR) == numbers[0] * 0 + at);
}

int main(int argc, char **argv) {
    char path[500];
    if (argc != 2) return 2;
    gate_folder = argv[1];
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max < 4321 ? limit.rlim_max : 4321;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 3000);
    snprintf(path, sizeof path, "%s/many", gate_folder);
    for (int i = 0; i < MANY; i++) {
        numbers[i] = open(path, O_RDONLY | O_CREAT, 0600);
        CHECK(lseek(numbers[i], i, SEEK_SET) == i);
    }
    CHECK(dup2(numbers[0], 3000) == 3000);
    gate(1);
    look(0);
    for (int i = 0; i < MANY; i++) lseek(numbers[i], 5, SEEK_CUR);
    gate(2);
    look(5);
    int next = open(path, O_RDONLY);
    CHECK(next >= 0 && close(next) == 0);
    for (int i = 0; i < MANY; i++) CHECK(close(numbers[i]) == 0);
    return done();
}
