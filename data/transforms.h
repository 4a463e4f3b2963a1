/* transforms.h -- single augmentations and pairs of them, for studies of what each contributes:
 * Chen et al. 2020, arXiv:2002.05709, figures 4 and 5.
 *
 * The paper shows the seven of figure 5 and leaves open how strong they are; here they are
 *     crop    random_resized_box and flip of the recipe
 *     cutout  a square of half the side, its centre uniform over the image, in the mean colour;
 *             what reaches over the border is cut (DeVries and Taylor 2017, arXiv:1708.04552)
 *     color   jitter and grey of the recipe
 *     sobel   the length of the Sobel gradient of the grey level, sqrt(x^2 + y^2) / sqrt(32) with
 *             the masks (1 2 1) by (-1 0 1), in every channel; the image is mirrored at its border
 *     noise   N(0, s^2) added to every value, s uniform in [0, 0.1], clipped to [0, 1]
 *     blur    that of the recipe, always
 *     rotate  by 90, 180 or 270 degrees against the clock
 */
#ifndef SSV_DATA_TRANSFORMS_H
#define SSV_DATA_TRANSFORMS_H

#include "data/augment.h"

enum transform {
    TRANSFORM_NONE,
    TRANSFORM_CROP,
    TRANSFORM_CUTOUT,
    TRANSFORM_COLOR,
    TRANSFORM_SOBEL,
    TRANSFORM_NOISE,
    TRANSFORM_BLUR,
    TRANSFORM_ROTATE,
    TRANSFORMS
};

/* By number, as choices of an option: their order is the enum's. */
#define TRANSFORM_CHOICES "none|crop|cutout|color|sobel|noise|blur|rotate"
/* The number of a choice. */
enum transform transform_named(const char *name);

/* The image resized to size x size (bilinear), then `first`, then `second`; the same twice is once.
 * A crop that comes second is of the image in 8 bits.  out (channels, size, size), normalised. */
void view_transformed(const struct record *r, const struct normalization *norm,
                      const struct view_recipe *v, enum transform first, enum transform second,
                      struct rng *rng, int size, float *out);

/* Single steps, in place, on an image in [0, 1] as in augment.h.  rotate: of a square one. */
void image_cutout(const struct image *image, const struct normalization *norm, struct rng *rng);
void image_sobel(const struct image *image);
void image_noise(const struct image *image, double deviation, struct rng *rng);
void image_rotate(const struct image *image, int quarters);

#endif
