/* image_difference.h -- two methods on the same test images: would other images say the same.
 *
 * The unit is the image.  Each brings one number, how much more often A was right about it than B;
 * with several trained networks of each method that is an average over them.  So what is stated
 * holds for these networks and other images drawn like these: it says nothing of other seeds,
 * which is what results/stats.h is for.
 */
#ifndef SSV_RESULTS_IMAGE_DIFFERENCE_H
#define SSV_RESULTS_IMAGE_DIFFERENCE_H

#include "core/arena.h"

#include <stdint.h>

struct image_difference {
    double mean;   /* A - B, a fraction */
    double lo, hi; /* percentiles of the paired bootstrap over images (Efron 1979) */
    double p;      /* two-sided, of the hypothesis that A and B may change places in each image */
    long n;
};

/* scaled (n): scale times the difference at each image, whole numbers in [-scale, scale]; n > 0.
 * Neither draws anything: resampling images with replacement is a sum of n independent numbers from
 * a short list, and changing places a sum of independent signs, so both distributions are
 * computed from their characteristic functions, as if the number of draws were infinite.  With one
 * network each, p is that of the exact McNemar test.  Good to about 1e-12, not relative to p. */
struct image_difference image_difference(const int32_t *scaled, long n, int32_t scale,
                                         double level);

/* How often each answer was right.  pred (n_predictions, n), label (n): right (n) is counted up. */
void count_right(const int16_t *pred, int n_predictions, const int16_t *label, long n,
                 int32_t *right);

#endif
