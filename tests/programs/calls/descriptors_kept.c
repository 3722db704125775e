/* Open descriptors survive a checkpoint and a restart, under another MPI too. 2 ranks, each with its own.
 *
 *      files: position, append mode, shared position (dup), read only, without a name, in memory; directories, devices
 *      pipes with bytes in them, also one whose writers are gone; eventfd, timerfd, signalfd; epoll sets over them
 *      numbers and close-on-exec flags; the standard streams; the working directory, the file mode mask
 *
 * The first life leaves its files where they are: the second one needs them.
 */
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#if __has_include(<mana.h>)
#include <mana.h>
#define CHECKPOINT() mana_checkpoint()
#else
#define CHECKPOINT() 1
#endif

static char folder[400], path[500];

static const char *in_folder(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void say(int descriptor, const char *text) {
    CHECK_INT(write(descriptor, text, strlen(text)), strlen(text));
}

/* What is in a file, from its beginning. */
static void check_content(const char *name, const char *wanted) {
    char found[200] = "";
    const int file = open(in_folder(name), O_RDONLY);
    CHECK(file >= 0);
    CHECK_INT(read(file, found, sizeof found - 1), strlen(wanted));
    CHECK(strcmp(found, wanted) == 0);
    close(file);
}

static void check_read(int descriptor, const char *wanted) {
    char found[200] = "";
    CHECK_INT(read(descriptor, found, strlen(wanted)), strlen(wanted));
    CHECK(strcmp(found, wanted) == 0);
}

int main(int argc, char **argv) {
    check_begin(&argc, &argv, 2);
    const char *scratch = getenv("CHECK_FOLDER");
    snprintf(folder, sizeof folder, "%s/descriptors.%d", scratch ? scratch : ".", check_rank);
    mkdir(folder, 0755);
    CHECK_INT(chdir(folder), 0);
    umask(027);

    const int log = open("log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    const int data = open("data", O_RDWR | O_CREAT | O_TRUNC, 0644);
    const int same = dup(data), far = fcntl(data, F_DUPFD_CLOEXEC, 100);
    FILE *stream = fopen("stream", "w+");
    CHECK(log >= 0 && data >= 0 && same >= 0 && far >= 100 && stream != NULL);
    say(log, "one\n");
    say(data, "abcdef");
    fprintf(stream, "buffered ");

    const int input = open("log", O_RDONLY);
    check_read(input, "on");
    const int nameless = open("gone", O_RDWR | O_CREAT | O_TRUNC, 0600);
    say(nameless, "nobody else sees this");
    unlink("gone");
    lseek(nameless, 7, SEEK_SET);
    const int memory = memfd_create("numbers", MFD_ALLOW_SEALING);
    say(memory, "12345");
    CHECK_INT(fcntl(memory, F_ADD_SEALS, F_SEAL_GROW), 0);
    DIR *directory = opendir(".");
    CHECK(directory != NULL && readdir(directory) != NULL);
    const int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
    CHECK_INT(dup2(null, 77), 77);

    int full[2], left[2], wide[2];
    CHECK_INT(pipe(full), 0);
    CHECK_INT(pipe2(left, O_NONBLOCK), 0);
    CHECK_INT(pipe(wide), 0);
    say(full[1], "in flight");
    say(left[1], "the last words");
    close(left[1]);
    CHECK(fcntl(wide[1], F_SETPIPE_SZ, 1 << 18) >= 1 << 18);
    static char block[200000];
    memset(block, 'x', sizeof block);
    CHECK_INT(write(wide[1], block, sizeof block), sizeof block);

    const int event = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), idle = timerfd_create(CLOCK_REALTIME, 0);
    const struct itimerspec times = {.it_interval = {0, 1000000}, .it_value = {0, 1000000}};
    CHECK_INT(timerfd_settime(timer, 0, &times, NULL), 0);
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    const int signals = signalfd(-1, &usr1, SFD_NONBLOCK);
    const int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event watched = {.events = EPOLLIN, .data.u64 = 0x1234567890abcdef};
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, event, &watched), 0);
    watched.events = EPOLLIN | EPOLLET;
    watched.data.fd = full[0];
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, full[0], &watched), 0);
    const int output = dup(1);

    CHECK(CHECKPOINT() >= 0);

    /* The numbers, and what belongs to them. */
    const int all[] = {log, data, same, far, input, nameless, memory, null, zero, 77, full[0], full[1], left[0], wide[0],
                       wide[1], event, timer, idle, signals, set, output};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) CHECK(fcntl(all[i], F_GETFD) >= 0);
    CHECK_INT(fcntl(log, F_GETFD), FD_CLOEXEC);
    CHECK_INT(fcntl(far, F_GETFD), FD_CLOEXEC);
    CHECK_INT(fcntl(data, F_GETFD), 0);
    CHECK_INT(umask(022), 027);
    char here[500] = "";
    CHECK(getcwd(here, sizeof here) != NULL && strstr(here, "descriptors.") != NULL);

    /* Files. */
    CHECK(fcntl(log, F_GETFL) & O_APPEND);
    say(log, "two\n");
    check_content("log", "one\ntwo\n");
    check_read(input, "e\ntwo\n");
    CHECK_INT(lseek(data, 0, SEEK_CUR), 6);
    say(same, "ghi");
    CHECK_INT(lseek(far, 0, SEEK_CUR), 9);
    check_content("data", "abcdefghi");
    fprintf(stream, "and written");
    fflush(stream);
    check_content("stream", "buffered and written");
    check_read(nameless, "else sees this");
    CHECK_INT(lseek(memory, 0, SEEK_CUR), 5);
    CHECK_INT(pwrite(memory, "6", 1, 5), -1);
    lseek(memory, 0, SEEK_SET);
    check_read(memory, "12345");
    CHECK(readdir(directory) != NULL);
    closedir(directory);
    char byte = 1;
    CHECK_INT(read(zero, &byte, 1), 1);
    CHECK_INT(byte, 0);
    CHECK_INT(read(77, &byte, 1), 0);

    /* An epoll set still knows what it watches; an edge is seen once. */
    struct epoll_event ready[4];
    CHECK_INT(epoll_wait(set, ready, 4, 0), 2);
    CHECK(ready[0].data.u64 == 0x1234567890abcdef || ready[1].data.u64 == 0x1234567890abcdef);

    /* Pipes. */
    check_read(full[0], "in flight");
    say(full[1], "more");
    check_read(full[0], "more");
    check_read(left[0], "the last words");
    CHECK_INT(read(left[0], &byte, 1), 0);
    static char copy[sizeof block];
    size_t got = 0;
    for (ssize_t part; got < sizeof copy && (part = read(wide[0], copy + got, sizeof copy - got)) > 0;) got += part;
    CHECK(got == sizeof copy && memcmp(copy, block, sizeof copy) == 0);

    /* Objects of the kernel. */
    uint64_t count = 0;
    for (int i = 0; i < 3; i++) {
        CHECK_INT(read(event, &count, sizeof count), sizeof count);
        CHECK_INT(count, 1);
    }
    CHECK_INT(read(event, &count, sizeof count), -1);
    struct pollfd expires = {.fd = timer, .events = POLLIN};
    CHECK_INT(poll(&expires, 1, -1), 1);
    CHECK_INT(read(timer, &count, sizeof count), sizeof count);
    CHECK(count > 0);
    expires.fd = idle;
    CHECK_INT(poll(&expires, 1, 0), 0);
    raise(SIGUSR1);
    struct signalfd_siginfo caught;
    CHECK_INT(read(signals, &caught, sizeof caught), sizeof caught);
    CHECK_INT(caught.ssi_signo, SIGUSR1);
    fflush(stdout);
    if (check_rank == 0) say(output, "said by a copy of standard output\n");
    fclose(stream);
    return check_end();
}
