#include "bench/quiet.h"

#include "core/log.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOKS = 20 };
#define LOOK_NS 5000000
#define STAT "/proc/stat"
#define GOVERNOR "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
#define QUOTA "/sys/fs/cgroup/cpu.max"

/* The first line of a file that begins with `key`, what follows the key; 0 when there is none. */
static int line_of(const char *path, const char *key, char *text, int room) {
    FILE *f = fopen(path, "r");
    size_t n = strlen(key);
    int found = 0;
    while (f && !found && fgets(text, room, f))
        found = !strncmp(text, key, n);
    if (f)
        fclose(f);
    if (found) {
        memmove(text, text + n, strlen(text + n) + 1);
        text[strcspn(text, "\n")] = '\0';
    }
    return found;
}

/* Threads that run or could, this one left out; the median of some looks. */
static int others_running(void) {
    int counts[LOOKS] = {0};
    char text[8192]; /* longer than the line of interrupts, cut or not */
    for (int i = 0; i < LOOKS; i++) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        if (!line_of(STAT, "procs_running ", text, sizeof text))
            return 0;
        int n = atoi(text) - 1, at = i;
        for (; at && counts[at - 1] > n; at--)
            counts[at] = counts[at - 1];
        counts[at] = n;
    }
    return counts[LOOKS / 2];
}

void quiet_check(void) {
    char text[256];
    double quota, period;
    int others = others_running();
    if (others > 0)
        log_message(LOG_WARN,
                    "%d other thread%s computing on this machine: times and their spread "
                    "are of a busy one",
                    others, others > 1 ? "s are" : " is");
    if (line_of(GOVERNOR, "", text, sizeof text) && strcmp(text, "performance") != 0)
        log_message(LOG_WARN,
                    "the frequency governor is %s: times change with the load; "
                    "`cpupower frequency-set -g performance` keeps them",
                    text);
    if (line_of(QUOTA, "", text, sizeof text) && sscanf(text, "%lf %lf", &quota, &period) == 2 &&
        quota < period)
        log_message(LOG_WARN, "this process gets %.2f of a processor (%s)", quota / period, QUOTA);
}

int quiet_pin(int processor, struct error *err) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (processor < CPU_SETSIZE)
        CPU_SET(processor, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        return error_set(err, STATUS_USAGE, "--pin %d: %s", processor, strerror(errno));
    return 0;
}
