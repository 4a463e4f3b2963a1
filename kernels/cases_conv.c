/* cases_conv.c -- convolutions, pooling, channel-wise layers. */
#include "kernels/cases_make.h"

enum { BIAS = 1, ACC = 2, NO_DX = 4 };

/* n h w in out kh kw stride pad options */
static struct conv_shape conv_shape(const struct case_run *r) {
    const int *d = r->dim;
    return (struct conv_shape){d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8]};
}

static int weights(const struct conv_shape *s) {
    return s->out * s->kh * s->kw * s->in;
}

static int input(const struct conv_shape *s) {
    return s->h * s->w * s->in;
}

static int output(const struct conv_shape *s) {
    return conv_out_h(s) * conv_out_w(s) * s->out;
}

static double conv_flops(const struct case_run *r, const struct conv_shape *s) {
    return 2.0 * r->dim[0] * output(s) * s->kh * s->kw * s->in;
}

/* Of a row or column of `size` numbers those that some window has. */
static double seen(int size, int k, int stride, int pad) {
    int n = 0, end = 0; /* of the windows before */
    for (int i = 0; i < window_count(size, k, stride, pad); i++) {
        int first = i * stride - pad > end ? i * stride - pad : end;
        end = i * stride - pad + k < size ? i * stride - pad + k : size;
        n += end > first ? end - first : 0;
        end = end > first ? end : first;
    }
    return n;
}

/* Pixels that a stride longer than the window leaves out. */
static double conv_spared(const struct case_run *r, const struct conv_shape *s) {
    const double has = seen(s->h, s->kh, s->stride, s->pad) * seen(s->w, s->kw, s->stride, s->pad);
    return ((double)s->h * s->w - has) * r->dim[0] * s->in;
}

static void conv2d_pack_size(struct case_run *r) {
    struct conv_shape s = conv_shape(r);
    real *enough = case_returned(r, 2);
    for (int backward = 0; backward < 2 && r->c; backward++) {
        size_t size = r->k->conv2d_pack_size(&s, backward);
        enough[backward] = size >= (size_t)weights(&s) && size <= conv2d_pack_bound(&s);
    }
}

/* Packed weights, for the call that follows. */
static real *packed(struct case_run *r, const struct conv_shape *s, int backward) {
    size_t size = r->k->conv2d_pack_size(s, backward);
    real *w = in(r, 1, weights(s)), *p = case_real(r, CASE_SCRATCH, 1, size, size);
    if (r->c && case_is_first(r)) {
        const struct kctx c = packing(r, 1 << 1);
        r->k->conv2d_pack(&c, s, backward, w, p);
    }
    return p;
}

static void conv2d_forward(struct case_run *r) {
    struct conv_shape s = conv_shape(r);
    int n = r->dim[0];
    real *w = packed(r, &s, 0), *bias = r->dim[9] & BIAS ? in(r, s.out, 1) : NULL;
    real *x = in(r, n, input(&s)), *y = out(r, n, output(&s));
    r->flops = conv_flops(r, &s);
    ARRAYS(r, x, w, bias, y);
    case_spare(r, x, conv_spared(r, &s));
    if (r->c)
        r->k->conv2d_forward(r->c, n, &s, x, w, bias, y);
}

static void conv2d_backward_data(struct case_run *r) {
    struct conv_shape s = conv_shape(r);
    int n = r->dim[0], acc = r->dim[9] & ACC ? 1 : 0;
    real *w = packed(r, &s, 1), *bias = r->dim[9] & BIAS ? in(r, s.in, 1) : NULL;
    real *dy = in(r, n, output(&s)), *dx = gradient(r, acc, n, input(&s));
    r->flops = conv_flops(r, &s);
    ARRAYS(r, dy, w, bias, dx);
    case_spare(r, dx, acc && !(r->dim[9] & BIAS) ? 2 * conv_spared(r, &s) : 0);
    if (r->c)
        r->k->conv2d_backward_data(r->c, n, &s, dy, w, bias, acc, dx);
}

/* What is packed is seen through its use, on one image. */
static void conv2d_pack(struct case_run *r) {
    r->dim[0] = 1;
    r->calls = 0; /* it packs every time */
    conv2d_forward(r);
    conv2d_backward_data(r);
    r->flops = 0;
    for (int i = 0; i < r->n_buffers; i++)
        r->buffer[i].spared = 0;
}

static void conv2d_backward_weight(struct case_run *r) {
    struct conv_shape s = conv_shape(r);
    int n = r->dim[0];
    real *x = in(r, n, input(&s)), *dy = in(r, n, output(&s)), *dw = update(r, 1, weights(&s));
    r->flops = conv_flops(r, &s);
    ARRAYS(r, x, dy, dw);
    case_spare(r, x, conv_spared(r, &s));
    if (r->c)
        r->k->conv2d_backward_weight(r->c, n, &s, x, dy, dw);
}

static const int pack_shapes[][CASE_DIMS] = {
    {1, 4, 4, 0, 5, 3, 3, 1, 1, 0},    {1, 4, 4, 3, 0, 3, 3, 1, 1, 0},
    {1, 1, 1, 1, 1, 1, 1, 1, 0, BIAS}, {1, 5, 4, 33, 18, 3, 2, 1, 1, BIAS},
    {1, 6, 6, 20, 3, 3, 3, 1, 1, 0},   {1, 6, 6, 3, 20, 4, 4, 2, 1, BIAS},
    {1, 7, 7, 17, 70, 3, 3, 2, 1, 0},  {1, 8, 8, 256, 256, 3, 3, 1, 1, 0},
};

static const int conv_shapes[][CASE_DIMS] = {
    {0, 4, 4, 3, 5, 3, 3, 1, 1, 0},
    {2, 4, 4, 0, 5, 3, 3, 1, 1, BIAS},
    {2, 4, 4, 3, 0, 3, 3, 1, 1, BIAS},
    {2, 0, 4, 3, 5, 3, 3, 1, 0, BIAS},
    {2, 2, 2, 3, 5, 3, 3, 1, 0, ACC}, /* no window fits */
    {1, 1, 1, 1, 1, 1, 1, 1, 0, BIAS},
    {1, 1, 1, 2, 3, 3, 3, 1, 1, ACC},
    {2, 1, 1, 2, 19, 3, 3, 2, 2, BIAS},
    {3, 5, 7, 4, 6, 1, 1, 1, 0, BIAS},
    {3, 5, 7, 16, 16, 1, 1, 1, 0, BIAS | ACC},
    {3, 6, 5, 17, 9, 1, 1, 2, 0, ACC}, /* rows and columns that no window has */
    {2, 6, 6, 5, 33, 1, 1, 1, 2, BIAS},
    {2, 7, 5, 3, 16, 3, 3, 1, 1, BIAS},
    {3, 8, 8, 16, 32, 3, 3, 1, 1, ACC},
    {2, 8, 8, 16, 48, 3, 3, 2, 1, BIAS},
    {2, 9, 7, 31, 18, 3, 3, 2, 1, BIAS | ACC},
    {2, 11, 10, 8, 24, 3, 3, 3, 1, 0},
    {2, 13, 11, 3, 20, 7, 7, 2, 3, BIAS},
    {2, 9, 9, 6, 7, 5, 3, 1, 2, ACC}, /* more padding than a column needs */
    {2, 7, 8, 5, 9, 2, 3, 1, 2, BIAS | ACC},
    {2, 5, 6, 4, 10, 2, 5, 3, 4, BIAS},
    {3, 8, 10, 3, 34, 4, 4, 2, 1, BIAS},
    {2, 8, 8, 33, 16, 4, 4, 2, 1, ACC},
    {2, 10, 9, 40, 3, 3, 3, 1, 1, BIAS},
    {1, 12, 12, 4, 20, 4, 4, 4, 0, BIAS},
    {1, 14, 15, 5, 13, 3, 4, 5, 1, BIAS},
    {2, 4, 4, 24, 70, 4, 4, 1, 0, BIAS},
    {1, 6, 100, 67, 8, 3, 3, 1, 1, BIAS | ACC},
    {13, 6, 6, 12, 34, 3, 3, 1, 1, BIAS},
    {1, 10, 12, 32, 5, 3, 3, 4, 30, ACC},   /* larger than a block, forward */
    {1, 54, 50, 16, 200, 2, 1, 2, 0, BIAS}, /* backward */
    {2, 8, 8, 32, 48, 3, 3, 1, 1, BIAS},    /* Winograd's */
    {3, 9, 11, 48, 32, 3, 3, 1, 1, BIAS | ACC},
    {5, 4, 4, 48, 32, 3, 3, 1, 1, BIAS | ACC},
    {2, 3, 5, 32, 48, 3, 3, 1, 1, BIAS}, /* too little of its tiles is in the image */
    {5, 16, 15, 64, 80, 3, 3, 1, 1, ACC},
    {2, 8, 8, 256, 192, 3, 3, 1, 1, BIAS},
    {3, 9, 7, 3, 32, 3, 3, 2, 1, ACC}, /* few channels */
    {2, 13, 11, 3, 64, 7, 7, 2, 3, BIAS},
    {1, 23, 19, 1, 32, 11, 11, 4, 2, ACC},
    {4, 21, 33, 4, 96, 2, 9, 1, 3, 0},
    {8, 32, 32, 3, 64, 3, 3, 1, 1, BIAS},
    {8, 32, 32, 16, 16, 3, 3, 1, 1, 0},
    {8, 32, 32, 64, 64, 3, 3, 1, 1, 0},
    {8, 16, 16, 128, 256, 3, 3, 2, 1, 0},
};

/* n h w channels k stride pad acc */
static void maxpool_forward(struct case_run *r) {
    const int *d = r->dim;
    int windows = window_count(d[1], d[4], d[5], d[6]) * window_count(d[2], d[4], d[5], d[6]);
    real *x = in(r, d[0], d[1] * d[2] * d[3]), *y = out(r, d[0], windows * d[3]);
    int32_t *arg = case_index_out(r, (size_t)d[0], (size_t)(windows * d[3]));
    r->flops = (double)d[0] * windows * d[3] * d[4] * d[4];
    ARRAYS(r, x, y, arg);
    if (r->c)
        r->k->maxpool_forward(r->c, d[0], d[1], d[2], d[3], d[4], d[5], d[6], x, y, arg);
}

static int within(int x, int end) {
    return x < 0 ? 0 : x < end ? x : end - 1;
}

static void maxpool_backward(struct case_run *r) {
    const int *d = r->dim, k = d[4], stride = d[5], pad = d[6];
    int oh = window_count(d[1], k, stride, pad), ow = window_count(d[2], k, stride, pad);
    real *dy = in(r, d[0], oh * ow * d[3]);
    int32_t *arg = case_index(r, (size_t)(d[0] * oh * ow * d[3]), 0, k * k);
    real *dx = gradient(r, d[7], d[0], d[1] * d[2] * d[3]);
    for (int i = 0; i < d[0] * oh * ow * d[3] && case_fills(r); i++) { /* a place in the window */
        int at = i / d[3] % (oh * ow);
        int row = within(at / ow * stride - pad + arg[i] / k, d[1]);
        arg[i] = row * d[2] + within(at % ow * stride - pad + arg[i] % k, d[2]);
    }
    r->flops = (double)d[0] * oh * ow * d[3];
    ARRAYS(r, dy, arg, dx);
    if (r->c)
        r->k->maxpool_backward(r->c, d[0], d[1], d[2], d[3], k, stride, pad, dy, arg, d[7], dx);
}

static const int maxpool_shapes[][CASE_DIMS] = {
    {0, 4, 4, 3, 2, 2, 0, 0},    {2, 0, 4, 3, 2, 2, 0, 0},  {2, 4, 4, 0, 2, 2, 0, 0},
    {2, 2, 4, 3, 3, 1, 0, 0},    {2, 2, 4, 3, 3, 1, 0, 1},  {1, 1, 1, 1, 1, 1, 0, 1},
    {3, 4, 6, 5, 2, 2, 0, 0},    {3, 5, 7, 16, 2, 2, 0, 1}, {2, 7, 6, 17, 3, 2, 1, 0},
    {2, 8, 8, 33, 3, 2, 1, 1},   {2, 6, 5, 8, 3, 1, 1, 0},  {2, 9, 7, 31, 2, 3, 1, 1},
    {1, 11, 10, 48, 5, 3, 2, 0}, {2, 5, 5, 64, 1, 2, 0, 0}, {8, 32, 32, 64, 3, 2, 1, 0},
    {8, 32, 32, 64, 2, 2, 0, 0},
};

/* n p q channels options */
static void channelwise_fc_forward(struct case_run *r) {
    const int *d = r->dim;
    real *x = in(r, d[0], d[2] * d[3]), *w = in(r, 1, d[3] * d[1] * d[2]);
    real *bias = d[4] & BIAS ? in(r, 1, d[3] * d[1]) : NULL, *y = out(r, d[0], d[1] * d[3]);
    r->flops = 2.0 * d[0] * d[1] * d[2] * d[3];
    if (r->c)
        r->k->channelwise_fc_forward(r->c, d[0], d[1], d[2], d[3], x, w, bias, y);
}

static void channelwise_fc_backward(struct case_run *r) {
    const int *d = r->dim, acc = d[4] & ACC ? 1 : 0;
    real *x = in(r, d[0], d[2] * d[3]), *w = in(r, 1, d[3] * d[1] * d[2]);
    real *dy = in(r, d[0], d[1] * d[3]);
    real *dx = d[4] & NO_DX ? NULL : gradient(r, acc, d[0], d[2] * d[3]);
    real *dw = update(r, 1, d[3] * d[1] * d[2]);
    real *dbias = d[4] & BIAS ? update(r, 1, d[3] * d[1]) : NULL;
    r->flops = 4.0 * d[0] * d[1] * d[2] * d[3];
    if (r->c)
        r->k->channelwise_fc_backward(r->c, d[0], d[1], d[2], d[3], x, w, dy, acc, dx, dw, dbias);
}

static const int channelwise_shapes[][CASE_DIMS] = {
    {0, 3, 4, 5, BIAS},        {2, 0, 4, 5, 0},        {2, 3, 0, 5, BIAS},
    {2, 3, 4, 0, 0},           {1, 1, 1, 1, ACC},      {3, 4, 5, 2, BIAS | NO_DX},
    {5, 9, 7, 17, BIAS | ACC}, {17, 16, 16, 8, BIAS},  {4, 36, 36, 6, BIAS | ACC},
    {35, 5, 33, 3, ACC},       {8, 16, 16, 512, BIAS},
};

const struct kernel_case cases_conv[] = {
    {"conv2d_pack_size", "n h w in out kh kw stride pad", -1, conv2d_pack_size,
     SHAPES(conv_shapes, 4)},
    {"conv2d_pack", "n h w in out kh kw stride pad options", -1, conv2d_pack,
     SHAPES(pack_shapes, 1)},
    {"conv2d_forward", "n h w in out kh kw stride pad options", 0, conv2d_forward,
     SHAPES(conv_shapes, 4)},
    {"conv2d_backward_data", "n h w in out kh kw stride pad options", 0, conv2d_backward_data,
     SHAPES(conv_shapes, 4)},
    {"conv2d_backward_weight", "n h w in out kh kw stride pad", -1, conv2d_backward_weight,
     SHAPES(conv_shapes, 4)},
    {"maxpool_forward", "n h w channels k stride pad", 0, maxpool_forward,
     SHAPES(maxpool_shapes, 2)},
    {"maxpool_backward", "n h w channels k stride pad acc", 0, maxpool_backward,
     SHAPES(maxpool_shapes, 2)},
    {"channelwise_fc_forward", "n p q channels options", 0, channelwise_fc_forward,
     SHAPES(channelwise_shapes, 1)},
    {"channelwise_fc_backward", "n p q channels options", 0, channelwise_fc_backward,
     SHAPES(channelwise_shapes, 1)},
    {NULL, NULL, -1, NULL, NULL, 0, 0},
};
