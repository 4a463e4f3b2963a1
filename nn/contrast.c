#include "nn/contrast.h"

#include "core/error.h"

#include <math.h>
#include <omp.h>

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
    real *logit; /* (rows, n) */
    int first, rows;
};

static struct block block_at(const struct contrast *q, int number) {
    int step = block_rows(q->n), first = number * step;
    struct block b = {.ctx = {.threads = 1, .watch = q->ctx->watch},
                      .logit = q->ctx->workspace + (size_t)omp_get_thread_num() * KERNEL_WORKSPACE,
                      .first = first,
                      .rows = q->n - first < step ? q->n - first : step};
    q->kernels->gemm(&b.ctx, 0, 1, b.rows, q->n, q->dim, (real)q->scale,
                     q->x + (size_t)first * (size_t)q->dim, q->dim, q->y, q->dim, 0, b.logit, q->n);
    return b;
}

static int block_count(const struct contrast *q) {
    return (q->n + block_rows(q->n) - 1) / block_rows(q->n);
}

static int partner_of(const struct contrast *q, int row) {
    return q->views ? row ^ 1 : row;
}

/* log sum_j exp logit[j], the column `skip` left out. */
static double log_sum_exp(const real *logit, int n, int skip) {
    double most = -INFINITY, sum = 0;
    for (int j = 0; j < n; j++)
        if (j != skip && (double)logit[j] > most)
            most = (double)logit[j];
    for (int j = 0; j < n; j++)
        if (j != skip)
            sum += exp((double)logit[j] - most);
    return sum > 0 ? most + log(sum) : most;
}

void contrast_rows(const struct contrast *q, real *r, real *partner) {
    CHECK(!q->views || q->n % 2 == 0, "%d rows are no pairs of views", q->n);
    int blocks = block_count(q);
#pragma omp parallel for num_threads(q->ctx->threads) schedule(dynamic, 1)
    for (int i = 0; i < blocks; i++) {
        const struct block b = block_at(q, i);
        for (int k = 0; k < b.rows; k++) {
            int row = b.first + k;
            const real *logit = b.logit + (size_t)k * (size_t)q->n;
            r[row] = (real)log_sum_exp(logit, q->n, q->views ? row : -1);
            if (partner)
                partner[row] = logit[partner_of(q, row)];
        }
    }
}

/* Replaces a row of logits by scale * g; returns sum_j g_ij logit (i,j). */
static double row_slopes(const struct contrast *q, const real *weight, const real *r, const real *c,
                         int row, real *logit) {
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
        logit[j] = (real)(q->scale * g);
    }
    return sum;
}

void contrast_gradient(const struct contrast *q, const real *weight, const real *r, const real *c,
                       int acc, real *dx, real *dscale) {
    int blocks = block_count(q);
#pragma omp parallel for num_threads(q->ctx->threads) schedule(dynamic, 1)
    for (int i = 0; i < blocks; i++) {
        struct block b = block_at(q, i);
        for (int k = 0; k < b.rows; k++) {
            int row = b.first + k;
            double sum = row_slopes(q, weight, r, c, row, b.logit + (size_t)k * (size_t)q->n);
            if (dscale)
                dscale[row] = (real)sum;
        }
        if (dx)
            q->kernels->gemm(&b.ctx, 0, 0, b.rows, q->dim, q->n, 1, b.logit, q->n, q->y, q->dim,
                             acc ? 1 : 0, dx + (size_t)b.first * (size_t)q->dim, q->dim);
    }
}
