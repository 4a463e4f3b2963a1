/* Convolutional networks with activations of 16 bits on a device: each kernel that they need
 * against kernels/ref on the same rounded numbers, with the stand-in for cuDNN and without; and
 * networks against those in float. */
#include "tests/cuda/emulator.h"
#include "tests/device_arrays.h"

enum { HALF = 1, WHOLE = 0 };

/* Of the arrays of a convolution those in 16 bits; FACTORS of a weight's gradient. */
enum { FACTORS = 1 << 0 | 1 << 1, PRODUCT = FACTORS | 1 << 3 };

static const struct conv_shape shapes[] = {
    {.h = 5, .w = 6, .in = 3, .out = 7, .kh = 3, .kw = 3, .stride = 1, .pad = 1},
    {.h = 9, .w = 8, .in = 4, .out = 70, .kh = 3, .kw = 3, .stride = 2, .pad = 1},
    {.h = 4, .w = 4, .in = 16, .out = 8, .kh = 1, .kw = 1, .stride = 1, .pad = 0},
    {.h = 12, .w = 11, .in = 3, .out = 8, .kh = 7, .kw = 7, .stride = 2, .pad = 3}};

enum { IMAGES = 6, SHAPES = sizeof shapes / sizeof *shapes };

struct conv_arrays {
    int x, w, packed[2], y, bias, dw;
};

/* w is what both have of the weights, `packed` what the device makes of them for either way. */
static struct conv_arrays draw_conv(struct bench *b, const struct conv_shape *s) {
    size_t weights = (size_t)s->out * (size_t)s->kh * (size_t)s->kw * (size_t)s->in;
    size_t pixels = (size_t)IMAGES * (size_t)s->h * (size_t)s->w * (size_t)s->in;
    size_t places = (size_t)IMAGES * (size_t)conv_out_h(s) * (size_t)conv_out_w(s);
    int most = s->in > s->out ? s->in : s->out;
    struct conv_arrays a = {.x = draw(b, pixels, HALF), .w = draw(b, weights, WHOLE)};
    for (int way = 0; way < 2; way++) {
        a.packed[way] = draw(b, conv2d_pack_bound(s), HALF);
        b->there.halves = 1 << 1;
        b->d->kernels->conv2d_pack(&b->there, s, way, THERE(a.w), THERE(a.packed[way]));
    }
    for (size_t i = 0; i < weights; i++)
        HERE(a.w)[i] = rounded(HERE(a.w)[i]);
    for (int way = 0; way < 2; way++)
        kernels_ref()->conv2d_pack(&b->here, s, way, HERE(a.w), HERE(a.packed[way]));
    a.y = draw(b, places * (size_t)s->out, HALF);
    a.bias = draw(b, (size_t)most, WHOLE);
    a.dw = draw(b, weights, WHOLE);
    return a;
}

static void check_conv(struct bench *b, const struct conv_shape *s, int with_bias, int acc) {
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    const struct conv_arrays a = draw_conv(b, s);
    b->there.halves = FACTORS;
    there->conv2d_backward_weight(&b->there, IMAGES, s, THERE(a.x), THERE(a.y), THERE(a.dw));
    ref->conv2d_backward_weight(&b->here, IMAGES, s, HERE(a.x), HERE(a.y), HERE(a.dw));
    same(b, a.dw, "conv2d_backward_weight");
    b->there.halves = PRODUCT;
    there->conv2d_backward_data(&b->there, IMAGES, s, THERE(a.y), THERE(a.packed[1]),
                                OPTIONAL(with_bias, a.bias, THERE), acc, THERE(a.x));
    ref->conv2d_backward_data(&b->here, IMAGES, s, HERE(a.y), HERE(a.packed[1]),
                              OPTIONAL(with_bias, a.bias, HERE), acc, HERE(a.x));
    same(b, a.x, "conv2d_backward_data");
    for (size_t i = 0; i < b->arrays[a.x].n; i++) /* as the device has it */
        HERE(a.x)[i] = rounded(HERE(a.x)[i]);
    there->conv2d_forward(&b->there, IMAGES, s, THERE(a.x), THERE(a.packed[0]),
                          OPTIONAL(with_bias, a.bias, THERE), THERE(a.y));
    ref->conv2d_forward(&b->here, IMAGES, s, HERE(a.x), HERE(a.packed[0]),
                        OPTIONAL(with_bias, a.bias, HERE), HERE(a.y));
    same(b, a.y, "conv2d_forward");
    clear_bench(b);
}

static void check_convolutions(const char *cudnn, enum device_math math, const char *note) {
    struct bench b;
    struct error err;
    setenv("SSVBENCH_CUDNN", cudnn, 1);
    open_bench(&b, math);
    for (int i = 0; i < SHAPES; i++) {
        check_conv(&b, &shapes[i], i % 2, i / 2 % 2);
        check_conv(&b, &shapes[i], !(i % 2), !(i / 2 % 2));
    }
    assert_int_equal(b.d->check(b.d, &err), 0);
    if (note)
        assert_string_equal(b.d->note, note);
    close_bench(&b);
}

static void own_convolutions(void **state) {
    (void)state;
    check_convolutions("none", DEVICE_OWN, NULL);
}

static void convolutions_by_cudnn(void **state) {
    (void)state;
    check_convolutions(STAND_IN, DEVICE_BF16, "");
}

/* No kernel here but what adds the library's gradient of weights to that in float, and what there
 * is no plan for; the room for that gradient is known beforehand. */
static void who_computes(void **state) {
    (void)state;
    static const struct conv_shape
        *s = &shapes[2],
        odd = {.h = 2, .w = 2, .in = 1, .out = 1, .kh = 1, .kw = 1, .stride = 1, .pad = 3};
    const size_t weights = (size_t)shapes[2].out * (size_t)shapes[2].in;
    struct bench b;
    setenv("SSVBENCH_CUDNN", STAND_IN, 1);
    open_bench(&b, DEVICE_BF16);
    const struct kernels *k = b.d->kernels;
    const struct conv_arrays a = draw_conv(&b, s);
    real *x = b.arrays[a.x].there, *y = b.arrays[a.y].there, *w = b.arrays[a.packed[0]].there;
    unsigned long before = emulated_launches();
    b.there.halves = PRODUCT;
    k->conv2d_forward(&b.there, IMAGES, s, x, w, NULL, y);
    k->conv2d_backward_data(&b.there, IMAGES, s, y, w, NULL, 1, x);
    assert_int_equal(emulated_launches(), before);
    b.there.halves = FACTORS;
    k->conv2d_backward_weight(&b.there, IMAGES, s, x, y, b.arrays[a.dw].there);
    assert_int_equal(emulated_launches(), before + 1);
    struct device_conv conv = {DEVICE_CONV_BACKWARD_WEIGHT, IMAGES, 1, 1, s, x, w, y};
    size_t half = b.d->conv_bytes(b.d, &conv);
    conv.kind = DEVICE_CONV_BACKWARD_DATA; /* as much by the stand-in, but for the weights */
    size_t without = b.d->conv_bytes(b.d, &conv);
    assert_true(half >= without + weights * sizeof(uint16_t));
    b.there.halves = PRODUCT;
    k->conv2d_forward(&b.there, 1, &odd, x, w, NULL, y);
    assert_int_equal(emulated_launches(), before + 2);
    assert_string_equal(b.d->note, "own kernels for 1 convolutions, the first (kind n h w in out "
                                   "kh kw stride pad) forward 1 2 2 1 1 1 1 1 3, 16 bits: "
                                   "CUDNN_STATUS_NOT_SUPPORTED_SHAPE");
    close_bench(&b);
}

/* The two halves of a batch norm in 16 bits: of x, and of y with all that is stored as y is. */
struct norm_case {
    int n, rows, cols, half_x, half_y, relu, residual;
};

static void check_norm_forward(struct bench *b, const struct norm_case *k, const int *of, int y) {
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    int all = k->n * k->rows;
    b->there.halves = k->half_x ? 1 : 0;
    there->batchnorm_moments(&b->there, k->n, k->rows, k->cols, THERE(of[0]), THERE(of[5]));
    ref->batchnorm_moments(&b->here, k->n, k->rows, k->cols, HERE(of[0]), HERE(of[5]));
    same(b, of[5], "batchnorm_moments");
    b->there.halves = (k->half_x ? 1u << 0 : 0) | (k->half_y ? 1u << 5 | 1u << 6 : 0);
    there->batchnorm_apply(&b->there, all, k->cols, THERE(of[0]), THERE(of[1]), THERE(of[2]),
                           THERE(of[3]), THERE(of[4]), OPTIONAL(k->residual, of[6], THERE), k->relu,
                           THERE(y));
    ref->batchnorm_apply(&b->here, all, k->cols, HERE(of[0]), HERE(of[1]), HERE(of[2]), HERE(of[3]),
                         HERE(of[4]), OPTIONAL(k->residual, of[6], HERE), k->relu, HERE(y));
    same(b, y, "batchnorm_apply");
}

static void check_norm_backward(struct bench *b, const struct norm_case *k, const int *of, int y) {
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    size_t n = (size_t)k->n * (size_t)k->rows * (size_t)k->cols;
    int g = draw(b, n, k->half_y), dx = draw(b, n, k->half_x), dmoments = of[7];
    int sums = draw(b, 2 * (size_t)k->n * (size_t)k->cols, 0);
    const unsigned halves =
        (k->half_x ? 1u << 0 | 1u << 6 : 0) | (k->half_y ? 1u << 4 | 1u << 5 : 0);
    b->there.halves = halves;
    there->batchnorm_backward(&b->there, k->n, k->rows, k->cols, THERE(of[0]), THERE(of[1]),
                              THERE(of[2]), THERE(of[3]), OPTIONAL(k->relu, y, THERE), THERE(g), 1,
                              THERE(dx), THERE(sums));
    ref->batchnorm_backward(&b->here, k->n, k->rows, k->cols, HERE(of[0]), HERE(of[1]), HERE(of[2]),
                            HERE(of[3]), OPTIONAL(k->relu, y, HERE), HERE(g), 1, HERE(dx),
                            HERE(sums));
    for (int i = g; i <= sums; i++)
        same(b, i, "batchnorm_backward");
    if (k->half_x == k->half_y) { /* its gradient in place of that of y */
        there->batchnorm_backward(&b->there, k->n, k->rows, k->cols, THERE(of[0]), THERE(of[1]),
                                  THERE(of[2]), THERE(of[3]), OPTIONAL(k->relu, y, THERE), THERE(g),
                                  0, THERE(g), THERE(sums));
        ref->batchnorm_backward(&b->here, k->n, k->rows, k->cols, HERE(of[0]), HERE(of[1]),
                                HERE(of[2]), HERE(of[3]), OPTIONAL(k->relu, y, HERE), HERE(g), 0,
                                HERE(g), HERE(sums));
        same(b, g, "batchnorm_backward in place");
    }
    b->there.halves = k->half_x ? 1 << 0 | 1 << 3 : 0;
    there->batchnorm_moments_backward(&b->there, k->n, k->rows, k->cols, THERE(of[0]), THERE(of[5]),
                                      THERE(dmoments), THERE(dx));
    ref->batchnorm_moments_backward(&b->here, k->n, k->rows, k->cols, HERE(of[0]), HERE(of[5]),
                                    HERE(dmoments), HERE(dx));
    same(b, dx, "batchnorm_moments_backward");
}

/* In the parts that write as little as can be. */
static void check_norm_parts(struct bench *b, const struct norm_case *k, const int *of) {
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    size_t n = (size_t)k->n * (size_t)k->rows * (size_t)k->cols;
    int g = draw(b, n, k->half_y), sums = draw(b, 2 * (size_t)k->n * (size_t)k->cols, 0);
    int dx = draw(b, n, k->half_x);
    b->there.halves = (k->half_x ? 1 << 0 : 0) | (k->half_y ? 1 << 5 : 0);
    there->batchnorm_sums(&b->there, k->n, k->rows, k->cols, THERE(of[0]), THERE(of[1]),
                          THERE(of[2]), THERE(of[3]), THERE(of[4]), k->relu, THERE(g), THERE(sums));
    ref->batchnorm_sums(&b->here, k->n, k->rows, k->cols, HERE(of[0]), HERE(of[1]), HERE(of[2]),
                        HERE(of[3]), HERE(of[4]), k->relu, HERE(g), HERE(sums));
    same(b, sums, "batchnorm_sums");
    b->there.halves = (k->half_x ? 1 << 0 | 1 << 8 : 0) | (k->half_y ? 1 << 7 : 0);
    const int to_be[] = {dx, g}; /* g's place where both are stored alike */
    for (int i = 0; i < (k->half_x == k->half_y ? 2 : 1); i++) {
        const int to = to_be[i];
        there->batchnorm_input_backward(&b->there, k->n, k->rows, k->cols, THERE(of[0]),
                                        THERE(of[1]), THERE(of[2]), THERE(of[3]), THERE(of[4]),
                                        k->relu, THERE(of[5]), THERE(of[7]), THERE(g), THERE(to));
        ref->batchnorm_input_backward(&b->here, k->n, k->rows, k->cols, HERE(of[0]), HERE(of[1]),
                                      HERE(of[2]), HERE(of[3]), HERE(of[4]), k->relu, HERE(of[5]),
                                      HERE(of[7]), HERE(g), HERE(to));
        same(b, to, "batchnorm_input_backward");
    }
}

/* A ReLU's mask comes from y as it is stored, so both have the same: rounding makes no 0. */
static void check_norm(struct bench *b, const struct norm_case *k) {
    size_t cols = (size_t)k->cols, n = (size_t)k->n * (size_t)k->rows * cols;
    int of[8] = {draw(b, n, k->half_x)};
    for (int i = 1; i < 5; i++)
        of[i] = draw(b, cols, 0);
    of[5] = draw(b, 2 * (size_t)k->n * cols, 0);
    of[6] = draw(b, n, k->half_y);
    of[7] = draw(b, 2 * (size_t)k->n * cols, 0);
    int y = draw(b, n, k->half_y);
    check_norm_forward(b, k, of, y);
    check_norm_backward(b, k, of, y);
    check_norm_parts(b, k, of);
    clear_bench(b);
}

static void norms(void **state) {
    (void)state;
    static const struct norm_case asked[] = {
        {3, 20, 8, HALF, HALF, 1, 0},    {2, 7, 33, HALF, HALF, 1, 1},
        {2, 70, 5, HALF, HALF, 0, 1},    {2, 9, 64, HALF, WHOLE, 1, 0},
        {2, 9, 7, HALF, WHOLE, 0, 1},    {2, 9, 7, WHOLE, WHOLE, 1, 1},
        {1, 300, 12, HALF, HALF, 1, 1},  {4, 40, 66, HALF, HALF, 1, 1},
        {1, 33, 128, HALF, HALF, 1, 0},  {2, 9, 128, HALF, WHOLE, 1, 1},
        {2, 35, 96, WHOLE, WHOLE, 1, 1}, {5, 1, 4, HALF, HALF, 0, 0}};
    struct bench b;
    open_bench(&b, DEVICE_OWN);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        check_norm(&b, &asked[i]);
    close_bench(&b);
}

static void check_pooling(struct bench *b, int channels, int pad, int acc) {
    enum { N = 2, H = 7, W = 6, K = 3, STRIDE = 2 };
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    size_t pixels = (size_t)(N * H * W * channels);
    size_t places = (size_t)(N * channels * window_count(H, K, STRIDE, pad)) *
                    (size_t)window_count(W, K, STRIDE, pad);
    int x = draw(b, pixels, HALF), y = draw(b, places, HALF), arg = draw(b, places, WHOLE);
    int dy = draw(b, places, HALF), dx = draw(b, pixels, HALF);
    b->there.halves = 1 << 0 | 1 << 1;
    there->maxpool_forward(&b->there, N, H, W, channels, K, STRIDE, pad, THERE(x), THERE(y),
                           b->arrays[arg].there);
    ref->maxpool_forward(&b->here, N, H, W, channels, K, STRIDE, pad, HERE(x), HERE(y),
                         (void *)HERE(arg));
    same(b, y, "maxpool_forward");
    b->there.halves = 1 << 0 | 1 << 2;
    there->maxpool_backward(&b->there, N, H, W, channels, K, STRIDE, pad, THERE(dy),
                            b->arrays[arg].there, acc, THERE(dx));
    ref->maxpool_backward(&b->here, N, H, W, channels, K, STRIDE, pad, HERE(dy), (void *)HERE(arg),
                          acc, HERE(dx));
    same(b, dx, "maxpool_backward");
    clear_bench(b);
}

static void check_means(struct bench *b, int acc) {
    enum { N = 3, ROWS = 9, COLS = 7 };
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    int x = draw(b, (size_t)N * ROWS * COLS, HALF), y = draw(b, (size_t)N * COLS, WHOLE);
    b->there.halves = 1 << 0;
    there->mean_rows_forward(&b->there, N, ROWS, COLS, 1, ROWS, THERE(x), THERE(y));
    ref->mean_rows_forward(&b->here, N, ROWS, COLS, 1, ROWS, HERE(x), HERE(y));
    same(b, y, "mean_rows_forward");
    b->there.halves = 1 << 1;
    there->mean_rows_backward(&b->there, N, ROWS, COLS, 1, ROWS, THERE(y), acc, THERE(x));
    ref->mean_rows_backward(&b->here, N, ROWS, COLS, 1, ROWS, HERE(y), acc, HERE(x));
    same(b, x, "mean_rows_backward");
    clear_bench(b);
}

static void pooling(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, DEVICE_OWN);
    check_pooling(&b, 5, 0, 0);
    check_pooling(&b, 8, 0, 0);
    check_pooling(&b, 5, 1, 1);
    check_pooling(&b, 4, 1, 1);
    check_means(&b, 0);
    check_means(&b, 1);
    close_bench(&b);
}

static void check_activation(struct bench *b, size_t n, enum activation act, int acc) {
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    int x = draw(b, n, HALF), y = draw(b, n, HALF), dx = draw(b, n, HALF);
    b->there.halves = 1 << 0 | 1 << 1;
    there->act_forward(&b->there, act, n, THERE(x), THERE(y));
    ref->act_forward(&b->here, act, n, HERE(x), HERE(y));
    same(b, y, "act_forward");
    b->there.halves = 1 << 0 | 1 << 1 | 1 << 2;
    there->act_backward(&b->there, act, n, THERE(x), THERE(y), acc, THERE(dx));
    ref->act_backward(&b->here, act, n, HERE(x), HERE(y), acc, HERE(dx));
    same(b, dx, "act_backward");
    clear_bench(b);
}

static void check_patches(struct bench *b, int patch, int acc) {
    enum { N = 2, CH = 3, SIDE = 12, ALL = N * CH * SIDE * SIDE };
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    int x = draw(b, ALL, WHOLE), y = draw(b, ALL, HALF);
    b->there.halves = 1 << 1;
    there->patchify(&b->there, N, CH, SIDE, SIDE, patch, THERE(x), THERE(y));
    ref->patchify(&b->here, N, CH, SIDE, SIDE, patch, HERE(x), HERE(y));
    same(b, y, "patchify");
    b->there.halves = 1 << 0;
    there->unpatchify(&b->there, N, CH, SIDE, SIDE, patch, THERE(y), acc, THERE(x));
    ref->unpatchify(&b->here, N, CH, SIDE, SIDE, patch, HERE(y), acc, HERE(x));
    same(b, x, "unpatchify");
    clear_bench(b);
}

/* y = a x + b y of every two types */
static void check_sum(struct bench *b, size_t n, int half_x, int half_y) {
    int x = draw(b, n, half_x), y = draw(b, n, half_y);
    b->there.halves = (unsigned)(half_x | half_y << 1);
    for (int with = 0; with < 2; with++) {
        b->d->kernels->axpby(&b->there, n, 0.5f, THERE(x), (real)with, THERE(y));
        kernels_ref()->axpby(&b->here, n, 0.5f, HERE(x), (real)with, HERE(y));
        same(b, y, "axpby");
    }
    clear_bench(b);
}

static void elements(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, DEVICE_OWN);
    for (size_t n = 696; n < 704; n += 7) { /* in groups, and not */
        check_activation(&b, n, ACT_RELU, 0);
        check_activation(&b, n, ACT_LEAKY_RELU, 1);
        check_activation(&b, n, ACT_GELU, 1);
        check_activation(&b, n, ACT_TANH, 1);
        for (int types = 0; types < 4; types++)
            check_sum(&b, n, types & 1, types >> 1);
    }
    for (int acc = 0; acc < 2; acc++) {
        check_patches(&b, 2, acc);
        check_patches(&b, 3, acc);
        check_patches(&b, 4, acc);
    }
    close_bench(&b);
}

static void classify_map(struct net *n, struct tensor *map) {
    classify(n, mean_of_map(n, map), 0);
}

static struct tensor *photos(struct net *n, int side) {
    return input(n, "images", 3, (const int[]){3, side, side});
}

static void net_basic(struct net *n) {
    const struct resnet r = {.width = 16, .blocks = {1, 1}, .small_stem = 1};
    classify_map(n, resnet_encode(&n->graph, n->group, &r, photos(n, 16), NULL));
}

static void net_deep(struct net *n) {
    const struct resnet r = {.width = 8, .blocks = {1, 1}, .bottleneck = 1};
    classify_map(n, resnet_encode(&n->graph, n->group, &r, photos(n, 31), NULL));
}

static void net_pooled(struct net *n) {
    const struct alexnet a = {.width = {8, 16, 8, 8, 16}, .small = 1};
    classify_map(n, alexnet_encode(&n->graph, n->group, &a, photos(n, 17), NULL));
}

/* Down and up again: what is compared with an image is in float, all before it in 16 bits. */
static void net_decoder(struct net *n) {
    const struct conv_spec up = {.group = n->group,
                                 .out = 3,
                                 .kernel = 4,
                                 .stride = 2,
                                 .pad = 1,
                                 .bias = 1,
                                 .init = INIT_HE};
    struct conv_spec down = up;
    down.out = 8;
    struct tensor *x = op_conv2d(&n->graph, "down", channels_last(&n->graph, photos(n, 12)), &down);
    x = op_activation(&n->graph, "tanh", x, ACT_TANH);
    x = op_conv_transpose2d(&n->graph, "up", x, &up);
    struct tensor *target = input(n, "target", 3, x->dim);
    graph_objective(&n->graph, op_mse(&n->graph, "loss", x, target, NULL), 1);
}

static const struct large {
    struct net_case net;
    int of_halves; /* values that are stored in 16 bits */
} large[] = {
    /* image and its layout; convolution, norm for each of 5 and of a shortcut; the map as rows */
    {{"basic", net_basic}, 2 + 2 * 6 + 1},
    {{"deep", net_deep}, 2 + 2 * 9 + 1 + 1},
    {{"pooled", net_pooled}, 2 + 2 * 5 + 3 + 1},
    {{"decoder", net_decoder}, 2 + 2},
};

/* On the processor with weights in 16 bits: what roundings of that size do to a gradient. */
static void run_rounded(const struct net_case *k, struct outcome *out) {
    struct net n;
    struct exec *x;
    void *data[8] = {NULL};
    open_net(&n, k, &(struct net_run){.threads = 1}, &x, data);
    for (size_t i = 0; i < n.model.count; i++)
        n.model.value[i] = rounded(n.model.value[i]);
    n.model.version++;
    out->count = n.model.count;
    exec_run(x, BATCH);
    exec_run(x, BATCH - 1);
    memcpy(out->gradient, exec_gradient(x), out->count * sizeof(real));
    close_net(&n, x, data);
}

static int halves_of(const struct net_case *k, struct device *d) {
    struct net n;
    struct exec *x;
    void *data[8] = {NULL};
    int halves = 0;
    open_net(&n, k, &(struct net_run){.threads = 1, .device = d}, &x, data);
    for (int i = 0; i < n.graph.n; i++)
        halves += n.graph.tensors[i]->half;
    close_net(&n, x, data);
    return halves;
}

/* A ReLU that a rounding turns changes a gradient by all of its share, so how near is near depends
 * on the network: a few times what the rounding of its weights alone does. */
static void check_network(const struct large *k, struct device *d) {
    static const double times = 2.5, least = 1e-2, of_losses = 1e-2;
    static struct outcome here, there, near;
    run_net(&k->net, NULL, &here);
    run_net(&k->net, d, &there);
    run_rounded(&k->net, &near);
    assert_int_equal(halves_of(&k->net, d), k->of_halves);
    double far = net_distance(there.gradient, here.gradient, here.count);
    double usual = net_distance(near.gradient, here.gradient, here.count);
    if (!(far < times * usual + least))
        fail_msg("%s: gradients are %g apart, %g by rounded weights", k->net.name, far, usual);
    for (int i = 0; i < 2; i++)
        assert_true(fabs(there.loss[i] - here.loss[i]) < of_losses * fabs(here.loss[i]));
    assert_true(net_distance(there.value, here.value, here.count) < of_losses);
    run_net(&k->net, d, &near);
    assert_memory_equal(there.gradient, near.gradient, here.count * sizeof(real));
}

static void check_networks(const char *cudnn) {
    struct device *d;
    struct error err;
    setenv("SSVBENCH_CUDNN", cudnn, 1);
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_BF16, &err), 0);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        check_network(&large[i], d);
    assert_int_equal(d->check(d, &err), 0);
    cuda_device_close(d);
}

static void networks_with_cudnn(void **state) {
    (void)state;
    emulated_schedule(EMULATED_RANDOM, 5);
    check_networks(STAND_IN);
}

static void networks_without(void **state) {
    (void)state;
    emulated_schedule(EMULATED_RANDOM, 6);
    check_networks("none");
}

/* The threads of a block in every order. */
static int of_kernels(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_convolutions), cmocka_unit_test(convolutions_by_cudnn),
        cmocka_unit_test(who_computes),     cmocka_unit_test(norms),
        cmocka_unit_test(pooling),          cmocka_unit_test(elements),
    };
    int failed = 0;
    for (int order = 0; order < EMULATED_ORDERS; order++) {
        emulated_schedule((enum emulated_order)order, 3);
        failed += cmocka_run_group_tests_name("kernels with halves", tests, NULL, NULL);
    }
    return failed;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_with_cudnn),
        cmocka_unit_test(networks_without),
    };
    int failed = of_kernels();
    return failed + cmocka_run_group_tests_name("networks with halves", tests, NULL, NULL);
}
