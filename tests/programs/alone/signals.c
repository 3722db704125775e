/* Signal handlers with their flags and masks, the thread's mask, ignored signals, the alternate stack, and a handler that is
 * running while the program is saved.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include "gate.h"

static volatile sig_atomic_t plain, with_value, on_stack, inside;
static char stack[1 << 16];

static void count(int signal) {
    (void)signal;
    plain++;
}

static void take(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    with_value = info->si_value.sival_int;
}

static void look(int signal) {
    char here;
    (void)signal;
    on_stack = &here >= stack && &here < stack + sizeof stack;
}

static void stay(int signal) {
    (void)signal;
    inside = 1;
    gate(1);
    inside = 2;
}

static void act(int signal, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGHUP);
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static void check_kept(void) {
    struct sigaction action;
    sigset_t mask;
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == count);
    CHECK(action.sa_flags & SA_RESTART && sigismember(&action.sa_mask, SIGHUP));
    CHECK(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
    CHECK(sigaction(SIGWINCH, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    CHECK(sigismember(&mask, SIGTERM) && !sigismember(&mask, SIGUSR1));
    raise(SIGUSR1);
    CHECK(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 42}) == 0);
    CHECK(with_value == 42);
    with_value = 0;
    on_stack = 0;
    raise(SIGUSR2);
    CHECK(on_stack);
    raise(SIGPIPE);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    CHECK(sigaltstack(&alternate, NULL) == 0);
    act(SIGUSR1, count, SA_RESTART);
    act(SIGUSR2, look, SA_ONSTACK);
    act(SIGURG, stay, 0);
    signal(SIGPIPE, SIG_IGN);
    struct sigaction queued = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN + 3, &queued, NULL);
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    check_kept();
    raise(SIGURG);
    CHECK(inside == 2);
    check_kept();
    gate(2);
    check_kept();
    CHECK(plain == 3);
    return done();
}
