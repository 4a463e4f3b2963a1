/* op_conv.c -- convolutions, pooling and the channel-wise layer of the context encoder, on
 * channels-last images.  Further leading dimensions are more images. */
#include "nn/ops.h"

#include <math.h>
#include <stdio.h>

enum { X, W, B };

/* attr of everything that slides a window: conv_shape's fields, then images of a sample */
enum { HEIGHT, WIDTH, IN, OUT, KERNEL_H, KERNEL_W, STRIDE, PADDING, IMAGES };

static struct conv_shape shape_of(const struct tensor *t) {
    const int *a = t->attr;
    return (struct conv_shape){.h = a[HEIGHT],
                               .w = a[WIDTH],
                               .in = a[IN],
                               .out = a[OUT],
                               .kh = a[KERNEL_H],
                               .kw = a[KERNEL_W],
                               .stride = a[STRIDE],
                               .pad = a[PADDING]};
}

static int images(const struct chunk *c, const struct tensor *t) {
    return c->n * t->attr[IMAGES];
}

/* A value with the shape of x but for its last three dimensions. */
static struct tensor *image_value(struct graph *g, const struct op *op, const char *name,
                                  struct tensor *x, int h, int w, int channels,
                                  struct tensor *const *src, int n_src) {
    int dim[MAX_DIM] = {0};
    for (int i = 0; i < x->ndim - 3; i++)
        dim[i] = x->dim[i];
    dim[x->ndim - 3] = h;
    dim[x->ndim - 2] = w;
    dim[x->ndim - 1] = channels;
    return graph_value(g, op, name, x->ndim, dim, src, n_src);
}

static const int *image_of(const char *name, const struct tensor *x) {
    CHECK(x->ndim >= 3, "%s: images of %d dimensions", name, x->ndim);
    return x->dim + x->ndim - 3;
}

/* The parameters of a convolution from `in` channels to `out`, where the weight is (out,k,k,in)
 * here and has `in` second in files. */
static void conv_params(struct graph *g, const char *name, const struct conv_spec *spec, int out,
                        int in, struct tensor *param[2]) {
    char full[256];
    snprintf(full, sizeof full, "%s.weight", name);
    param[0] =
        graph_param(g, spec->group, full, 4, (const int[]){out, spec->kernel, spec->kernel, in},
                    spec->init, spec->scale);
    param[0]->param->channels_last = 1;
    snprintf(full, sizeof full, "%s.bias", name);
    param[1] = spec->bias ? graph_param(g, spec->group, full, 1, &spec->out, INIT_ZERO, 0) : NULL;
}

static void set_shape(struct tensor *t, const int *image, const struct conv_spec *spec, int in,
                      int out, const struct tensor *x) {
    int *a = t->attr;
    a[HEIGHT] = image[0];
    a[WIDTH] = image[1];
    a[IN] = in;
    a[OUT] = out;
    a[KERNEL_H] = a[KERNEL_W] = spec->kernel;
    a[STRIDE] = spec->stride;
    a[PADDING] = spec->pad;
    const int *from = x->dim + x->ndim - 3;
    a[IMAGES] = (int)(x->per_sample / ((size_t)from[0] * (size_t)from[1] * (size_t)from[2]));
}

/* x, the weights that go with it and the value in 16 bits: all of them, or none. */
static int is_half(const struct tensor *t) {
    return t->src[X]->half;
}

static struct kctx alike(const struct chunk *c, const struct tensor *t, unsigned arrays) {
    return chunk_halves(c, is_half(t) ? arrays : 0);
}

/* Room for both packings. */
static void set_packed(struct tensor *t) {
    const struct conv_shape s = shape_of(t);
    CHECK(conv_fits(&s), "%s: a row of %d pixels of %d and %d channels is too large", t->name, s.w,
          s.in, s.out);
    t->packed_count = 2 * conv2d_pack_bound(&s);
}

/* Packed weights: first those of the forward pass, then those of the gradient of x. */
static void pack_both(const struct chunk *c, const struct tensor *t, int forward_is_backward,
                      real *packed) {
    const struct conv_shape s = shape_of(t);
    const struct kctx ctx = alike(c, t, 1 << 1); /* packed */
    const real *w = chunk_value(c, t->src[W]);
    c->k->conv2d_pack(&ctx, &s, forward_is_backward, w, packed);
    if (t->src[X]->needs_grad)
        c->k->conv2d_pack(&ctx, &s, !forward_is_backward, w, packed + conv2d_pack_bound(&s));
}

static const real *packed_for_gradient(const struct chunk *c, const struct tensor *t,
                                       const struct conv_shape *s) {
    return chunk_packed(c, t) + conv2d_pack_bound(s);
}

/* Where the value is made, and how it gets from there to where it is kept. */
static real *made(const struct chunk *c, const struct tensor *t) {
    return is_half(t) && !t->half ? chunk_narrow(c, t) : chunk_result(c, t);
}

static void widen(const struct chunk *c, const struct tensor *t) {
    enum { FROM = 1 << 0 }; /* of axpby */
    const struct kctx ctx = chunk_halves(c, FROM);
    if (is_half(t) && !t->half)
        c->k->axpby(&ctx, t->per_sample * (size_t)c->n, 1, made(c, t), 0, chunk_result(c, t));
}

/* The gradient of the value as convolutions take it. */
static const real *given(const struct chunk *c, const struct tensor *t) {
    enum { TO = 1 << 1 }; /* of axpby */
    const struct kctx ctx = chunk_halves(c, TO);
    if (!is_half(t) || t->half)
        return chunk_grad(c, t);
    real *narrow = chunk_narrow(c, t);
    c->k->axpby(&ctx, t->per_sample * (size_t)c->n, 1, chunk_grad(c, t), 0, narrow);
    return narrow;
}

static const real *bias(const struct chunk *c, const struct tensor *t) {
    return t->n_src > B ? chunk_value(c, t->src[B]) : NULL;
}

/* The bias is one for a channel of every pixel of the value. */
static void bias_backward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = chunk_halves(c, t->half ? 1 << 0 : 0); /* x */
    real *db = chunk_grad_src(c, t, B);
    int channels = t->dim[t->ndim - 1];
    if (db)
        c->k->column_sum(&ctx, c->n * (int)(t->per_sample / (size_t)channels), channels,
                         chunk_grad(c, t), db);
}

/* Multiplications and additions: one of each for a weight at every position of the window. */
static void window_flops(const struct tensor *t, size_t places, double *f, double *b) {
    const int *a = t->attr;
    double product = 2.0 * (double)places * a[KERNEL_H] * a[KERNEL_W];
    *f = product;
    *b = product * (t->src[X]->needs_grad ? 2 : 1);
}

/* conv2d */

/* The arrays of 16 bits of conv2d_forward and conv2d_backward_data, and of conv2d_backward_weight.
 */
enum { PRODUCT = 1 << 0 | 1 << 1 | 1 << 3, FACTORS = 1 << 0 | 1 << 1 };

static void conv_forward(const struct chunk *c, const struct tensor *t) {
    const struct conv_shape s = shape_of(t);
    const struct kctx ctx = alike(c, t, PRODUCT);
    c->k->conv2d_forward(&ctx, images(c, t), &s, chunk_value(c, t->src[X]), chunk_packed(c, t),
                         bias(c, t), made(c, t));
    widen(c, t);
}

static void conv_backward(const struct chunk *c, const struct tensor *t) {
    const struct conv_shape s = shape_of(t);
    const struct kctx product = alike(c, t, PRODUCT), factors = alike(c, t, FACTORS);
    const real *dy = given(c, t);
    real *dw = chunk_grad_src(c, t, W), *dx = chunk_grad_src(c, t, X);
    if (dw)
        c->k->conv2d_backward_weight(&factors, images(c, t), &s, chunk_value(c, t->src[X]), dy, dw);
    bias_backward(c, t);
    if (dx)
        c->k->conv2d_backward_data(&product, images(c, t), &s, dy, packed_for_gradient(c, t, &s),
                                   NULL, t->acc[X], dx);
}

/* In op.halves, of both. */
#define HALVES (1u << X | HALVES_OUT | HALVES_OUT_AS_SOURCE | HALVES_NARROW | HALVES_NARROW_OUT)

static void conv_prepare(const struct chunk *c, const struct tensor *t, real *packed) {
    pack_both(c, t, 0, packed);
}

static void conv_flops(const struct tensor *t, double *f, double *b) {
    window_flops(t, t->per_sample * (size_t)t->attr[IN], f, b);
}

static const struct op conv2d = {.name = "conv2d",
                                 .forward = conv_forward,
                                 .backward = conv_backward,
                                 .prepare = conv_prepare,
                                 .flops = conv_flops,
                                 .backward_reads = 1u << X,
                                 .alias_src = -1,
                                 .halves = HALVES};

struct tensor *op_conv2d(struct graph *g, const char *name, struct tensor *x,
                         const struct conv_spec *spec) {
    const int *image = image_of(name, x);
    struct tensor *param[2];
    conv_params(g, name, spec, spec->out, image[2], param);
    struct tensor *t = image_value(g, &conv2d, name, x,
                                   window_count(image[0], spec->kernel, spec->stride, spec->pad),
                                   window_count(image[1], spec->kernel, spec->stride, spec->pad),
                                   spec->out, (struct tensor *const[]){x, param[0], param[1]}, 3);
    set_shape(t, image, spec, image[2], spec->out, x);
    set_packed(t);
    return t;
}

/* conv_transpose2d: the gradient of a convolution from the value's channels to those of x, so its
 * shape is that of the convolution: `out` is x's. */

static void transpose_forward(const struct chunk *c, const struct tensor *t) {
    const struct conv_shape s = shape_of(t);
    const struct kctx ctx = alike(c, t, PRODUCT);
    c->k->conv2d_backward_data(&ctx, images(c, t), &s, chunk_value(c, t->src[X]),
                               chunk_packed(c, t), bias(c, t), 0, made(c, t));
    widen(c, t);
}

static void transpose_backward(const struct chunk *c, const struct tensor *t) {
    const struct conv_shape s = shape_of(t);
    const struct kctx product = alike(c, t, PRODUCT), factors = alike(c, t, FACTORS);
    const real *dy = given(c, t);
    real *dw = chunk_grad_src(c, t, W), *dx = chunk_grad_src(c, t, X);
    if (dw)
        c->k->conv2d_backward_weight(&factors, images(c, t), &s, dy, chunk_value(c, t->src[X]), dw);
    bias_backward(c, t);
    CHECK(!dx || !t->acc[X], "%s: its source has another use", t->name);
    if (dx)
        c->k->conv2d_forward(&product, images(c, t), &s, dy, packed_for_gradient(c, t, &s), NULL,
                             dx);
}

static void transpose_prepare(const struct chunk *c, const struct tensor *t, real *packed) {
    pack_both(c, t, 1, packed);
}

static void transpose_flops(const struct tensor *t, double *f, double *b) {
    window_flops(t, t->src[X]->per_sample * (size_t)t->attr[IN], f, b);
}

static const struct op conv_transpose2d = {.name = "conv_transpose2d",
                                           .forward = transpose_forward,
                                           .backward = transpose_backward,
                                           .prepare = transpose_prepare,
                                           .flops = transpose_flops,
                                           .backward_reads = 1u << X,
                                           .alias_src = -1,
                                           .halves = HALVES};

struct tensor *op_conv_transpose2d(struct graph *g, const char *name, struct tensor *x,
                                   const struct conv_spec *spec) {
    const int *image = image_of(name, x);
    const int larger[] = {(image[0] - 1) * spec->stride - 2 * spec->pad + spec->kernel,
                          (image[1] - 1) * spec->stride - 2 * spec->pad + spec->kernel};
    struct tensor *param[2];
    conv_params(g, name, spec, image[2], spec->out, param);
    struct tensor *t = image_value(g, &conv_transpose2d, name, x, larger[0], larger[1], spec->out,
                                   (struct tensor *const[]){x, param[0], param[1]}, 3);
    set_shape(t, larger, spec, spec->out, image[2], x);
    set_packed(t);
    return t;
}

/* maxpool: saved where each maximum was */

static void maxpool_forward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = alike(c, t, 1 << 0 | 1 << 1); /* x, y */
    const int *a = t->attr;
    c->k->maxpool_forward(&ctx, images(c, t), a[HEIGHT], a[WIDTH], a[IN], a[KERNEL_H], a[STRIDE],
                          a[PADDING], chunk_value(c, t->src[X]), chunk_result(c, t),
                          (void *)chunk_saved(c, t, 0));
}

static void maxpool_backward(const struct chunk *c, const struct tensor *t) {
    const struct kctx ctx = alike(c, t, 1 << 0 | 1 << 2); /* dy, dx */
    const int *a = t->attr;
    c->k->maxpool_backward(&ctx, images(c, t), a[HEIGHT], a[WIDTH], a[IN], a[KERNEL_H], a[STRIDE],
                           a[PADDING], chunk_grad(c, t), (const void *)chunk_saved(c, t, 0),
                           t->acc[X], chunk_grad_src(c, t, X));
}

static void maxpool_flops(const struct tensor *t, double *f, double *b) {
    *f = (double)t->per_sample * t->attr[KERNEL_H] * t->attr[KERNEL_W];
    *b = (double)t->per_sample;
}

static const struct op maxpool = {.name = "maxpool",
                                  .forward = maxpool_forward,
                                  .backward = maxpool_backward,
                                  .flops = maxpool_flops,
                                  .alias_src = -1,
                                  .halves = 1u << X | HALVES_OUT | HALVES_OUT_AS_SOURCE |
                                            HALVES_SOURCE_AS_OUT};

struct tensor *op_maxpool(struct graph *g, const char *name, struct tensor *x, int kernel,
                          int stride, int pad) {
    const int *image = image_of(name, x);
    CHECK(2 * pad <= kernel, "%s: a window of padding alone", name);
    struct tensor *t = image_value(
        g, &maxpool, name, x, window_count(image[0], kernel, stride, pad),
        window_count(image[1], kernel, stride, pad), image[2], (struct tensor *const[]){x}, 1);
    const struct conv_spec spec = {.kernel = kernel, .stride = stride, .pad = pad};
    set_shape(t, image, &spec, image[2], image[2], x);
    t->saved_per_sample[0] = t->per_sample;
    return t;
}

/* channelwise_fc: attr rows of the value and of x, channels, images of a sample */

enum { ROWS_OUT, ROWS_IN, CHANNELS, FC_IMAGES };

static void channelwise_forward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    c->k->channelwise_fc_forward(&c->ctx, c->n * a[FC_IMAGES], a[ROWS_OUT], a[ROWS_IN], a[CHANNELS],
                                 chunk_value(c, t->src[X]), chunk_value(c, t->src[W]), bias(c, t),
                                 chunk_result(c, t));
}

static void channelwise_backward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    real *dw = chunk_grad_src(c, t, W);
    CHECK(dw, "%s: a frozen channel-wise layer hands no gradient on", t->name);
    c->k->channelwise_fc_backward(&c->ctx, c->n * a[FC_IMAGES], a[ROWS_OUT], a[ROWS_IN],
                                  a[CHANNELS], chunk_value(c, t->src[X]), chunk_value(c, t->src[W]),
                                  chunk_grad(c, t), t->acc[X], chunk_grad_src(c, t, X), dw,
                                  chunk_grad_src(c, t, B));
}

static void channelwise_flops(const struct tensor *t, double *f, double *b) {
    double product = 2.0 * (double)t->per_sample * t->attr[ROWS_IN];
    *f = product;
    *b = product * (t->src[X]->needs_grad ? 2 : 1);
}

static const struct op channelwise_fc = {.name = "channelwise_fc",
                                         .forward = channelwise_forward,
                                         .backward = channelwise_backward,
                                         .flops = channelwise_flops,
                                         .backward_reads = 1u << X,
                                         .alias_src = -1};

struct tensor *op_channelwise_fc(struct graph *g, const char *name, int group, struct tensor *x,
                                 int p) {
    CHECK(x->ndim >= 2, "%s: pixels (q,C)", name);
    int q = x->dim[x->ndim - 2], channels = x->dim[x->ndim - 1], dim[MAX_DIM] = {0};
    char full[256];
    snprintf(full, sizeof full, "%s.weight", name);
    struct tensor *w =
        graph_param(g, group, full, 3, (const int[]){channels, p, q}, INIT_NORMAL, sqrt(1.0 / q));
    snprintf(full, sizeof full, "%s.bias", name);
    struct tensor *b = graph_param(g, group, full, 2, (const int[]){channels, p}, INIT_ZERO, 0);
    b->param->decay = 0;
    for (int i = 0; i < x->ndim; i++)
        dim[i] = i == x->ndim - 2 ? p : x->dim[i];
    struct tensor *t =
        graph_value(g, &channelwise_fc, name, x->ndim, dim, (struct tensor *const[]){x, w, b}, 3);
    t->attr[ROWS_OUT] = p;
    t->attr[ROWS_IN] = q;
    t->attr[CHANNELS] = channels;
    t->attr[FC_IMAGES] = (int)(x->per_sample / ((size_t)q * (size_t)channels));
    return t;
}
