/* Single operations on every backend against PyTorch (tests/golden/kernels.py). */
#define KERNEL_SEED 220
#include "tests/kernel_fixture.h"

#include "tests/golden/kernels.h"

static void test_layernorm(void **state) {
    struct fixture *f = *state;
    enum { ROWS = 4, COLS = 19 };
    const real *x = COPY(layernorm_x), *gamma = COPY(layernorm_gamma), *dy = COPY(layernorm_dy);
    const real *beta = COPY(layernorm_beta);
    EACH_BACKEND(k) {
        real y[ROWS * COLS], dx[ROWS * COLS], mean[ROWS], rstd[ROWS];
        real dgamma[COLS] = {0}, dbeta[COLS] = {0};
        k->layernorm_forward(&f->c, ROWS, COLS, 1e-5f, x, gamma, beta, y, mean, rstd);
        k->layernorm_backward(&f->c, ROWS, COLS, x, gamma, mean, rstd, dy, 0, dx, dgamma, dbeta,
                              NULL, NULL);
        SAME(y, layernorm_y);
        SAME(dx, layernorm_dx);
        SAME(dgamma, layernorm_dgamma);
        SAME(dbeta, layernorm_dbeta);
    }
}

static void test_attention(void **state) {
    struct fixture *f = *state;
    enum { N = 2, T = 5, HEADS = 3, D = 7, TP = 8, ROWS = N * HEADS * T };
    const real *qkv = COPY(attention_qkv), *dy = COPY(attention_dy), scale = 1 / sqrtf(D);
    EACH_BACKEND(k) {
        real p[ROWS * TP], y[N * T * HEADS * D], dqkv[N * T * 3 * HEADS * D];
        k->attention_forward(&f->c, N, T, HEADS, D, scale, 0, NULL, qkv, p, y);
        k->attention_backward(&f->c, N, T, HEADS, D, scale, 0, qkv, p, dy, dqkv, NULL);
        SAME(y, attention_y);
        SAME(dqkv, attention_dqkv);
        for (size_t row = 0; row < ROWS; row++)
            assert_equals(k->name, "attention_p", p + row * TP, golden_attention_p + row * T, T);
        memset(dqkv, 0, sizeof dqkv);
        k->attention_flash_forward(&f->c, N, T, HEADS, D, scale, 0, NULL, qkv, p, y);
        SAME(y, attention_y);
        k->attention_flash_backward(&f->c, N, T, HEADS, D, scale, 0, NULL, qkv, p, y, dy, dqkv,
                                    NULL);
        SAME(dqkv, attention_dqkv);
    }
}

static void test_cross_entropy(void **state) {
    struct fixture *f = *state;
    enum { ROWS = 5, CLASSES = 11 };
    static const int32_t target[ROWS] = {3, 0, 10, -1, 7};
    const real *x = COPY(xent_x), *dloss = COPY(xent_dloss);
    EACH_BACKEND(k) {
        real p[ROWS * CLASSES], loss[ROWS], dx[ROWS * CLASSES];
        k->softmax_xent_forward(&f->c, ROWS, CLASSES, 0.1f, x, target, p, loss);
        k->softmax_xent_backward(&f->c, ROWS, CLASSES, 0.1f, p, target, dloss, 0, dx);
        SAME(p, xent_p);
        SAME(loss, xent_loss);
        SAME(dx, xent_dx);
    }
}

static void test_gelu(void **state) {
    struct fixture *f = *state;
    enum { N = LENGTH(golden_gelu_x) };
    const real *x = COPY(gelu_x), *dy = COPY(gelu_dy);
    EACH_BACKEND(k) {
        real y[N], dx[N];
        k->act_forward(&f->c, ACT_GELU, N, x, y);
        k->act_backward(&f->c, ACT_GELU, N, x, dy, 0, dx);
        SAME(y, gelu_y);
        SAME(dx, gelu_dx);
    }
}

enum { WEIGHTS = LENGTH(golden_optim_start) };

static void test_adamw(void **state) {
    struct fixture *f = *state;
    const real *g = COPY(optim_grad);
    EACH_BACKEND(k) {
        real *w = COPY(optim_start), m[WEIGHTS] = {0}, v[WEIGHTS] = {0};
        for (int t = 1; t <= GOLDEN_STEPS; t++) {
            size_t at = (size_t)(t - 1) * WEIGHTS;
            k->adamw(&f->c, WEIGHTS, w, g + at, m, v, 1, 0.01f, 0.9f, 0.95f, 1e-8f, 0.1f,
                     (real)(1 - pow(0.9, t)), (real)(1 - pow(0.95, t)));
            assert_equals(k->name, "adamw", w, golden_adamw + at, WEIGHTS);
        }
    }
}

static void test_sgd(void **state) {
    struct fixture *f = *state;
    const real *g = COPY(optim_grad);
    EACH_BACKEND(k)
    for (int nesterov = 0; nesterov < 2; nesterov++) {
        const double *golden = nesterov ? golden_nesterov : golden_sgd;
        real *w = COPY(optim_start), buf[WEIGHTS];
        for (size_t t = 0; t < GOLDEN_STEPS; t++) {
            k->sgd(&f->c, WEIGHTS, w, g + t * WEIGHTS, buf, 1, 0.1f, 0.9f, 0.01f, nesterov, t == 0);
            assert_equals(k->name, "sgd", w, golden + t * WEIGHTS, WEIGHTS);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layernorm),     cmocka_unit_test(test_attention),
        cmocka_unit_test(test_cross_entropy), cmocka_unit_test(test_gelu),
        cmocka_unit_test(test_adamw),         cmocka_unit_test(test_sgd),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
