/* convert_internal.h -- the formats that datasets are converted to. */
#ifndef SSV_DATA_CONVERT_INTERNAL_H
#define SSV_DATA_CONVERT_INTERNAL_H

#include "data/dataset.h"

#include <signal.h>

typedef const volatile sig_atomic_t stop_flag;

/* Before each record. */
static inline int convert_stopped(stop_flag *stop, const char *path, struct error *err) {
    return stop && *stop ? error_set(err, STATUS_INTERRUPTED, "stopped; %s is not complete", path)
                         : 0;
}

int convert_to_hdf5(const struct dataset *d, const char *path, stop_flag *stop, struct error *err);
int convert_to_tar(const struct dataset *d, const char *path, stop_flag *stop, struct error *err);

#endif
