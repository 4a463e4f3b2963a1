/* op_contrast.c -- NT-Xent, the loss that finds the other view of a sample among all views.
 *
 * Chen et al. 2020, arXiv:2002.05709, eq. (1).  For the 2N rows z of a batch, row r paired with r':
 *
 *     s[r,c] = z_r . z_c / temperature
 *     loss_r = log sum over c != r of exp s[r,c]  -  s[r,r']
 *
 * The sum over rows is what the gradient is of, so every row gets it as a row and as a column
 * (contrast_rows in kernels.h).
 */
#include "nn/ops.h"

enum { VIEWS = 2, Z = 0, LOG_SUMS = 0 };

static void forward(const struct chunk *c, const struct tensor *t) {
    const real *z = chunk_value(c, t->src[Z]);
    int n = VIEWS * c->n, dim = t->src[Z]->dim[1];
    real *sum = chunk_saved(c, t, LOG_SUMS), *loss = chunk_result(c, t);
    /* in loss the partners' similarities, for now */
    c->k->contrast_rows(&c->ctx, n, dim, 1, 1 / t->real_attr, NULL, z, z, sum, loss);
    c->k->contrast_loss(&c->ctx, n, sum, NULL, loss);
}

static void backward(const struct chunk *c, const struct tensor *t) {
    const real *z = chunk_value(c, t->src[Z]), *sum = chunk_saved(c, t, LOG_SUMS);
    c->k->contrast_gradient(&c->ctx, VIEWS * c->n, t->src[Z]->dim[1], 1, 1 / t->real_attr, NULL, z,
                            z, chunk_grad(c, t), sum, sum, t->acc[Z], chunk_grad_src(c, t, Z), NULL,
                            NULL);
}

/* 4 dim for each pair of views, and as much again for the gradient, depend on the batch: not
 * counted. */
static void flops(const struct tensor *t, double *f, double *b) {
    (void)t;
    *f = *b = 0;
}

static const struct op nt_xent = {.name = "nt_xent",
                                  .forward = forward,
                                  .backward = backward,
                                  .flops = flops,
                                  .backward_reads = 1u << Z,
                                  .alias_src = -1,
                                  .whole = 1};

struct tensor *op_nt_xent(struct graph *g, const char *name, struct tensor *z, double temperature) {
    CHECK(z->ndim == 2 && z->dim[0] == VIEWS && temperature > 0, "%s: two views (N,2,D)", name);
    struct tensor *t =
        graph_value(g, &nt_xent, name, 1, (const int[]){VIEWS}, (struct tensor *const[]){z}, 1);
    t->saved_per_sample[LOG_SUMS] = VIEWS;
    t->real_attr = temperature;
    return t;
}
