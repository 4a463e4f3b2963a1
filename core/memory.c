#include "core/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PATH = 4096, LINE = 256, MEMBER = 32 };

/* The number behind `key` in a file, on the first line that begins so; NAN: there is none, or a
 * word as "max" is. */
static double number_in(const char *root, const char *path, const char *key) {
    char name[2 * PATH], line[LINE];
    double x = NAN;
    const int n = snprintf(name, sizeof name, "%s%s", root, path);
    FILE *f = n > 0 && n < 2 * PATH ? fopen(name, "r") : NULL;
    while (f && isnan(x) && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) || sscanf(line + strlen(key), "%lf", &x) != 1)
            x = NAN;
    if (f)
        fclose(f);
    return x;
}

/* The two versions of control groups: where they are mounted, and what they call the same. */
static const struct {
    const char *mount, *limit, *used, *spare;
} versions[] = {
    {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "},
    {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
     "total_inactive_file "},
};

/* What one group leaves; INFINITY where it does not limit. */
static double group_leaves(const char *root, const char *group, int version) {
    char path[PATH + MEMBER];
    snprintf(path, sizeof path, "%s/%s", group, versions[version].limit);
    const double limit = number_in(root, path, "");
    snprintf(path, sizeof path, "%s/%s", group, versions[version].used);
    const double used = number_in(root, path, "");
    snprintf(path, sizeof path, "%s/memory.stat", group);
    const double spare = number_in(root, path, versions[version].spare); /* files that can go */
    if (isnan(limit) || isnan(used))
        return INFINITY;
    return fmax(0, limit - used + (isnan(spare) ? 0 : spare));
}

/* Of this process's group and of all above it: each limits what is below. */
static double groups_leave(const char *root, const char *own, int version) {
    char group[PATH];
    double least = INFINITY;
    const size_t top = strlen(versions[version].mount);
    const int n = snprintf(group, sizeof group, "%s%s", versions[version].mount, own);
    if (n < 0 || n >= PATH)
        return least;
    for (char *slash; strlen(group) >= top; *slash = '\0') {
        least = fmin(least, group_leaves(root, group, version));
        slash = strrchr(group, '/');
    }
    return least;
}

/* Lines are "number:controllers:group"; the second version has no controllers. */
static double control_groups(const char *root) {
    char name[PATH], line[PATH];
    double least = INFINITY;
    const int n = snprintf(name, sizeof name, "%s/proc/self/cgroup", root);
    FILE *f = n > 0 && n < PATH ? fopen(name, "r") : NULL;
    while (f && fgets(line, sizeof line, f)) {
        char *controllers = strchr(line, ':');
        char *own = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!own)
            continue;
        *own++ = '\0';
        own[strcspn(own, "\n")] = '\0';
        const int first = !strcmp(controllers, ":memory");
        if (first || !controllers[1])
            least = fmin(least, groups_leave(root, own, first));
    }
    if (f)
        fclose(f);
    return least;
}

size_t memory_available_in(const char *root) {
    const double machine = 1024 * number_in(root, "/proc/meminfo", "MemAvailable:");
    const double least = fmin(machine, control_groups(root));
    return isfinite(least) ? (size_t)fmax(least, 1) : 0;
}

size_t memory_available(void) {
    return memory_available_in("");
}

struct memory_text memory_text(double bytes) {
    const double mib = 1 << 20, gib = 1 << 30;
    struct memory_text out;
    snprintf(out.text, sizeof out.text, bytes < gib ? "%.1f MiB" : "%.1f GiB",
             bytes / (bytes < gib ? mib : gib));
    return out;
}
