/* A rank that waits, in a way that is chosen, for something that another rank does late.
 *
 *      rank 1   ready 1 PID  ->  waits: MODE                       ->  goes on with what it waited for
 *      rank 0   ready 0 PID  ->  computes, until RELEASE is there  ->  does its part
 *
 * RELEASE is a file that whoever runs the job makes. Rank 0 is never inside MPI before, rank 1 never comes out of the
 * wait: a checkpoint that is taken meanwhile finds them there. At the end both compute a digest of what they received and
 * of what they computed, and rank 0 prints
 *
 *      MODE digest 0123456789abcdef
 *
 * which does not depend on how long anything took. Usage: waiting MODE RELEASE. 2 ranks.
 */
#include <inttypes.h>
#include <mpi.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS = 1000, TAG_EARLY = 1, TAG_LATE = 2, SENDS = 3 };

static const char *release_path;
static int rank;
static uint64_t digest = 1;
static uint64_t early[WORDS], late[WORDS], out[SENDS][WORDS];
static MPI_Request sends[SENDS]; /* of rank 0; an MPI may need rank 1 to complete them, so they stay open */
static int sent;

static void fail(const char *what) {
    fprintf(stderr, "waiting: %s\n", what);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void fold(const uint64_t *words, int count) {
    for (int i = 0; i < count; i++)
        digest = (digest ^ words[i]) * 0x100000001b3u;
}

static void fill(uint64_t *words, uint64_t seed) {
    for (int i = 0; i < WORDS; i++)
        words[i] = (seed + (uint64_t)i) * 0x9e3779b97f4a7c15u;
}

static void ready(void) {
    fprintf(stderr, "ready %d %d\n", rank, (int)getpid());
}

static bool released(void) {
    return access(release_path, F_OK) == 0;
}

/* x -> A x + C, so many times: step by step, and at once. If they differ, memory or registers were not kept. */
static const uint64_t A = 6364136223846793005u, C = 1442695040888963407u;

static uint64_t jump(uint64_t x, uint64_t times) {
    uint64_t a = 1, c = 0, power_a = A, power_c = C;
    for (; times > 0; times >>= 1) {
        if (times & 1) {
            a = power_a * a;
            c = power_a * c + power_c;
        }
        power_c = power_a * power_c + power_c;
        power_a = power_a * power_a;
    }
    return a * x + c;
}

/* Computes, outside of MPI, until RELEASE is there. */
static void compute(void) {
    uint64_t x = 42, times = 0;
    double y = 0, z = 0;
    do {
        for (int i = 0; i < 1000000; i++) {
            x = A * x + C;
            y += 0.5;
        }
        times += 1000000;
        z += 500000;
    } while (!released());
    if (x != jump(42, times) || y != z)
        fail("the computation went wrong");
}

static void send(int tag) {
    fill(out[sent], (uint64_t)tag);
    MPI_Isend(out[sent], WORDS, MPI_UINT64_T, 1, tag, MPI_COMM_WORLD, &sends[sent]);
    sent++;
}

static MPI_Request receive(uint64_t *words, int tag) {
    MPI_Request request;
    MPI_Irecv(words, WORDS, MPI_UINT64_T, 0, tag, MPI_COMM_WORLD, &request);
    return request;
}

/* What rank 1 waits in. Rank 0 sends it a message with each tag, the first one before it is late. */

static void wait_recv(void) {
    MPI_Recv(late, WORDS, MPI_UINT64_T, 0, TAG_LATE, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void wait_wait(void) {
    MPI_Request request = receive(late, TAG_LATE);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
}

static void wait_waitall(void) {
    uint64_t other[WORDS];
    MPI_Request requests[2] = {receive(other, TAG_EARLY + 10), receive(late, TAG_LATE)};
    MPI_Status statuses[2];
    MPI_Waitall(2, requests, statuses);
    fold(other, WORDS);
    uint64_t tags[2] = {(uint64_t)statuses[0].MPI_TAG, (uint64_t)statuses[1].MPI_TAG};
    fold(tags, 2);
}

static void wait_waitany(void) {
    uint64_t never[WORDS];
    MPI_Request requests[3] = {MPI_REQUEST_NULL, receive(never, TAG_LATE + 10), receive(late, TAG_LATE)};
    int index;
    MPI_Waitany(3, requests, &index, MPI_STATUS_IGNORE);
    uint64_t which = (uint64_t)index;
    fold(&which, 1);
    MPI_Cancel(&requests[1]);
    MPI_Wait(&requests[1], MPI_STATUS_IGNORE);
}

static void wait_probe(void) {
    MPI_Status status;
    int count;
    MPI_Probe(MPI_ANY_SOURCE, TAG_LATE, MPI_COMM_WORLD, &status);
    MPI_Get_count(&status, MPI_UINT64_T, &count);
    MPI_Recv(late, count, MPI_UINT64_T, status.MPI_SOURCE, TAG_LATE, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void wait_mprobe(void) {
    MPI_Status status;
    MPI_Message message;
    MPI_Mprobe(0, TAG_LATE, MPI_COMM_WORLD, &message, &status);
    MPI_Mrecv(late, WORDS, MPI_UINT64_T, &message, MPI_STATUS_IGNORE);
}

static void wait_test(void) {
    MPI_Request request = receive(late, TAG_LATE);
    for (int done = 0; !done;)
        MPI_Test(&request, &done, MPI_STATUS_IGNORE);
}

static void wait_sleep(void) {
    for (unsigned left = 3; left > 0;)
        left = sleep(left);
}

/* A thread of rank 1 that does not call MPI ends the wait. */
struct end {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool came;
    int pipe[2];
};

static void *end_cond(void *argument) {
    struct end *end = argument;
    while (!released())
        usleep(1000);
    pthread_mutex_lock(&end->lock);
    end->came = true;
    pthread_cond_broadcast(&end->changed);
    pthread_mutex_unlock(&end->lock);
    return NULL;
}

static void wait_cond(void) {
    struct end end = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, {0, 0}};
    pthread_t thread;
    pthread_create(&thread, NULL, end_cond, &end);
    pthread_mutex_lock(&end.lock);
    while (!end.came)
        pthread_cond_wait(&end.changed, &end.lock);
    pthread_mutex_unlock(&end.lock);
    pthread_join(thread, NULL);
}

static void *end_pipe(void *argument) {
    struct end *end = argument;
    while (!released())
        usleep(1000);
    if (write(end->pipe[1], "end", 3) != 3)
        fail("nothing can be written to the pipe");
    return NULL;
}

static void wait_read(void) {
    struct end end;
    char text[3];
    pthread_t thread;
    if (pipe(end.pipe) != 0)
        fail("no pipe");
    pthread_create(&thread, NULL, end_pipe, &end);
    if (read(end.pipe[0], text, sizeof text) != 3 || memcmp(text, "end", 3) != 0)
        fail("the pipe gave something else");
    pthread_join(thread, NULL);
}

/* A mode in which both ranks have something to do. */

static void both_barrier(bool is_late) {
    if (is_late)
        compute();
    MPI_Barrier(MPI_COMM_WORLD);
}

static void both_fence(bool is_late) {
    uint64_t *words;
    MPI_Win window;
    MPI_Win_allocate(WORDS * sizeof *words, sizeof *words, MPI_INFO_NULL, MPI_COMM_WORLD, &words, &window);
    MPI_Win_fence(0, window);
    fill(late, 7 + (uint64_t)rank);
    MPI_Put(late, WORDS, MPI_UINT64_T, 1 - rank, 0, WORDS, MPI_UINT64_T, window);
    if (is_late)
        compute();
    else
        ready();
    MPI_Win_fence(0, window);
    fold(words, WORDS);
    MPI_Win_free(&window);
}

static void both_lock(bool is_late) {
    uint64_t *words;
    MPI_Win window;
    MPI_Win_allocate(WORDS * sizeof *words, sizeof *words, MPI_INFO_NULL, MPI_COMM_WORLD, &words, &window);
    memset(words, 0, WORDS * sizeof *words);
    if (is_late)
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 1, 0, window);
    MPI_Barrier(MPI_COMM_WORLD);
    if (is_late) {
        fill(late, 8);
        MPI_Put(late, WORDS, MPI_UINT64_T, 1, 0, WORDS, MPI_UINT64_T, window);
        compute();
        MPI_Win_unlock(1, window);
    } else {
        ready();
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 1, 0, window);
        fold(words, WORDS);
        MPI_Win_unlock(1, window);
    }
    MPI_Win_free(&window);
}

static void both_file(bool is_late) {
    char path[4096];
    MPI_File file;
    snprintf(path, sizeof path, "%s.data", release_path);
    MPI_File_open(MPI_COMM_WORLD, path, MPI_MODE_CREATE | MPI_MODE_RDWR, MPI_INFO_NULL, &file);
    fill(early, 9 + (uint64_t)rank);
    if (is_late)
        compute();
    else
        ready();
    MPI_File_write_at_all(file, rank * (MPI_Offset)sizeof early, early, WORDS, MPI_UINT64_T, MPI_STATUS_IGNORE);
    MPI_File_read_at_all(file, rank * (MPI_Offset)sizeof late, late, WORDS, MPI_UINT64_T, MPI_STATUS_IGNORE);
    fold(late, WORDS);
    MPI_File_close(&file);
}

struct mode {
    const char *name;
    void (*wait)(void);      /* rank 1 waits in it, by itself or for a message */
    void (*both)(bool late); /* both ranks have a part in it */
};

static const struct mode MODES[] = {
    {"compute", compute, NULL},      {"recv", wait_recv, NULL},     {"wait", wait_wait, NULL},
    {"waitall", wait_waitall, NULL}, {"waitany", wait_waitany, NULL}, {"probe", wait_probe, NULL},
    {"mprobe", wait_mprobe, NULL},   {"test", wait_test, NULL},     {"sleep", wait_sleep, NULL},
    {"cond", wait_cond, NULL},       {"read", wait_read, NULL},     {"barrier", NULL, both_barrier},
    {"fence", NULL, both_fence},     {"lock", NULL, both_lock},     {"file", NULL, both_file},
};

/* Rank 0 sends two messages before it is late, of which rank 1 has posted a receive for one, and one afterwards. */
static void take_part(const struct mode *mode) {
    if (rank == 0) {
        send(TAG_EARLY);
        send(TAG_EARLY + 10);
        ready();
        compute();
        send(TAG_LATE);
        MPI_Waitall(SENDS, sends, MPI_STATUSES_IGNORE);
        return;
    }
    MPI_Request request = receive(early, TAG_EARLY);
    ready();
    mode->wait();
    if (strcmp(mode->name, "waitall") != 0) {
        uint64_t other[WORDS];
        MPI_Recv(other, WORDS, MPI_UINT64_T, 0, TAG_EARLY + 10, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        fold(other, WORDS);
    }
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    fold(early, WORDS);
    const bool has_received = strncmp(mode->name, "recv", 4) == 0 || strncmp(mode->name, "wait", 4) == 0 ||
                              strstr(mode->name, "probe") != NULL || strcmp(mode->name, "test") == 0;
    if (!has_received)
        wait_recv();
    fold(late, WORDS);
}

int main(int argc, char **argv) {
    const struct mode *mode = NULL;
    int size, provided;
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++)
        if (argc == 3 && strcmp(argv[1], MODES[i].name) == 0)
            mode = &MODES[i];
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (mode == NULL || size != 2)
        fail("usage: waiting MODE RELEASE, with 2 ranks");
    release_path = argv[2];
    if (mode->both == NULL) {
        take_part(mode);
    } else {
        if (rank == 0 || mode->both == both_barrier)
            ready();
        mode->both(rank == 0);
    }
    uint64_t sum = 0;
    MPI_Reduce(&digest, &sum, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0)
        printf("%s digest %016" PRIx64 "\n", mode->name, sum);
    MPI_Finalize();
    return 0;
}
