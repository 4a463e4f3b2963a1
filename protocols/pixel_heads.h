/* pixel_heads.h -- linear classifiers of places, trained side by side.
 *
 *     TRY(pixel_heads_open(&h, &config, err));
 *     pixel_heads_load(h, i * places, places, x);         for each image of a batch
 *     pixel_heads_step(h, rows, target, &step);
 *     ...
 *     pixel_heads_forward(h, rows);
 *     pixel_heads_logits(h, head, first, n, logits);
 *
 * A place has no one class but shares: the pixels of each class in it.  The loss is the mean
 * cross-entropy over the pixels of a batch that have a class, when every pixel gets the logits of
 * its place: sum over places of sum over classes of target * -log softmax, over the sum of target.
 * That is exact, and costs a place instead of its pixels.
 *
 * A head gets the same numbers whichever heads are beside it, on any number of threads.
 */
#ifndef SSV_PROTOCOLS_PIXEL_HEADS_H
#define SSV_PROTOCOLS_PIXEL_HEADS_H

#include "core/error.h"
#include "kernels/kernels.h"

struct pixel_heads;

struct pixel_heads_config {
    const struct kernels *kernels;
    int heads, dim, classes;
    int rows; /* most places at a time */
    int threads;
    const float *mean, *rstd; /* (dim) that features are standardised with; NULL: as they are */
};

struct pixel_heads_rates {
    const double *lr, *weight_decay; /* (heads); biases get no weight decay */
    double momentum;                 /* of Nesterov */
    int first;                       /* the first step of all */
};

/* All weights are 0. */
int pixel_heads_open(struct pixel_heads **out, const struct pixel_heads_config *config,
                     struct error *err);
/* Features x (n, dim) become rows first.. of the input. */
void pixel_heads_load(struct pixel_heads *h, int first, int n, const float *x);
/* A step of SGD on the first n rows; target (n, classes) at least 0.  Rows without a target count
 * for nothing. */
void pixel_heads_step(struct pixel_heads *h, int n, const float *target,
                      const struct pixel_heads_rates *rates);
void pixel_heads_forward(struct pixel_heads *h, int n);
/* After forward: logits (n, classes) of rows first.. */
void pixel_heads_logits(const struct pixel_heads *h, int head, int first, int n, float *logits);
int pixel_heads_diverged(const struct pixel_heads *h, int head); /* a weight is not finite */
void pixel_heads_close(struct pixel_heads *h);                   /* NULL: nothing */

#endif
