/* Sockets at odd moments: datagrams whose sender has gone, credentials, a datagram that was refused, and a connection between
 * 127.0.0.1 and ::ffff:127.0.0.1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "gate.h"

static int udp(struct sockaddr_in *name) {
    socklen_t bytes = sizeof *name;
    int made = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    *name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(bind(made, (struct sockaddr *)name, bytes) == 0 && getsockname(made, (struct sockaddr *)name, &bytes) == 0);
    return made;
}

/* Connected to an address that nobody has any more, with a message in it. */
static int refused(void) {
    struct sockaddr_in name, other;
    int made = udp(&name), gone = udp(&other);
    CHECK(connect(made, (struct sockaddr *)&other, sizeof other) == 0);
    CHECK(sendto(gone, "before", 6, 0, (struct sockaddr *)&name, sizeof name) == 6);
    CHECK(close(gone) == 0 && send(made, "to nobody", 9, 0) == 9);
    return made;
}

int main(int argc, char **argv) {
    int left[2], trusted[2], one = 1, client = -1, server = -1;
    char text[100] = "";
    if (argc != 2) return 2;
    gate_folder = argv[1];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, left) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, trusted) == 0);
    for (int i = 0; i < 3; i++) CHECK(send(left[0], "abc" + i, 1, 0) == 1);
    close(left[0]);
    CHECK(setsockopt(trusted[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0 && write(trusted[0], "credible", 8) == 8);
    int udp = refused();
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    socklen_t bytes = sizeof six;
    int listener = socket(AF_INET6, SOCK_STREAM, 0);
    if (listener >= 0 && bind(listener, (struct sockaddr *)&six, sizeof six) == 0) {
        CHECK(listen(listener, 5) == 0 && getsockname(listener, (struct sockaddr *)&six, &bytes) == 0);
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = six.sin6_port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        client = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(connect(client, (struct sockaddr *)&four, sizeof four) == 0 && (server = accept(listener, NULL, NULL)) >= 0);
    }
    for (int number = 1; number <= 2; number++) {
        if (server >= 0) CHECK(write(client, "ask", 3) == 3 && write(server, "answer", 6) == 6);
        gate(number);
        CHECK(recv(left[1], text, sizeof text, 0) == 1 && text[0] == 'a' + number - 1);
        CHECK(read(trusted[1], text, 4) == 4);
        /* The refusal is told once: a new socket knows nothing of it. */
        if (number == 1) CHECK(recv(udp, text, sizeof text, 0) == 6 || (errno == ECONNREFUSED && recv(udp, text, sizeof text, 0) == 6));
        if (server >= 0) CHECK(read(server, text, sizeof text) == 3 && read(client, text, sizeof text) == 6);
    }
    CHECK(recv(left[1], text, sizeof text, 0) == 1 && recv(left[1], text, sizeof text, 0) == -1 && errno == EAGAIN);
    CHECK(send(left[1], "x", 1, 0) == -1 && errno == ECONNREFUSED);
    return done();
}
