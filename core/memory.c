#include "core/memory.h"

#include <stdio.h>

size_t memory_available(void) {
    FILE *f = fopen("/proc/meminfo", "r");
    char line[128];
    size_t kib = 0;
    while (f && !kib && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %zu kB", &kib) != 1)
            kib = 0;
    if (f)
        fclose(f);
    return kib * 1024;
}

struct memory_text memory_text(double bytes) {
    const double mib = 1 << 20, gib = 1 << 30;
    struct memory_text out;
    snprintf(out.text, sizeof out.text, bytes < gib ? "%.1f MiB" : "%.1f GiB",
             bytes / (bytes < gib ? mib : gib));
    return out;
}
