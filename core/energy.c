#include "core/energy.h"

#include <math.h>
#include <stdio.h>

/* The number in FOLDER/intel-rapl:PACKAGE/NAME; NAN when there is none. */
static double counter(const char *folder, int package, const char *name) {
    char path[512];
    double value = NAN;
    if ((size_t)snprintf(path, sizeof path, "%s/intel-rapl:%d/%s", folder, package, name) >=
        sizeof path)
        return NAN;
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%lf", &value) != 1)
        value = NAN;
    if (f)
        fclose(f);
    return value;
}

void energy_begin(struct energy *e, const char *folder) {
    *e = (struct energy){.folder = folder};
    for (int package = 0; package < ENERGY_PACKAGES; package++) {
        double now = counter(folder, package, "energy_uj");
        if (isnan(now))
            continue;
        e->package[e->n] = package;
        e->start[e->n++] = now;
    }
}

double energy_end(const struct energy *e) {
    double sum = e->n ? 0 : NAN;
    for (int i = 0; i < e->n; i++) {
        double used = counter(e->folder, e->package[i], "energy_uj") - e->start[i];
        if (used < 0)
            used += counter(e->folder, e->package[i], "max_energy_range_uj");
        sum += used;
    }
    return 1e-6 * sum;
}
