/* h5_trailer_internal.h -- the last line of run.h5: a checksum of all before it.
 *
 * HDF5 does not look behind what its own header calls the end, and a program that changes the file
 * through HDF5 cuts it back to there, trailer and all.  So a trailer is right, or the file is
 * damaged.
 */
#ifndef SSV_RESULTS_H5_TRAILER_INTERNAL_H
#define SSV_RESULTS_H5_TRAILER_INTERNAL_H

#include <stddef.h>

/* "\nssvbench-run sha256 " 64 digits "\n" */
#define H5_TRAILER ((size_t)(sizeof "\nssvbench-run sha256 " - 1 + 64 + 1))

void h5_make_trailer(const char *image, size_t bytes, char trailer[H5_TRAILER]);
/* Where HDF5's own header says the file ends; 0 when the header is not of the kind we write. */
size_t h5_stored_end(const char *image, size_t bytes);
/* The file's size without its trailer.  *damaged tells that there is one and it does not fit. */
size_t h5_check_trailer(const char *file, size_t bytes, int *damaged);

#endif
