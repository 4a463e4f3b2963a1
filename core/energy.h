/* energy.h -- joules that the processors' packages have used, where the system counts them (RAPL,
 * powercap).  All that a package does is counted, not this process alone.
 *
 *     struct energy e;
 *     energy_begin(&e, ENERGY_COUNTERS);
 *     ...
 *     double joules = energy_end(&e);        NAN: it is not counted here, or not for us to read
 */
#ifndef SSV_CORE_ENERGY_H
#define SSV_CORE_ENERGY_H

#define ENERGY_COUNTERS "/sys/class/powercap"

enum { ENERGY_PACKAGES = 16 };

struct energy {
    const char *folder;
    int n;
    int package[ENERGY_PACKAGES];
    double start[ENERGY_PACKAGES]; /* microjoules */
};

void energy_begin(struct energy *e, const char *folder);
/* Since energy_begin; a counter may have begun again from 0 once. */
double energy_end(const struct energy *e);

#endif
