/* hdf5_internal.h -- arrays in HDF5 files, for reading by many threads.
 *
 * HDF5 is not safe to be called by several threads at once, and results/ calls it too, while loader
 * threads read images.  So all calls of it happen here, when a dataset is opened; images are read
 * from their place in the file afterwards, or from memory.
 */
#ifndef SSV_DATA_HDF5_INTERNAL_H
#define SSV_DATA_HDF5_INTERNAL_H

#include "core/arena.h"
#include "core/error.h"

#include <stdint.h>

#include <hdf5.h>

enum { HDF5_MOST_RANK = 4 };

struct hdf5_file {
    const char *path;
    hid_t id; /* while it is being opened */
    int fd;   /* afterwards */
    uint64_t size;
    size_t left; /* bytes of memory for arrays that cannot be read from their place */
    struct arena *arena;
};

/* The first axis counts records. */
struct hdf5_bytes {
    const char *name; /* "train/images" */
    int rank;
    hsize_t dims[HDF5_MOST_RANK];
    size_t one;  /* bytes of a record */
    uint64_t at; /* in the file, where memory holds nothing */
    struct slab memory;
};

int hdf5_open(struct hdf5_file *f, const char *path, size_t memory, struct arena *a,
              struct error *err);
/* Closes what HDF5 has open; the file stays readable. */
void hdf5_done(struct hdf5_file *f);
void hdf5_close(struct hdf5_file *f);

int hdf5_has(const struct hdf5_file *f, const char *name);
/* An array of uint8.  Status 2 with its name for another type or rank, and when it is neither
 * contiguous nor small enough for memory. */
int hdf5_bytes_open(struct hdf5_file *f, const char *name, int least_rank, int most_rank,
                    struct hdf5_bytes *out, struct error *err);
/* Record i; any thread. */
int hdf5_bytes_read(const struct hdf5_file *f, const struct hdf5_bytes *b, long i, void *out,
                    struct error *err);
void hdf5_bytes_close(struct hdf5_bytes *b); /* of a zeroed one: nothing */

/* (n) whole numbers of any type. */
int hdf5_numbers(const struct hdf5_file *f, const char *name, long n, long long **out,
                 struct error *err);
/* (n) or (n, per) strings of any type, UTF-8. */
int hdf5_strings(const struct hdf5_file *f, const char *name, long n, long *per,
                 const char *const **out, struct error *err);
/* An attribute of the file with strings; *out NULL and *n 0 when there is none. */
int hdf5_string_attribute(const struct hdf5_file *f, const char *name, const char *const **out,
                          int *n, struct error *err);

#endif
