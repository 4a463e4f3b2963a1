/* contrast.c -- formulas in kernels.h.  The n^2 logits are never stored: a few rows at a time are
 * computed in the workspace, and once more for the gradient.  Every row is one thread's, whatever
 * the number of threads. */
#include "kernels/cpu/cpu.h"

#include <math.h>
#include <omp.h>

struct contrast {
    const struct kctx *ctx;
    const float *x, *y; /* (n,dim) */
    int n, dim, views;
    double scale;
};

static struct contrast describe(const struct kctx *c, int n, int dim, int views, double scale,
                                const float *log_scale, const float *x, const float *y) {
    CHECK(!views || n % 2 == 0, "%d rows are no pairs of views", n);
    return (struct contrast){.ctx = c,
                             .x = x,
                             .y = y,
                             .n = n,
                             .dim = dim,
                             .views = views,
                             .scale = log_scale ? scale * exp((double)*log_scale) : scale};
}

/* Rows whose logits are computed together: a function of n alone. */
static int block_rows(int n) {
    enum { MOST = 64 };
    CHECK(n <= KERNEL_WORKSPACE, "%d rows in a contrastive loss: at most %d", n, KERNEL_WORKSPACE);
    int rows = KERNEL_WORKSPACE / (n ? n : 1);
    return rows < MOST ? rows : MOST;
}

/* What one thread works with: the logits of rows first .. first + rows - 1. */
struct block {
    struct kctx ctx;
    float *logit; /* (rows, n) */
    int first, rows;
};

static struct block block_at(const struct contrast *q, int number) {
    int step = block_rows(q->n), first = number * step;
    struct block b = {.ctx = {.threads = 1},
                      .logit = q->ctx->workspace + (size_t)omp_get_thread_num() * KERNEL_WORKSPACE,
                      .first = first,
                      .rows = q->n - first < step ? q->n - first : step};
    ISA_NAME(gemm)
    (&b.ctx, 0, 1, b.rows, q->n, q->dim, (float)q->scale, q->x + (size_t)first * (size_t)q->dim,
     q->dim, q->y, q->dim, 0, b.logit, q->n);
    return b;
}

static int block_count(const struct contrast *q) {
    return (q->n + block_rows(q->n) - 1) / block_rows(q->n);
}

static int partner_of(const struct contrast *q, int row) {
    return q->views ? row ^ 1 : row;
}

/* log sum_j exp logit[j], the column `skip` left out. */
static double log_sum_exp(const float *logit, int n, int skip) {
    double most = -INFINITY, sum = 0;
    for (int j = 0; j < n; j++)
        if (j != skip && (double)logit[j] > most)
            most = (double)logit[j];
    for (int j = 0; j < n; j++)
        if (j != skip)
            sum += exp((double)logit[j] - most);
    return sum > 0 ? most + log(sum) : most;
}

void ISA_NAME(contrast_rows)(const struct kctx *c, int n, int dim, int views, double scale,
                             const float *log_scale, const float *x, const float *y, float *r,
                             float *partner) {
    const struct contrast all = describe(c, n, dim, views, scale, log_scale, x, y), *q = &all;
    int blocks = block_count(q);
#pragma omp parallel for num_threads(q->ctx->threads) schedule(dynamic, 1)
    for (int i = 0; i < blocks; i++) {
        const struct block b = block_at(q, i);
        for (int k = 0; k < b.rows; k++) {
            int row = b.first + k;
            const float *logit = b.logit + (size_t)k * (size_t)q->n;
            r[row] = (float)log_sum_exp(logit, q->n, q->views ? row : -1);
            if (partner)
                partner[row] = logit[partner_of(q, row)];
        }
    }
}

/* Replaces a row of logits by scale * g; returns sum_j g_ij logit (i,j). */
static double row_slopes(const struct contrast *q, const float *weight, const float *r,
                         const float *c, int row, float *logit) {
    double own = (double)weight[row], sum = 0;
    int partner = partner_of(q, row);
    for (int j = 0; j < q->n; j++) {
        double l = (double)logit[j], other = (double)weight[j];
        double g = own * exp(l - (double)r[row]) + other * exp(l - (double)c[j]);
        if (j == partner)
            g -= own + other;
        if (q->views && j == row)
            g = 0;
        sum += g * l;
        logit[j] = (float)(q->scale * g);
    }
    return sum;
}

void ISA_NAME(contrast_gradient)(const struct kctx *c, int n, int dim, int views, double scale,
                                 const float *log_scale, const float *x, const float *y,
                                 const float *weight, const float *r, const float *col, int acc,
                                 float *dx, float *own, float *dlog) {
    const struct contrast all = describe(c, n, dim, views, scale, log_scale, x, y), *q = &all;
    int blocks = block_count(q);
#pragma omp parallel for num_threads(c->threads) schedule(dynamic, 1)
    for (int i = 0; i < blocks; i++) {
        struct block b = block_at(q, i);
        for (int k = 0; k < b.rows; k++) {
            int row = b.first + k;
            double sum = row_slopes(q, weight, r, col, row, b.logit + (size_t)k * (size_t)n);
            if (own)
                own[row] = (float)sum;
        }
        if (dx) {
            float *to = dx + (size_t)b.first * (size_t)dim, keep = acc ? 1 : 0;
            ISA_NAME(gemm)(&b.ctx, 0, 0, b.rows, dim, n, 1, b.logit, n, y, dim, keep, to, dim);
        }
    }
    double sum = 0;
    for (int i = 0; i < n && dlog; i++)
        sum += (double)own[i];
    if (dlog)
        *dlog += (float)sum;
}
