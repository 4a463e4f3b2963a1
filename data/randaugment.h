/* randaugment.h -- RandAugment on 8-bit records, Cubuk et al. 2020 (arXiv:1909.13719).
 *
 *     struct randaugment_plan plan = randaugment_draw(&randaugment_m9, rng);
 *     randaugment_apply(&plan, fill, &record);         the record's pixels are changed
 *
 * What timm calls rand-m9-mstd0.5-inc1, the recipe of MAE's fine-tuning: twice, one of fifteen
 * operations is picked, with repetition, and takes place with probability 1/2; its magnitude is
 * normal about 9 with deviation 1/2, kept within 0 to 10; the severity of every operation that has
 * one grows with it.  Pixels are those of PIL: 8 bits after every operation, bicubic interpolation
 * in rotations, shears and translations, what comes from outside the image has the fill colour.
 *
 * Greyscale of an image without three channels is the mean over its channels, see augment.h.
 */
#ifndef SSV_DATA_RANDAUGMENT_H
#define SSV_DATA_RANDAUGMENT_H

#include "core/rng.h"
#include "data/augment.h"

enum randaugment_operation { /* and its argument */
                             RANDAUGMENT_AUTO_CONTRAST,
                             RANDAUGMENT_EQUALIZE,
                             RANDAUGMENT_INVERT,
                             RANDAUGMENT_ROTATE,    /* degrees, against the clock */
                             RANDAUGMENT_POSTERIZE, /* high bits that stay, 0..8 */
                             RANDAUGMENT_SOLARIZE,  /* values from here on are inverted, 0..256 */
                             RANDAUGMENT_SOLARIZE_ADD, /* added to values below 128 */
                             RANDAUGMENT_COLOR,        /* factors, 1: no change; away from grey, */
                             RANDAUGMENT_CONTRAST,     /* the mean grey, */
                             RANDAUGMENT_BRIGHTNESS,   /* black, */
                             RANDAUGMENT_SHARPNESS,    /* the smoothed image */
                             RANDAUGMENT_SHEAR_X,      /* pixels a row */
                             RANDAUGMENT_SHEAR_Y,
                             RANDAUGMENT_TRANSLATE_X, /* share of the width, to the left */
                             RANDAUGMENT_TRANSLATE_Y,
                             RANDAUGMENT_OPERATIONS
};

enum { RANDAUGMENT_LAYERS = 8 };

struct randaugment {
    int layers;                  /* operations one after the other */
    double magnitude, deviation; /* 0..10 */
    double probability;          /* that a picked operation takes place */
};

extern const struct randaugment randaugment_m9;

struct randaugment_plan {
    int n;
    int32_t operation[RANDAUGMENT_LAYERS];
    double argument[RANDAUGMENT_LAYERS];
};

/* Only operations that take place are in the plan.  Every draw is made whatever the options are. */
struct randaugment_plan randaugment_draw(const struct randaugment *o, struct rng *rng);
/* Changes the pixels alone.  fill: a value for each channel. */
void randaugment_apply(const struct randaugment_plan *plan, const uint8_t *fill, struct record *r);
/* The argument that a magnitude in 0..10 stands for; `negative` turns its direction round. */
double randaugment_argument(enum randaugment_operation operation, double magnitude, int negative);
/* The mean colour in 8 bits, as fill. */
void randaugment_fill(const struct normalization *norm, int channels, uint8_t *fill);

#endif
