#include "core/clock.h"

#include <sched.h>
#include <stdio.h>
#include <time.h>

double clock_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void clock_rest(double waited) {
    if (waited < 0.02)
        sched_yield();
    else
        nanosleep(&(struct timespec){.tv_nsec = waited < 2 ? 100000 : 2000000}, NULL);
}

void clock_utc(char out[sizeof "2026-01-01T00:00:00Z"]) {
    time_t now = time(NULL);
    struct tm t;
    gmtime_r(&now, &t);
    strftime(out, sizeof "2026-01-01T00:00:00Z", "%Y-%m-%dT%H:%M:%SZ", &t);
}
