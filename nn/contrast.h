/* contrast.h -- which of the batch's rows belong together: what contrastive losses are made of.
 *
 * logit (i,j) = scale <x_i, y_j> for x, y (n,dim), and a cross-entropy in each direction, over a
 * row and over a column:
 *
 *     R_i = log sum_j exp logit (i,j)        loss of row i    = R_i - logit (i, partner of i)
 *     C_j = log sum_i exp logit (i,j)        loss of column j = C_j - logit (partner of j, j)
 *
 * The partner of row i is column i.  With `views`, x and y are one matrix in which rows 2k and 2k+1
 * are views of a sample: they are each other's partners, and no row is compared with itself.
 *
 * The logits, n^2 of them, are never stored: a few rows at a time are computed in the workspace,
 * and once more for the gradient.  Every row is one thread's, whatever the number of threads.
 */
#ifndef SSV_NN_CONTRAST_H
#define SSV_NN_CONTRAST_H

#include "kernels/kernels.h"

struct contrast {
    const struct kernels *kernels;
    const struct kctx *ctx; /* with a workspace */
    const real *x, *y;      /* (n,dim) */
    int n, dim, views;
    double scale;
};

/* R (n), and the logit of each row with its partner (n), unless NULL.  C is R of x and y swapped.
 */
void contrast_rows(const struct contrast *q, real *r, real *partner);
/* The gradient of sum_i weight_i (loss of row i + loss of column i), weight, r, c (n):
 *
 *     g_ij = weight_i (exp(logit - R_i) - [j is the partner of i])
 *          + weight_j (exp(logit - C_j) - [j is the partner of i])
 *     dx_i = acc dx_i + scale sum_j g_ij y_j;      dscale_i = sum_j g_ij logit (i,j)
 *
 * The sum of dscale is the gradient of log(scale).  dx and dscale (n) may be NULL. */
void contrast_gradient(const struct contrast *q, const real *weight, const real *r, const real *c,
                       int acc, real *dx, real *dscale);

#endif
