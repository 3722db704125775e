/* One of the programs of a pipeline.
 *
 *      relay FOLDER source    writes numbers, one a line: more than a pipe holds
 *      relay FOLDER twice     passes them on, doubled
 *      relay FOLDER sink      adds them up; waits at both gates meanwhile
 */
#include "../gate.h"

#include <string.h>

enum { NUMBERS = 60000 };

int main(int argc, char **argv) {
    gate_folder = argv[1];
    pid_t self = getpid(), parent = getppid();
    const char *role = argc > 2 ? argv[2] : "sink";
    long number, sum = 0, lines = 0;
    if (strcmp(role, "source") == 0) {
        for (number = 1; number <= NUMBERS; number++) printf("%ld\n", number);
    } else {
        while (scanf("%ld", &number) == 1) {
            sum += number;
            lines++;
            if (strcmp(role, "twice") == 0) {
                printf("%ld\n", 2 * number);
            } else if (lines == NUMBERS / 3 || lines == NUMBERS / 2) {
                gate(lines == NUMBERS / 3 ? 1 : 2);
            }
        }
        if (strcmp(role, "sink") == 0) printf("%ld lines, %ld\n", lines, sum);
    }
    if (getpid() != self || getppid() != parent) fprintf(stderr, "%s: other numbers\n", role);
    return getpid() == self && getppid() == parent ? lines % 7 : 100;
}
