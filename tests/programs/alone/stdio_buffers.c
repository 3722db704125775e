/* stdio: buffers that are half written or half read, a file that was put in stderr's place, and pushed-back bytes. */
#include <string.h>

#include "gate.h"

int main(int argc, char **argv) {
    char path[500], text[100] = "";
    if (argc != 2) return 2;
    gate_folder = argv[1];
    snprintf(path, sizeof path, "%s/out", gate_folder);
    FILE *out = fopen(path, "w+");
    fputs("half a line, ", out);
    snprintf(path, sizeof path, "%s/in", gate_folder);
    FILE *in = fopen(path, "w+");
    fputs("first\nsecond\nthird\n", in);
    rewind(in);
    CHECK(fgets(text, sizeof text, in) && strcmp(text, "first\n") == 0);
    ungetc('X', in);
    snprintf(path, sizeof path, "%s/error", gate_folder);
    CHECK(freopen(path, "w", stderr) == stderr);
    fputs("to the file", stderr);
    gate(1);
    fputs("and the rest", out);
    CHECK(fgets(text, sizeof text, in) && strcmp(text, "Xsecond\n") == 0);
    fputs(", twice", stderr);
    gate(2);
    rewind(out);
    CHECK(fgets(text, sizeof text, out) && strcmp(text, "half a line, and the rest") == 0);
    CHECK(fgets(text, sizeof text, in) && strcmp(text, "third\n") == 0 && !fgets(text, sizeof text, in) && feof(in));
    fflush(stderr);
    FILE *error = fopen(path, "r");
    CHECK(error && fgets(text, sizeof text, error) && strcmp(text, "to the file, twice") == 0);
    return done();
}
