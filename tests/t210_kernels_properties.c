/* What the operations must satisfy whoever computes them, on every backend. */
#define ISA properties
#include "kernels/cpu/vmath.h"

#define KERNEL_SEED 210
#include "tests/kernel_fixture.h"

#include <float.h>
#include <stdlib.h>

/* Two sums of n products of N(0, 1) numbers. */
static void assert_close(double a, double b, int n) {
    if (!(fabs(a - b) < 2e-6 * sqrt(n + 1.0)))
        fail_msg("%.9g and %.9g, %d terms", a, b, n);
}

static void test_softmax(void **state) {
    struct fixture *f = *state;
    enum { ROWS = 40, CLASSES = 13, N = ROWS * CLASSES };
    real *x = draw(f, N), *p = zeros(f, N), *loss = zeros(f, ROWS), *dx = zeros(f, N);
    real *dloss = draw(f, ROWS);
    int32_t target[ROWS];
    for (int i = 0; i < N; i++)
        x[i] *= i < N / 2 ? 3 : 3000; /* exp of which would overflow */
    for (int i = 0; i < ROWS; i++)
        target[i] = i % (CLASSES + 1) - 1;
    EACH_BACKEND(k) {
        k->softmax_xent_forward(&f->c, ROWS, CLASSES, 0, x, target, p, loss);
        k->softmax_xent_backward(&f->c, ROWS, CLASSES, 0, p, target, dloss, 0, dx);
        for (int i = 0; i < ROWS; i++) {
            double sum = 0, slope = 0;
            for (int j = 0; j < CLASSES; j++) {
                assert_true(p[i * CLASSES + j] >= 0);
                sum += p[i * CLASSES + j];
                slope += dx[i * CLASSES + j];
            }
            assert_true(fabs(sum - 1) < 1e-6);
            assert_true(fabs(slope) < 1e-6);
            double likely = target[i] < 0 ? 1 : p[i * CLASSES + target[i]];
            if (likely > 1e-30)
                assert_true(fabs(loss[i] + log(likely)) < 1e-5 * (1 + loss[i]));
        }
    }
}

static void test_impossible_class(void **state) {
    struct fixture *f = *state;
    real x[] = {1, -INFINITY, 2, 0.5f}, p[4], loss[1];
    const int32_t target[] = {2};
    EACH_BACKEND(k) {
        k->softmax_xent_forward(&f->c, 1, 4, 0, x, target, p, loss);
        assert_true(p[1] == 0);
        assert_true(isfinite(loss[0]));
    }
}

static void test_layernorm(void **state) {
    struct fixture *f = *state;
    static const int widths[] = {2, 7, 64, 193, 768};
    for (int w = 0; w < 5; w++) {
        int cols = widths[w];
        real *x = draw(f, cols), *y = zeros(f, cols), mean[1], rstd[1];
        for (int j = 0; j < cols; j++)
            x[j] = 5 * x[j] +
                   100; /* far from zero: the variance must not be a difference of squares */
        EACH_BACKEND(k) {
            k->layernorm_forward(&f->c, 1, cols, 0, x, NULL, NULL, y, mean, rstd);
            double sum = 0;
            for (int j = 0; j < cols; j++)
                sum += y[j];
            assert_true(fabs(sum / cols) < 1e-5);
            assert_true(fabs(dot(cols, y, y) / cols - 1) < 1e-5);
            k->standardize_rows(&f->c, 1, cols, 0, x, y);
            assert_true(fabs(dot(cols, y, y) / (cols - 1) - 1) < 1e-5);
            k->l2_normalize_rows(&f->c, 1, cols, 1e-6f, x, y, NULL);
            assert_true(fabs(dot(cols, y, y) - 1) < 1e-5);
        }
    }
}

static void test_l2_normalize_zero(void **state) {
    struct fixture *f = *state;
    real x[9] = {0}, y[9], norm[1];
    EACH_BACKEND(k) {
        k->l2_normalize_rows(&f->c, 1, 9, 1e-6f, x, y, norm);
        for (int j = 0; j < 9; j++)
            assert_true(y[j] == 0);
        assert_true(norm[0] == 0);
    }
}

/* Lengths whose squares, and whose inverses, are beyond floats. */
static void test_l2_normalize_extremes(void **state) {
    struct fixture *f = *state;
    static const real scales[] = {1e-40f, 1e-25f, 1e25f, 1e37f};
    for (int s = 0; s < 4; s++)
        EACH_BACKEND(k) {
            real x[9] = {0}, norm[1];
            x[0] = 3 * scales[s];
            x[8] = -4 * scales[s];
            k->l2_normalize_rows(&f->c, 1, 9, 1e-45f, x, x, norm);
            assert_true(fabs(x[0] - 0.6) < 1e-4 && fabs(x[8] + 0.8) < 1e-4 && x[4] == 0);
            assert_true(fabs((double)norm[0] / scales[s] - 5) < 1e-4);
        }
}

static void test_l2_normalize_keeps_nan(void **state) {
    struct fixture *f = *state;
    EACH_BACKEND(k) {
        real x[9] = {88, NAN}, y[9], norm[1];
        k->l2_normalize_rows(&f->c, 1, 9, 1e-6f, x, y, norm);
        for (int j = 0; j < 9; j++)
            assert_true(isnan(y[j]));
        assert_true(isnan(norm[0]));
    }
}

/* A gate that is no number is none closed: a network that diverged shows it. */
static void test_swiglu_keeps_nan(void **state) {
    struct fixture *f = *state;
    EACH_BACKEND(k) {
        real x[6] = {1, NAN, 2, 3, 4, 5}, dy[3] = {1, 1, 1}, y[3], dx[6];
        k->swiglu_forward(&f->c, 1, 3, x, y);
        k->swiglu_backward(&f->c, 1, 3, x, dy, 0, dx);
        assert_true(isnan(y[1]) && isnan(dx[1]) && isnan(dx[4]));
        assert_false(isnan(y[0]) || isnan(y[2]) || isnan(dx[0]) || isnan(dx[2]));
    }
}

/* <dy, A x> = <A' dy, x> for A a linear operation and A' its gradient */
static void test_adjoint_gather(void **state) {
    struct fixture *f = *state;
    enum { N = 3, IN = 7, OUT = 11, COLS = 13, X = N * IN * COLS, Y = N * OUT * COLS };
    real *x = draw(f, X), *fill = draw(f, COLS), *y = zeros(f, Y), *dy = draw(f, Y);
    real *dx = zeros(f, X), *dfill = zeros(f, COLS);
    int32_t index[N * OUT];
    for (int i = 0; i < N * OUT; i++)
        index[i] = (i * 5) % (IN + 1) - 1;
    for (int stride = 0; stride <= OUT; stride += OUT)
        EACH_BACKEND(k) {
            for (int j = 0; j < COLS; j++)
                dfill[j] = 0;
            k->gather_forward(&f->c, N, IN, OUT, COLS, x, index, stride, fill, y);
            k->gather_backward(&f->c, N, IN, OUT, COLS, dy, index, stride, 0, dx, dfill);
            assert_close(dot(Y, dy, y), dot(X, dx, x) + dot(COLS, dfill, fill), Y);
        }
}

static void test_adjoint_patchify(void **state) {
    struct fixture *f = *state;
    static const int shape[][5] = {
        {2, 3, 8, 12, 4}, {3, 1, 6, 9, 3}, {2, 2, 5, 5, 1}, {1, 3, 7, 7, 7}};
    for (int s = 0; s < 4; s++) {
        const int *d = shape[s], size = d[0] * d[1] * d[2] * d[3];
        real *x = draw(f, size), *y = zeros(f, size), *dy = draw(f, size), *dx = zeros(f, size);
        EACH_BACKEND(k) {
            k->patchify(&f->c, d[0], d[1], d[2], d[3], d[4], x, y);
            k->unpatchify(&f->c, d[0], d[1], d[2], d[3], d[4], dy, 0, dx);
            assert_close(dot(size, dy, y), dot(size, dx, x), size);
            k->unpatchify(&f->c, d[0], d[1], d[2], d[3], d[4], y, 0, dx);
            for (int i = 0; i < size; i++)
                assert_true(dx[i] == x[i]);
        }
    }
}

static void test_adjoint_rows(void **state) {
    struct fixture *f = *state;
    enum { N = 5, ROWS = 9, COLS = 21, X = N * ROWS * COLS, Y = N * COLS };
    real *x = draw(f, X), *y = zeros(f, X), *dy = draw(f, X), *dx = zeros(f, X);
    real *b = draw(f, ROWS * COLS), *db = zeros(f, ROWS * COLS);
    EACH_BACKEND(k) {
        k->mean_rows_forward(&f->c, N, ROWS, COLS, 2, 8, x, y);
        k->mean_rows_backward(&f->c, N, ROWS, COLS, 2, 8, dy, 0, dx);
        assert_close(dot(Y, dy, y), dot(X, dx, x), Y);
        for (int j = 0; j < ROWS * COLS; j++)
            db[j] = 0;
        k->add_broadcast(&f->c, N, ROWS * COLS, x, b, y);
        k->column_sum(&f->c, N, ROWS * COLS, dy, db);
        assert_close(dot(X, dy, y), dot(X, dy, x) + dot(ROWS * COLS, db, b), X);
    }
}

static void test_gemm_naive(void **state) {
    struct fixture *f = *state;
    enum { M = 29, N = 37, K = 53 };
    real *a = draw(f, M * K), *b = draw(f, K * N), *at = zeros(f, M * K), *bt = zeros(f, K * N);
    real *y = zeros(f, M * N), *bias = draw(f, N), *packed_y = zeros(f, M * N);
    for (int k = 0; k < K; k++) {
        for (int i = 0; i < M; i++)
            at[k * M + i] = a[i * K + k];
        for (int j = 0; j < N; j++)
            bt[j * K + k] = b[k * N + j];
    }
    EACH_BACKEND(kernels)
    for (int way = 0; way < 4; way++) {
        int ta = way & 1, tb = way >> 1;
        real *w = tb ? bt : b;
        real *packed = zeros(f, (int)kernels->gemm_pack_size(N, K));
        kernels->gemm(&f->c, ta, tb, M, N, K, 1, ta ? at : a, ta ? M : K, w, tb ? K : N, 0, y, N);
        kernels->gemm_pack(&f->c, tb, N, K, w, tb ? K : N, NULL, packed);
        kernels->gemm_packed(&f->c, M, N, K, a, K, packed, bias, ACT_NONE, NULL, NULL, packed_y, N);
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                double sum = dot(K, a + i * K, bt + j * K);
                assert_close(y[i * N + j], sum, K);
                assert_close(packed_y[i * N + j], sum + bias[j], K);
            }
    }
}

static void test_attention(void **state) {
    struct fixture *f = *state;
    enum { T = 11, HEADS = 2, D = 5, DIM = HEADS * D, TP = (T + 7) / 8 * 8 };
    real *qkv = draw(f, T * 3 * DIM), *turned = zeros(f, T * 3 * DIM);
    real *p = zeros(f, HEADS * T * TP), *y = zeros(f, T * DIM), *y_turned = zeros(f, T * DIM);
    assert_int_equal(attention_stride(T), TP);
    for (int t = 0; t < T; t++)
        for (int e = 0; e < 3 * DIM; e++)
            turned[(t + 4) % T * 3 * DIM + e] = qkv[t * 3 * DIM + e];
    EACH_BACKEND(k) {
        k->attention_forward(&f->c, 1, T, HEADS, D, 0.7f, 0, NULL, turned, p, y_turned);
        k->attention_forward(&f->c, 1, T, HEADS, D, 0.7f, 0, NULL, qkv, p, y);
        for (int row = 0; row < HEADS * T; row++) {
            double sum = 0;
            for (int j = 0; j < T; j++)
                sum += p[row * TP + j];
            assert_true(fabs(sum - 1) < 1e-6);
            for (int j = T; j < TP; j++)
                assert_true(p[row * TP + j] == 0);
        }
        for (int t = 0; t < T; t++) /* tokens have no order */
            for (int e = 0; e < DIM; e++)
                assert_close(y_turned[(t + 4) % T * DIM + e], y[t * DIM + e], T);
    }
}

static void assert_same(int n, const real *x, const real *y) {
    for (int i = 0; i < n; i++)
        assert_close(x[i], y[i], 1);
}

/* One query gives what it gives among all, forward and, where the others get no gradient,
 * backward. */
static void test_attention_row(void **state) {
    struct fixture *f = *state;
    enum { T = 11, H = 2, D = 5, DIM = H * D, TP = (T + 7) / 8 * 8, ROW = 6 };
    static const int32_t row[] = {ROW};
    real *qkv = draw(f, T * 3 * DIM), *bias = draw(f, H * T * T), *dy = zeros(f, T * DIM);
    real *p = zeros(f, H * T * TP), *y = zeros(f, T * DIM), *dqkv = zeros(f, T * 3 * DIM);
    real *dbias = zeros(f, H * T * T), *row_dbias = zeros(f, H * T * T);
    real *row_p = zeros(f, H * TP), *row_y = zeros(f, DIM), *row_dqkv = zeros(f, T * 3 * DIM);
    memcpy(dy + ROW * DIM, draw(f, DIM), DIM * sizeof *dy);
    for (int causal = 0; causal < 2; causal++)
        EACH_BACKEND(k) {
            memset(dbias, 0, H * T * T * sizeof *dbias);
            memset(row_dbias, 0, H * T * T * sizeof *dbias);
            k->attention_forward(&f->c, 1, T, H, D, 0.7f, causal, bias, qkv, p, y);
            k->attention_backward(&f->c, 1, T, H, D, 0.7f, causal, qkv, p, dy, dqkv, dbias);
            k->attention_row_forward(&f->c, 1, T, H, D, 0.7f, causal, bias, qkv, row, 0, row_p,
                                     row_y);
            k->attention_row_backward(&f->c, 1, T, H, D, 0.7f, causal, qkv, row, 0, row_p,
                                      dy + ROW * DIM, row_dqkv, row_dbias);
            assert_same(DIM, row_y, y + ROW * DIM);
            for (int h = 0; h < H; h++)
                assert_same(TP, row_p + h * TP, p + (h * T + ROW) * TP);
            assert_same(T * 3 * DIM, row_dqkv, dqkv);
            assert_same(H * T * T, row_dbias, dbias);
        }
}

/* Without probabilities the same, and exp(score - lse) are those. */
static void test_attention_flash(void **state) {
    struct fixture *f = *state;
    enum { N = 2, T = 11, H = 2, D = 5, DIM = H * D, TP = (T + 7) / 8 * 8, PAIRS = H * T * T };
    real *qkv = draw(f, N * T * 3 * DIM), *bias = draw(f, PAIRS), *dy = draw(f, N * T * DIM);
    real *p = zeros(f, N * H * T * TP), *y = zeros(f, N * T * DIM), *lse = zeros(f, N * H * T);
    real *dqkv = zeros(f, N * T * 3 * DIM), *flash_dqkv = zeros(f, N * T * 3 * DIM);
    real *flash_y = zeros(f, N * T * DIM), *dbias = zeros(f, PAIRS), *flash_dbias = zeros(f, PAIRS);
    for (int causal = 0; causal < 2; causal++)
        EACH_BACKEND(k) {
            memset(dbias, 0, PAIRS * sizeof *dbias);
            memset(flash_dbias, 0, PAIRS * sizeof *dbias);
            k->attention_forward(&f->c, N, T, H, D, 0.7f, causal, bias, qkv, p, y);
            k->attention_backward(&f->c, N, T, H, D, 0.7f, causal, qkv, p, dy, dqkv, dbias);
            k->attention_flash_forward(&f->c, N, T, H, D, 0.7f, causal, bias, qkv, lse, flash_y);
            k->attention_flash_backward(&f->c, N, T, H, D, 0.7f, causal, bias, qkv, lse, flash_y,
                                        dy, flash_dqkv, flash_dbias);
            assert_same(N * T * DIM, flash_y, y);
            assert_same(N * T * 3 * DIM, flash_dqkv, dqkv);
            assert_same(PAIRS, flash_dbias, dbias);
            for (int row = 0; row < H * T; row++) { /* of the first image; its first key */
                const real *q = qkv + row % T * 3 * DIM + row / T * D,
                           *key = qkv + DIM + row / T * D;
                double score = 0.7 * dot(D, q, key) + bias[row * T];
                assert_close(exp(score - lse[row]), p[row * TP], T);
            }
        }
}

static double exact_sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static double sigmoid_slope(double x) {
    return exact_sigmoid(x) * exact_sigmoid(-x);
}

static double exact_tanh_slope(double x) {
    return 1 / (cosh(x) * cosh(x));
}

static double exact_gelu(double x) {
    return x < -40 ? 0 : x * 0.5 * erfc(-x * M_SQRT1_2);
}

static double gelu_slope(double x) {
    double density = exp(-x * x / 2) / sqrt(2 * M_PI);
    return 0.5 * erfc(-x * M_SQRT1_2) + (fabs(x) < 40 ? x * density : 0);
}

static double quick_gelu(double x) {
    return x < -400 ? 0 : x * exact_sigmoid(1.702 * x);
}

static double quick_gelu_slope(double x) {
    return exact_sigmoid(1.702 * x) + (fabs(x) < 400 ? 1.702 * x * sigmoid_slope(1.702 * x) : 0);
}

static double relu(double x) {
    return fmax(x, 0);
}

static double relu_slope(double x) {
    return x > 0;
}

static double leaky_relu(double x) {
    return x > 0 ? x : 0.2 * x;
}

static double leaky_relu_slope(double x) {
    return x > 0 ? 1 : 0.2;
}

static const struct exact_activation {
    const char *name;
    enum activation act;
    double (*value)(double), (*slope)(double);
} exact_activations[] = {
    {"gelu", ACT_GELU, exact_gelu, gelu_slope},
    {"relu", ACT_RELU, relu, relu_slope},
    {"leaky relu", ACT_LEAKY_RELU, leaky_relu, leaky_relu_slope},
    {"quick gelu", ACT_QUICK_GELU, quick_gelu, quick_gelu_slope},
    {"tanh", ACT_TANH, tanh, exact_tanh_slope},
    {"sigmoid", ACT_SIGMOID, exact_sigmoid, sigmoid_slope},
};

enum { POINTS = 200001, SPECIAL = 14 };
static const real special[SPECIAL] = {0,     -0.0f,  INFINITY, -INFINITY,  1e-45f, -1e-45f, 1e-38f,
                                      3e38f, -3e38f, 5.586f,   -5.586143f, -13.5f, 88.9f,   -1000};

static void check_activation(const struct kernels *k, const struct exact_activation *e,
                             const struct kctx *c, real *x, const real *one, real *y, real *slope) {
    k->act_forward(c, e->act, POINTS + SPECIAL, x, y);
    k->act_backward(c, e->act, POINTS + SPECIAL, x, one, 0, slope);
    for (int i = 0; i < POINTS + SPECIAL; i++) {
        double want = e->value(x[i]), want_slope = e->slope(x[i]);
        if (!(y[i] == (real)want || fabs(y[i] - want) < 3e-7 * fmax(1, fabs(x[i]))))
            fail_msg("%s: %s(%.9g) = %.9g, not %.9g", k->name, e->name, x[i], y[i], want);
        if (!(fabs(slope[i] - want_slope) < 6e-7))
            fail_msg("%s: %s'(%.9g) = %.9g, not %.9g", k->name, e->name, x[i], slope[i],
                     want_slope);
    }
    x[3] = NAN;
    k->act_forward(c, e->act, 9, x, y);
    k->act_backward(c, e->act, 9, x, one, 0, slope);
    assert_true(isnan(y[3]) && (isnan(slope[3]) || e->slope(NAN) < 1));
    assert_false(isnan(y[2]) || isnan(y[4]));
    x[3] = x[2];
}

static void test_activations(void **state) {
    struct fixture *f = *state;
    real *x = zeros(f, POINTS + SPECIAL), *y = zeros(f, POINTS + SPECIAL);
    real *slope = zeros(f, POINTS + SPECIAL), *one = zeros(f, POINTS + SPECIAL);
    for (int i = 0; i < POINTS + SPECIAL; i++) {
        x[i] = i < POINTS ? (real)(i - POINTS / 2) * (12.0f / POINTS) : special[i - POINTS];
        one[i] = 1;
    }
    EACH_BACKEND(k)
    for (size_t a = 0; a < sizeof exact_activations / sizeof *exact_activations; a++)
        check_activation(k, &exact_activations[a], &f->c, x, one, y, slope);
}

/* |got - want| in units of the last place of want */
static double ulps(float got, double want) {
    int exponent;
    frexp(want, &exponent);
    return fabs(got - want) / ldexp(1, (exponent < -125 ? -125 : exponent) - FLT_MANT_DIG);
}

static void test_vector_functions(void **state) {
    (void)state;
    double worst_exp = 0, worst_erf = 0, sum_erf = 0, worst_sigmoid = 0, worst_tanh = 0;
    double worst_log = 0;
    enum { STEPS = 400000 };
    for (int i = 0; i <= STEPS; i++) {
        float x = -87.3f + 175.6f * (float)i / STEPS, z = -6 + 12.0f * (float)i / STEPS;
        vec e = vexp(vec_set(x)), r = verf(vec_set(z));
        worst_exp = fmax(worst_exp, ulps(e[0], exp(x)));
        double off = z == 0 ? 0 : ulps(r[0], erf(z));
        worst_erf = fmax(worst_erf, off);
        sum_erf += off / STEPS;
        float near = z * z * z / 20, unit = (float)i / STEPS; /* -11..11, most of them near 0 */
        worst_sigmoid = fmax(worst_sigmoid, ulps(vsigmoid(vec_set(x))[0], exact_sigmoid(x)));
        worst_tanh = fmax(worst_tanh, ulps(vtanh(vec_set(near))[0], tanh(near)));
        worst_log = fmax(worst_log, ulps(vlog1p(vec_set(unit))[0], log1p(unit)));
    }
    if (worst_exp > 1.5 || worst_erf > 6 || sum_erf > 1.5)
        fail_msg("exp %.2f ulp, erf %.2f ulp, on average %.2f", worst_exp, worst_erf, sum_erf);
    if (worst_sigmoid > 3 || worst_tanh > 4 || worst_log > 2.5)
        fail_msg("sigmoid %.2f ulp, tanh %.2f, log1p %.2f", worst_sigmoid, worst_tanh, worst_log);
    assert_true(vexp(vec_set(-INFINITY))[0] == 0 && vexp(vec_set(-200))[0] == 0);
    assert_true(vexp(vec_set(INFINITY))[0] == INFINITY && vexp(vec_set(200))[0] == INFINITY);
    assert_true(vexp(vec_set(0))[0] == 1 && verf(vec_set(0))[0] == 0);
    assert_true(isnan(vexp(vec_set(NAN))[0]) && isnan(verf(vec_set(NAN))[0]));
    assert_true(fabsf(verf(vec_set(INFINITY))[0] - 1) < 2e-7f);
    assert_true(verf(vec_set(-1.25f))[0] == -verf(vec_set(1.25f))[0]);
    assert_true(vtanh(vec_set(-INFINITY))[0] == -1 && vtanh(vec_set(1e-30f))[0] == 1e-30f);
    assert_true(vtanh(vec_set(-1.25f))[0] == -vtanh(vec_set(1.25f))[0]);
}

/* The order of lanes is a balanced tree: 2^24 + 1 is not a float, 2^24 + 2 is. */
static void test_lanes_are_a_tree(void **state) {
    struct fixture *f = *state;
    EACH_BACKEND(k) {
        real first = 16777216;
        const real others[3] = {0, 1, 1};
        k->reduce_lanes(&f->c, 4, 1, 1, others, &first);
        assert_true(first == 16777218);
    }
}

static void test_sum_squares_is_double(void **state) {
    struct fixture *f = *state;
    enum { N = 1 << 20 };
    real *x = zeros(f, N);
    for (int i = 0; i < N; i++)
        x[i] = 1e-3f;
    x[0] = 1e4f;
    double want = 1e8 + (N - 1) * (double)x[1] * x[1];
    EACH_BACKEND(k)
    assert_true(fabs(k->sum_squares(&f->c, N, x) - want) < 1e-2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_impossible_class),
        cmocka_unit_test(test_layernorm),
        cmocka_unit_test(test_l2_normalize_zero),
        cmocka_unit_test(test_l2_normalize_extremes),
        cmocka_unit_test(test_swiglu_keeps_nan),
        cmocka_unit_test(test_l2_normalize_keeps_nan),
        cmocka_unit_test(test_adjoint_gather),
        cmocka_unit_test(test_adjoint_patchify),
        cmocka_unit_test(test_adjoint_rows),
        cmocka_unit_test(test_gemm_naive),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_flash),
        cmocka_unit_test(test_attention_row),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_vector_functions),
        cmocka_unit_test(test_lanes_are_a_tree),
        cmocka_unit_test(test_sum_squares_is_double),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
