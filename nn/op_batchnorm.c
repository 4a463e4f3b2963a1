/* op_batchnorm.c -- y = act(batch norm of x + residual), Ioffe and Szegedy 2015 (arXiv:1502.03167),
 * algorithms 1 and 2, for every pixel of every image.
 *
 * In training it is an operation on the whole batch: it normalises with the batch's mean and biased
 * variance and moves the running statistics, m += 0.1 (batch - m), with the unbiased variance, as
 * PyTorch does.  In evaluating graphs it normalises with the running statistics, a sample at a
 * time.
 */
#include "nn/ops.h"

#include <math.h>
#include <stdio.h>

enum { X, RESIDUAL, GAMMA, BETA, MEAN, VAR, SOURCES };
enum { ROWS, COLS, RELU }; /* attr: rows of a sample, columns, whether negative values become 0 */

static const double MOMENTUM = 0.1, EPS = 1e-5; /* PyTorch's defaults */

static int rows(const struct chunk *c, const struct tensor *t) {
    return c->n * t->attr[ROWS];
}

static const real *value_of(const struct chunk *c, const struct tensor *t, int s) {
    return t->src[s] ? chunk_value(c, t->src[s]) : NULL;
}

static void apply(const struct chunk *c, const struct tensor *t, const real *mean,
                  const real *rstd) {
    c->k->batchnorm_apply(&c->ctx, rows(c, t), t->attr[COLS], chunk_value(c, t->src[X]), mean, rstd,
                          value_of(c, t, GAMMA), value_of(c, t, BETA), value_of(c, t, RESIDUAL),
                          t->attr[RELU], chunk_result(c, t));
}

/* The gradient of source s and whether it is added to.  Where it takes the place of this value's
 * own, the kernel works in place. */
static real *gradient(const struct chunk *c, const struct tensor *t, int s, int *acc) {
    const struct tensor *u = t->src[s];
    if (!u || !u->needs_grad)
        return NULL;
    real *d = chunk_grad_in_place(c, u);
    *acc = d == chunk_grad(c, t) ? 0 : t->acc[s];
    return d;
}

static void flops(const struct tensor *t, double *f, double *b) {
    *f = 7.0 * (double)t->per_sample;
    *b = 12.0 * (double)t->per_sample;
}

/* Training.  The batch's mean and 1 / sqrt(var + eps) stay in the operation's own place. */

static void move(const struct chunk *c, const struct tensor *statistic, const real *batch,
                 double factor) {
    real *running = c->g->model->value + statistic->param->offset;
    for (size_t i = 0; i < statistic->per_sample; i++)
        running[i] += (real)(MOMENTUM * (factor * (double)batch[i] - (double)running[i]));
}

static void train_forward(const struct chunk *c, const struct tensor *t) {
    int n = rows(c, t), cols = t->attr[COLS];
    real *mean = chunk_own(c, t), *var = mean + cols;
    c->k->batchnorm_stats(&c->ctx, n, cols, chunk_value(c, t->src[X]), mean, var);
    if (c->updates) {
        move(c, t->src[MEAN], mean, 1);
        move(c, t->src[VAR], var, n > 1 ? (double)n / (n - 1) : 1);
        c->g->model->version++;
    }
    for (int i = 0; i < cols; i++)
        var[i] = (real)(1 / sqrt((double)var[i] + EPS));
    apply(c, t, mean, var);
}

static void train_backward(const struct chunk *c, const struct tensor *t) {
    const real *mean = chunk_own(c, t), *rstd = mean + t->attr[COLS];
    int acc = 0, acc_res = 0;
    real *dx = gradient(c, t, X, &acc), *dres = gradient(c, t, RESIDUAL, &acc_res);
    c->k->batchnorm_backward(&c->ctx, rows(c, t), t->attr[COLS], chunk_value(c, t->src[X]), mean,
                             rstd, value_of(c, t, GAMMA), t->attr[RELU] ? chunk_value(c, t) : NULL,
                             chunk_grad(c, t), acc, dx, acc_res, dres, chunk_grad_src(c, t, GAMMA),
                             chunk_grad_src(c, t, BETA));
}

#define TRAINING .forward = train_forward, .backward = train_backward, .flops = flops, .whole = 1

/* [relu][residual].  The residual's gradient, or else that of x, takes the place of this value's.
 */
static const struct op training[2][2] = {
    {{.name = "batchnorm", TRAINING, .backward_reads = 1u << X, .alias_src = X},
     {.name = "batchnorm_residual", TRAINING, .backward_reads = 1u << X, .alias_src = RESIDUAL}},
    {{.name = "batchnorm_relu",
      TRAINING,
      .backward_reads = 1u << X | BACKWARD_READS_OUT,
      .alias_src = X},
     {.name = "batchnorm_residual_relu",
      TRAINING,
      .backward_reads = 1u << X | BACKWARD_READS_OUT,
      .alias_src = RESIDUAL}}};

/* Evaluating.  prepare leaves 1 / sqrt(running variance + eps). */

static void eval_prepare(const struct chunk *c, const struct tensor *t, real *rstd) {
    const real *var = chunk_value(c, t->src[VAR]);
    for (int i = 0; i < t->attr[COLS]; i++)
        rstd[i] = (real)(1 / sqrt((double)var[i] + EPS));
}

static void eval_forward(const struct chunk *c, const struct tensor *t) {
    apply(c, t, chunk_value(c, t->src[MEAN]), chunk_packed(c, t));
}

/* dgamma (cols) += sum over rows of g (x - mean) rstd */
static void gain_gradient(int n, int cols, const real *g, const real *x, const real *mean,
                          const real *rstd, real *dgamma) {
    for (int j = 0; j < cols; j++) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
            size_t at = (size_t)i * (size_t)cols + (size_t)j;
            sum += (double)g[at] * ((double)x[at] - (double)mean[j]);
        }
        dgamma[j] += (real)(sum * (double)rstd[j]);
    }
}

/* The normalisation is a constant scale here, so x's gradient is the same apply to g, the gradient
 * behind the ReLU. */
static void eval_backward(const struct chunk *c, const struct tensor *t) {
    int n = rows(c, t), cols = t->attr[COLS];
    size_t count = t->per_sample * (size_t)c->n;
    const real *mean = chunk_value(c, t->src[MEAN]), *rstd = chunk_packed(c, t);
    real *g = chunk_grad_in_place(c, t), *zero = chunk_saved(c, t, 0);
    if (t->attr[RELU])
        c->k->act_backward(&c->ctx, ACT_RELU, count, chunk_value(c, t), g, 0, g);
    real *dr = chunk_grad_src(c, t, RESIDUAL), *dx = chunk_grad_src(c, t, X);
    real *dgamma = chunk_grad_src(c, t, GAMMA), *dbeta = chunk_grad_src(c, t, BETA);
    if (dr)
        c->k->axpby(&c->ctx, count, 1, g, t->acc[RESIDUAL] ? 1 : 0, dr);
    if (dgamma)
        gain_gradient(n, cols, g, chunk_value(c, t->src[X]), mean, rstd, dgamma);
    if (dbeta)
        c->k->column_sum(&c->ctx, n, cols, g, dbeta);
    for (int i = 0; i < cols; i++)
        zero[i] = 0;
    if (dx)
        c->k->batchnorm_apply(&c->ctx, n, cols, g, zero, rstd, value_of(c, t, GAMMA), NULL,
                              t->acc[X] ? dx : NULL, 0, dx);
}

static const struct op batchnorm_evaluating = {.name = "batchnorm_evaluating",
                                               .forward = eval_forward,
                                               .backward = eval_backward,
                                               .prepare = eval_prepare,
                                               .flops = flops,
                                               .backward_reads = 1u << X | BACKWARD_READS_OUT,
                                               .alias_src = RESIDUAL};

static struct tensor *parameter(struct graph *g, int group, const char *name, const char *what,
                                int cols, enum init_kind init, int statistic) {
    char full[256];
    snprintf(full, sizeof full, "%s.%s", name, what);
    struct tensor *t = graph_param(g, group, full, 1, &cols, init, 0);
    if (statistic) {
        t->param->trainable = 0;
        t->param->statistic = 1;
    }
    return t;
}

struct tensor *op_batchnorm(struct graph *g, const char *name, int group, struct tensor *x,
                            struct tensor *residual, int relu, int plain) {
    CHECK(x->ndim >= 1, "%s: batch norm of a number", name);
    CHECK(!residual || residual->per_sample == x->per_sample, "%s: residual of another shape",
          name);
    int cols = x->dim[x->ndim - 1];
    struct tensor *src[SOURCES] = {[X] = x, [RESIDUAL] = residual};
    if (!plain) {
        src[GAMMA] = parameter(g, group, name, "weight", cols, INIT_ONE, 0);
        src[BETA] = parameter(g, group, name, "bias", cols, INIT_ZERO, 0);
    }
    src[MEAN] = parameter(g, group, name, "running_mean", cols, INIT_ZERO, 1);
    src[VAR] = parameter(g, group, name, "running_var", cols, INIT_ONE, 1);
    const struct op *op =
        g->evaluating ? &batchnorm_evaluating : &training[relu != 0][residual != NULL];
    struct tensor *t = graph_value(g, op, name, x->ndim, x->dim, src, SOURCES);
    t->attr[ROWS] = (int)(x->per_sample / (size_t)cols);
    t->attr[COLS] = cols;
    t->attr[RELU] = relu;
    t->packed_count = g->evaluating ? (size_t)cols : 2 * (size_t)cols;
    t->saved_per_sample[0] = g->evaluating ? (size_t)cols : 0;
    return t;
}
