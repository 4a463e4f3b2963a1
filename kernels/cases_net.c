/* cases_net.c -- activations, attention, batch norm. */
#include "kernels/cases_make.h"

#include <math.h>

/* n act in_place */
static void act_forward(struct case_run *r) {
    int n = r->dim[0], in_place = r->dim[2];
    real *x = in_place ? update(r, n, 1) : in(r, n, 1), *y = in_place ? x : out(r, n, 1);
    r->flops = 20.0 * n;
    ARRAYS(r, x, y);
    if (r->c)
        r->k->act_forward(r->c, (enum activation)r->dim[1], (size_t)n, x, y);
}

static const int act_forward_shapes[][CASE_DIMS] = {
    {0, ACT_GELU},           {1, ACT_NONE},         {1, ACT_GELU, 1},
    {7, ACT_RELU},           {8, ACT_TANH, 1},      {31, ACT_GELU},
    {31, ACT_LEAKY_RELU, 1}, {33, ACT_SIGMOID},     {1009, ACT_NONE},
    {1009, ACT_GELU},        {1009, ACT_RELU},      {1009, ACT_LEAKY_RELU},
    {1009, ACT_QUICK_GELU},  {1009, ACT_TANH},      {1009, ACT_SIGMOID},
    {520 * 768, ACT_GELU},   {520 * 768, ACT_RELU}, {520 * 768, ACT_QUICK_GELU},
    {520 * 768, ACT_TANH},
};

/* n act acc in_place */
static void act_backward(struct case_run *r) {
    int n = r->dim[0], acc = r->dim[2], in_place = r->dim[3];
    real *x = in(r, n, 1), *dy = in_place ? update(r, n, 1) : in(r, n, 1);
    real *dx = in_place ? dy : gradient(r, acc, n, 1);
    r->flops = (acc ? 41.0 : 40.0) * n;
    ARRAYS(r, x, dy, dx);
    if (r->c)
        r->k->act_backward(r->c, (enum activation)r->dim[1], (size_t)n, x, dy, acc, dx);
}

static const int act_backward_shapes[][CASE_DIMS] = {
    {0, ACT_GELU, 0, 0},
    {0, ACT_RELU, 1, 0},
    {1, ACT_GELU, 0, 0},
    {1, ACT_NONE, 1, 0},
    {7, ACT_GELU, 0, 1},
    {8, ACT_TANH, 0, 0},
    {31, ACT_GELU, 1, 0},
    {31, ACT_QUICK_GELU, 0, 1},
    {33, ACT_NONE, 0, 1},
    {1009, ACT_NONE, 0, 0},
    {1009, ACT_GELU, 1, 0},
    {1009, ACT_RELU, 0, 0},
    {1009, ACT_LEAKY_RELU, 1, 0},
    {1009, ACT_QUICK_GELU, 1, 0},
    {1009, ACT_TANH, 1, 0},
    {1009, ACT_SIGMOID, 0, 1},
    {520 * 768, ACT_GELU, 0, 0},
    {520 * 768, ACT_RELU, 0, 1},
    {520 * 768, ACT_QUICK_GELU, 0, 0},
    {520 * 768, ACT_TANH, 0, 0},
};

enum { CAUSAL = 1, BIAS = 2, ONE_ROW = 4, FIXED_BIAS = 4 };

/* n t heads d options */
static void attention_forward(struct case_run *r) {
    const int *s = r->dim, t = s[1], causal = s[4] & CAUSAL;
    real *qkv = in(r, s[0], t * 3 * s[2] * s[3]);
    real *bias = s[4] & BIAS ? in(r, 1, s[2] * t * t) : NULL;
    real *p = out(r, s[0], s[2] * t * attention_stride(t)), *y = out(r, s[0], t * s[2] * s[3]);
    r->flops = (4.0 * s[3] + 5) * s[0] * s[2] * t * (causal ? (t + 1) / 2.0 : t);
    ARRAYS(r, bias, qkv, p, y);
    if (r->c)
        r->k->attention_forward(r->c, s[0], t, s[2], s[3], 0.3f, causal, bias, qkv, p, y);
}

/* p is not a softmax here: the gradient must be right for any p with its zeros. */
static void attention_backward(struct case_run *r) {
    const int *s = r->dim, t = s[1], rows = s[0] * s[2] * t, causal = s[4] & CAUSAL;
    int tp = attention_stride(t);
    real *qkv = in(r, s[0], t * 3 * s[2] * s[3]), *p = in(r, rows, tp);
    real *dy = in(r, s[0], t * s[2] * s[3]), *dqkv = out(r, s[0], t * 3 * s[2] * s[3]);
    real *dbias = s[4] & BIAS ? update(r, 1, s[2] * t * t) : NULL;
    r->flops = (8.0 * s[3] + 5) * s[0] * s[2] * t * (causal ? (t + 1) / 2.0 : t);
    for (int i = 0; i < rows && case_fills(r); i++)
        for (int j = causal ? i % t + 1 : t; j < tp; j++)
            p[(size_t)i * (size_t)tp + (size_t)j] = 0;
    ARRAYS(r, qkv, p, dy, dqkv, dbias);
    if (r->c)
        r->k->attention_backward(r->c, s[0], t, s[2], s[3], 0.3f, causal, qkv, p, dy, dqkv, dbias);
}

/* n t heads d options */
static void attention_flash_forward(struct case_run *r) {
    const int *s = r->dim, t = s[1], causal = s[4] & CAUSAL;
    real *bias = s[4] & BIAS ? in(r, 1, s[2] * t * t) : NULL;
    real *qkv = in(r, s[0], t * 3 * s[2] * s[3]);
    real *lse = out(r, s[0], s[2] * t), *y = out(r, s[0], t * s[2] * s[3]);
    r->flops = (4.0 * s[3] + 5) * s[0] * s[2] * t * (causal ? (t + 1) / 2.0 : t);
    ARRAYS(r, bias, qkv, lse, y);
    if (r->c)
        r->k->attention_flash_forward(r->c, s[0], t, s[2], s[3], 0.3f, causal, bias, qkv, lse, y);
}

/* lse and y are not those of qkv here: the gradient must be what these say.  p is made again, which
 * is no work that was asked for. */
static void attention_flash_backward(struct case_run *r) {
    const int *s = r->dim, t = s[1], causal = s[4] & CAUSAL, width = t * s[2] * s[3];
    real *bias = s[4] & BIAS ? in(r, 1, s[2] * t * t) : NULL;
    real *qkv = in(r, s[0], 3 * width), *lse = in(r, s[0], s[2] * t);
    real *y = in(r, s[0], width), *dy = in(r, s[0], width), *dqkv = out(r, s[0], 3 * width);
    real *dbias = s[4] & BIAS && !(s[4] & FIXED_BIAS) ? update(r, 1, s[2] * t * t) : NULL;
    r->flops = (8.0 * s[3] + 5) * s[0] * s[2] * t * (causal ? (t + 1) / 2.0 : t);
    ARRAYS(r, bias, qkv, lse, y, dy, dqkv, dbias);
    if (r->c)
        r->k->attention_flash_backward(r->c, s[0], t, s[2], s[3], 0.3f, causal, bias, qkv, lse, y,
                                       dy, dqkv, dbias);
}

/* Of each image the queries of other rows, and of a bias what is of them. */
static double other_queries(const int *s) {
    return left_over(s[1], 1) * s[0] * s[2] * s[3];
}

static double other_biases(const int *s) {
    return left_over(s[1], s[4] & ONE_ROW ? 1 : s[0]) * s[2] * s[1];
}

/* One query an image; the row's number is made by the case, or one for all. */
static void attention_row_forward(struct case_run *r) {
    const int *s = r->dim, t = s[1], one = s[4] & ONE_ROW;
    real *qkv = in(r, s[0], t * 3 * s[2] * s[3]);
    int32_t *row = case_index(r, one ? 1 : (size_t)s[0], 0, t);
    real *bias = s[4] & BIAS ? in(r, 1, s[2] * t * t) : NULL;
    real *p = out(r, s[0], s[2] * attention_stride(t)), *y = out(r, s[0], s[2] * s[3]);
    r->flops = (4.0 * s[3] + 5) * s[0] * s[2] * t;
    ARRAYS(r, bias, qkv, row, p, y);
    case_spare(r, qkv, other_queries(s));
    case_spare(r, bias, other_biases(s));
    if (r->c)
        r->k->attention_row_forward(r->c, s[0], t, s[2], s[3], 0.3f, s[4] & CAUSAL, bias, qkv, row,
                                    !one, p, y);
}

static void attention_row_backward(struct case_run *r) {
    const int *s = r->dim, t = s[1], one = s[4] & ONE_ROW, tp = attention_stride(t);
    real *qkv = in(r, s[0], t * 3 * s[2] * s[3]);
    int32_t *row = case_index(r, one ? 1 : (size_t)s[0], 0, t);
    real *p = in(r, s[0], s[2] * tp), *dy = in(r, s[0], s[2] * s[3]);
    real *dqkv = out(r, s[0], t * 3 * s[2] * s[3]);
    real *dbias = s[4] & BIAS ? update(r, 1, s[2] * t * t) : NULL;
    r->flops = (8.0 * s[3] + 5) * s[0] * s[2] * t;
    case_spare(r, qkv, other_queries(s));
    case_spare(r, dbias, 2 * other_biases(s));
    for (int i = 0; i < s[0] * s[2] && case_fills(r); i++)
        for (int j = s[4] & CAUSAL ? row[one ? 0 : i / s[2]] + 1 : t; j < tp; j++)
            p[(size_t)i * (size_t)tp + (size_t)j] = 0;
    ARRAYS(r, qkv, row, p, dy, dqkv, dbias);
    if (r->c)
        r->k->attention_row_backward(r->c, s[0], t, s[2], s[3], 0.3f, s[4] & CAUSAL, qkv, row, !one,
                                     p, dy, dqkv, dbias);
}

static const int attention_row_shapes[][CASE_DIMS] = {
    {0, 5, 2, 3, 0},         {2, 3, 0, 4, CAUSAL},          {1, 1, 1, 1, CAUSAL | BIAS | ONE_ROW},
    {2, 2, 1, 3, 0},         {3, 7, 3, 5, CAUSAL},          {3, 8, 2, 8, BIAS | ONE_ROW},
    {2, 17, 2, 16, ONE_ROW}, {4, 17, 2, 16, CAUSAL | BIAS}, {5, 65, 1, 33, BIAS},
    {2, 9, 2, 70, BIAS},     {1, 300, 1, 3, CAUSAL},        {8, 65, 3, 64, ONE_ROW},
    {8, 77, 8, 64, CAUSAL},
};

static const int attention_shapes[][CASE_DIMS] = {
    {0, 5, 2, 3, 0},
    {2, 0, 2, 3, BIAS},
    {2, 3, 0, 4, CAUSAL},
    {2, 3, 2, 0, 0},
    {1, 1, 1, 1, CAUSAL | BIAS},
    {2, 2, 1, 3, 0},
    {2, 7, 3, 5, CAUSAL},
    {3, 8, 2, 8, BIAS},
    {2, 17, 2, 16, 0},
    {2, 17, 2, 16, CAUSAL | BIAS},
    {1, 31, 3, 7, BIAS},
    {2, 50, 2, 9, CAUSAL},
    {2, 65, 1, 33, 0},
    {2, 65, 1, 33, CAUSAL | BIAS},
    {3, 20, 2, 70, BIAS},
    {1, 130, 1, 4, 0},
    {1, 101, 1, 66, CAUSAL | BIAS},
    {1, 500, 1, 3, CAUSAL | BIAS},
    {1, 485, 1, 65, 0},
    {1, 1100, 1, 5, CAUSAL | BIAS}, /* more scores than fit the workspace of a thread */
    {1, 1040, 1, 8, 0},
    {8, 65, 3, 64, 0},
    {8, 65, 3, 64, BIAS},
    {8, 77, 8, 64, CAUSAL},
};

/* The last is small: kernels/cpu has none, and ref is slow. */
static const int attention_flash_shapes[][CASE_DIMS] = {
    {0, 5, 2, 3, 0},
    {2, 0, 2, 3, BIAS},
    {2, 3, 0, 4, CAUSAL},
    {2, 3, 2, 0, BIAS},
    {1, 1, 1, 1, CAUSAL | BIAS},
    {2, 2, 1, 3, 0},
    {2, 7, 3, 5, CAUSAL},
    {3, 8, 2, 8, BIAS},
    {2, 17, 2, 16, 0},
    {2, 17, 2, 16, CAUSAL | BIAS},
    {1, 31, 3, 7, BIAS | FIXED_BIAS},
    {2, 50, 2, 9, CAUSAL},
    {2, 65, 1, 33, CAUSAL | BIAS},
    {3, 20, 2, 70, BIAS},
    {1, 130, 1, 4, 0},
    {1, 101, 1, 66, CAUSAL | BIAS},
    {1, 500, 1, 3, CAUSAL | BIAS},
    {1, 65, 2, 64, 0},
};

/* n rows cols; off: x is far from 0 */
static void batchnorm_moments(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[1] * d[2]), *moments = out(r, d[0], 2 * d[2]);
    for (size_t i = 0; i < (size_t)d[0] * (size_t)(d[1] * d[2]) && d[3] && case_fills(r); i++)
        x[i] += 1000;
    r->flops = 4.0 * d[0] * d[1] * d[2];
    ARRAYS(r, x, moments);
    if (r->c)
        r->k->batchnorm_moments(r->c, d[0], d[1], d[2], x, moments);
}

/* n rows cols */
static void batchnorm_moments_backward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[1] * d[2]), *moments = in(r, d[0], 2 * d[2]);
    real *dmoments = in(r, d[0], 2 * d[2]), *dx = update(r, d[0], d[1] * d[2]);
    r->flops = 4.0 * d[0] * d[1] * d[2];
    ARRAYS(r, x, moments, dmoments, dx);
    if (r->c)
        r->k->batchnorm_moments_backward(r->c, d[0], d[1], d[2], x, moments, dmoments, dx);
}

/* n rows cols options */
static void batchnorm_backward(struct case_run *r) {
    enum { RELUED = 1, SLOPED = 2, ADDED = 4, IN_PLACE = 8, SCALED = 16 };
    const int *d = r->dim, o = d[3], values = d[1] * d[2], acc = (o & ADDED) != 0;
    real *x = in(r, d[0], values), *mean = in(r, 1, d[2]);
    real *rstd = case_positive(r, CASE_INPUT, (size_t)d[2]);
    real *gamma = o & SCALED ? in(r, 1, d[2]) : NULL;
    real *y = o & RELUED ? in(r, d[0], values) : NULL;
    real *g = o & (RELUED | IN_PLACE) ? update(r, d[0], values) : in(r, d[0], values);
    real *dx = o & SLOPED ? gradient(r, acc, d[0], values) : o & IN_PLACE ? g : NULL;
    real *sums = out(r, d[0], 2 * d[2]);
    r->flops = (o & (SLOPED | IN_PLACE) ? 7.0 : 5.0) * d[0] * d[1] * d[2];
    ARRAYS(r, x, mean, rstd, gamma, y, g, dx, sums);
    if (r->c)
        r->k->batchnorm_backward(r->c, d[0], d[1], d[2], x, mean, rstd, gamma, y, g, acc, dx, sums);
}

/* What decides about a ReLU is never near 0: x are eighths, means lie between these. */
struct norm_of {
    real *x, *mean, *rstd, *gamma, *beta;
};

static struct norm_of draw_norm(struct case_run *r, int affine) {
    const int *d = r->dim;
    const size_t cols = (size_t)d[2];
    struct norm_of n = {in(r, d[0], d[1] * d[2]), in(r, 1, d[2]),
                        case_positive(r, CASE_INPUT, cols), NULL, NULL};
    n.gamma = affine ? in(r, 1, d[2]) : NULL;
    n.beta = affine ? in(r, 1, d[2]) : NULL;
    if (!case_fills(r))
        return n;
    for (size_t i = 0; i < (size_t)d[0] * (size_t)d[1] * cols; i++)
        n.x[i] = (real)rint(8 * (double)n.x[i]) / 8;
    for (size_t j = 0; j < cols; j++) {
        n.mean[j] = ((real)rint(8 * (double)n.mean[j]) + (real)0.5) / 8;
        n.rstd[j] += (real)0.5;
        if (affine) {
            n.gamma[j] += n.gamma[j] < 0 ? (real)-0.5 : (real)0.5;
            n.beta[j] /= 512;
        }
    }
    return n;
}

enum { AFFINE = 1, SKIP = 2, RELU = 4, Y_IS_X = 8, Y_IS_SKIP = 16 };

/* n rows cols options */
static void batchnorm_sums(struct case_run *r) {
    const int *d = r->dim, o = d[3];
    const struct norm_of n = draw_norm(r, o & AFFINE);
    real *g = in(r, d[0], d[1] * d[2]), *sums = out(r, d[0], 2 * d[2]);
    r->flops = 7.0 * d[0] * d[1] * d[2];
    ARRAYS(r, n.x, n.mean, n.rstd, n.gamma, n.beta, g, sums);
    if (r->c)
        r->k->batchnorm_sums(r->c, d[0], d[1], d[2], n.x, n.mean, n.rstd, n.gamma, n.beta,
                             o & RELU ? 1 : 0, g, sums);
}

/* n rows cols options; Y_IS_X: dx is g */
static void batchnorm_input_backward(struct case_run *r) {
    const int *d = r->dim, o = d[3], values = d[1] * d[2];
    const struct norm_of n = draw_norm(r, o & AFFINE);
    real *moments = in(r, d[0], 2 * d[2]), *dmoments = in(r, d[0], 2 * d[2]);
    real *g = o & Y_IS_X ? update(r, d[0], values) : in(r, d[0], values);
    real *dx = o & Y_IS_X ? g : out(r, d[0], values);
    r->flops = 9.0 * d[0] * d[1] * d[2];
    ARRAYS(r, n.x, n.mean, n.rstd, n.gamma, n.beta, moments, dmoments, g, dx);
    if (r->c)
        r->k->batchnorm_input_backward(r->c, d[0], d[1], d[2], n.x, n.mean, n.rstd, n.gamma, n.beta,
                                       o & RELU ? 1 : 0, moments, dmoments, g, dx);
}

/* kernels/cpu has none, and ref is slow. */
static const int batchnorm_parts_shapes[][CASE_DIMS] = {
    {0, 3, 5, AFFINE},
    {3, 0, 5, AFFINE | RELU},
    {2, 4, 0, RELU},
    {1, 1, 1, AFFINE | RELU | Y_IS_X},
    {3, 1, 8, 0},
    {3, 2, 7, Y_IS_X},
    {2, 15, 9, RELU},
    {5, 16, 31, AFFINE},
    {4, 17, 8, AFFINE | RELU},
    {9, 33, 70, AFFINE | RELU | Y_IS_X},
    {2, 300, 33, RELU | Y_IS_X},
    {1, 2100, 127, AFFINE | RELU},
    {2, 1100, 64, AFFINE | Y_IS_X},
    {8, 256, 64, AFFINE | RELU | Y_IS_X},
};

/* The last number: of moments whether x is off. */
static const int sample_shapes[][CASE_DIMS] = {
    {0, 3, 5},          {3, 0, 5, 1},      {2, 4, 0},     {1, 1, 1},         {3, 1, 8, 1},
    {3, 2, 7},          {2, 15, 9, 1},     {5, 16, 31},   {4, 17, 8, 1},     {3, 100, 3, 1},
    {9, 33, 70},        {2, 300, 33, 1},   {2, 600, 129}, {1, 2100, 127, 1}, {2, 1100, 33, 1},
    {128, 1024, 64, 1}, {128, 16, 512, 1},
};

static const int batchnorm_backward_shapes[][CASE_DIMS] = {
    {0, 3, 5, 25},      {3, 0, 5, 25},     {2, 4, 0, 25},     {1, 1, 1, 25},
    {3, 1, 8, 0},       {3, 2, 7, 8},      {2, 15, 9, 1},     {5, 16, 31, 2},
    {4, 17, 8, 23},     {3, 100, 3, 7},    {9, 33, 70, 19},   {2, 300, 33, 25},
    {2, 600, 129, 24},  {1, 2100, 127, 9}, {2, 1100, 64, 18}, {128, 1024, 64, 25},
    {128, 16, 512, 19},
};

enum { GAMMA = 1, BETA = 2 };

/* n cols options */
static void batchnorm_parameters(struct case_run *r) {
    const int *d = r->dim;
    real *sums = in(r, d[0], 2 * d[1]);
    real *dgamma = d[2] & GAMMA ? update(r, 1, d[1]) : NULL;
    real *dbeta = d[2] & BETA ? update(r, 1, d[1]) : NULL;
    r->flops = 2.0 * d[0] * d[1];
    if (r->c)
        r->k->batchnorm_parameters(r->c, d[0], d[1], sums, dgamma, dbeta);
}

static const int parameters_shapes[][CASE_DIMS] = {
    {0, 3, GAMMA | BETA},     {3, 0, GAMMA | BETA},    {1, 1, GAMMA},
    {3, 7, GAMMA | BETA},     {5, 33, BETA},           {70, 16, GAMMA | BETA},
    {1500, 40, GAMMA | BETA}, {128, 64, GAMMA | BETA}, {128, 512, GAMMA | BETA},
};

/* rows cols options */
static void batchnorm_apply(struct case_run *r) {
    const int *d = r->dim, o = d[2];
    real *x = o & Y_IS_X ? update(r, d[0], d[1]) : in(r, d[0], d[1]);
    real *mean = in(r, 1, d[1]), *rstd = case_positive(r, CASE_INPUT, (size_t)d[1]);
    real *gamma = o & AFFINE ? in(r, 1, d[1]) : NULL, *beta = o & AFFINE ? in(r, 1, d[1]) : NULL;
    real *residual = o & Y_IS_SKIP ? update(r, d[0], d[1]) : o & SKIP ? in(r, d[0], d[1]) : NULL;
    real *y = o & Y_IS_X ? x : o & Y_IS_SKIP ? residual : out(r, d[0], d[1]);
    r->flops = (4.0 + (o & (SKIP | Y_IS_SKIP) ? 1 : 0)) * d[0] * d[1];
    ARRAYS(r, x, mean, rstd, gamma, beta, residual, y);
    if (r->c)
        r->k->batchnorm_apply(r->c, d[0], d[1], x, mean, rstd, gamma, beta, residual,
                              o & RELU ? 1 : 0, y);
}

static const int batchnorm_apply_shapes[][CASE_DIMS] = {
    {0, 5, AFFINE},
    {5, 0, AFFINE | RELU},
    {1, 1, 0},
    {3, 7, AFFINE | RELU},
    {4, 8, SKIP | RELU},
    {5, 31, AFFINE | Y_IS_X | RELU},
    {9, 33, AFFINE | Y_IS_SKIP},
    {500, 9, AFFINE | SKIP | RELU},
    {40, 300, RELU | Y_IS_X | SKIP},
    {300, 66, AFFINE | Y_IS_SKIP | RELU},
    {64 * 1024, 64, AFFINE | RELU},
    {64 * 1024, 64, AFFINE | SKIP | RELU},
};

/* n cols */
static void batchnorm_lane(struct case_run *r) {
    const int *d = r->dim;
    real *moments = case_positive(r, CASE_INPUT, (size_t)d[0] * 2 * (size_t)d[1]);
    real *part = out(r, 1, 2 * d[1]);
    r->flops = 4.0 * d[0] * d[1];
    if (r->c)
        r->k->batchnorm_lane(r->c, d[0], d[1], moments, part);
}

static const int lane_shapes[][CASE_DIMS] = {{0, 3}, {3, 0}, {1, 1}, {5, 7}, {70, 33}, {256, 128}};

/* n rows cols running lanes filled; lanes 0: each sample is one, chunks of three otherwise */
static void batchnorm_combine(struct case_run *r) {
    const int *d = r->dim;
    const struct dealt dealt = {d[0], d[4] ? 3 : 1, d[4] ? d[4] : d[0]};
    real *parts = case_positive(r, CASE_INPUT, (size_t)dealt.lanes * 2 * (size_t)d[2]);
    real *batch = out(r, d[5], 2 * d[2]);
    real *mean = d[3] ? update(r, 1, d[2]) : NULL, *var = d[3] ? update(r, 1, d[2]) : NULL;
    r->flops = 8.0 * dealt.lanes * d[2];
    if (r->c)
        r->k->batchnorm_combine(r->c, &dealt, d[1], d[2], 1e-5, parts, d[5], batch, 0.1, mean, var);
}

static const int combine_shapes[][CASE_DIMS] = {
    {0, 3, 3, 1, 0, 0}, {3, 5, 0, 1, 0, 3},        {1, 1, 1, 1, 0, 1},
    {1, 7, 3, 0, 0, 1}, {5, 4, 9, 1, 0, 5},        {5, 4, 9, 1, 4, 0},
    {9, 4, 3, 0, 2, 9}, {70, 2, 33, 1, 16, 7},     {70, 2, 33, 1, 0, 70},
    {3, 2, 7, 1, 8, 3}, {256, 64, 128, 1, 0, 256}, {2048, 64, 256, 1, 64, 32},
};

/* n lanes cols */
static void batchnorm_combine_backward(struct case_run *r) {
    const int *d = r->dim;
    real *parts = in(r, d[1], 2 * d[2]), *moments = in(r, d[0], 2 * d[2]),
         *batch = in(r, 1, 2 * d[2]);
    real *dmoments = out(r, d[0], 2 * d[2]);
    r->flops = 2.0 * d[1] * d[2] + 3.0 * d[0] * d[2];
    if (r->c)
        r->k->batchnorm_combine_backward(r->c, d[1], 5.0 * d[1], d[2], parts, d[0], moments, batch,
                                         dmoments);
}

static const int combine_backward_shapes[][CASE_DIMS] = {
    {0, 3, 3}, {3, 1, 0}, {1, 1, 1}, {5, 9, 7}, {70, 16, 33}, {256, 256, 128},
};

/* n cols gain */
static void batchnorm_slopes(struct case_run *r) {
    const int *d = r->dim;
    real *rstd = case_positive(r, CASE_INPUT, (size_t)d[1]), *gamma = d[2] ? in(r, 1, d[1]) : NULL;
    real *sums = in(r, d[0], 2 * d[1]), *dbatch = out(r, d[0], 2 * d[1]);
    r->flops = 4.0 * d[0] * d[1];
    if (r->c)
        r->k->batchnorm_slopes(r->c, d[0], d[1], rstd, gamma, sums, dbatch);
}

static const int slopes_shapes[][CASE_DIMS] = {
    {0, 3}, {3, 0, 1}, {1, 1}, {3, 7, 1}, {5, 33, 0}, {256, 128, 1},
};

/* n */
static void reciprocal_root(struct case_run *r) {
    int n = r->dim[0];
    real *x = case_positive(r, CASE_INPUT, (size_t)n), *y = out(r, 1, n);
    r->flops = 2.0 * n;
    if (r->c)
        r->k->reciprocal_root(r->c, (size_t)n, 1e-5, x, y);
}

static const int root_shapes[][CASE_DIMS] = {{0}, {1}, {7}, {33}, {512}};

const struct kernel_case cases_net[] = {
    {"batchnorm_lane", "n cols", -1, batchnorm_lane, SHAPES(lane_shapes, 1)},
    {"batchnorm_combine", "n rows cols running lanes filled", -1, batchnorm_combine,
     SHAPES(combine_shapes, 2)},
    {"batchnorm_combine_backward", "n lanes cols", -1, batchnorm_combine_backward,
     SHAPES(combine_backward_shapes, 1)},
    {"batchnorm_slopes", "n cols gain", 0, batchnorm_slopes, SHAPES(slopes_shapes, 1)},
    {"reciprocal_root", "n", -1, reciprocal_root, SHAPES(root_shapes, 1)},
    {"act_forward", "n act in_place", 0, act_forward, SHAPES(act_forward_shapes, 4)},
    {"act_backward", "n act acc in_place", 0, act_backward, SHAPES(act_backward_shapes, 4)},
    {"attention_forward", "n t heads d options", 0, attention_forward, SHAPES(attention_shapes, 3)},
    {"attention_backward", "n t heads d options", 0, attention_backward,
     SHAPES(attention_shapes, 3)},
    {"attention_flash_forward", "n t heads d options", 0, attention_flash_forward,
     SHAPES(attention_flash_shapes, 1)},
    {"attention_flash_backward", "n t heads d options", 0, attention_flash_backward,
     SHAPES(attention_flash_shapes, 1)},
    {"attention_row_forward", "n t heads d options", 0, attention_row_forward,
     SHAPES(attention_row_shapes, 2)},
    {"attention_row_backward", "n t heads d options", 0, attention_row_backward,
     SHAPES(attention_row_shapes, 2)},
    {"batchnorm_moments", "n rows cols off", 0, batchnorm_moments, SHAPES(sample_shapes, 2)},
    {"batchnorm_moments_backward", "n rows cols", 0, batchnorm_moments_backward,
     SHAPES(sample_shapes, 2)},
    {"batchnorm_apply", "rows cols options", 0, batchnorm_apply, SHAPES(batchnorm_apply_shapes, 2)},
    {"batchnorm_backward", "n rows cols options", 0, batchnorm_backward,
     SHAPES(batchnorm_backward_shapes, 2)},
    {"batchnorm_sums", "n rows cols options", 0, batchnorm_sums, SHAPES(batchnorm_parts_shapes, 1)},
    {"batchnorm_input_backward", "n rows cols options", 0, batchnorm_input_backward,
     SHAPES(batchnorm_parts_shapes, 1)},
    {"batchnorm_parameters", "n cols options", -1, batchnorm_parameters,
     SHAPES(parameters_shapes, 2)},
    {NULL, NULL, -1, NULL, NULL, 0, 0},
};
