/* TCP: listening with its options, and connections within the process, with bytes on their way and half closed. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "gate.h"

static int option(int socket, int level, int name) {
    int value = -1;
    socklen_t bytes = sizeof value;
    CHECK(getsockopt(socket, level, name, &value, &bytes) == 0);
    return value;
}

static void set(int socket, int level, int name, int value) {
    CHECK(setsockopt(socket, level, name, &value, sizeof value) == 0);
}

static int connected(const struct sockaddr_in *to, int listener, int *server) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (const struct sockaddr *)to, sizeof *to) == 0);
    *server = accept(listener, NULL, NULL);
    CHECK(*server >= 0);
    return client;
}

int main(int argc, char **argv) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, seen;
    socklen_t bytes = sizeof name;
    char text[100] = "";
    int server, half;
    if (argc != 2) return 2;
    gate_folder = argv[1];
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    set(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    CHECK(bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 7) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&name, &bytes) == 0);
    int client = connected(&name, listener, &server), closing = connected(&name, listener, &half);
    set(client, IPPROTO_TCP, TCP_NODELAY, 1);
    set(client, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(client, IPPROTO_TCP, TCP_KEEPIDLE, 77);
    CHECK(write(client, "to the server", 13) == 13 && write(server, "to the client", 13) == 13);
    CHECK(write(closing, "bye", 3) == 3 && shutdown(closing, SHUT_WR) == 0);
    for (int number = 1; number <= 2; number++) {
        gate(number);
        CHECK(option(client, IPPROTO_TCP, TCP_NODELAY) == 1 && option(server, IPPROTO_TCP, TCP_NODELAY) == 0);
        CHECK(option(client, SOL_SOCKET, SO_KEEPALIVE) == 1 && option(client, IPPROTO_TCP, TCP_KEEPIDLE) == 77);
        CHECK(option(listener, SOL_SOCKET, SO_REUSEADDR) == 1 && option(listener, SOL_SOCKET, SO_ACCEPTCONN) == 1);
        bytes = sizeof seen;
        CHECK(getpeername(client, (struct sockaddr *)&seen, &bytes) == 0 && seen.sin_port == name.sin_port);
        CHECK(read(server, text, number == 1 ? 3 : 100) == (number == 1 ? 3 : 10));
        CHECK(read(client, text, number == 1 ? 3 : 100) == (number == 1 ? 3 : 10));
        int other, another = connected(&name, listener, &other);
        CHECK(write(another, "x", 1) == 1 && read(other, text, 1) == 1);
        close(other), close(another);
    }
    CHECK(read(half, text, 100) == 3 && read(half, text, 100) == 0);
    CHECK(write(half, "answer", 6) == 6 && read(closing, text, 100) == 6);
    CHECK(close(client) == 0 && read(server, text, 1) == 0);
    return done();
}
