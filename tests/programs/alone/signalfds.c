/* signalfd: a signal that comes after the restart is read from it. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "gate.h"

int main(int argc, char **argv) {
    sigset_t set;
    struct signalfd_siginfo info;
    if (argc != 2) return 2;
    gate_folder = argv[1];
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    gate(1);
    CHECK(read(signals, &info, sizeof info) == -1 && errno == EAGAIN);
    raise(SIGUSR1);
    CHECK(read(signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR1);
    gate(2);
    raise(SIGUSR2);
    CHECK(read(signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR2);
    return done();
}
