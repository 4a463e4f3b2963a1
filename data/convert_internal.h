/* convert_internal.h -- the formats that datasets are converted to. */
#ifndef SSV_DATA_CONVERT_INTERNAL_H
#define SSV_DATA_CONVERT_INTERNAL_H

#include "data/dataset.h"

int convert_to_hdf5(const struct dataset *d, const char *path, struct error *err);
int convert_to_tar(const struct dataset *d, const char *path, struct error *err);

#endif
