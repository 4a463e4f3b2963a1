/* decode_internal.h -- what the decoders of the formats share. */
#ifndef SSV_DATA_DECODE_INTERNAL_H
#define SSV_DATA_DECODE_INTERNAL_H

#include "data/decode.h"

enum { RGB = 3, DEFAULT_MOST_PIXELS = 1 << 26 };

/* One file.  A format fills all of *out but height and width after orientation: there they are
 * those of the pixels as stored, which decode.c turns. */
struct decode_job {
    const char *name;
    const uint8_t *data; /* (bytes) */
    size_t bytes;
    struct decode_options options; /* no zero among most_pixels */
    int only_head;
    struct arena *arena; /* pixels and scratch */
    struct decoded *out;
    struct error *err;
};

struct image_format {
    const char *name;
    int (*is)(const uint8_t *data, size_t bytes);
    int (*decode)(struct decode_job *job);
};

extern const struct image_format image_jpeg, image_png, image_webp;

/* Status 2 when there are more than most pixels; title: "JPEG". */
int decode_check_size(const char *name, const char *title, uint64_t width, uint64_t height,
                      long most, struct error *err);

#endif
