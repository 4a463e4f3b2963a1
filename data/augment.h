/* augment.h -- from a record's bytes to a view's floats.
 *
 * Every function is a pure function of its arguments; random ones draw from the given rng.  Images
 * leave as (channels, height, width) floats, normalised per channel: (x / 255 - mean) / std.
 */
#ifndef SSV_DATA_AUGMENT_H
#define SSV_DATA_AUGMENT_H

#include "core/rng.h"
#include "data/dataset.h"

struct normalization {
    double mean[4], std[4]; /* per channel */
};

struct crop_box { /* in source pixels, may be fractional */
    double top, left, height, width;
};

/* The whole image resized (bilinear, half-pixel centres, antialiased when shrinking) to size x
 * size, out (channels, size, size).  The plain evaluation view. */
void view_plain(const struct record *r, const struct normalization *norm, int size, float *out);
/* A given box, resized the same way and mirrored when flip. */
void view_crop(const struct record *r, const struct normalization *norm, const struct crop_box *box,
               int flip, int size, float *out);
/* Inception's random crop (Szegedy et al. 2015, section 6): area share uniform in [min_area,
 * max_area], aspect ratio log-uniform in [3/4, 4/3], ten tries, then the centre. */
struct crop_box random_resized_box(const struct record *r, double min_area, double max_area,
                                   struct rng *rng);
/* The whole image shifted by up to `pad` pixels each way, as after zero padding (He et al. 2016,
 * section 4.2); what lies outside the image is the mean colour, 0 after normalisation. */
struct crop_box random_shift_box(const struct record *r, int pad, struct rng *rng);

#endif
