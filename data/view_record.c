/* view_record.c -- a box of a record as a record again, in 8 bits. */
#include "data/augment.h"

#include <math.h>

struct record record_crop(const struct record *r, const struct normalization *norm,
                          const struct crop_box *box, int flip, int interpolation, int size,
                          struct arena *a) {
    size_t channels = (size_t)r->channels, plane = (size_t)size * (size_t)size;
    struct record out = {.height = size,
                         .width = size,
                         .channels = r->channels,
                         .pixels = ARENA_ARRAY(a, uint8_t, channels * plane),
                         .label = r->label};
    float *image = ARENA_ARRAY(a, float, channels *plane);
    image_from_box(r, norm, box, flip, interpolation, size, image);
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < channels; c++)
            out.pixels[i * channels + c] = (uint8_t)lrintf(255 * image[c * plane + i]);
    return out;
}
