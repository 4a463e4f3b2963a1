/* op_clip.c -- CLIP's loss, Radford et al. 2021 (arXiv:2103.00020), figure 3.
 *
 *     logit (i,j) = exp(log_scale) <image_i, text_j>
 *     loss of sample i = 1/2 (cross-entropy of row i + cross-entropy of column i), both with target
 * i
 */
#include "nn/ops.h"

enum { IMAGES, TEXTS, LOG_SCALE };
enum {
    ROWS,
    COLUMNS
}; /* saved: R (n); C (n), then room for each row's part of the scale's gradient (n) */

static const real *scale(const struct chunk *c, const struct tensor *t) {
    return chunk_value(c, t->src[LOG_SCALE]);
}

static void forward(const struct chunk *c, const struct tensor *t) {
    const real *images = chunk_value(c, t->src[IMAGES]), *texts = chunk_value(c, t->src[TEXTS]);
    int dim = t->src[IMAGES]->dim[0];
    real *r = chunk_saved(c, t, ROWS), *col = chunk_saved(c, t, COLUMNS),
         *loss = chunk_result(c, t);
    /* in loss the partners' logits, for now */
    c->k->contrast_rows(&c->ctx, c->n, dim, 0, 1, scale(c, t), images, texts, r, loss);
    c->k->contrast_rows(&c->ctx, c->n, dim, 0, 1, scale(c, t), texts, images, col, NULL);
    c->k->contrast_loss(&c->ctx, c->n, r, col, loss);
}

static void backward(const struct chunk *c, const struct tensor *t) {
    const real *images = chunk_value(c, t->src[IMAGES]), *texts = chunk_value(c, t->src[TEXTS]);
    int dim = t->src[IMAGES]->dim[0];
    const real *r = chunk_saved(c, t, ROWS);
    real *col = chunk_saved(c, t, COLUMNS), *own = col + c->n, *weight = chunk_grad_in_place(c, t);
    c->k->axpby(&c->ctx, (size_t)c->n, (real)0.5, weight, 0, weight);
    c->k->contrast_gradient(&c->ctx, c->n, dim, 0, 1, scale(c, t), images, texts, weight, r, col,
                            t->acc[IMAGES], chunk_grad_src(c, t, IMAGES), own,
                            chunk_grad_src(c, t, LOG_SCALE));
    real *d = chunk_grad_src(c, t, TEXTS);
    if (d)
        c->k->contrast_gradient(&c->ctx, c->n, dim, 0, 1, scale(c, t), texts, images, weight, col,
                                r, t->acc[TEXTS], d, NULL, NULL);
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
