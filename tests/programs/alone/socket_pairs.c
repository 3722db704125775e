/* socketpair: bytes and messages on their way in both directions, shutdown, an end that has been closed, and a buffer's size. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "gate.h"

int main(int argc, char **argv) {
    int stream[2], messages[2], packets[2], left[2];
    char text[100] = "";
    if (argc != 2) return 2;
    gate_folder = argv[1];
    signal(SIGPIPE, SIG_IGN);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, messages) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, packets) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, left) == 0);
    int wanted = 12345, size, again;
    socklen_t bytes = sizeof size;
    CHECK(setsockopt(stream[0], SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted) == 0);
    CHECK(getsockopt(stream[0], SOL_SOCKET, SO_SNDBUF, &size, &bytes) == 0);
    for (int i = 0; i < 5; i++) CHECK(write(stream[0], "abcdefghij" + i, 2) == 2);
    CHECK(write(stream[1], "back", 4) == 4);
    CHECK(send(messages[0], "one", 3, 0) == 3 && send(messages[0], "", 0, 0) == 0 && send(messages[0], "three", 5, 0) == 5);
    CHECK(send(packets[0], "p1", 2, 0) == 2 && send(packets[0], "p22", 3, 0) == 3);
    CHECK(write(left[0], "last", 4) == 4 && close(left[0]) == 0);
    gate(1);
    CHECK(read(stream[1], text, 4) == 4 && memcmp(text, "abbc", 4) == 0);
    CHECK(read(stream[0], text, sizeof text) == 4 && memcmp(text, "back", 4) == 0);
    CHECK(shutdown(stream[0], SHUT_WR) == 0);
    CHECK(recv(messages[1], text, sizeof text, 0) == 3 && recv(messages[1], text, sizeof text, 0) == 0);
    CHECK(recv(packets[1], text, sizeof text, 0) == 2);
    CHECK(read(left[1], text, 2) == 2 && write(left[1], "x", 1) == -1 && errno == EPIPE);
    CHECK(getsockopt(stream[0], SOL_SOCKET, SO_SNDBUF, &again, &bytes) == 0 && again == size);
    gate(2);
    CHECK(read(stream[1], text, sizeof text) == 6 && memcmp(text, "cddeef", 6) == 0 && read(stream[1], text, 1) == 0);
    CHECK(write(stream[0], "x", 1) == -1 && errno == EPIPE && write(stream[1], "more", 4) == 4);
    CHECK(read(stream[0], text, sizeof text) == 4 && memcmp(text, "more", 4) == 0);
    CHECK(recv(messages[1], text, sizeof text, 0) == 5 && memcmp(text, "three", 5) == 0);
    CHECK(recv(packets[1], text, sizeof text, 0) == 3 && recv(packets[1], text, sizeof text, 0) == -1 && errno == EAGAIN);
    CHECK(send(packets[1], "answer", 6, 0) == 6 && recv(packets[0], text, sizeof text, 0) == 6);
    CHECK(read(left[1], text, sizeof text) == 2 && read(left[1], text, sizeof text) == 0);
    return done();
}
