/* A server of its own clients: a thread that waits in accept, one that waits in epoll_wait, and clients that ask them. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "gate.h"

static int listener, set;

/* Waits for clients without an end. */
static void *accept_all(void *unused) {
    (void)unused;
    for (;;) {
        struct epoll_event event = {.events = EPOLLIN};
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) return NULL;
        event.data.fd = client;
        if (epoll_ctl(set, EPOLL_CTL_ADD, client, &event) != 0) return NULL;
    }
}

/* Answers each byte with the next one. */
static void *answer_all(void *unused) {
    (void)unused;
    for (;;) {
        struct epoll_event event;
        char byte;
        if (epoll_wait(set, &event, 1, -1) != 1) continue;
        if (read(event.data.fd, &byte, 1) != 1) {
            close(event.data.fd);
            continue;
        }
        byte++;
        if (write(event.data.fd, &byte, 1) != 1) return NULL;
    }
}

static int client(const struct sockaddr_in *to) {
    int made = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(made, (const struct sockaddr *)to, sizeof *to) == 0);
    return made;
}

static char ask(int client, char byte) {
    CHECK(write(client, &byte, 1) == 1 && read(client, &byte, 1) == 1);
    return byte;
}

int main(int argc, char **argv) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t bytes = sizeof name;
    pthread_t accepts, answers;
    if (argc != 2) return 2;
    gate_folder = argv[1];
    listener = socket(AF_INET, SOCK_STREAM, 0), set = epoll_create1(0);
    CHECK(bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&name, &bytes) == 0);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(pthread_create(&accepts, NULL, accept_all, NULL) == 0 && pthread_create(&answers, NULL, answer_all, NULL) == 0);
    int first = client(&name), second = client(&name);
    CHECK(ask(first, 'a') == 'b' && ask(second, 'k') == 'l');
    gate(1);
    CHECK(ask(first, 'c') == 'd' && ask(second, 'm') == 'n');
    int third = client(&name);
    CHECK(ask(third, 'x') == 'y');
    gate(2);
    CHECK(ask(first, 'e') == 'f' && ask(second, 'o') == 'p' && ask(third, 'p') == 'q');
    return done();
}
