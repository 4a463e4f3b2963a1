/* op_batchnorm.c -- y = act(batch norm of x + residual), Ioffe and Szegedy 2015 (arXiv:1502.03167),
 * algorithms 1 and 2, for every pixel of every image.
 *
 * In training the batch is normalised with its own mean and biased variance.  Only these few
 * numbers need the whole batch, so three operations share the work, and activations are touched
 * while a chunk of images is in the cache anyway:
 *
 * - moments (N,2,C): mean m and variance of each sample;
 * - statistics (N,2,C), whole: mean and rstd = 1 / sqrt(var + eps) of the batch, the same for every
 *   sample, by way of mean and variance of each lane, so that ranks send as little as that; moves
 *   the running statistics, r += 0.1 (batch - r), with the unbiased variance, as PyTorch does;
 * - apply (N,..,C): the value.
 *
 * The gradient falls apart the same way.  With xhat = (x - mean) rstd, g the gradient behind the
 * ReLU, M rows in the batch and s = gamma rstd it is
 *
 *     dx = s (g - sum(g) / M - xhat sum(g xhat) / M)
 *
 * - apply: dx = s g, and for each sample s sum(g) and s rstd sum(g xhat);
 * - statistics: A and B, minus the sums of these over the samples divided by M, handed on as
 *   A + B (m - mean) and B;
 * - moments: dx += (A + B (m - mean)) + B (x - m).
 *
 * On a device, where it costs a pass over memory to write what the last of these reads again, apply
 * makes the sums alone, and moments give all of dx: of g as it is, or as apply has left it in the
 * place of the residual's gradient (tensor.left).
 *
 * In evaluating graphs one operation normalises with the running statistics.
 */
#include "nn/ops.h"

#include <stdio.h>

enum { ROWS, COLS, RELU }; /* attr: rows of a sample, columns, whether negative values become 0 */
enum { X };                /* the first source of all but statistics */
enum { STATISTICS = 1, GAMMA, BETA, RESIDUAL, SOURCES }; /* of apply */

static const double MOMENTUM = 0.1, EPS = 1e-5; /* PyTorch's defaults */

static int rows(const struct chunk *c, const struct tensor *t) {
    return c->n * t->attr[ROWS];
}

static const real *value_of(const struct chunk *c, const struct tensor *t, int s) {
    return s < t->n_src && t->src[s] ? chunk_value(c, t->src[s]) : NULL;
}

/* Of a kernel's arrays those that are stored as x is, and as the value is. */
static struct kctx stored(const struct chunk *c, const struct tensor *t, unsigned as_x,
                          unsigned as_y) {
    return chunk_halves(c, (t->src[X]->half ? as_x : 0) | (t->half ? as_y : 0));
}

static void set_shape(struct tensor *t, const struct tensor *x, int relu) {
    t->attr[COLS] = x->dim[x->ndim - 1];
    t->attr[ROWS] = (int)(x->per_sample / (size_t)t->attr[COLS]);
    t->attr[RELU] = relu;
}

/* moments */

static void moments_forward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = chunk_halves(c, t->src[X]->half ? 1 << 0 : 0); /* x */
    c->k->batchnorm_moments(&ctx, c->n, t->attr[ROWS], t->attr[COLS], chunk_value(c, t->src[X]),
                            chunk_result(c, t));
}

/* Of apply, too, which has left g. */
static void moments_backward_left(const struct chunk *c, const struct tensor *t) {
    const struct tensor *of = t->left;
    const int masks = of->attr[RELU] && !value_of(c, of, RESIDUAL);
    const real *mean = chunk_value(c, of->src[STATISTICS]);
    const struct kctx ctx = stored(c, of, 1 << 0 | 1 << 8, 1 << 7); /* x, dx; g */
    c->k->batchnorm_input_backward(
        &ctx, c->n, t->attr[ROWS], t->attr[COLS], chunk_value(c, t->src[X]), mean,
        mean + t->attr[COLS], value_of(c, of, GAMMA), value_of(c, of, BETA), masks,
        chunk_value(c, t), chunk_grad(c, t), chunk_grad(c, of), chunk_grad_src(c, t, X));
}

static void moments_backward(const struct chunk *c, const struct tensor *t) {
    if (t->left) {
        moments_backward_left(c, t);
        return;
    }
    const struct kctx ctx = chunk_halves(c, t->src[X]->half ? 1 << 0 | 1 << 3 : 0); /* x, dx */
    c->k->batchnorm_moments_backward(&ctx, c->n, t->attr[ROWS], t->attr[COLS],
                                     chunk_value(c, t->src[X]), chunk_value(c, t), chunk_grad(c, t),
                                     chunk_grad_src(c, t, X));
}

static void moments_flops(const struct tensor *t, double *f, double *b) {
    *f = 4.0 * (double)t->src[X]->per_sample;
    *b = 4.0 * (double)t->src[X]->per_sample;
}

static const struct op moments = {.name = "batchnorm_moments",
                                  .forward = moments_forward,
                                  .backward = moments_backward,
                                  .flops = moments_flops,
                                  .backward_reads = 1u << X | BACKWARD_READS_OUT,
                                  .alias_src = -1,
                                  .halves = 1u << X};

/* statistics; attr ROWS and COLS are x's */

enum { MOMENTS, RUNNING_MEAN, RUNNING_VAR };

static real *running(const struct chunk *c, const struct tensor *t, int s) {
    return c->updates ? c->values + t->src[s]->param->offset : NULL;
}

static void statistics_lane_forward(const struct chunk *c, const struct tensor *t, real *part) {
    c->k->batchnorm_lane(&c->ctx, c->n, t->attr[COLS], chunk_value(c, t->src[MOMENTS]), part);
}

static void statistics_lane_backward(const struct chunk *c, const struct tensor *t, real *part) {
    const int cols = 2 * t->attr[COLS];
    c->k->fill(&c->ctx, (size_t)cols, 0, part);
    c->k->column_sum(&c->ctx, c->n, cols, chunk_grad(c, t), part);
}

/* The samples that this process has. */
static struct chunk own_samples(const struct chunk *c) {
    struct chunk own = *c;
    own.first = c->whole.first;
    own.n = c->whole.own;
    return own;
}

static void statistics_forward(const struct chunk *c, const struct tensor *t) {
    const struct chunk own = own_samples(c);
    const struct dealt each = {.n = c->n, .chunk = 1, .lanes = c->n};
    const real *parts = c->whole.parts;
    c->k->batchnorm_combine(&c->ctx, parts ? &c->whole.dealt : &each, t->attr[ROWS], t->attr[COLS],
                            EPS, parts ? parts : chunk_value(c, t->src[MOMENTS]), own.n,
                            chunk_result(&own, t), MOMENTUM, running(c, t, RUNNING_MEAN),
                            running(c, t, RUNNING_VAR));
    c->g->model->version += c->updates != 0;
}

static void statistics_backward(const struct chunk *c, const struct tensor *t) {
    const struct chunk own = own_samples(c);
    const real *parts = c->whole.parts;
    c->k->batchnorm_combine_backward(
        &c->ctx, parts ? c->whole.dealt.lanes : c->n, (double)c->n * t->attr[ROWS], t->attr[COLS],
        parts ? parts : chunk_grad(c, t), own.n, chunk_value(&own, t->src[MOMENTS]),
        chunk_value(&own, t), chunk_grad_src(&own, t, MOMENTS));
}

static void statistics_flops(const struct tensor *t, double *f, double *b) {
    *f = *b = 4.0 * t->attr[COLS];
}

static const struct op statistics = {.name = "batchnorm_statistics",
                                     .forward = statistics_forward,
                                     .backward = statistics_backward,
                                     .lane_forward = statistics_lane_forward,
                                     .lane_backward = statistics_lane_backward,
                                     .flops = statistics_flops,
                                     .backward_reads = 1u << MOMENTS | BACKWARD_READS_OUT,
                                     .alias_src = -1,
                                     .whole = 1};

/* apply; saved: two sums for each sample */

enum { SUMS };

static void apply(const struct chunk *c, const struct tensor *t, const real *mean,
                  const real *rstd) {
    const struct kctx ctx = stored(c, t, 1 << 0, 1 << 5 | 1 << 6); /* x; residual, y */
    c->k->batchnorm_apply(&ctx, rows(c, t), t->attr[COLS], chunk_value(c, t->src[X]), mean, rstd,
                          value_of(c, t, GAMMA), value_of(c, t, BETA), value_of(c, t, RESIDUAL),
                          t->attr[RELU], chunk_result(c, t));
}

static void apply_forward(const struct chunk *c, const struct tensor *t) {
    const real *mean = chunk_value(c, t->src[STATISTICS]);
    apply(c, t, mean, mean + t->attr[COLS]);
}

/* Sums alone: g stays as it is. */
static void leave(const struct chunk *c, const struct tensor *t, const real *mean, const real *rstd,
                  real *g, real *sums) {
    const struct kctx ctx = stored(c, t, 1 << 0, 1 << 5); /* x; g */
    c->k->batchnorm_sums(&ctx, c->n, t->attr[ROWS], t->attr[COLS], chunk_value(c, t->src[X]), mean,
                         rstd, value_of(c, t, GAMMA), value_of(c, t, BETA), t->attr[RELU], g, sums);
}

/* Everything but what goes through the statistics; g, that behind the ReLU, takes the place of this
 * value's gradient, unless that of x does. */
static void apply_backward_with(const struct chunk *c, const struct tensor *t, const real *mean,
                                const real *rstd) {
    real *g = chunk_grad_in_place(c, t), *sums = chunk_saved(c, t, SUMS);
    real *dr = chunk_grad_src(c, t, RESIDUAL);
    real *dx = t->src[X]->needs_grad && !t->leaves ? chunk_grad_in_place(c, t->src[X]) : NULL;
    real *dgamma = chunk_grad_src(c, t, GAMMA), *dbeta = chunk_grad_src(c, t, BETA);
    const struct kctx ctx = stored(c, t, 1 << 0 | 1 << 6, 1 << 4 | 1 << 5); /* x, dx; y, g */
    const struct kctx of_copy = stored(c, t, 0, 1 << 0 | 1 << 1);           /* g, dr */
    if (t->leaves && !value_of(c, t, RESIDUAL))
        leave(c, t, mean, rstd, g, sums);
    else
        c->k->batchnorm_backward(&ctx, c->n, t->attr[ROWS], t->attr[COLS],
                                 chunk_value(c, t->src[X]), mean, rstd, value_of(c, t, GAMMA),
                                 t->attr[RELU] ? chunk_value(c, t) : NULL, g, dx != g && t->acc[X],
                                 dx, sums);
    if (dgamma || dbeta)
        c->k->batchnorm_parameters(&c->ctx, c->n, t->attr[COLS], sums, dgamma, dbeta);
    if (dr)
        c->k->axpby(&of_copy, t->per_sample * (size_t)c->n, 1, g, t->acc[RESIDUAL] ? 1 : 0, dr);
}

static void apply_backward(const struct chunk *c, const struct tensor *t) {
    size_t cols = (size_t)t->attr[COLS];
    const real *mean = chunk_value(c, t->src[STATISTICS]), *rstd = mean + cols;
    const real *sums = chunk_saved(c, t, SUMS);
    apply_backward_with(c, t, mean, rstd);
    real *d = chunk_grad_src(c, t, STATISTICS);
    if (d)
        c->k->batchnorm_slopes(&c->ctx, c->n, t->attr[COLS], rstd, value_of(c, t, GAMMA), sums, d);
}

static void apply_flops(const struct tensor *t, double *f, double *b) {
    *f = 3.0 * (double)t->per_sample;
    *b = 8.0 * (double)t->per_sample;
}

static struct tensor *moments_of(const struct tensor *t) {
    return t->src[STATISTICS]->src[MOMENTS];
}

#define APPLY                                                                                      \
    .forward = apply_forward, .backward = apply_backward, .flops = apply_flops, .cheap = 1,        \
    .finisher = moments_of
#define READS (1u << X | 1u << STATISTICS)

/* The residual's gradient, or else that of x, takes the place of this value's. */
#define HALVES (1u << X | HALVES_OUT | HALVES_OUT_AS_SOURCE)
#define PLAIN .alias_src = X, .halves = HALVES
#define ADDING .alias_src = RESIDUAL, .halves = HALVES | 1u << RESIDUAL | HALVES_ALIAS_AS_OUT
#define READS_OUT .backward_reads = READS | BACKWARD_READS_OUT

/* [relu][residual] */
static const struct op training[2][2] = {
    {{.name = "batchnorm", APPLY, .backward_reads = READS, PLAIN},
     {.name = "batchnorm_residual", APPLY, .backward_reads = READS, ADDING}},
    {{.name = "batchnorm_relu", APPLY, READS_OUT, PLAIN},
     {.name = "batchnorm_residual_relu", APPLY, READS_OUT, ADDING}}};

/* Evaluating: apply with the running statistics; prepare leaves 1 / sqrt(variance + eps). */

enum { EVAL_MEAN = STATISTICS, EVAL_VAR = SOURCES, EVAL_SOURCES };

static void eval_prepare(const struct chunk *c, const struct tensor *t, real *rstd) {
    c->k->reciprocal_root(&c->ctx, (size_t)t->attr[COLS], EPS, chunk_value(c, t->src[EVAL_VAR]),
                          rstd);
}

static void eval_forward(const struct chunk *c, const struct tensor *t) {
    apply(c, t, chunk_value(c, t->src[EVAL_MEAN]), chunk_packed(c, t));
}

static void eval_backward(const struct chunk *c, const struct tensor *t) {
    apply_backward_with(c, t, chunk_value(c, t->src[EVAL_MEAN]), chunk_packed(c, t));
}

static const struct op evaluating = {.name = "batchnorm_evaluating",
                                     .forward = eval_forward,
                                     .backward = eval_backward,
                                     .prepare = eval_prepare,
                                     .flops = apply_flops,
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

static struct tensor *batch_statistics(struct graph *g, const char *name, struct tensor *x,
                                       struct tensor *mean, struct tensor *var) {
    const int dim[] = {2, x->dim[x->ndim - 1]};
    struct tensor *m = graph_value(g, &moments, name, 2, dim, (struct tensor *const[]){x}, 1);
    set_shape(m, x, 0);
    struct tensor *t =
        graph_value(g, &statistics, name, 2, dim, (struct tensor *const[]){m, mean, var}, 3);
    set_shape(t, x, 0);
    return t;
}

struct tensor *op_batchnorm(struct graph *g, const char *name, int group, struct tensor *x,
                            struct tensor *residual, int relu, int plain) {
    CHECK(x->ndim >= 1, "%s: batch norm of a number", name);
    CHECK(!residual || residual->per_sample == x->per_sample, "%s: residual of another shape",
          name);
    int cols = x->dim[x->ndim - 1];
    struct tensor *src[EVAL_SOURCES] = {[X] = x, [RESIDUAL] = residual};
    if (!plain) {
        src[GAMMA] = parameter(g, group, name, "weight", cols, INIT_ONE, 0);
        src[BETA] = parameter(g, group, name, "bias", cols, INIT_ZERO, 0);
    }
    struct tensor *mean = parameter(g, group, name, "running_mean", cols, INIT_ZERO, 1);
    struct tensor *var = parameter(g, group, name, "running_var", cols, INIT_ONE, 1);
    src[STATISTICS] = g->evaluating ? mean : batch_statistics(g, name, x, mean, var);
    src[EVAL_VAR] = g->evaluating ? var : NULL;
    const struct op *op = g->evaluating ? &evaluating : &training[relu != 0][residual != NULL];
    struct tensor *t = graph_value(g, op, name, x->ndim, x->dim, src, EVAL_SOURCES);
    set_shape(t, x, relu);
    t->packed_count = g->evaluating ? (size_t)cols : 0;
    t->saved_per_sample[SUMS] = 2 * (size_t)cols;
    return t;
}
