/* augment.h -- from a record's bytes to a view's floats.
 *
 * Every function is a pure function of its arguments; random ones draw from the given rng.  Images
 * leave as (channels, height, width) floats, normalised per channel: (x / 255 - mean) / std.
 *
 *     struct view_recipe v = view_recipe_simclr_cifar;  // or one of your own
 *     view_random(record, norm, &v, rng, size, slot);   // call again for the second view
 *
 * A view is crop, resize and mirror, colour jitter, greyscale, blur, solarize, normalise, in this
 * order, each as torchvision defines it on float images; nothing is rounded to 8 bits in between.
 * What a view is made of can be drawn (view_draw) and made (view_render) separately, and every step
 * is a function of its own.
 */
#ifndef SSV_DATA_AUGMENT_H
#define SSV_DATA_AUGMENT_H

#include "core/rng.h"
#include "data/dataset.h"

struct normalization {
    double mean[4], std[4]; /* per channel */
};

/* Boxes. */

struct crop_box { /* in source pixels, may be fractional */
    double top, left, height, width;
};

/* Inception's random crop (Szegedy et al. 2015, section 6): area share uniform in [min_area,
 * max_area], aspect ratio log-uniform in [3/4, 4/3], ten tries, then the centre. */
struct crop_box random_resized_box(const struct record *r, double min_area, double max_area,
                                   struct rng *rng);
/* The whole image shifted by up to `pad` pixels each way, as after zero padding (He et al. 2016,
 * section 4.2); what lies outside the image is the mean colour, 0 after normalisation. */
struct crop_box random_shift_box(const struct record *r, int pad, struct rng *rng);

/* Views without colour changes. */

/* The whole image resized (bilinear, half-pixel centres, antialiased when shrinking) to size x
 * size, out (channels, size, size).  The plain evaluation view. */
void view_plain(const struct record *r, const struct normalization *norm, int size, float *out);
/* A given box, resized the same way and mirrored when flip. */
void view_crop(const struct record *r, const struct normalization *norm, const struct crop_box *box,
               int flip, int size, float *out);

/* Views by recipe. */

enum interpolation { INTERPOLATION_BILINEAR, INTERPOLATION_BICUBIC };

/* Probabilities are shares of the views; 0 switches a step off.  All zero: a view without colour
 * changes, except that min_area and max_area must be in (0, 1]. */
struct view_recipe {
    double min_area, max_area;               /* of the crop, as in random_resized_box */
    double flip;                             /* mirrored left to right */
    double jitter_p;                         /* colour jitter, four operations in random order: */
    double brightness, contrast, saturation; /* factors uniform in [max(0, 1 - x), 1 + x] */
    double hue;                              /* turns uniform in [-hue, hue], at most 0.5 */
    double grey;                             /* without colour */
    double blur_p, blur_min, blur_max;       /* sigma uniform in [min, max], in pixels */
    double blur_width;                       /* of the kernel, share of size; 0: 3 sigma a side */
    double solarize;                         /* bright pixels inverted, see image_solarize */
    int interpolation;                       /* enum interpolation */
};

/* Chen et al. 2020, arXiv:2002.05709, appendix A (strength 1) and B.9 (strength 0.5, no blur). */
extern const struct view_recipe view_recipe_simclr, view_recipe_simclr_cifar;
/* Caron et al. 2021, arXiv:2104.14294, section 3.1 and the authors' code; local views are small. */
extern const struct view_recipe view_recipe_dino_global_1, view_recipe_dino_global_2,
    view_recipe_dino_local;
/* He et al. 2022, arXiv:2111.06377, table 8. */
extern const struct view_recipe view_recipe_mae;
/* Crop and mirror of Touvron et al. 2021, arXiv:2012.12877. */
extern const struct view_recipe view_recipe_supervised;

/* Brightness, contrast, saturation and hue times the strength. */
void view_recipe_scale_jitter(struct view_recipe *v, double strength);

/* One random view by the recipe, out (channels, size, size), normalised. */
void view_random(const struct record *r, const struct normalization *norm,
                 const struct view_recipe *v, struct rng *rng, int size, float *out);

enum jitter_operation {
    JITTER_BRIGHTNESS,
    JITTER_CONTRAST,
    JITTER_SATURATION,
    JITTER_HUE,
    JITTER_OPERATIONS
};

struct view_plan { /* what one view is made of */
    struct crop_box box;
    int flip, interpolation;
    int jitter;                       /* whether: */
    int32_t order[JITTER_OPERATIONS]; /* operations, first one first */
    double factor[JITTER_OPERATIONS]; /* by operation */
    int grey;
    double sigma; /* of the blur; 0: none */
    int blur_radius;
    int solarize;
};

/* Every draw is made whatever the probabilities are, in the order of the recipe's members: two
 * recipes with the same rng differ only in what they say differently. */
struct view_plan view_draw(const struct record *r, const struct view_recipe *v, struct rng *rng,
                           int size);
void view_render(const struct record *r, const struct normalization *norm,
                 const struct view_plan *plan, int size, float *out);

/* Single steps, in place, on a planar image (channels, height, width) with values in [0, 1], which
 * they keep there.  An image has colour when it has three channels, taken as red, green, blue.  On
 * any other number, by definition, saturation, hue and grey change nothing, and the grey level that
 * contrast refers to is the mean over the channels. */
struct image {
    int channels, height, width;
    float *pixels;
};

/* The box of a record as an image of size x size (at most 1024), clipped to [0, 1]; outside the
 * record it has the mean colour.  A filter reaches no further than shrinking by 31 needs. */
void image_from_box(const struct record *r, const struct normalization *norm,
                    const struct crop_box *box, int flip, int interpolation, int size, float *out);
/* clip(factor x).  clip is to [0, 1]. */
void image_brightness(const struct image *image, double factor);
/* clip(factor x + (1 - factor) m), m the mean over the image of its grey level. */
void image_contrast(const struct image *image, double factor);
/* clip(factor x + (1 - factor) g), g the grey level of the pixel: .299 red + .587 green + .114
 * blue (ITU-R BT.601). */
void image_saturation(const struct image *image, double factor);
/* The hue of HSV turned by `turns`, in [-0.5, 0.5]. */
void image_hue(const struct image *image, double turns);
/* The operations in the given order. */
void image_jitter(const struct image *image, const int32_t order[JITTER_OPERATIONS],
                  const double factor[JITTER_OPERATIONS]);
/* All channels become the grey level. */
void image_grey(const struct image *image);
/* Convolution with exp(-i^2 / (2 sigma^2)), i = -radius..radius, normalised, in each direction;
 * the image is mirrored at its border pixels.  radius is less than height and width. */
void image_blur(const struct image *image, double sigma, int radius);
/* 1 - x where x >= threshold.  0.5 is, of 8-bit values, those from 128 on. */
void image_solarize(const struct image *image, double threshold);
/* (x - mean) / std; the one step that leaves [0, 1]. */
void image_normalize(const struct image *image, const struct normalization *norm);

/* Random erasing, of a normalised image: a rectangle of noise N(0, 1).  Its share of the area is
 * uniform in [min_area, max_area], its aspect ratio log-uniform in [min_aspect, 1 / min_aspect];
 * ten tries to find one that is smaller than the image each way, else nothing. */
struct erasing {
    double probability, min_area, max_area, min_aspect;
};
extern const struct erasing erasing_mae; /* He et al. 2022, table 9, as timm has the numbers */
void image_erase(const struct image *image, const struct erasing *e, struct rng *rng);

/* An image in [0, 1] rounded to 8 bits, in `a`. */
struct record record_of_image(const struct image *image, int label, struct arena *a);
/* image_from_box rounded to 8 bits: a record of size x size in `a`, with the label, without mask
 * and captions. */
struct record record_crop(const struct record *r, const struct normalization *norm,
                          const struct crop_box *box, int flip, int interpolation, int size,
                          struct arena *a);

#endif
