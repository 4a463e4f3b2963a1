#include "core/clock.h"

#include <stdio.h>
#include <time.h>

double clock_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void clock_utc(char out[sizeof "2026-01-01T00:00:00Z"]) {
    time_t now = time(NULL);
    struct tm t;
    gmtime_r(&now, &t);
    strftime(out, sizeof "2026-01-01T00:00:00Z", "%Y-%m-%dT%H:%M:%SZ", &t);
}
