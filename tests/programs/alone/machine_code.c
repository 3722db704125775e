/* Code that the program writes itself: in memory that is writable and executable, and written first, then made executable. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "gate.h"

typedef int (*function)(void);

/* mov $number, %eax; ret */
static void *write_code(int protection, int number) {
    unsigned char code[] = {0xb8, 0, 0, 0, 0, 0xc3};
    memcpy(code + 1, &number, sizeof number);
    void *page = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    memcpy(page, code, sizeof code);
    return page;
}

static int call(void *code) {
    function called;
    memcpy(&called, &code, sizeof called);
    return called();
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    char *all = write_code(PROT_READ | PROT_WRITE | PROT_EXEC, 11);
    char *sealed = write_code(PROT_READ | PROT_WRITE, 22);
    CHECK(mprotect(sealed, 4096, PROT_READ | PROT_EXEC) == 0);
    CHECK(call(all) == 11 && call(sealed) == 22);
    gate(1);
    CHECK(call(all) == 11 && call(sealed) == 22);
    all[1] = 12;
    CHECK(mprotect(sealed, 4096, PROT_READ | PROT_WRITE) == 0);
    sealed[1] = 23;
    CHECK(mprotect(sealed, 4096, PROT_READ | PROT_EXEC) == 0);
    gate(2);
    CHECK(call(all) == 12 && call(sealed) == 23);
    char *later = write_code(PROT_READ | PROT_WRITE | PROT_EXEC, 33);
    CHECK(call(later) == 33);
    return done();
}
