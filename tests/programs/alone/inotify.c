/* inotify: watches keep their numbers, also after one has been removed, and events come after a restart. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "gate.h"

static int watches;

static void expect(int number, unsigned mask, const char *name) {
    _Alignas(struct inotify_event) char room[4096];
    const struct inotify_event *event = (const struct inotify_event *)room;
    CHECK(read(watches, room, sizeof room) >= (ssize_t)sizeof *event);
    CHECK(event->wd == number && event->mask == mask && (!name || strcmp(event->name, name) == 0));
}

int main(int argc, char **argv) {
    char folder[500], path[600];
    if (argc != 2 || chdir(argv[1]) != 0) return 2;
    gate_folder = argv[1];
    snprintf(folder, sizeof folder, "%s/folder", gate_folder);
    CHECK(mkdir(folder, 0700) == 0);
    snprintf(path, sizeof path, "%s/file", folder);
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    watches = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    int first = inotify_add_watch(watches, path, IN_ATTRIB), removed = inotify_add_watch(watches, "/", IN_MOVE);
    int last = inotify_add_watch(watches, "folder", IN_CREATE | IN_DELETE);
    CHECK(first == 1 && removed == 2 && last == 3 && inotify_rm_watch(watches, removed) == 0);
    expect(removed, IN_IGNORED, NULL);
    for (int number = 1; number <= 2; number++) {
        gate(number);
        CHECK(read(watches, path, sizeof path) == -1 && errno == EAGAIN);
        CHECK(fchmod(file, 0600 + number) == 0);
        expect(first, IN_ATTRIB, NULL);
        snprintf(path, sizeof path, "%s/new-%d", folder, number);
        CHECK(mkdir(path, 0700) == 0);
        expect(last, IN_CREATE | IN_ISDIR, strrchr(path, '/') + 1);
    }
    CHECK(inotify_rm_watch(watches, first) == 0 && inotify_rm_watch(watches, last) == 0);
    return done();
}
