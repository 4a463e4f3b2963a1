/* mixup.h -- batches of mixed images with mixed targets.
 *
 * Mixup (Zhang et al. 2018, arXiv:1710.09412, eq. 1) and CutMix (Yun et al. 2019, arXiv:1905.04899,
 * eq. 1 and 2), one lambda for a batch and each image mixed with the one opposite, the first with
 * the last, as timm does it.
 *
 *     struct mix m = mix_draw(&mixing_mae, side, side, &rng);
 *     mix_images(&m, &batch, channels, side, side, images);
 *     mix_targets(&m, &batch, classes, targets);
 */
#ifndef SSV_DATA_MIXUP_H
#define SSV_DATA_MIXUP_H

#include "core/rng.h"

struct mixing {
    double mixup, cutmix; /* alpha of lambda ~ Beta(alpha, alpha), in (0, 1]; 0: not used */
    double cut_share;     /* of the batches are cut where both are used */
};

extern const struct mixing mixing_mae; /* He et al. 2022, table 9 */

struct mix {
    double lambda;                /* the share of an image's own target; 1: nothing is mixed */
    int cut;                      /* a box comes from the partner; else everything is blended */
    int top, left, bottom, right; /* of the box, the last two exclusive */
};

/* Of a cut, lambda is the share of the image outside the box: a box reaches over the border. */
struct mix mix_draw(const struct mixing *o, int height, int width, struct rng *rng);
struct mix_batch {
    int n;
    const char *mine; /* (n) only these are asked for, and what they are mixed with; NULL: all */
    int threads;      /* that share the work */
};

/* images (n,channels,height,width), in place; the one in the middle of an odd n stays. */
void mix_images(const struct mix *m, const struct mix_batch *b, int channels, int height, int width,
                float *images);
/* targets (n,classes), in place */
void mix_targets(const struct mix *m, const struct mix_batch *b, int classes, float *targets);
/* target (classes): 1 - smoothing at the label and smoothing / classes everywhere (Szegedy et al.
 * 2016, section 7). */
void smooth_target(int label, int classes, double smoothing, float *target);
/* Beta(alpha, alpha) for 0 < alpha <= 1: Johnk 1964. */
double draw_beta(double alpha, struct rng *rng);

#endif
