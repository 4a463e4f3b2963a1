/* view_record.c -- a box of a record as a record again, in 8 bits. */
#include "data/augment.h"

#include <math.h>

struct record record_of_image(const struct image *image, int label, struct arena *a) {
    size_t channels = (size_t)image->channels;
    size_t plane = (size_t)image->height * (size_t)image->width;
    struct record out = {.height = image->height,
                         .width = image->width,
                         .channels = image->channels,
                         .pixels = ARENA_ARRAY(a, uint8_t, channels * plane),
                         .label = label};
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < channels; c++)
            out.pixels[i * channels + c] = (uint8_t)lrintf(255 * image->pixels[c * plane + i]);
    return out;
}

struct record record_crop(const struct record *r, const struct normalization *norm,
                          const struct crop_box *box, int flip, int interpolation, int size,
                          struct arena *a) {
    size_t plane = (size_t)size * (size_t)size;
    const struct image image = {r->channels, size, size,
                                ARENA_ARRAY(a, float, (size_t)r->channels *plane)};
    image_from_box(r, norm, box, flip, interpolation, size, image.pixels);
    return record_of_image(&image, r->label, a);
}
