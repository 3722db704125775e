/* shm_open, its name kept and removed, and a named semaphore. */
#include <fcntl.h>
#include <semaphore.h>
#include <string.h>
#include <sys/mman.h>

#include "gate.h"

static char *map(const char *name, int removed) {
    int object = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(object >= 0 && ftruncate(object, 3 << 12) == 0);
    char *memory = mmap(NULL, 3 << 12, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    CHECK(memory != MAP_FAILED && close(object) == 0);
    if (removed) CHECK(shm_unlink(name) == 0);
    return memory;
}

int main(int argc, char **argv) {
    char kept[50], removed[50], counter[50];
    int value = 0;
    if (argc != 2) return 2;
    gate_folder = argv[1];
    snprintf(kept, sizeof kept, "/mana-kept-%d", (int)getpid());
    snprintf(removed, sizeof removed, "/mana-removed-%d", (int)getpid());
    snprintf(counter, sizeof counter, "/mana-counter-%d", (int)getpid());
    char *first = map(kept, 0), *second = map(removed, 1);
    sem_t *semaphore = sem_open(counter, O_CREAT | O_EXCL, 0600, 3);
    CHECK(semaphore != SEM_FAILED);
    strcpy(first + 5000, "kept");
    strcpy(second + 5000, "removed");
    for (int number = 1; number <= 2; number++) {
        gate(number);
        CHECK(strcmp(first + 5000, "kept") == 0 && strcmp(second + 5000, "removed") == 0);
        int again = shm_open(kept, O_RDWR, 0);
        char *other = mmap(NULL, 3 << 12, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
        CHECK(again >= 0 && other != MAP_FAILED && strcmp(other + 5000, "kept") == 0);
        first[7] = (char)number;
        CHECK(other[7] == number && munmap(other, 3 << 12) == 0 && close(again) == 0);
        CHECK(sem_getvalue(semaphore, &value) == 0 && value == 4 - number && sem_wait(semaphore) == 0);
    }
    CHECK(shm_unlink(kept) == 0 && shm_open(removed, O_RDWR, 0) == -1 && sem_unlink(counter) == 0);
    return done();
}
