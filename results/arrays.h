/* arrays.h -- named arrays in an HDF5 file: what `ssvbench step` reads and writes.
 *
 * A file is flat groups of datasets, /inputs/images, /gradients/encoder.cls_token, of 32-bit floats
 * and integers; anything that h5py writes with these types is read.
 */
#ifndef SSV_RESULTS_ARRAYS_H
#define SSV_RESULTS_ARRAYS_H

#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

enum { ARRAY_DIMS = 8 };

struct named_array {
    const char *group, *name;
    int is_index; /* int32_t, not float */
    int ndim;
    int64_t dim[ARRAY_DIMS];
    const void *data;
};

/* Atomic.  Status 3 when it cannot be written. */
int arrays_write(const char *path, const struct named_array *list, int n, struct error *err);
/* The first dimension of /group/name: the samples in it. */
int arrays_rows(const char *path, const char *group, const char *name, int *rows,
                struct error *err);
/* Reads all `count` entries, converted to float or int32_t.  Status 2, naming file and dataset,
 * when it is missing, has another number of entries or is not of numbers. */
int arrays_read(const char *path, const char *group, const char *name, int is_index, size_t count,
                void *out, struct error *err);

#endif
