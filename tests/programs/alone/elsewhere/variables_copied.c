// flags: -no-pie
/* See variables.c. */
#define COPIED
#include "variables.c"
