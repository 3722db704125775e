/* A flood of messages of one byte: 100,000 of them in flight in each round.
 *
 *      post half of the receives | send all, to every other rank, in turn | wait a little | post the other half | wait for all
 *
 * So half of the messages find their receive, and half arrive before anybody wants them. They bear few tags, so many of
 * them differ in nothing but their order, which is part of the digest.
 *
 * Usage: flood ROUNDS [--in-flight N] [--pause-us N] [--progress] [--rate]
 */
#include "torture.h"

enum { TAGS = 3 };

static int each; /* messages from each rank to each other one */
static unsigned char *out, *in;
static MPI_Request *receives, *sends;
static MPI_Status *statuses;

/* The `nth` message between a rank and its `other`th neighbour, in the arrays. */
static int place(int other, int nth) { return nth * (size - 1) + other; }

static int tag_of(int nth) { return nth % 7 % TAGS; }

static unsigned char payload(int round, int from, int to, int nth) {
    return (unsigned char)mix((uint64_t)round << 40 | (uint64_t)from << 32 | (uint64_t)to << 24 | (uint64_t)nth);
}

static void post(int from, int to) {
    for (int nth = from; nth < to; nth++)
        for (int other = 0; other < size - 1; other++) {
            const int at = place(other, nth);
            MPI_Irecv(&in[at], 1, MPI_BYTE, (rank + size - 1 - other) % size, tag_of(nth), MPI_COMM_WORLD, &receives[at]);
        }
}

static void send_all(int round) {
    for (int nth = 0; nth < each; nth++)
        for (int other = 0; other < size - 1; other++) {
            const int at = place(other, nth), to = (rank + 1 + other) % size;
            out[at] = payload(round, rank, to, nth);
            MPI_Isend(&out[at], 1, MPI_BYTE, to, tag_of(nth), MPI_COMM_WORLD, &sends[at]);
        }
}

static void look(int round) {
    for (int nth = 0; nth < each; nth++)
        for (int other = 0; other < size - 1; other++) {
            const int at = place(other, nth), from = (rank + size - 1 - other) % size;
            if (in[at] != payload(round, from, rank, nth)) wrong("a byte", in[at], payload(round, from, rank, nth));
            if (statuses[at].MPI_SOURCE != from) wrong("a source", statuses[at].MPI_SOURCE, from);
            digest = (digest ^ in[at]) * 0x100000001b3u;
        }
    digest = mix(digest);
}

int main(int argc, char **argv) {
    int in_flight = 100000;
    options(argc, argv, "--in-flight", &in_flight);
    MPI_Init(&argc, &argv);
    begin();
    if (size < 2) wrong("the number of ranks", size, 2);
    each = (in_flight + size * (size - 1) - 1) / (size * (size - 1));
    const int all = each * (size - 1);
    out = allocate((size_t)all);
    in = allocate((size_t)all);
    receives = allocate(sizeof *receives * (size_t)all);
    sends = allocate(sizeof *sends * (size_t)all);
    statuses = allocate(sizeof *statuses * (size_t)all);
    for (int round = 0; round < steps; round++) {
        tell(round);
        post(0, each / 2);
        send_all(round);
        dawdle();
        post(each / 2, each);
        MPI_Waitall(all, receives, statuses);
        look(round);
        MPI_Waitall(all, sends, statuses);
    }
    report("flood/message", (double)steps * all);
    free(statuses);
    free(sends);
    free(receives);
    free(in);
    free(out);
    MPI_Finalize();
    return 0;
}
