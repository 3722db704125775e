/* UDP: bound, connected, with datagrams that have not been read, over IPv4 and IPv6. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "gate.h"

static struct sockaddr_storage names[4];
static socklen_t bytes[4];

static int bound(int which, int family) {
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int made = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    const struct sockaddr *name = family == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six;
    if (bind(made, name, family == AF_INET ? sizeof four : sizeof six) != 0) return -1;
    bytes[which] = sizeof names[which];
    CHECK(getsockname(made, (struct sockaddr *)&names[which], &bytes[which]) == 0);
    return made;
}

static void take(int from, const char *text, int sender) {
    struct sockaddr_storage seen;
    socklen_t length = sizeof seen;
    char room[100];
    memset(&seen, 0, sizeof seen);
    CHECK(recvfrom(from, room, 100, 0, (struct sockaddr *)&seen, &length) == (ssize_t)strlen(text));
    CHECK(memcmp(room, text, strlen(text)) == 0 && memcmp(&seen, &names[sender], length) == 0);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    gate_folder = argv[1];
    for (int family = 0; family < 2; family++) {
        int at = 2 * family, kind = family ? AF_INET6 : AF_INET;
        int receiver = bound(at, kind), sender = bound(at + 1, kind);
        if (receiver < 0 && family) break; /* no IPv6 here */
        CHECK(connect(sender, (struct sockaddr *)&names[at], bytes[at]) == 0);
        CHECK(send(sender, "one", 3, 0) == 3 && send(sender, "second", 6, 0) == 6);
        if (family == 0) gate(1);
        else gate(2);
        take(receiver, "one", at + 1);
        take(receiver, "second", at + 1);
        CHECK(recv(receiver, names, 1, 0) == -1 && errno == EAGAIN);
        CHECK(sendto(receiver, "back", 4, 0, (struct sockaddr *)&names[at + 1], bytes[at + 1]) == 4);
        take(sender, "back", at);
    }
    return done();
}
