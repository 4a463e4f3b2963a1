/* cases_rows.c -- operations on rows of features and predictions. */
#include "kernels/cases_make.h"

/* rows cols acc */
static void l2_normalize_rows_backward(struct case_run *r) {
    const int *d = r->dim;
    real *y = in(r, d[0], d[1]), *norm = case_positive(r, CASE_INPUT, (size_t)d[0]);
    real *dy = in(r, d[0], d[1]), *dx = gradient(r, d[2], d[0], d[1]);
    r->flops = 6.0 * d[0] * d[1];
    if (r->c) /* some rows are shorter than eps */
        r->k->l2_normalize_rows_backward(r->c, d[0], d[1], 0.5f, y, norm, dy, d[2], dx);
}

/* rows cols in_place */
static void softmax_rows(struct case_run *r) {
    const int *d = r->dim;
    real *x = d[2] ? update(r, d[0], d[1]) : in(r, d[0], d[1]);
    real *y = d[2] ? x : out(r, d[0], d[1]);
    r->flops = 6.0 * d[0] * d[1];
    if (r->c)
        r->k->softmax_rows(r->c, d[0], d[1], 1.7f, x, y);
}

/* rows cols acc */
static void softmax_rows_backward(struct case_run *r) {
    const int *d = r->dim;
    real *y = in(r, d[0], d[1]), *dy = in(r, d[0], d[1]), *dx = gradient(r, d[2], d[0], d[1]);
    r->flops = 5.0 * d[0] * d[1];
    if (r->c)
        r->k->softmax_rows_backward(r->c, d[0], d[1], 1.7f, y, dy, d[2], dx);
}

/* rows cols */
static void soft_xent_forward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[1]);
    real *target = case_positive(r, CASE_INPUT, (size_t)d[0] * (size_t)d[1]);
    real *p = out(r, d[0], d[1]), *loss = out(r, 1, d[0]);
    r->flops = 9.0 * d[0] * d[1];
    if (r->c)
        r->k->soft_xent_forward(r->c, d[0], d[1], 1.7f, x, target, p, loss);
}

/* rows cols acc */
static void soft_xent_backward(struct case_run *r) {
    const int *d = r->dim;
    real *p = in(r, d[0], d[1]), *target = in(r, d[0], d[1]), *dloss = in(r, 1, d[0]);
    real *dx = gradient(r, d[2], d[0], d[1]);
    r->flops = 5.0 * d[0] * d[1];
    if (r->c)
        r->k->soft_xent_backward(r->c, d[0], d[1], 1.7f, p, target, dloss, d[2], dx);
}

static const int row_shapes[][CASE_DIMS] = {
    {0, 3, 0},  {3, 0, 0},  {1, 1, 0},   {1, 1, 1},     {2, 2, 1},    {5, 7, 0},     {5, 7, 1},
    {3, 16, 1}, {4, 31, 0}, {7, 130, 1}, {20, 1024, 1}, {3, 5000, 0}, {20, 1024, 0}, {8, 65536, 0},
};

enum { GAIN = 1, SCALE = 2, RESIDUAL = 4, IN_PLACE = 8, ACC = 16, NO_DX = 32 };

/* n rows cols options; in place: y is the residual, dx is dy */
static void branch_forward(struct case_run *r) {
    const int *d = r->dim, o = d[3];
    int width = d[1] * d[2];
    real *x = in(r, d[0], width), *gamma = o & GAIN ? in(r, 1, d[2]) : NULL;
    real *s = o & SCALE ? in(r, 1, d[0]) : NULL;
    real *residual = o & IN_PLACE   ? update(r, d[0], width)
                     : o & RESIDUAL ? in(r, d[0], width)
                                    : NULL;
    real *y = o & IN_PLACE ? residual : out(r, d[0], width);
    r->flops = 3.0 * d[0] * width;
    ARRAYS(r, x, gamma, s, residual, y);
    if (r->c)
        r->k->branch_forward(r->c, d[0], d[1], d[2], x, gamma, s, residual, y);
}

/* n rows cols options */
static void branch_backward(struct case_run *r) {
    const int *d = r->dim, o = d[3];
    int width = d[1] * d[2];
    real *x = o & GAIN ? in(r, d[0], width) : NULL, *gamma = o & GAIN ? in(r, 1, d[2]) : NULL;
    real *s = o & SCALE ? in(r, 1, d[0]) : NULL;
    real *dy = o & IN_PLACE ? update(r, d[0], width) : in(r, d[0], width);
    real *dx = o & IN_PLACE ? dy : o & NO_DX ? NULL : gradient(r, o & ACC, d[0], width);
    real *dgamma = o & GAIN ? update(r, 1, d[2]) : NULL;
    r->flops = 5.0 * d[0] * width;
    ARRAYS(r, x, gamma, s, dy, dx, dgamma);
    if (r->c)
        r->k->branch_backward(r->c, d[0], d[1], d[2], x, gamma, s, dy, o & ACC ? 1 : 0, dx, dgamma);
}

static const int branch_shapes[][CASE_DIMS] = {
    {0, 2, 3, GAIN},
    {2, 0, 3, SCALE},
    {2, 2, 0, RESIDUAL},
    {1, 1, 1, GAIN | SCALE | RESIDUAL},
    {3, 2, 7, 0},
    {3, 5, 7, GAIN | RESIDUAL | ACC},
    {2, 4, 16, SCALE | RESIDUAL},
    {2, 3, 33, GAIN | SCALE | IN_PLACE},
    {4, 5, 31, GAIN | SCALE | ACC},
    {3, 4, 19, GAIN | NO_DX},
    {8, 65, 192, GAIN | SCALE | RESIDUAL},
    {8, 65, 192, SCALE | RESIDUAL},
};

enum { BACK = 1, ADDED = 2, THERE = 4 };

/* n rows heads half options; there: y is x */
static void rotary(struct case_run *r) {
    const int *d = r->dim, o = d[4];
    int width = 6 * d[1] * d[2] * d[3]; /* of a sample */
    real *table = in(r, 1, 2 * d[1] * d[3]);
    real *x = o & THERE ? update(r, d[0], width) : in(r, d[0], width);
    real *y = o & THERE ? x : gradient(r, o & ADDED, d[0], width);
    r->flops = 2.0 * d[0] * width;
    ARRAYS(r, table, x, y);
    if (o & THERE)
        case_spare(r, x, 2.0 * d[0] * width / 3); /* v */
    if (r->c)
        r->k->rotary(r->c, d[0], d[1], d[2], d[3], table, o & BACK, x, o & ADDED ? 1 : 0, y);
}

static const int rotary_shapes[][CASE_DIMS] = {
    {0, 2, 1, 2},        {2, 0, 1, 2},          {1, 2, 0, 3},
    {2, 3, 2, 0},        {1, 1, 1, 1},          {2, 5, 3, 1, BACK},
    {2, 3, 2, 4, ADDED}, {1, 4, 2, 8, BACK},    {3, 2, 1, 7, BACK | ADDED},
    {2, 3, 2, 33},       {2, 5, 3, 16, THERE},  {1, 3, 2, 5, BACK | THERE},
    {8, 201, 6, 32},     {8, 201, 6, 32, BACK},
};

/* rows cols */
static void swiglu_forward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], 2 * d[1]), *y = out(r, d[0], d[1]);
    r->flops = 3.0 * d[0] * d[1];
    ARRAYS(r, x, y);
    if (r->c)
        r->k->swiglu_forward(r->c, d[0], d[1], x, y);
}

/* rows cols acc */
static void swiglu_backward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], 2 * d[1]), *dy = in(r, d[0], d[1]),
         *dx = gradient(r, d[2], d[0], 2 * d[1]);
    r->flops = 8.0 * d[0] * d[1];
    ARRAYS(r, x, dy, dx);
    if (r->c)
        r->k->swiglu_backward(r->c, d[0], d[1], x, dy, d[2], dx);
}

static const int swiglu_shapes[][CASE_DIMS] = {
    {0, 3, 0}, {3, 0, 0},  {1, 1, 0},   {1, 1, 1},  {5, 7, 0},
    {5, 7, 1}, {3, 16, 1}, {2, 130, 0}, {4, 64, 0}, {1608, 1536, 0},
};

/* n acc */
static void bce_forward(struct case_run *r) {
    int n = r->dim[0];
    real *x = in(r, 1, n), *loss = out(r, 1, n);
    r->flops = 20.0 * n;
    if (r->c)
        r->k->bce_forward(r->c, (size_t)n, x, 0.9f, loss);
}

static void bce_backward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, 1, d[0]), *dloss = in(r, 1, d[0]), *dx = gradient(r, d[1], 1, d[0]);
    r->flops = 15.0 * d[0];
    if (r->c)
        r->k->bce_backward(r->c, (size_t)d[0], x, 0.9f, dloss, d[1], dx);
}

static const int bce_shapes[][CASE_DIMS] = {{0, 0}, {1, 0}, {1, 1}, {7, 0}, {37, 1}, {1024, 0}};

/* rows cols */
static void argmax_rows(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[1]);
    int32_t *index = case_index_out(r, (size_t)d[0], 1);
    r->flops = 1.0 * d[0] * d[1];
    if (r->c)
        r->k->argmax_rows(r->c, d[0], d[1], x, index);
}

static const int argmax_shapes[][CASE_DIMS] = {
    {0, 3}, {1, 1}, {3, 2}, {5, 7}, {4, 31}, {9, 130}, {64, 1024},
};

/* rows cols */
static void kl_uniform_forward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[1]), *p = out(r, d[0], d[1]), *y = out(r, 1, d[0]);
    r->flops = 9.0 * d[0] * d[1];
    if (r->c)
        r->k->kl_uniform_forward(r->c, d[0], d[1], x, p, y);
}

/* rows cols acc */
static void kl_uniform_backward(struct case_run *r) {
    const int *d = r->dim;
    real *p = case_positive(r, CASE_INPUT, (size_t)d[0] * (size_t)d[1]);
    real *y = in(r, 1, d[0]), *dy = in(r, 1, d[0]), *dx = gradient(r, d[2], d[0], d[1]);
    r->flops = 12.0 * d[0] * d[1];
    if (r->c)
        r->k->kl_uniform_backward(r->c, d[0], d[1], p, y, dy, d[2], dx);
}

enum { LOGARITHM = 1, PARTNER = 2, OWN = 4, DLOG = 8, NO_GRADIENT = 16 };

/* n dim views options */
static void contrast_rows(struct case_run *r) {
    const int *d = r->dim, o = d[3];
    real *x = in(r, d[0], d[1]), *y = d[2] ? x : in(r, d[0], d[1]);
    real *log_scale = o & LOGARITHM ? in(r, 1, 1) : NULL;
    real *sums = out(r, 1, d[0]), *partner = o & PARTNER ? out(r, 1, d[0]) : NULL;
    r->flops = (2.0 * d[1] + 5) * d[0] * d[0];
    if (r->c)
        r->k->contrast_rows(r->c, d[0], d[1], d[2], 0.3, log_scale, x, y, sums, partner);
}

static const int contrast_shapes[][CASE_DIMS] = {
    {0, 3, 0, 0},
    {3, 0, 0, PARTNER},
    {1, 1, 0, PARTNER},
    {2, 3, 1, PARTNER},
    {7, 5, 0, LOGARITHM},
    {33, 17, 0, LOGARITHM | PARTNER},
    {70, 31, 1, 0},
    {130, 40, 1, PARTNER},
    {1100, 2, 0, PARTNER},
    {256, 128, 1, PARTNER},
    {128, 128, 0, LOGARITHM | PARTNER},
};

/* n dim views options acc; the slopes are those of large sums, so that they are not all 0 */
static void contrast_gradient(struct case_run *r) {
    const int *d = r->dim, o = d[3], n = d[0];
    real *x = in(r, n, d[1]), *y = d[2] ? x : in(r, n, d[1]);
    real *log_scale = o & LOGARITHM ? in(r, 1, 1) : NULL;
    /* Positive, as those of a loss are: with either sign dlog would be what is left of sums that
     * cancel. */
    real *weight = case_positive(r, CASE_INPUT, (size_t)n);
    real *sums = case_positive(r, CASE_INPUT, (size_t)n);
    real *col = d[2] ? sums : case_positive(r, CASE_INPUT, (size_t)n);
    real *dx = o & NO_GRADIENT ? NULL : gradient(r, d[4], n, d[1]);
    real *own = o & OWN ? out(r, 1, n) : NULL, *dlog = o & DLOG ? update(r, 1, 1) : NULL;
    r->flops = (4.0 * d[1] + 10) * n * n;
    if (r->c)
        r->k->contrast_gradient(r->c, n, d[1], d[2], 0.1, log_scale, x, y, weight, sums, col, d[4],
                                dx, own, dlog);
}

static const int contrast_gradient_shapes[][CASE_DIMS] = {
    {0, 3, 0, 0},
    {3, 0, 0, OWN},
    {1, 1, 0, OWN | DLOG},
    {2, 3, 1, 0, 1},
    {7, 5, 0, LOGARITHM | OWN},
    {33, 17, 0, LOGARITHM | OWN | DLOG, 1},
    {33, 17, 0, OWN | DLOG | NO_GRADIENT},
    {70, 300, 1, 0},
    {130, 40, 1, 0, 1},
    {800, 2, 0, OWN},
    {256, 128, 1, 0},
    {128, 128, 0, LOGARITHM | OWN | DLOG},
};

/* n both */
static void contrast_loss(struct case_run *r) {
    int n = r->dim[0];
    real *sums = in(r, 1, n), *col = r->dim[1] ? in(r, 1, n) : NULL, *loss = update(r, 1, n);
    r->flops = 2.0 * n;
    if (r->c)
        r->k->contrast_loss(r->c, n, sums, col, loss);
}

static const int contrast_loss_shapes[][CASE_DIMS] = {{0}, {1}, {7, 1}, {33}, {256, 1}};

const struct kernel_case cases_rows[] = {
    {"contrast_rows", "n dim views options", -1, contrast_rows, SHAPES(contrast_shapes, 2)},
    {"contrast_gradient", "n dim views options acc", -1, contrast_gradient,
     SHAPES(contrast_gradient_shapes, 2)},
    {"contrast_loss", "n both", -1, contrast_loss, SHAPES(contrast_loss_shapes, 1)},
    {"kl_uniform_forward", "rows cols", 0, kl_uniform_forward, SHAPES(row_shapes, 2)},
    {"kl_uniform_backward", "rows cols acc", 0, kl_uniform_backward, SHAPES(row_shapes, 2)},
    {"l2_normalize_rows_backward", "rows cols acc", 0, l2_normalize_rows_backward,
     SHAPES(row_shapes, 2)},
    {"softmax_rows", "rows cols in_place", 0, softmax_rows, SHAPES(row_shapes, 2)},
    {"softmax_rows_backward", "rows cols acc", 0, softmax_rows_backward, SHAPES(row_shapes, 2)},
    {"soft_xent_forward", "rows cols", 0, soft_xent_forward, SHAPES(row_shapes, 2)},
    {"soft_xent_backward", "rows cols acc", 0, soft_xent_backward, SHAPES(row_shapes, 2)},
    {"branch_forward", "n rows cols options", 0, branch_forward, SHAPES(branch_shapes, 2)},
    {"branch_backward", "n rows cols options", -1, branch_backward, SHAPES(branch_shapes, 2)},
    {"rotary", "n rows heads half options", 0, rotary, SHAPES(rotary_shapes, 2)},
    {"swiglu_forward", "rows cols", 0, swiglu_forward, SHAPES(swiglu_shapes, 1)},
    {"swiglu_backward", "rows cols acc", 0, swiglu_backward, SHAPES(swiglu_shapes, 1)},
    {"bce_forward", "n", -1, bce_forward, SHAPES(bce_shapes, 1)},
    {"bce_backward", "n acc", -1, bce_backward, SHAPES(bce_shapes, 1)},
    {"argmax_rows", "rows cols", 0, argmax_rows, SHAPES(argmax_shapes, 1)},
    {NULL, NULL, -1, NULL, NULL, 0, 0},
};
