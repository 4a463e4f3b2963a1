/* cases_table.c -- products, layer norm, gathering, losses and optimizers. */
#include "kernels/cases_make.h"

/* m n k ta tb scaling pad; scaling: alpha and beta of the list, beta 0 meets NaN */
static void gemm(struct case_run *r) {
    static const real scale[][2] = {{1, 0}, {0.5f, -1.5f}, {1, 1}, {0, 0}};
    const int *d = r->dim, ta = d[3], tb = d[4], pad = d[6];
    const real *s = scale[d[5]];
    int rows_a = ta ? d[2] : d[0], cols_a = ta ? d[0] : d[2];
    int rows_b = tb ? d[1] : d[2], cols_b = tb ? d[2] : d[1];
    int lda = cols_a + pad, ldb = cols_b + pad, ldy = d[1] + pad;
    real *a = case_real(r, CASE_INPUT, (size_t)rows_a, (size_t)cols_a, (size_t)lda);
    real *b = case_real(r, CASE_INPUT, (size_t)rows_b, (size_t)cols_b, (size_t)ldb);
    real *y = case_real(r, s[1] != 0 ? CASE_UPDATE : CASE_OUTPUT, (size_t)d[0], (size_t)d[1],
                        (size_t)ldy);
    r->flops = 2.0 * d[0] * d[1] * d[2];
    ARRAYS(r, a, b, y);
    if (r->c)
        r->k->gemm(r->c, ta, tb, d[0], d[1], d[2], s[0], a, lda, b, ldb, s[1], y, ldy);
}

static const int gemm_shapes[][CASE_DIMS] = {
    {0, 3, 4, 0, 0, 0, 1},    {3, 0, 4, 0, 0, 0, 1},      {3, 4, 0, 0, 0, 0, 1},
    {3, 4, 0, 0, 0, 1, 1},    {1, 1, 1, 0, 0, 0, 0},      {1, 17, 5, 0, 0, 1, 0},
    {17, 1, 5, 0, 1, 1, 3},   {5, 7, 11, 0, 0, 0, 2},     {5, 7, 11, 1, 0, 1, 2},
    {5, 7, 11, 0, 1, 2, 2},   {5, 7, 11, 1, 1, 1, 2},     {13, 16, 8, 0, 0, 3, 0},
    {31, 33, 37, 0, 0, 1, 0}, {31, 33, 37, 1, 0, 2, 5},   {31, 33, 37, 0, 1, 0, 0},
    {31, 33, 37, 1, 1, 0, 1}, {67, 131, 257, 0, 0, 0, 0}, {67, 131, 257, 1, 0, 2, 0},
    {520, 192, 768, 0, 0, 0}, {192, 576, 520, 1, 0, 2},   {520, 192, 768, 0, 1, 0},
};

static const int matrix_shapes[][CASE_DIMS] = {
    {0, 5}, {5, 0}, {1, 1}, {3, 1}, {4, 7}, {7, 8}, {9, 31}, {33, 64}, {130, 67}, {520, 768},
};

/* n k */
static void gemm_pack_size(struct case_run *r) {
    real *enough = case_returned(r, 1);
    if (r->c)
        *enough =
            r->k->gemm_pack_size(r->dim[0], r->dim[1]) >= (size_t)r->dim[0] * (size_t)r->dim[1];
}

/* n k tw pad: what was packed is seen through a product with it */
static void gemm_pack(struct case_run *r) {
    enum { M = 5 };
    const int *d = r->dim, n = d[0], k = d[1], tw = d[2];
    int rows = tw ? n : k, cols = tw ? k : n, ldw = cols + d[3];
    size_t size = r->k->gemm_pack_size(n, k);
    real *w = case_real(r, CASE_INPUT, (size_t)rows, (size_t)cols, (size_t)ldw);
    real *a = in(r, M, k), *packed = case_real(r, CASE_SCRATCH, 1, size, size);
    real *y = out(r, M, n);
    if (!r->c)
        return;
    r->k->gemm_pack(r->c, tw, n, k, w, ldw, NULL, packed);
    r->k->gemm_packed(r->c, M, n, k, a, k, packed, NULL, ACT_NONE, NULL, NULL, y, n);
}

static const int pack_shapes[][CASE_DIMS] = {
    {0, 3, 0, 1}, {3, 0, 1, 1},   {1, 1, 0, 0},   {1, 1, 1, 0},    {7, 5, 0, 2},  {7, 5, 1, 2},
    {16, 8, 0},   {33, 17, 0, 0}, {33, 17, 1, 0}, {131, 67, 1, 3}, {192, 768, 0}, {768, 192, 1},
};

enum { BIAS = 1, KEPT = 2, RESIDUAL = 4, IN_PLACE = 8 };

/* m n k options pad act; in place: the residual is y */
static void gemm_packed(struct case_run *r) {
    const int *d = r->dim, m = d[0], n = d[1], k = d[2], o = d[3], pad = d[4], act = d[5];
    size_t size = r->k->gemm_pack_size(n, k);
    real *w = in(r, k, n), *packed = case_real(r, CASE_SCRATCH, 1, size, size);
    real *a = case_real(r, CASE_INPUT, (size_t)m, (size_t)k, (size_t)(k + pad));
    real *bias = o & BIAS ? in(r, 1, n) : NULL;
    real *kept = o & KEPT ? out(r, m, n) : NULL;
    real *residual = o & RESIDUAL ? in(r, m, n) : NULL;
    int ldy = o & IN_PLACE ? n : n + pad;
    real *y =
        case_real(r, o & IN_PLACE ? CASE_UPDATE : CASE_OUTPUT, (size_t)m, (size_t)n, (size_t)ldy);
    r->flops = (2.0 * k + (o & BIAS ? 1 : 0) + (act ? 20 : 0) + (o & RESIDUAL ? 1 : 0)) * m * n;
    ARRAYS(r, a, packed, bias, kept, o & IN_PLACE ? y : residual, y);
    if (!r->c)
        return;
    if (case_is_first(r)) {
        const struct kctx c = packing(r, 1 << 2);
        r->k->gemm_pack(&c, 0, n, k, w, n, NULL, packed);
    }
    r->k->gemm_packed(r->c, m, n, k, a, k + pad, packed, bias, (enum activation)act, kept,
                      o & IN_PLACE ? y : residual, y, ldy);
}

static const int packed_shapes[][CASE_DIMS] = {
    {0, 3, 4, BIAS},
    {3, 0, 4, BIAS},
    {3, 4, 0, BIAS | KEPT},
    {1, 1, 1, 0},
    {1, 17, 5, BIAS, 0, ACT_GELU},
    {2, 16, 9, BIAS | RESIDUAL, 1},
    {3, 15, 9, BIAS | KEPT, 2, ACT_GELU},
    {3, 15, 9, BIAS | KEPT, 0, ACT_RELU},
    {4, 31, 16, KEPT | RESIDUAL, 3, ACT_GELU},
    {5, 33, 7, BIAS | IN_PLACE, 1},
    {6, 47, 67, BIAS | KEPT | IN_PLACE, 2, ACT_GELU},
    {11, 64, 31, KEPT, 0},
    {12, 65, 31, BIAS | RESIDUAL, 0, ACT_QUICK_GELU},
    {13, 63, 33, BIAS | RESIDUAL, 5, ACT_GELU},
    {14, 70, 3, BIAS, 0, ACT_LEAKY_RELU},
    {7, 65, 21, BIAS | KEPT, 1, ACT_TANH},
    {7, 33, 21, IN_PLACE, 1, ACT_SIGMOID},
    {67, 131, 257, BIAS | KEPT, 0, ACT_GELU},
    {520, 768, 192, BIAS | KEPT, 0, ACT_GELU},
    {520, 768, 192, BIAS | KEPT, 0, ACT_RELU},
    {520, 768, 192, BIAS | KEPT, 0, ACT_QUICK_GELU},
    {520, 192, 768, BIAS | RESIDUAL, 0},
    {520, 576, 192, BIAS, 0},
};

/* rows cols */
static void column_sum(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[1]), *sum = update(r, 1, d[1]);
    r->flops = (double)d[0] * d[1];
    ARRAYS(r, x, sum);
    if (r->c)
        r->k->column_sum(r->c, d[0], d[1], x, sum);
}

/* n overwrite */
static void axpby(struct case_run *r) {
    int n = r->dim[0], overwrite = r->dim[1];
    real *x = in(r, n, 1), *y = gradient(r, !overwrite, n, 1);
    r->flops = (overwrite ? 1.0 : 3.0) * n;
    ARRAYS(r, x, y);
    if (r->c)
        r->k->axpby(r->c, (size_t)n, 0.75f, x, overwrite ? 0 : -0.3f, y);
}

/* rows cols options act */
static void linear_gradient(struct case_run *r) {
    enum { SLOPED = 1, NARROWED = 2, BIASED = 4 };
    const int *d = r->dim;
    real *kept = d[2] & SLOPED ? in(r, d[0], d[1]) : NULL;
    real *g = d[2] & SLOPED ? update(r, d[0], d[1]) : in(r, d[0], d[1]);
    real *narrow = d[2] & NARROWED ? out(r, d[0], d[1]) : NULL;
    real *bias = d[2] & BIASED ? update(r, 1, d[1]) : NULL;
    r->flops = (!!(d[2] & SLOPED) + !!(d[2] & BIASED)) * (double)d[0] * d[1];
    ARRAYS(r, kept, g, narrow, bias);
    if (r->c)
        r->k->linear_gradient(r->c, d[0], d[1], (enum activation)d[3], kept, g, narrow, bias);
}

static const int linear_gradient_shapes[][CASE_DIMS] = {
    {0, 3, 7, ACT_GELU},
    {3, 0, 7, ACT_GELU},
    {1, 1, 7, ACT_RELU},
    {5, 7, 1, ACT_NONE},
    {4, 31, 4},
    {33, 64, 2},
    {70, 128, 5, ACT_TANH},
    {9, 130, 6},
    {1025, 66, 7, ACT_GELU},
    {1030, 67, 3, ACT_GELU},
    {2100, 96, 5, ACT_RELU},
    {40, 96, 0},
    {520, 768, 5, ACT_GELU},
    {520, 192, 6},
    {520, 576, 4},
};

/* Some are longer than what a thread takes at once. */
static const int vector_shapes[][CASE_DIMS] = {
    {0, 0},     {0, 1},     {1, 0},     {1, 1},         {7, 0},
    {8, 1},     {31, 0},    {31, 1},    {4096, 0},      {4097, 1},
    {12293, 0}, {12293, 1}, {75011, 0}, {520 * 768, 0}, {520 * 768, 1},
};

/* n; the double as three floats that add up to it, so that its last bits are seen */
static void sum_squares(struct case_run *r) {
    int n = r->dim[0];
    real *x = in(r, n, 1), *parts = case_returned(r, 3);
    r->flops = 2.0 * n;
    if (!r->c)
        return;
    double rest = r->k->sum_squares(r->c, (size_t)n, x);
    for (int i = 0; i < 3; rest -= parts[i++])
        parts[i] = (real)rest;
}

enum { NARROWED = 1, SUMMED = 2 };

/* rows cols affine (0: neither, 1: gamma, 2: both) */
static void layernorm_forward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[1]);
    real *gamma = d[2] ? in(r, 1, d[1]) : NULL, *beta = d[2] == 2 ? in(r, 1, d[1]) : NULL;
    real *y = out(r, d[0], d[1]), *mean = out(r, d[0], 1), *rstd = out(r, d[0], 1);
    r->flops = 7.0 * d[0] * d[1];
    ARRAYS(r, x, gamma, beta, y, mean, rstd);
    if (r->c)
        r->k->layernorm_forward(r->c, d[0], d[1], 1e-5f, x, gamma, beta, y, mean, rstd);
}

/* rows cols affine acc options */
static void layernorm_backward(struct case_run *r) {
    const int *d = r->dim, affine = d[2], acc = d[3];
    real *x = in(r, d[0], d[1]), *gamma = affine ? in(r, 1, d[1]) : NULL;
    real *mean = in(r, d[0], 1), *rstd = case_positive(r, CASE_INPUT, (size_t)d[0]);
    real *dy = in(r, d[0], d[1]), *dx = gradient(r, acc, d[0], d[1]);
    real *dgamma = affine ? update(r, 1, d[1]) : NULL;
    real *dbeta = affine == 2 ? update(r, 1, d[1]) : NULL;
    real *narrow = d[4] & NARROWED ? out(r, d[0], d[1]) : NULL;
    real *sums = d[4] & SUMMED ? update(r, 1, d[1]) : NULL;
    r->flops = (14.0 + !!(d[4] & SUMMED)) * d[0] * d[1];
    ARRAYS(r, x, gamma, mean, rstd, dy, dx, dgamma, dbeta, narrow, sums);
    if (r->c)
        r->k->layernorm_backward(r->c, d[0], d[1], x, gamma, mean, rstd, dy, acc, dx, dgamma, dbeta,
                                 narrow, sums);
}

static const int layernorm_backward_shapes[][CASE_DIMS] = {
    {0, 5, 2, 0, 3},    {5, 0, 0, 0, 3},     {1, 1, 2, 1},     {3, 2, 0, 0, 1},    {4, 7, 1, 1},
    {5, 8, 2, 0, 3},    {6, 9, 2, 1, 2},     {7, 31, 2, 0},    {9, 64, 0, 1, 3},   {11, 67, 1, 0},
    {33, 193, 2, 1},    {9, 500, 2, 1, 3},   {17, 768, 1, 0},  {5, 1031, 2, 1, 3}, {4100, 9, 2, 0},
    {70, 256, 0, 1, 2}, {300, 768, 2, 1, 3}, {520, 192, 2, 0}, {520, 192, 2, 1},
};

static const int layernorm_shapes[][CASE_DIMS] = {
    {0, 5, 2, 0},     {5, 0, 0, 0},     {1, 1, 2, 1},    {3, 2, 0, 0},    {4, 7, 1, 1},
    {5, 8, 2, 0},     {6, 9, 2, 1},     {7, 31, 2, 0},   {9, 64, 0, 1},   {11, 67, 1, 0},
    {33, 193, 2, 1},  {9, 500, 2, 1},   {17, 768, 1, 0}, {5, 1031, 2, 1}, {4100, 9, 2, 0},
    {520, 192, 2, 0}, {520, 192, 2, 1},
};

/* rows classes smoothed */
static void softmax_xent_forward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[1]);
    int32_t *target = case_index(r, (size_t)d[0], -1, d[1]);
    real *p = out(r, d[0], d[1]), *loss = out(r, d[0], 1);
    r->flops = 15.0 * d[0] * d[1];
    if (r->c)
        r->k->softmax_xent_forward(r->c, d[0], d[1], d[2] ? 0.1f : 0, x, target, p, loss);
}

/* rows classes smoothed acc */
static void softmax_xent_backward(struct case_run *r) {
    const int *d = r->dim;
    real *p = in(r, d[0], d[1]);
    int32_t *target = case_index(r, (size_t)d[0], -1, d[1]);
    real *dloss = in(r, d[0], 1), *dx = gradient(r, d[3], d[0], d[1]);
    r->flops = 2.0 * d[0] * d[1];
    if (r->c)
        r->k->softmax_xent_backward(r->c, d[0], d[1], d[2] ? 0.1f : 0, p, target, dloss, d[3], dx);
}

static const int xent_shapes[][CASE_DIMS] = {
    {0, 5, 0, 0},  {5, 0, 1, 0},  {1, 1, 0, 0},   {2, 2, 1, 1},   {3, 7, 0, 1},   {4, 8, 1, 0},
    {7, 10, 0, 0}, {7, 10, 1, 1}, {13, 17, 1, 0}, {9, 131, 0, 1}, {64, 10, 1, 0}, {64, 1000, 1, 0},
};

/* rows cols weighted acc */
static void mse_forward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[1]), *target = in(r, d[0], d[1]);
    real *weight = d[2] ? in(r, d[0], 1) : NULL, *loss = out(r, d[0], 1);
    r->flops = 3.0 * d[0] * d[1];
    if (r->c)
        r->k->mse_forward(r->c, d[0], d[1], x, target, weight, loss);
}

static void mse_backward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[1]), *target = in(r, d[0], d[1]);
    real *weight = d[2] ? in(r, d[0], 1) : NULL, *dloss = in(r, d[0], 1);
    real *dx = gradient(r, d[3], d[0], d[1]);
    r->flops = 2.0 * d[0] * d[1];
    if (r->c)
        r->k->mse_backward(r->c, d[0], d[1], x, target, weight, dloss, d[3], dx);
}

static const int mse_shapes[][CASE_DIMS] = {
    {0, 5, 1, 0},  {5, 0, 1, 0},  {1, 1, 0, 1},   {3, 7, 1, 0},   {4, 8, 0, 0},
    {5, 31, 1, 1}, {9, 48, 0, 1}, {11, 67, 1, 0}, {3, 700, 1, 1}, {392, 48, 1, 0},
};

enum { SHARED = 1, FILL = 2, ACC = 4, NO_DX = 8 };

/* n rows_in rows_out cols options */
static void gather_forward(struct case_run *r) {
    const int *d = r->dim, shared = d[4] & SHARED;
    real *x = in(r, d[0], d[1] * d[3]);
    int32_t *index = case_index(r, (size_t)((shared ? 1 : d[0]) * d[2]), -1, d[1]);
    real *fill = d[4] & FILL ? in(r, 1, d[3]) : NULL, *y = out(r, d[0], d[2] * d[3]);
    ARRAYS(r, x, index, fill, y);
    case_spare(r, x, left_over(d[1], d[2]) * d[0] * d[3]);
    if (r->c)
        r->k->gather_forward(r->c, d[0], d[1], d[2], d[3], x, index, shared ? 0 : d[2], fill, y);
}

static void gather_backward(struct case_run *r) {
    const int *d = r->dim, shared = d[4] & SHARED, acc = d[4] & ACC ? 1 : 0;
    real *dy = in(r, d[0], d[2] * d[3]);
    int32_t *index = case_index(r, (size_t)((shared ? 1 : d[0]) * d[2]), -1, d[1]);
    real *dx = d[4] & NO_DX ? NULL : gradient(r, acc, d[0], d[1] * d[3]);
    real *dfill = d[4] & FILL ? update(r, 1, d[3]) : NULL;
    r->flops = (double)d[0] * d[2] * d[3];
    ARRAYS(r, dy, index, dx, dfill);
    case_spare(r, dx, acc ? 2 * left_over(d[1], d[2]) * d[0] * d[3] : 0);
    if (r->c)
        r->k->gather_backward(r->c, d[0], d[1], d[2], d[3], dy, index, shared ? 0 : d[2], acc, dx,
                              dfill);
}

static const int gather_shapes[][CASE_DIMS] = {
    {0, 3, 4, 5, 0},
    {2, 0, 3, 5, FILL},
    {2, 3, 0, 5, FILL},
    {2, 3, 4, 0, FILL},
    {1, 1, 1, 1, 0},
    {3, 5, 7, 9, FILL | ACC},
    {3, 5, 7, 8, SHARED},
    {2, 17, 4, 31, SHARED | FILL | ACC},
    {4, 6, 13, 16, FILL | NO_DX},
    {2, 65, 17, 67, ACC},
    {2, 5, 150, 140, FILL | ACC},
    {1, 40, 1100, 5, SHARED | ACC},
    {2, 9, 1100, 67, FILL | ACC},
    {8, 64, 16, 192, 0},
    {1, 8192, 4096, 128, SHARED | ACC},
    {8, 17, 65, 192, FILL},
};

/* n channels height width p acc */
static void patchify(struct case_run *r) {
    const int *d = r->dim, size = d[1] * d[2] * d[3];
    real *x = in(r, d[0], size), *y = out(r, d[0], size);
    ARRAYS(r, x, y);
    if (r->c)
        r->k->patchify(r->c, d[0], d[1], d[2], d[3], d[4], x, y);
}

static void unpatchify(struct case_run *r) {
    const int *d = r->dim, size = d[1] * d[2] * d[3];
    real *y = in(r, d[0], size), *x = gradient(r, d[5], d[0], size);
    r->flops = d[5] ? (double)d[0] * size : 0;
    ARRAYS(r, y, x);
    if (r->c)
        r->k->unpatchify(r->c, d[0], d[1], d[2], d[3], d[4], y, d[5], x);
}

static const int patch_shapes[][CASE_DIMS] = {
    {0, 3, 4, 4, 2, 0}, {2, 0, 4, 4, 2, 0},  {2, 3, 0, 4, 2, 0},    {1, 1, 1, 1, 1, 1},
    {2, 3, 6, 9, 3, 1}, {3, 1, 10, 5, 5, 0}, {2, 3, 14, 21, 7, 1},  {2, 4, 8, 12, 4, 0},
    {1, 2, 5, 3, 1, 1}, {1, 3, 8, 12, 4, 1}, {64, 3, 32, 32, 4, 0}, {8, 3, 224, 224, 16, 0},
};

/* n inner in_place */
static void add_broadcast(struct case_run *r) {
    const int *d = r->dim, in_place = d[2];
    real *x = in_place ? update(r, d[0], d[1]) : in(r, d[0], d[1]), *b = in(r, 1, d[1]);
    real *y = in_place ? x : out(r, d[0], d[1]);
    r->flops = (double)d[0] * d[1];
    if (r->c)
        r->k->add_broadcast(r->c, d[0], d[1], x, b, y);
}

static const int broadcast_shapes[][CASE_DIMS] = {
    {0, 5, 0}, {5, 0, 0}, {1, 1, 1}, {3, 7, 0}, {4, 8, 1}, {5, 67, 1}, {64, 65 * 192, 0},
};

/* n rows cols first last acc */
static void mean_rows_forward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[1] * d[2]), *y = out(r, d[0], d[2]);
    r->flops = (double)d[0] * (d[4] - d[3]) * d[2];
    ARRAYS(r, x, y);
    case_spare(r, x, left_over(d[1], d[4] - d[3]) * d[0] * d[2]);
    if (r->c)
        r->k->mean_rows_forward(r->c, d[0], d[1], d[2], d[3], d[4], x, y);
}

static void mean_rows_backward(struct case_run *r) {
    const int *d = r->dim;
    real *dy = in(r, d[0], d[2]), *dx = gradient(r, d[5], d[0], d[1] * d[2]);
    r->flops = (double)d[0] * (d[4] - d[3]) * d[2];
    ARRAYS(r, dy, dx);
    case_spare(r, dx, d[5] ? 2 * left_over(d[1], d[4] - d[3]) * d[0] * d[2] : 0);
    if (r->c)
        r->k->mean_rows_backward(r->c, d[0], d[1], d[2], d[3], d[4], dy, d[5], dx);
}

static const int mean_rows_shapes[][CASE_DIMS] = {
    {0, 3, 5, 0, 3, 0}, {3, 2, 0, 0, 2, 0},  {1, 1, 1, 0, 1, 1},    {2, 5, 7, 0, 1, 0},
    {3, 5, 8, 1, 5, 1}, {4, 6, 31, 2, 4, 0}, {2, 17, 67, 1, 17, 1}, {64, 65, 192, 1, 65, 0},
};

/* rows cols in_place norm */
static void standardize_rows(struct case_run *r) {
    const int *d = r->dim, in_place = d[2];
    real *x = in_place ? update(r, d[0], d[1]) : in(r, d[0], d[1]);
    real *y = in_place ? x : out(r, d[0], d[1]);
    r->flops = 6.0 * d[0] * d[1];
    if (r->c)
        r->k->standardize_rows(r->c, d[0], d[1], 1e-6f, x, y);
}

static void l2_normalize_rows(struct case_run *r) {
    const int *d = r->dim, in_place = d[2];
    real *x = in_place ? update(r, d[0], d[1]) : in(r, d[0], d[1]);
    real *y = in_place ? x : out(r, d[0], d[1]), *norm = d[3] ? out(r, d[0], 1) : NULL;
    r->flops = 3.0 * d[0] * d[1];
    if (r->c)
        r->k->l2_normalize_rows(r->c, d[0], d[1], 1e-6f, x, y, norm);
}

static const int normalize_shapes[][CASE_DIMS] = {
    {0, 5, 0, 1},  {5, 0, 0, 1},  {3, 1, 0, 0},   {3, 2, 1, 1},     {4, 7, 0, 1},     {5, 8, 1, 0},
    {7, 31, 1, 1}, {9, 67, 0, 0}, {3, 700, 0, 1}, {4096, 48, 0, 1}, {512, 192, 0, 1},
};

/* lanes n gap: the other slabs are n + gap apart */
static void reduce_lanes(struct case_run *r) {
    const int *d = r->dim, stride = d[1] + d[2];
    size_t others = d[0] > 1 ? (size_t)d[0] - 1 : 0;
    real *first = update(r, 1, d[1]);
    real *slabs = case_real(r, CASE_INPUT, others, (size_t)d[1], (size_t)stride);
    r->flops = (double)d[0] * d[1];
    if (r->c)
        r->k->reduce_lanes(r->c, d[0], (size_t)d[1], (size_t)stride, slabs, first);
}

static const int lanes_shapes[][CASE_DIMS] = {
    {0, 5, 1},  {1, 7, 0},     {3, 0, 1},  {2, 1, 0},   {3, 7, 2},        {5, 31, 0},
    {8, 64, 3}, {7, 12293, 5}, {13, 9, 1}, {19, 33, 2}, {16, 1000003, 0},
};

/* n decayed */
static void adamw(struct case_run *r) {
    int n = r->dim[0];
    real *w = update(r, n, 1), *g = in(r, n, 1), *m = update(r, n, 1);
    real *v = case_positive(r, CASE_UPDATE, (size_t)n);
    r->flops = 15.0 * n;
    if (r->c)
        r->k->adamw(r->c, (size_t)n, w, g, m, v, 0.7f, 0.01f, 0.9f, 0.999f, 1e-8f,
                    r->dim[1] ? 0.05f : 0, 0.19f, 0.002f);
}

/* n nesterov first */
static void sgd(struct case_run *r) {
    int n = r->dim[0], nesterov = r->dim[1], first = r->dim[2];
    real *w = update(r, n, 1), *g = in(r, n, 1), *buf = gradient(r, !first, n, 1);
    r->flops = 7.0 * n;
    if (r->c)
        r->k->sgd(r->c, (size_t)n, w, g, buf, 0.7f, 0.01f, 0.9f, 0.05f, nesterov, first);
}

static const int optimizer_shapes[][CASE_DIMS] = {
    {0, 0, 0},    {1, 1, 0},     {7, 0, 1},
    {8, 1, 1},    {31, 0, 0},    {4096, 1, 0},
    {4097, 1, 1}, {12293, 1, 0}, {5 * 1000 * 1000, 1, 0},
};

const struct kernel_case cases_table[] = {
    {"gemm", "m n k ta tb scaling pad", -1, gemm, SHAPES(gemm_shapes, 3)},
    {"gemm_pack_size", "n k", -1, gemm_pack_size, SHAPES(matrix_shapes, 1)},
    {"gemm_pack", "n k transposed pad", -1, gemm_pack, SHAPES(pack_shapes, 2)},
    {"gemm_packed", "m n k options pad act", 0, gemm_packed, SHAPES(packed_shapes, 5)},
    {"column_sum", "rows cols", -1, column_sum, SHAPES(matrix_shapes, 1)},
    {"axpby", "n overwrite", 0, axpby, SHAPES(vector_shapes, 2)},
    {"linear_gradient", "rows cols options act", -1, linear_gradient,
     SHAPES(linear_gradient_shapes, 3)},
    {"sum_squares", "n", -1, sum_squares, SHAPES(vector_shapes, 2)},
    {"layernorm_forward", "rows cols affine", 0, layernorm_forward, SHAPES(layernorm_shapes, 2)},
    {"layernorm_backward", "rows cols affine acc options", 0, layernorm_backward,
     SHAPES(layernorm_backward_shapes, 2)},
    {"softmax_xent_forward", "rows classes smoothed", 0, softmax_xent_forward,
     SHAPES(xent_shapes, 2)},
    {"softmax_xent_backward", "rows classes smoothed acc", 0, softmax_xent_backward,
     SHAPES(xent_shapes, 2)},
    {"mse_forward", "rows cols weighted", 0, mse_forward, SHAPES(mse_shapes, 1)},
    {"mse_backward", "rows cols weighted acc", 0, mse_backward, SHAPES(mse_shapes, 1)},
    {"gather_forward", "n rows_in rows_out cols options", 0, gather_forward,
     SHAPES(gather_shapes, 3)},
    {"gather_backward", "n rows_in rows_out cols options", 0, gather_backward,
     SHAPES(gather_shapes, 3)},
    {"patchify", "n channels height width p", 0, patchify, SHAPES(patch_shapes, 2)},
    {"unpatchify", "n channels height width p acc", 0, unpatchify, SHAPES(patch_shapes, 2)},
    {"add_broadcast", "n inner in_place", 0, add_broadcast, SHAPES(broadcast_shapes, 1)},
    {"mean_rows_forward", "n rows cols first last", 0, mean_rows_forward,
     SHAPES(mean_rows_shapes, 1)},
    {"mean_rows_backward", "n rows cols first last acc", 0, mean_rows_backward,
     SHAPES(mean_rows_shapes, 1)},
    {"standardize_rows", "rows cols in_place", 0, standardize_rows, SHAPES(normalize_shapes, 2)},
    {"l2_normalize_rows", "rows cols in_place norm", 0, l2_normalize_rows,
     SHAPES(normalize_shapes, 2)},
    {"reduce_lanes", "lanes n gap", -1, reduce_lanes, SHAPES(lanes_shapes, 1)},
    {"adamw", "n decayed", 0, adamw, SHAPES(optimizer_shapes, 1)},
    {"sgd", "n nesterov first", 0, sgd, SHAPES(optimizer_shapes, 1)},
    {NULL, NULL, -1, NULL, NULL, 0, 0},
};
