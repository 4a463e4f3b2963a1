/* Convolutions, pooling and channel-wise layers on every backend: PyTorch's values
 * (tests/golden/conv.py) and what holds for any values. */
#define KERNEL_SEED 230
#include "tests/kernel_fixture.h"

#include "tests/golden/conv.h"

static real *pack(struct fixture *f, const struct kernels *k, const struct conv_shape *s,
                  int backward, const real *w) {
    real *packed = zeros(f, (int)k->conv2d_pack_size(s, backward));
    k->conv2d_pack(&f->c, s, backward, w, packed);
    return packed;
}

#define GOLDEN_CONVOLUTION(NAME)                                                                   \
    do {                                                                                           \
        const struct conv_shape *s = &golden_##NAME;                                               \
        const real *x = COPY(NAME##_x), *w = COPY(NAME##_weight), *dy = COPY(NAME##_dy);           \
        int n = (int)LENGTH(golden_##NAME##_x) / (s->h * s->w * s->in);                            \
        EACH_BACKEND(k) {                                                                          \
            real *y = ROOM(NAME##_y), *dx = ROOM(NAME##_x), *dw = ROOM(NAME##_weight);             \
            k->conv2d_forward(&f->c, n, s, x, pack(f, k, s, 0, w), COPY(NAME##_bias), y);          \
            k->conv2d_backward_data(&f->c, n, s, dy, pack(f, k, s, 1, w), NULL, 0, dx);            \
            k->conv2d_backward_weight(&f->c, n, s, x, dy, dw);                                     \
            SAME(y, NAME##_y);                                                                     \
            SAME(dx, NAME##_dx);                                                                   \
            SAME(dw, NAME##_dw);                                                                   \
        }                                                                                          \
    } while (0)

static void test_convolution(void **state) {
    struct fixture *f = *state;
    GOLDEN_CONVOLUTION(conv3);
    GOLDEN_CONVOLUTION(conv7);
    GOLDEN_CONVOLUTION(conv1);
}

/* Forward and backward change places. */
static void test_transposed(void **state) {
    struct fixture *f = *state;
    const struct conv_shape *s = &golden_transposed;
    const real *x = COPY(transposed_x), *w = COPY(transposed_weight), *dy = COPY(transposed_dy);
    EACH_BACKEND(k) {
        real *y = ROOM(transposed_y), *dx = ROOM(transposed_x), *dw = ROOM(transposed_weight);
        k->conv2d_backward_data(&f->c, 1, s, x, pack(f, k, s, 1, w), COPY(transposed_bias), 0, y);
        k->conv2d_forward(&f->c, 1, s, dy, pack(f, k, s, 0, w), NULL, dx);
        k->conv2d_backward_weight(&f->c, 1, s, dy, x, dw);
        SAME(y, transposed_y);
        SAME(dx, transposed_dx);
        SAME(dw, transposed_dw);
    }
}

static void test_maxpool(void **state) {
    struct fixture *f = *state;
    enum { N = LENGTH(golden_maxpool_y) };
    const real *x = COPY(maxpool_x), *dy = COPY(maxpool_dy);
    EACH_BACKEND(k) {
        real *y = ROOM(maxpool_y), *dx = ROOM(maxpool_x);
        int32_t arg[N];
        k->maxpool_forward(&f->c, 2, 7, 6, 3, 3, 2, 1, x, y, arg);
        k->maxpool_backward(&f->c, 2, 7, 6, 3, 3, 2, 1, dy, arg, 0, dx);
        SAME(y, maxpool_y);
        SAME(dx, maxpool_dx);
        assert_memory_equal(arg, golden_maxpool_arg, sizeof arg);
    }
}

static void test_channelwise(void **state) {
    struct fixture *f = *state;
    const real *x = COPY(channelwise_x), *w = COPY(channelwise_weight), *dy = COPY(channelwise_dy);
    const real *bias = COPY(channelwise_bias);
    EACH_BACKEND(k) {
        real *y = ROOM(channelwise_y), *dx = ROOM(channelwise_x), *dw = ROOM(channelwise_weight);
        real *dbias = ROOM(channelwise_bias);
        k->channelwise_fc_forward(&f->c, 2, 4, 3, 5, x, w, bias, y);
        k->channelwise_fc_backward(&f->c, 2, 4, 3, 5, x, w, dy, 0, dx, dw, dbias);
        SAME(y, channelwise_y);
        SAME(dx, channelwise_dx);
        SAME(dw, channelwise_dw);
        SAME(dbias, channelwise_dbias);
    }
}

/* <dy, w * x> is linear in x and in w, and the gradients are its coefficients. */
static void test_adjoint(void **state) {
    struct fixture *f = *state;
    static const struct conv_shape shapes[] = {
        {16, 16, 16, 32, 3, 3, 1, 1}, {17, 15, 24, 8, 3, 3, 2, 1}, {32, 32, 3, 64, 7, 7, 2, 3},
        {16, 16, 3, 64, 4, 4, 2, 1},  {15, 16, 64, 3, 5, 5, 1, 2}, {8, 8, 40, 48, 1, 1, 2, 0},
        {8, 8, 128, 70, 3, 3, 1, 1},  {4, 4, 50, 33, 4, 4, 1, 0},
    };
    enum { N = 3 };
    for (size_t i = 0; i < LENGTH(shapes); i++) {
        const struct conv_shape *s = &shapes[i];
        int in = N * s->h * s->w * s->in, out = N * conv_out_h(s) * conv_out_w(s) * s->out;
        int weights = s->out * s->kh * s->kw * s->in;
        real *x = draw(f, in), *w = draw(f, weights), *dy = draw(f, out), *y = zeros(f, out);
        real *dx = zeros(f, in);
        EACH_BACKEND(k) {
            real *dw = zeros(f, weights);
            k->conv2d_forward(&f->c, N, s, x, pack(f, k, s, 0, w), NULL, y);
            k->conv2d_backward_data(&f->c, N, s, dy, pack(f, k, s, 1, w), NULL, 0, dx);
            k->conv2d_backward_weight(&f->c, N, s, x, dy, dw);
            double want = dot(out, dy, y), size = sqrt(dot(out, dy, dy) * dot(out, y, y));
            if (!(fabs(dot(in, dx, x) - want) < 1e-6 * size))
                fail_msg("%s, shape %zu: dx", k->name, i);
            if (!(fabs(dot(weights, dw, w) - want) < 1e-6 * size))
                fail_msg("%s, shape %zu: dw", k->name, i);
        }
    }
}

/* A weight of one tap moves the picture and lets zeros in, bit for bit. */
static void test_shift(void **state) {
    struct fixture *f = *state;
    enum { H = 9, W = 7, C = 5, TAPS = 9, PICTURE = H * W * C };
    const struct conv_shape s = {H, W, C, C, 3, 3, 1, 1};
    const real *x = draw(f, PICTURE);
    for (int tap = 0; tap < TAPS; tap++) {
        real *w = zeros(f, C * TAPS * C), *y = zeros(f, PICTURE);
        for (int e = 0; e < C; e++)
            w[(e * TAPS + tap) * C + e] = 1;
        EACH_BACKEND(k) {
            k->conv2d_forward(&f->c, 1, &s, x, pack(f, k, &s, 0, w), NULL, y);
            for (int at = 0; at < PICTURE; at++) {
                int row = at / C / W + tap / 3 - 1, column = at / C % W + tap % 3 - 1;
                int inside = row >= 0 && row < H && column >= 0 && column < W;
                assert_true(y[at] == (inside ? x[(row * W + column) * C + at % C] : 0));
            }
        }
    }
}

static void assert_near(const char *backend, int n, const real *x, const real *want) {
    double distance = 0, size = 0;
    for (int i = 0; i < n; i++) {
        distance += ((double)x[i] - want[i]) * ((double)x[i] - want[i]);
        size += (double)want[i] * want[i];
    }
    if (!(distance <= 1e-12 * size))
        fail_msg("%s is %g away from ref", backend, sqrt(distance / size));
}

/* The widest that conv_fits lets through, of x and then of y. */
static void test_widest(void **state) {
    struct fixture *f = *state;
    const struct conv_shape shapes[] = {{3, 900, 193, 1, 3, 3, 1, 1}, {3, 900, 1, 193, 3, 3, 1, 1}};
    for (int i = 0; i < 2; i++) {
        const struct conv_shape *s = &shapes[i], wider = {3, 902, 193, 1, 3, 3, 1, 1};
        int in = s->h * s->w * s->in, out = s->h * s->w * s->out, weights = s->in * s->out * 9;
        real *x = draw(f, in), *w = draw(f, weights), *dy = draw(f, out);
        real *y[2] = {zeros(f, out), zeros(f, out)}, *dx[2] = {zeros(f, in), zeros(f, in)};
        assert_true(conv_fits(s) && !conv_fits(&wider));
        EACH_BACKEND(k) {
            int ref = k == kernels_ref();
            real *dw = zeros(f, weights);
            k->conv2d_forward(&f->c, 1, s, x, pack(f, k, s, 0, w), NULL, y[ref]);
            k->conv2d_backward_data(&f->c, 1, s, dy, pack(f, k, s, 1, w), NULL, 0, dx[ref]);
            k->conv2d_backward_weight(&f->c, 1, s, x, dy, dw);
            assert_near(k->name, out, y[ref], y[1]);
            assert_near(k->name, in, dx[ref], dx[1]);
            double want = dot(out, dy, y[1]), size = sqrt(dot(out, dy, dy) * dot(out, y[1], y[1]));
            assert_true(fabs(dot(weights, dw, w) - want) < 1e-6 * size);
        }
    }
}

static void test_window_count(void **state) {
    (void)state;
    assert_int_equal(window_count(32, 3, 1, 1), 32);
    assert_int_equal(window_count(32, 7, 2, 3), 16);
    assert_int_equal(window_count(5, 2, 2, 0), 2);
    assert_int_equal(window_count(2, 3, 2, 0), 0); /* -1 / 2 is 0 in C */
    assert_int_equal(window_count(1, 3, 1, 1), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolution), cmocka_unit_test(test_transposed),
        cmocka_unit_test(test_maxpool),     cmocka_unit_test(test_channelwise),
        cmocka_unit_test(test_adjoint),     cmocka_unit_test(test_shift),
        cmocka_unit_test(test_widest),      cmocka_unit_test(test_window_count),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
