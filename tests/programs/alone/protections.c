/* Pages that cannot be read, or only read, keep that and their contents; a fault after the restart reaches the handler. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "gate.h"

enum { PAGE = 4096 };

static sigjmp_buf out;
static volatile char *at;

static void fault(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    at = info->si_addr;
    siglongjmp(out, info->si_code);
}

static int write_to(volatile char *address) {
    const int code = sigsetjmp(out, 1);
    if (code == 0) *address = 'w';
    return code;
}

static volatile char *pages;

static void check(void) {
    CHECK(write_to(pages) == SEGV_ACCERR && at == pages);
    CHECK(write_to(pages + PAGE) == SEGV_ACCERR && pages[PAGE] == 'r');
    CHECK(write_to(pages + 2 * PAGE) == 0 && write_to(pages + 3 * PAGE) == SEGV_MAPERR);
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    pages = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pages[0] = 'n';
    pages[PAGE] = 'r';
    mprotect((void *)pages, PAGE, PROT_NONE);
    mprotect((void *)(pages + PAGE), PAGE, PROT_READ);
    munmap((void *)(pages + 3 * PAGE), PAGE);
    check();
    gate(1);
    check();
    gate(2);
    check();
    CHECK(mprotect((void *)pages, PAGE, PROT_READ | PROT_WRITE) == 0 && pages[0] == 'n');
    return done();
}
