/* Libraries that are loaded with dlopen, each thread with its copy of their variables, and one that is unloaded. */
// flags: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "gate.h"

#ifdef BUILD_LIBRARY

static _Thread_local int calls = 100;
static int constructed;
__attribute__((constructor)) static void construct(void) { constructed = 5; }
int count(void);
int count(void) { return calls++ + constructed; }

#else

static char library[600];
static int (*count)(void);
static pthread_barrier_t stand, go;

static void *load(void) {
    void *handle = dlopen(library, RTLD_NOW);
    if (handle == NULL) printf("%s\n", dlerror());
    CHECK(handle != NULL);
    return handle;
}

static void *body(void *argument) {
    CHECK(count() == 105 && count() == 106);
    pthread_barrier_wait(&stand);
    pthread_barrier_wait(&go);
    CHECK(count() == 107);
    return argument;
}

int main(int argc, char **argv) {
    gate_folder = argc > 1 ? argv[1] : ".";
    snprintf(library, sizeof library, "%s.so", argv[0]);
    void *handle = load();
    count = (int (*)(void))dlsym(handle, "count");
    CHECK(count() == 105);
    pthread_barrier_init(&stand, NULL, 2);
    pthread_barrier_init(&go, NULL, 2);
    pthread_t thread;
    pthread_create(&thread, NULL, body, NULL);
    pthread_barrier_wait(&stand);
    gate(1);
    CHECK(count() == 106 && dlsym(handle, "count") == (void *)count);
    Dl_info info;
    CHECK(dladdr((void *)count, &info) != 0 && strcmp(info.dli_sname, "count") == 0);
    pthread_barrier_wait(&go);
    pthread_join(thread, NULL);
    CHECK(dlclose(handle) == 0);
    gate(2);
    handle = load();
    count = (int (*)(void))dlsym(handle, "count");
    CHECK(count() == 105 && dlclose(handle) == 0);
    CHECK(dlopen("libm.so.6", RTLD_NOW) != NULL);
    return done();
}

#endif
