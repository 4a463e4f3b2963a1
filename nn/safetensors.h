/* safetensors.h -- the checkpoint file format, as PyTorch's safetensors reads it.
 *
 * 8 bytes little-endian header length, a JSON header {"name": {"dtype", "shape", "data_offsets"},
 * "__metadata__": {string: string}}, then the bytes.  The header is padded with spaces to 8 bytes.
 */
#ifndef SSV_NN_SAFETENSORS_H
#define SSV_NN_SAFETENSORS_H

#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

enum { ST_MAX_DIM = 8 };

struct st_tensor {
    const char *name;
    const char *dtype; /* "F32", "F64", "I32", "I64", "U8" */
    int ndim;
    int64_t dim[ST_MAX_DIM];
    const void *data;
    size_t bytes;
};

struct st_meta {
    const char *key, *value;
};

/* As a key, with NULL for a value: receives the hash of the tensors' bytes, for st_check. */
#define ST_HASH "sha256"

struct st_file; /* a mapped file; tensors point into it */

/* Where the bytes of tensors are that have no data: of number i of a list, until the next one is
 * asked for.  They are asked for in the order of the list, those of larger elements before others.
 */
struct st_source {
    const void *(*get)(void *self, int i);
    void *self;
};

/* Atomic: path.tmp, fsync, rename.  Status 3 on a full disk; the old file stays. */
int st_write(const char *path, const struct st_tensor *tensors, int n, const struct st_meta *meta,
             int n_meta, struct error *err);
int st_write_from(const char *path, const struct st_tensor *tensors, int n,
                  const struct st_meta *meta, int n_meta, const struct st_source *source,
                  struct error *err);
/* Refuses, with file and reason, anything that is not a sound file: overlapping or missing ranges,
 * wrong sizes, duplicate names, a header over 100 MB. */
int st_open(struct st_file **out, const char *path, struct error *err);
/* Whether the tensors' bytes are those whose hash is stored; where none is they may be any.  Reads
 * all of the file; status 2. */
int st_check(const struct st_file *f, struct error *err);
int st_count(const struct st_file *f);
const struct st_tensor *st_get(const struct st_file *f, int i);
const struct st_tensor *st_find(const struct st_file *f, const char *name); /* NULL: not there */
const char *st_meta(const struct st_file *f, const char *key);              /* NULL: not there */
/* Gives back the memory of a tensor that has been read; it can still be read, from the file. */
void st_release(const struct st_file *f, const struct st_tensor *t);
void st_close(struct st_file *f);

#endif
