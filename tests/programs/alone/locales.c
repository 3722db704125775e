/* The locale of the process and one of a thread, and a conversion that has half a character. */
#define _GNU_SOURCE
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <wchar.h>

#include "gate.h"

static mbstate_t half;
static iconv_t conversion;

/* The first byte of "é" has been taken in; the second one completes it. */
static void begin_character(void) {
    wchar_t wide;
    memset(&half, 0, sizeof half);
    CHECK(mbrtowc(&wide, "\xc3", 1, &half) == (size_t)-2);
}

static void complete_character(void) {
    wchar_t wide = 0;
    CHECK(mbrtowc(&wide, "\xa9", 1, &half) == 1 && wide == 0xe9);
}

static void convert(void) {
    char in[] = "h\xc3\xa9", out[8] = "", *from = in, *to = out;
    size_t left = 3, room = sizeof out;
    CHECK(iconv(conversion, &from, &left, &to, &room) == 0);
    CHECK(left == 0 && out[0] == 'h' && (unsigned char)out[1] == 0xe9);
}

static void check(locale_t own) {
    CHECK(strcmp(nl_langinfo(CODESET), "UTF-8") == 0);
    CHECK(strcmp(setlocale(LC_CTYPE, NULL), "C.UTF-8") == 0);
    CHECK(strcmp(setlocale(LC_NUMERIC, NULL), "C") == 0);
    CHECK(strcmp(nl_langinfo_l(CODESET, own), "ANSI_X3.4-1968") == 0);
    complete_character();
    convert();
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    CHECK(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
    locale_t own = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    conversion = iconv_open("ISO-8859-1", "UTF-8");
    CHECK(own != (locale_t)0 && conversion != (iconv_t)-1);
    begin_character();
    gate(1);
    check(own);
    begin_character();
    gate(2);
    check(own);
    iconv_close(conversion);
    freelocale(own);
    return done();
}
