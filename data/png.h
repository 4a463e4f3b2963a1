/* png.h -- index images from PNG files, by libpng: the masks of segmentation datasets.
 *
 * An index image has a number in each pixel: the index into a palette, whatever colours that has,
 * or a grey level of at most 8 bits as it is stored.  An RGB image of 8 bits has a colour that
 * stands for one; alpha counts nowhere.
 */
#ifndef SSV_DATA_PNG_H
#define SSV_DATA_PNG_H

#include "core/arena.h"
#include "core/error.h"

#include <stdint.h>

struct index_image {
    int height, width;
    uint8_t *value; /* (height, width), owned by the arena; NULL where only the size was read */
    uint8_t *rgb;   /* (height, width, 3) likewise, of an RGB image instead of value */
};

/* Of a whole file in memory; path is for messages.  Status 2 with the path, and with the offset
 * where libpng stopped, when it is no PNG, cut off, damaged, far too large, or neither. */
int png_decode_index(const char *path, const void *data, size_t bytes, struct arena *a,
                     struct index_image *out, struct error *err);
/* The same file's size alone, from its head. */
int png_decode_size(const char *path, const void *data, size_t bytes, struct index_image *out,
                    struct error *err);

#endif
