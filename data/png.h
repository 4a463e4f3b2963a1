/* png.h -- index images from PNG files, by libpng.
 *
 * An index image has a number in each pixel: the index into a palette, whatever colours that has,
 * or a grey level of at most 8 bits as it is stored.  Such are the masks of segmentation datasets.
 */
#ifndef SSV_DATA_PNG_H
#define SSV_DATA_PNG_H

#include "core/arena.h"
#include "core/error.h"

#include <stdint.h>

struct index_image {
    int height, width;
    uint8_t *value; /* (height, width), owned by the arena; NULL where only the size was read */
};

/* Of a whole file in memory; path is for messages.  Status 2 with the path, and with the offset
 * where libpng stopped, when it is no PNG, cut off, damaged, far too large, or no index image. */
int png_decode_index(const char *path, const void *data, size_t bytes, struct arena *a,
                     struct index_image *out, struct error *err);
/* The same file's size alone, from its head. */
int png_decode_size(const char *path, const void *data, size_t bytes, struct index_image *out,
                    struct error *err);

#endif
