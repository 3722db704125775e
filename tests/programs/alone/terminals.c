/* A pseudoterminal with both sides in the process: its modes, its window's size, and lines that go through it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "gate.h"

int main(int argc, char **argv) {
    struct winsize size = {33, 99, 0, 0}, seen;
    struct termios modes, now;
    char text[100];
    if (argc != 2) return 2;
    gate_folder = argv[1];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(slave >= 0 && tcgetattr(slave, &modes) == 0 && ioctl(slave, TIOCSWINSZ, &size) == 0);
    modes.c_lflag &= ~ECHO;
    modes.c_oflag &= ~ONLCR;
    modes.c_cc[VERASE] = '#';
    CHECK(tcsetattr(slave, TCSANOW, &modes) == 0);
    for (int number = 1; number <= 2; number++) {
        gate(number);
        CHECK(isatty(slave) && tcgetattr(slave, &now) == 0);
        CHECK(now.c_lflag == modes.c_lflag && now.c_oflag == modes.c_oflag && now.c_cc[VERASE] == '#');
        CHECK(ioctl(master, TIOCGWINSZ, &seen) == 0 && seen.ws_row == 33 && seen.ws_col == 99);
        CHECK(write(master, "helxx##lo\n", 10) == 10 && read(slave, text, sizeof text) == 6 && memcmp(text, "hello\n", 6) == 0);
        CHECK(write(slave, "answer\n", 7) == 7 && read(master, text, sizeof text) == 7);
        CHECK(fcntl(master, F_GETFL) & O_NONBLOCK && !(fcntl(slave, F_GETFL) & O_NONBLOCK));
    }
    return done();
}
