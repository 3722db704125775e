/* The ring: an ordinary MPI program, written for no checkpointer.
 *
 *        0 --> 1 --> 2 --> 3 --> 0        payloads, two tags received early, two late
 *        ^___________________________     every rank also hears from one other, MPI_ANY_SOURCE
 *
 * In each step every rank
 *   1. sends four payloads (8 B .. 1 MiB, growing) to the right, and posts receives for two of the left's four;
 *   2. sends one short message to some other rank;
 *   3. waits a little, as a program that computes would: here the messages are in flight;
 *   4. receives the other two payloads, one by size from MPI_Probe, and completes what is open;
 *   5. receives the short message from whoever sent it;
 *   6. passes a token once round the ring by blocking sends and receives;
 *   7. now and then takes part in MPI_Allreduce, MPI_Bcast or MPI_Gather.
 *
 * All that a rank receives goes into its digest, which therefore differs if a single message is lost, doubled, reordered
 * or changed. Short messages come in any order, so they are summed. At the end rank 0 prints one line:
 *
 *        digest 0123456789abcdef
 *
 * It does not depend on the MPI or on timing. Usage: ring STEPS [--pause-us N] [--progress]
 */
#include <inttypes.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PAYLOADS = 4,         /* in flight to the right in each step, a tag each */
    EARLY = 2,            /* so many of them have their receive posted before they arrive */
    SIZES = 18,           /* payload sizes: 8 << 0 .. 8 << 17 bytes */
    WORDS_MAX = 1 << 17,  /* the largest, in words of 8 bytes: 1 MiB */
    TAG_PAYLOAD = 100,
    TAG_TOKEN = 7,
    TAG_SHORT = 1000,
};

struct ring {
    int rank, size, left, right;
    MPI_Comm payloads, shorts; /* duplicates of the world: a wildcard on one cannot catch a message of the other */
    uint64_t ordered;          /* digest of what comes in a fixed order */
    uint64_t unordered;        /* sum over what may come in any order */
    uint64_t token;
    uint64_t *out[PAYLOADS], *in[PAYLOADS];
};

/* One round of splitmix64: every bit of the result depends on every bit of x. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* FNV-1a over words instead of bytes. */
static uint64_t fold(uint64_t digest, const uint64_t *words, int count) {
    for (int i = 0; i < count; i++)
        digest = (digest ^ words[i]) * 0x100000001b3u;
    return mix(digest);
}

static int words_in(int step, int payload) {
    return 1 << ((step + payload) % SIZES);
}

static void fill(uint64_t *words, int count, uint64_t seed) {
    for (int i = 0; i < count; i++)
        words[i] = seed + (uint64_t)i * 0x9e3779b97f4a7c15u;
}

static void receive_late(struct ring *ring, int step, int payload) {
    const int tag = TAG_PAYLOAD + payload;
    MPI_Status status;
    int count;
    if (payload % 2 == 0) {
        MPI_Probe(ring->left, tag, ring->payloads, &status);
        MPI_Get_count(&status, MPI_UINT64_T, &count);
    } else {
        count = words_in(step, payload);
    }
    MPI_Recv(ring->in[payload], count, MPI_UINT64_T, ring->left, tag, ring->payloads, &status);
}

static void exchange_payloads(struct ring *ring, int step, unsigned pause_us) {
    MPI_Request requests[PAYLOADS + EARLY + 1];
    for (int p = 0; p < EARLY; p++)
        MPI_Irecv(ring->in[p], words_in(step, p), MPI_UINT64_T, ring->left, TAG_PAYLOAD + p, ring->payloads,
                  &requests[p]);
    for (int p = 0; p < PAYLOADS; p++) {
        fill(ring->out[p], words_in(step, p), ring->ordered + (uint64_t)p);
        MPI_Isend(ring->out[p], words_in(step, p), MPI_UINT64_T, ring->right, TAG_PAYLOAD + p, ring->payloads,
                  &requests[EARLY + p]);
    }
    uint64_t note[2] = {(uint64_t)step, mix((uint64_t)ring->rank + ring->token)};
    int to = (ring->rank + 1 + step % (ring->size - 1)) % ring->size;
    MPI_Isend(note, 2, MPI_UINT64_T, to, TAG_SHORT + step % 3, ring->shorts, &requests[EARLY + PAYLOADS]);

    if (pause_us > 0)
        usleep(pause_us);

    for (int p = EARLY; p < PAYLOADS; p++)
        receive_late(ring, step, p);
    MPI_Waitall(PAYLOADS + EARLY + 1, requests, MPI_STATUSES_IGNORE);
    for (int p = 0; p < PAYLOADS; p++)
        ring->ordered = fold(ring->ordered, ring->in[p], words_in(step, p));
}

static void receive_short(struct ring *ring) {
    uint64_t note[2];
    MPI_Status status;
    int count;
    MPI_Recv(note, 2, MPI_UINT64_T, MPI_ANY_SOURCE, MPI_ANY_TAG, ring->shorts, &status);
    MPI_Get_count(&status, MPI_UINT64_T, &count);
    uint64_t heard[5] = {note[0], note[1], (uint64_t)status.MPI_SOURCE, (uint64_t)status.MPI_TAG, (uint64_t)count};
    ring->unordered += fold(0, heard, 5);
}

static void pass_token(struct ring *ring, int step) {
    if (ring->rank == 0) {
        MPI_Ssend(&ring->token, 1, MPI_UINT64_T, ring->right, TAG_TOKEN, MPI_COMM_WORLD);
        MPI_Recv(&ring->token, 1, MPI_UINT64_T, ring->left, TAG_TOKEN, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
        MPI_Recv(&ring->token, 1, MPI_UINT64_T, ring->left, TAG_TOKEN, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        ring->token = mix(ring->token + (uint64_t)ring->rank + (uint64_t)step);
        MPI_Send(&ring->token, 1, MPI_UINT64_T, ring->right, TAG_TOKEN, MPI_COMM_WORLD);
    }
    ring->ordered = fold(ring->ordered, &ring->token, 1);
}

static void collectives(struct ring *ring, int step) {
    const int root = step % ring->size;
    if (step % 4 == 0) { /* unsigned sums wrap: exact in any order of reduction */
        uint64_t sum;
        MPI_Allreduce(&ring->ordered, &sum, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
        ring->ordered = fold(ring->ordered, &sum, 1);
    }
    if (step % 6 == 0) {
        uint64_t *words = ring->in[0];
        fill(words, 512, ring->ordered);
        MPI_Bcast(words, 512, MPI_UINT64_T, root, MPI_COMM_WORLD);
        ring->ordered = fold(ring->ordered, words, 512);
    }
    if (step % 10 == 0) {
        MPI_Gather(&ring->ordered, 1, MPI_UINT64_T, ring->in[1], 1, MPI_UINT64_T, root, MPI_COMM_WORLD);
        if (ring->rank == root)
            ring->ordered = fold(ring->ordered, ring->in[1], ring->size);
    }
}

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes);
    if (memory == NULL) {
        fprintf(stderr, "ring: no memory for %zu bytes\n", bytes);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    return memory;
}

static void begin(struct ring *ring) {
    MPI_Comm_rank(MPI_COMM_WORLD, &ring->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ring->size);
    if (ring->size < 2) {
        fprintf(stderr, "ring: one rank makes no ring; start at least 2\n");
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    ring->left = (ring->rank + ring->size - 1) % ring->size;
    ring->right = (ring->rank + 1) % ring->size;
    MPI_Comm_dup(MPI_COMM_WORLD, &ring->payloads);
    MPI_Comm_dup(MPI_COMM_WORLD, &ring->shorts);
    ring->ordered = mix((uint64_t)ring->rank);
    ring->unordered = 0;
    ring->token = 1;
    for (int p = 0; p < PAYLOADS; p++) {
        ring->out[p] = allocate(sizeof(uint64_t) * WORDS_MAX);
        ring->in[p] = allocate(sizeof(uint64_t) * WORDS_MAX);
    }
}

static void print_digest(struct ring *ring) {
    uint64_t mine = mix(ring->ordered + (uint64_t)ring->rank) + ring->unordered, all = 0;
    MPI_Reduce(&mine, &all, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    if (ring->rank == 0)
        printf("digest %016" PRIx64 "\n", all);
}

static void end(struct ring *ring) {
    for (int p = 0; p < PAYLOADS; p++) {
        free(ring->out[p]);
        free(ring->in[p]);
    }
    MPI_Comm_free(&ring->payloads);
    MPI_Comm_free(&ring->shorts);
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    int steps = argc > 1 ? atoi(argv[1]) : 100;
    unsigned pause_us = 0;
    bool progress = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--pause-us") == 0 && i + 1 < argc)
            pause_us = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--progress") == 0)
            progress = true;
    }

    struct ring ring;
    begin(&ring);
    for (int step = 0; step < steps; step++) {
        if (progress && ring.rank == 0)
            fprintf(stderr, "step %d\n", step);
        exchange_payloads(&ring, step, pause_us);
        receive_short(&ring);
        pass_token(&ring, step);
        collectives(&ring, step);
    }
    print_digest(&ring);
    end(&ring);
    MPI_Finalize();
    return 0;
}
