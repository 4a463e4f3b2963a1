/* op_clip.c -- CLIP's loss, Radford et al. 2021 (arXiv:2103.00020), figure 3.
 *
 *     logit (i,j) = exp(log_scale) <image_i, text_j>
 *     loss of sample i = 1/2 (cross-entropy of row i + cross-entropy of column i), both with target
 * i
 */
#include "nn/contrast.h"
#include "nn/ops.h"

#include <math.h>

enum { IMAGES, TEXTS, LOG_SCALE };
enum { ROWS, COLUMNS }; /* saved: R (n); C (n), then room for dscale (n) */

static struct contrast describe(const struct chunk *c, const struct tensor *t, int from, int to) {
    return (struct contrast){.kernels = c->k,
                             .ctx = &c->ctx,
                             .x = chunk_value(c, t->src[from]),
                             .y = chunk_value(c, t->src[to]),
                             .n = c->n,
                             .dim = t->src[from]->dim[0],
                             .scale = exp((double)*chunk_value(c, t->src[LOG_SCALE]))};
}

static void forward(const struct chunk *c, const struct tensor *t) {
    const struct contrast images = describe(c, t, IMAGES, TEXTS),
                          texts = describe(c, t, TEXTS, IMAGES);
    real *r = chunk_saved(c, t, ROWS), *col = chunk_saved(c, t, COLUMNS),
         *loss = chunk_result(c, t);
    contrast_rows(&images, r, loss); /* the partners' logits, for now */
    contrast_rows(&texts, col, NULL);
    for (int i = 0; i < c->n; i++)
        loss[i] = (real)(((double)r[i] + (double)col[i]) / 2 - (double)loss[i]);
}

static void backward(const struct chunk *c, const struct tensor *t) {
    const struct contrast images = describe(c, t, IMAGES, TEXTS),
                          texts = describe(c, t, TEXTS, IMAGES);
    const real *r = chunk_saved(c, t, ROWS);
    real *col = chunk_saved(c, t, COLUMNS), *dscale = col + c->n;
    real *weight = chunk_grad_in_place(c, t);
    for (int i = 0; i < c->n; i++)
        weight[i] /= 2;
    contrast_gradient(&images, weight, r, col, t->acc[IMAGES], chunk_grad_src(c, t, IMAGES),
                      dscale);
    real *d = chunk_grad_src(c, t, TEXTS), *dlog = chunk_grad_src(c, t, LOG_SCALE);
    if (d)
        contrast_gradient(&texts, weight, col, r, t->acc[TEXTS], d, NULL);
    double sum = 0;
    for (int i = 0; i < c->n; i++)
        sum += (double)dscale[i];
    if (dlog)
        *dlog += (real)sum;
}

/* Its products take 4 n dim for each direction, which depends on the batch: not counted. */
static void flops(const struct tensor *t, double *f, double *b) {
    (void)t;
    *f = *b = 0;
}

static const struct op op = {.name = "clip",
                             .forward = forward,
                             .backward = backward,
                             .flops = flops,
                             .backward_reads = 1u << IMAGES | 1u << TEXTS,
                             .alias_src = -1,
                             .whole = 1};

struct tensor *op_clip(struct graph *g, const char *name, struct tensor *images,
                       struct tensor *texts, struct tensor *log_scale) {
    CHECK(images->ndim == 1 && texts->ndim == 1 && images->dim[0] == texts->dim[0],
          "%s: features (N,D) of images and of texts", name);
    CHECK(log_scale->kind == TENSOR_PARAM && log_scale->per_sample == 1, "%s: one learnt scale",
          name);
    struct tensor *t = graph_value(g, &op, name, 1, (const int[]){1},
                                   (struct tensor *const[]){images, texts, log_scale}, 3);
    t->saved_per_sample[ROWS] = 1;
    t->saved_per_sample[COLUMNS] = 2;
    return t;
}
