/* System V shared memory: with a key, without one, and removed while it is attached; its ids go on to be good. */
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "gate.h"

int main(int argc, char **argv) {
    struct shmid_ds about;
    if (argc != 2) return 2;
    gate_folder = argv[1];
    key_t key = 0x6d000000 + (int)getpid();
    int keyed = shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0600), private = shmget(IPC_PRIVATE, 5000, 0600);
    int removed = shmget(IPC_PRIVATE, 8192, 0600);
    char *first = shmat(keyed, NULL, 0), *second = shmat(private, NULL, 0), *third = shmat(removed, NULL, 0);
    const char *reads = shmat(keyed, NULL, SHM_RDONLY);
    CHECK(first != (void *)-1 && second != (void *)-1 && third != (void *)-1 && reads != (void *)-1);
    CHECK(shmctl(removed, IPC_RMID, NULL) == 0);
    strcpy(first + 9000, "keyed");
    strcpy(second, "private");
    strcpy(third + 5000, "removed");
    for (int number = 1; number <= 2; number++) {
        gate(number);
        CHECK(strcmp(reads + 9000, "keyed") == 0 && strcmp(second, "private") == 0 && strcmp(third + 5000, "removed") == 0);
        CHECK(shmget(key, 0, 0) == keyed);
        CHECK(shmctl(private, IPC_STAT, &about) == 0 && about.shm_segsz == 5000 && about.shm_nattch == 1);
        CHECK(shmctl(removed, IPC_STAT, &about) == 0 && about.shm_nattch == 1);
        char *other = shmat(private, NULL, 0);
        CHECK(other != (void *)-1);
        second[100] = (char)number, first[1] = (char)number;
        CHECK(other[100] == number && reads[1] == number && shmdt(other) == 0);
    }
    CHECK(shmctl(keyed, IPC_RMID, NULL) == 0 && shmctl(private, IPC_RMID, NULL) == 0);
    CHECK(shmdt(first) == 0 && shmdt(second) == 0 && shmdt(third) == 0);
    return done();
}
