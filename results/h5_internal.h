/* h5_internal.h -- the small part of HDF5 that run.h5 is made of.
 *
 * A file is built and read in memory: what goes to the disk goes through core/file.h, a full disk
 * meets no HDF5 code, and no file is ever locked.  The first failure is kept in *err with the place
 * in the file; after it every call does nothing, so that callers check once, at the end.
 *
 *     h5_create(&h, path, err);
 *     hid_t group = h5_new_group(&h, h.file, "data");
 *     ...
 *     h5_end(group);
 *     return h5_save(&h);
 */
#ifndef SSV_RESULTS_H5_INTERNAL_H
#define SSV_RESULTS_H5_INTERNAL_H

#include "core/arena.h"
#include "core/error.h"
#include "results/schema_internal.h"

#include <hdf5.h>

enum element {
    ELEMENT_BYTE, /* unsigned */
    ELEMENT_INT16,
    ELEMENT_INT32,
    ELEMENT_INT64,
    ELEMENT_FLOAT, /* of 32 bits */
    ELEMENT_REAL
};
enum { MAX_RANK = 5 };

/* HDF5 wants a name for a file in memory and refuses one that exists on the disk. */
#define IMAGE_NAME "/dev/null/run.h5"

struct h5 {
    hid_t file;
    const char *path;
    int has_trailer;     /* of a file being read */
    char *image;         /* of a file being written, once it is closed */
    struct arena *arena; /* of what is read */
    struct error *err;
    int status;    /* of the first failure */
    int failed_as; /* the status of one: STATUS_USAGE while reading, STATUS_MACHINE while writing */
};

/* Records "what NAME of the group `at`" with the library's own reason. */
void h5_failed(struct h5 *h, hid_t at, const char *name, const char *what);
/* The same for a reason that the library does not know. */
void h5_wrong(struct h5 *h, hid_t at, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void h5_end(hid_t id); /* closes it, whatever it is; nothing for a negative one */
hid_t h5_memory_type(enum element type);
hid_t h5_string_type(size_t size);            /* UTF-8; H5T_VARIABLE or a fixed length */
hid_t h5_column_type(const struct member *m); /* a column of a table, as it is in memory */

/* ---- writing ---- */

void h5_create(struct h5 *h, const char *path, struct error *err);
/* Writes `path` atomically unless something failed, and frees everything.  Returns the status. */
int h5_save(struct h5 *h);

hid_t h5_new_group(struct h5 *h, hid_t at, const char *name);
void h5_put_text_attribute(struct h5 *h, hid_t at, const char *name, const char *text);
void h5_put_integer_attribute(struct h5 *h, hid_t at, const char *name, long long value);
void h5_put_attributes(struct h5 *h, hid_t at, const struct member *members, const void *object);
/* A scalar dataset; attributes are for short strings.  Nothing when text is NULL. */
void h5_put_text(struct h5 *h, hid_t at, const char *name, const char *text);
/* A dimension scale: keep it open for the arrays that use it. */
hid_t h5_put_scale(struct h5 *h, hid_t at, const char *name, enum element type, hsize_t n,
                   const void *values);
hid_t h5_put_string_scale(struct h5 *h, hid_t at, const char *name, hsize_t n,
                          const char *const *values);
/* As long on each axis as the axis' scale is.  Nothing when values is NULL. */
void h5_put_array(struct h5 *h, hid_t at, const char *name, enum element type, int rank,
                  const hid_t *scales, const void *values);
/* The same with axes that have no scales: pixels, channels.  Nothing when values is NULL. */
void h5_put_block(struct h5 *h, hid_t at, const char *name, enum element type, int rank,
                  const hsize_t *dims, const void *values);
void h5_put_table(struct h5 *h, hid_t at, const char *name, const struct member *columns,
                  size_t row_bytes, long n, const void *rows);

/* ---- reading: nothing about the file is believed ---- */

void h5_open(struct h5 *h, const char *path, struct arena *a, struct error *err);
int h5_close(struct h5 *h); /* the status */
/* The attributes format and format_version of /: another format ("not WHAT") or a higher major
 * version is a failure. */
void h5_check_format(struct h5 *h, const char *format, const char *version, const char *what);

int h5_has(struct h5 *h, hid_t at,
           const char *name); /* here, not through a soft or external link */
hid_t h5_group(struct h5 *h, hid_t at, const char *name);
/* The members of a group, sorted. */
char **h5_names(struct h5 *h, hid_t at, int *n);
char *h5_text_attribute(struct h5 *h, hid_t at, const char *name); /* NULL when absent */
void h5_get_attributes(struct h5 *h, hid_t at, const struct member *members, void *object);
char *h5_get_text(struct h5 *h, hid_t at, const char *name); /* NULL when absent */
/* dims (rank) must be what the file has.  NULL when absent. */
void *h5_get_array(struct h5 *h, hid_t at, const char *name, enum element type, int rank,
                   const hsize_t *dims);
/* Of any extent: dims (rank) is what was found.  NULL when absent or empty. */
void *h5_get_block(struct h5 *h, hid_t at, const char *name, enum element type, int rank,
                   hsize_t *dims);
/* One-dimensional, of any length up to INT_MAX; NULL and n = 0 when absent or empty. */
void *h5_get_vector(struct h5 *h, hid_t at, const char *name, enum element type, int *n);
const char *const *h5_get_strings(struct h5 *h, hid_t at, const char *name, int *n);
void *h5_get_table(struct h5 *h, hid_t at, const char *name, const struct member *columns,
                   size_t row_bytes, int *n);

#endif
