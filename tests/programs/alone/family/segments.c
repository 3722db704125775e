/* System V segments without a key, which several processes share, under the ids that they know.
 *
 *      both       attached by parent and child before a checkpoint
 *      removed    likewise, and marked to go with its last user
 *      theirs     attached by the child and its own child alone
 *      later      attached by the parent alone at first: the child attaches it after each restart
 */
#include "../gate.h"

#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>

enum { BOTH, REMOVED, THEIRS, LATER, SEGMENTS };

static int ids[SEGMENTS];

static volatile int *attach(int which) {
    void *place = shmat(ids[which], NULL, 0);
    CHECK(place != (void *)-1);
    return place;
}

/* Answers what it is asked, in turns: a byte each. */
static void take_turn(int in, int out) {
    char byte;
    CHECK(write(out, "!", 1) == 1 && read(in, &byte, 1) == 1);
}

static int child(int in, int out) {
    volatile int *both = attach(BOTH), *removed = attach(REMOVED), *theirs = attach(THEIRS);
    pid_t grandchild = fork();
    if (grandchild == 0) {
        /* Copies a number whenever it changes. */
        for (int seen = 0; seen != -1;) {
            while (theirs[0] == seen) usleep(500);
            theirs[1] = seen = theirs[0];
        }
        _exit(0);
    }
    for (int round = 1; round <= 3; round++) {
        take_turn(in, out);
        CHECK(both[0] == round && removed[0] == 10 * round);
        volatile int *later = attach(LATER);
        CHECK(later[0] == 100 * round);
        later[1] = both[1] = round;
        CHECK(shmdt((void *)later) == 0);
        theirs[0] = round;
        while (theirs[1] != round) usleep(500);
    }
    take_turn(in, out);
    theirs[0] = -1;
    CHECK(waitpid(grandchild, NULL, 0) == grandchild);
    fflush(stdout);
    return failures ? 1 : 6;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    gate_folder = argv[1];
    for (int which = 0; which < SEGMENTS; which++) ids[which] = shmget(IPC_PRIVATE, 5000 * (which + 1), 0600);
    volatile int *both = attach(BOTH), *removed = attach(REMOVED), *later = attach(LATER);
    int down[2], up[2], status;
    char byte;
    CHECK(pipe(down) == 0 && pipe(up) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        shmdt((void *)both), shmdt((void *)removed), shmdt((void *)later);
        close(down[1]);
        _exit(child(down[0], up[1]));
    }
    close(down[0]);
    close(up[1]);
    CHECK(read(up[0], &byte, 1) == 1);
    CHECK(shmctl(ids[REMOVED], IPC_RMID, NULL) == 0);
    for (int round = 1; round <= 3; round++) {
        if (round > 1) gate(round - 1);
        both[0] = round, removed[0] = 10 * round, later[0] = 100 * round;
        CHECK(write(down[1], "?", 1) == 1 && read(up[0], &byte, 1) == 1);
        CHECK(both[1] == round && later[1] == round);
        struct shmid_ds about;
        CHECK(shmctl(ids[BOTH], IPC_STAT, &about) == 0 && about.shm_segsz == 5000 && about.shm_nattch >= 2);
        CHECK(shmctl(ids[THEIRS], IPC_STAT, &about) == 0 && about.shm_nattch == 2);
    }
    CHECK(write(down[1], "?", 1) == 1);
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 6);
    CHECK(shmctl(ids[BOTH], IPC_RMID, NULL) == 0 && shmctl(ids[THEIRS], IPC_RMID, NULL) == 0);
    CHECK(shmctl(ids[LATER], IPC_RMID, NULL) == 0);
    CHECK(shmdt((void *)removed) == 0 && shmctl(ids[REMOVED], IPC_RMID, NULL) == -1);
    return done();
}
