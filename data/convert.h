/* convert.h -- any dataset as one packed HDF5 file or as tar shards.
 *
 *     OUT.h5     what hdf5.c reads: arrays of both splits, contiguous
 *     OUT.tar    what webdataset.c reads: OUT-train-000000.tar, ..., OUT-test-000000.tar, ..., each
 *                with up to 10,000 samples: PNG, cls with the name of the class, txt with captions
 *
 * Pixels are those that the program gets, so size=N counts.  An HDF5 file has images of one size:
 * where they differ, all become squares, of whose longer side the middle stays.  The same data give
 * the same tar files, byte for byte.
 */
#ifndef SSV_DATA_CONVERT_H
#define SSV_DATA_CONVERT_H

#include "data/dataset.h"

#include <signal.h>

/* Files appear when they are complete.  Status 2 for another ending, and for what the format cannot
 * hold; STATUS_INTERRUPTED once *stop (may be NULL) is set. */
int dataset_convert(const struct dataset *d, const char *out, const volatile sig_atomic_t *stop,
                    struct error *err);

#endif
