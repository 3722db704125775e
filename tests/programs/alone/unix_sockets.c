/* AF_UNIX sockets with names, in a folder and abstract: listening, connected, and datagrams from one with a name. */
#define _GNU_SOURCE
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "gate.h"

static socklen_t name(struct sockaddr_un *address, int abstract, const char *text) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path + abstract, sizeof address->sun_path - abstract, "%s", text);
    return offsetof(struct sockaddr_un, sun_path) + abstract + strlen(text) + !abstract;
}

static void talk(int listener, const struct sockaddr_un *address, socklen_t length) {
    char text[10] = "";
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(connect(client, (const struct sockaddr *)address, length) == 0);
    int server = accept(listener, NULL, NULL);
    CHECK(server >= 0 && write(client, "hello", 5) == 5 && read(server, text, 10) == 5);
    close(client), close(server);
}

int main(int argc, char **argv) {
    struct sockaddr_un path, abstract, from, to;
    char text[100];
    if (argc != 2 || chdir(argv[1]) != 0) return 2;
    gate_folder = ".";
    snprintf(text, sizeof text, "mana-test-%d", (int)getpid());
    socklen_t path_bytes = name(&path, 0, "listens"), abstract_bytes = name(&abstract, 1, text);
    int by_path = socket(AF_UNIX, SOCK_STREAM, 0), by_name = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(by_path, (struct sockaddr *)&path, path_bytes) == 0 && listen(by_path, 5) == 0);
    CHECK(bind(by_name, (struct sockaddr *)&abstract, abstract_bytes) == 0 && listen(by_name, 5) == 0);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr *)&path, path_bytes) == 0);
    int server = accept(by_path, NULL, NULL);
    CHECK(write(server, "from the server", 15) == 15);
    int receiver = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t to_bytes = name(&to, 0, "receives"), from_bytes = name(&from, 0, "sends");
    CHECK(bind(receiver, (struct sockaddr *)&to, to_bytes) == 0 && bind(sender, (struct sockaddr *)&from, from_bytes) == 0);
    CHECK(connect(sender, (struct sockaddr *)&to, to_bytes) == 0 && send(sender, "one", 3, 0) == 3);
    CHECK(send(sender, "two", 3, 0) == 3);
    for (int number = 1; number <= 2; number++) {
        struct sockaddr_un seen;
        socklen_t bytes = sizeof seen;
        gate(number);
        talk(by_path, &path, path_bytes);
        talk(by_name, &abstract, abstract_bytes);
        CHECK(read(client, text, number == 1 ? 4 : 100) == (number == 1 ? 4 : 11));
        CHECK(recvfrom(receiver, text, 100, 0, (struct sockaddr *)&seen, &bytes) == 3 && strcmp(seen.sun_path, "sends") == 0);
        bytes = sizeof seen;
        CHECK(getsockname(server, (struct sockaddr *)&seen, &bytes) == 0 && strcmp(seen.sun_path, "listens") == 0);
    }
    CHECK(send(sender, "three", 5, 0) == 5 && recv(receiver, text, 100, 0) == 5);
    return done();
}
