// Threads that come and go all the time, joined and detached, while signals arrive: a checkpoint finds threads being born,
// dying, and in their signal handlers.
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static atomic_long detached_done;
static __thread volatile unsigned long local;
static atomic_ulong alarms;

static void on_alarm(int sig) {
    (void)sig;
    local++;
    alarms++;
}

static void *add(void *argument) {
    unsigned long sum = 0;
    for (unsigned long i = 0; i < 2000; i++)
        sum = sum * 31 + i + (unsigned long)argument;
    return (void *)sum;
}

static void *add_detached(void *argument) {
    (void)argument;
    atomic_fetch_add(&detached_done, 1);
    return NULL;
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 100;
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval interval = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &interval, NULL);
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    unsigned long total = 0;
    fprintf(stderr, "ready\n");
    for (long round = 0; round < rounds; round++) {
        pthread_t threads[4], gone;
        for (long i = 0; i < 4; i++)
            if (pthread_create(&threads[i], NULL, add, (void *)(round * 4 + i)) != 0)
                return 1;
        if (pthread_create(&gone, &detached, add_detached, NULL) != 0)
            return 1;
        for (int i = 0; i < 4; i++) {
            void *sum;
            pthread_join(threads[i], &sum);
            total = total * 7 + (unsigned long)sum;
        }
    }
    while (detached_done != rounds)
        usleep(1000);
    printf("%lu\n", total);
    return 0;
}
