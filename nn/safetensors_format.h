/* safetensors_format.h -- what the reader and the writer of safetensors files share. */
#ifndef SSV_NN_SAFETENSORS_FORMAT_H
#define SSV_NN_SAFETENSORS_FORMAT_H

#include <stddef.h>

enum { ST_LENGTH_BYTES = 8, ST_HEADER_ALIGN = 8, ST_HEADER_MAX = 100 * 1000 * 1000 };

#define ST_METADATA "__metadata__"

struct st_dtype {
    const char *name;
    size_t size; /* bytes of one element */
};

const struct st_dtype *st_dtype_find(const char *name); /* NULL: no such type */

#endif
