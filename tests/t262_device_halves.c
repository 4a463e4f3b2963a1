/* Activations of 16 bits on a device: each kernel that takes them against kernels/ref on the same
 * rounded numbers, with the stand-in for cuBLASLt and without.  Networks: t267. */
#include "tests/cuda/emulator.h"
#include "tests/device_attention.h"

/* The bits of kctx.halves for arrays first.. in the order in which a kernel has them. */
static unsigned bits_of(const struct bench *b, int n, const int *arrays) {
    unsigned bits = 0;
    for (int i = 0; i < n; i++)
        bits |= b->arrays[arrays[i]].half ? 1u << i : 0;
    return bits;
}

struct product_case {
    int m, n, k, half_out, bias, kept, residual;
    enum activation act;
};

static void check_packed(struct bench *b, const struct product_case *p) {
    size_t m = (size_t)p->m, n = (size_t)p->n, k = (size_t)p->k;
    int a = draw(b, m * k, 1), w = draw(b, n * k, 0), packed = draw(b, n * k, 1);
    int bias = draw(b, n, 0), kept = draw(b, m * n, p->half_out);
    int residual = draw(b, m * n, p->half_out), y = draw(b, m * n, p->half_out);
    for (size_t i = 0; i < n * k; i++)
        HERE(w)[i] = rounded(HERE(w)[i]);
    b->there.halves = 1 << 2;
    b->d->kernels->gemm_pack(&b->there, 1, p->n, p->k, THERE(w), p->k, NULL, THERE(packed));
    kernels_ref()->gemm_pack(&b->here, 1, p->n, p->k, HERE(w), p->k, NULL, HERE(packed));
    b->there.halves = bits_of(b, 6, (const int[]){a, packed, bias, kept, residual, y});
    b->d->kernels->gemm_packed(&b->there, p->m, p->n, p->k, THERE(a), p->k, THERE(packed),
                               OPTIONAL(p->bias, bias, THERE), p->act,
                               OPTIONAL(p->kept, kept, THERE),
                               OPTIONAL(p->residual, residual, THERE), THERE(y), p->n);
    kernels_ref()->gemm_packed(&b->here, p->m, p->n, p->k, HERE(a), p->k, HERE(packed),
                               OPTIONAL(p->bias, bias, HERE), p->act, OPTIONAL(p->kept, kept, HERE),
                               OPTIONAL(p->residual, residual, HERE), HERE(y), p->n);
    same(b, y, "gemm_packed");
    if (p->kept)
        same(b, kept, "gemm_packed");
    clear_bench(b);
}

/* Both ways of a layer's weights, the second from what was made for the first, and again when they
 * have changed. */
static void check_packed_twice(struct bench *b, int out, int in) {
    enum { M = 5, TIMES = 2 };
    size_t cells = (size_t)out * (size_t)in;
    int g = draw(b, (size_t)M * (size_t)out, 1), forth = draw(b, cells, 1),
        back = draw(b, cells, 1);
    int w[TIMES] = {draw(b, cells, 0), draw(b, cells, 0)}, y = draw(b, (size_t)M * (size_t)in, 1);
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    for (int i = 0; i < TIMES; i++) {
        for (size_t k = 0; k < cells; k++)
            HERE(w[i])[k] = rounded(HERE(w[i])[k]);
        if (i)
            b->d->copy(b->d, THERE(w[0]), THERE(w[i]), cells * sizeof(real));
        b->there.halves = 1 << 2;
        there->gemm_pack(&b->there, 1, out, in, THERE(w[0]), in, NULL, THERE(forth));
        b->there.halves = 1 << 1 | 1 << 2;
        there->gemm_pack(&b->there, 0, in, out, THERE(w[0]), in, THERE(forth), THERE(back));
        ref->gemm_pack(&b->here, 0, in, out, HERE(w[i]), in, NULL, HERE(back));
        b->there.halves = bits_of(b, 6, (const int[]){g, back, y, y, y, y});
        there->gemm_packed(&b->there, M, in, out, THERE(g), out, THERE(back), NULL, ACT_NONE, NULL,
                           NULL, THERE(y), in);
        ref->gemm_packed(&b->here, M, in, out, HERE(g), out, HERE(back), NULL, ACT_NONE, NULL, NULL,
                         HERE(y), in);
        same(b, y, "gemm_pack");
    }
    clear_bench(b);
}

static void check_gemm(struct bench *b, real beta) {
    enum { M = 7, N = 33, K = 70 };
    int x = draw(b, (size_t)M * K, 1), z = draw(b, (size_t)K * N, 1), y = draw(b, (size_t)M * N, 0);
    b->there.halves = 3;
    b->d->kernels->gemm(&b->there, 1, 0, M, N, K, 1, THERE(x), M, THERE(z), N, beta, THERE(y), N);
    kernels_ref()->gemm(&b->here, 1, 0, M, N, K, 1, HERE(x), M, HERE(z), N, beta, HERE(y), N);
    same(b, y, "gemm");
    clear_bench(b);
}

static void check_products(enum device_math math) {
    static const struct product_case asked[] = {
        {5, 40, 33, 0, 1, 0, 1, ACT_NONE},  {70, 16, 24, 1, 1, 0, 0, ACT_NONE},
        {9, 65, 20, 1, 1, 1, 0, ACT_GELU},  {9, 65, 20, 0, 1, 1, 0, ACT_GELU},
        {66, 24, 40, 1, 0, 0, 1, ACT_NONE}, {3, 8, 8, 0, 0, 0, 0, ACT_NONE}};
    struct bench b;
    open_bench(&b, math);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        check_packed(&b, &asked[i]);
    check_packed_twice(&b, 24, 40);
    check_packed_twice(&b, 7, 9);
    check_gemm(&b, 0);
    check_gemm(&b, 1);
    close_bench(&b);
}

static void products(void **state) {
    (void)state;
    check_products(DEVICE_OWN);
    check_products(DEVICE_BF16);
}

/* The stand-in has no kernel for one number: it is computed all the same, and said. */
static void what_the_library_lacks(void **state) {
    (void)state;
    static const struct product_case one = {1, 1, 8, 1, 1, 0, 0, ACT_NONE};
    struct bench b;
    struct error err;
    setenv("SSVBENCH_CUDNN", STAND_IN, 1);
    open_bench(&b, DEVICE_BF16);
    assert_string_equal(b.d->note, "");
    check_packed(&b, &one);
    assert_int_equal(b.d->check(b.d, &err), 0);
    assert_string_equal(b.d->note, "own kernels for 1 products, the first (m n k ta tb) 1 1 8 0 1, "
                                   "16 to 16 bits");
    close_bench(&b);
}

/* handed: what goes on is copied to 16 bits and summed, too. */
static void check_layernorm(struct bench *b, int rows, int cols, int acc, int handed) {
    size_t n = (size_t)rows * (size_t)cols, r = (size_t)rows, k = (size_t)cols;
    int x = draw(b, n, 0), gamma = draw(b, k, 0), beta = draw(b, k, 0), y = draw(b, n, 1);
    int mean = draw(b, r, 0), rstd = draw(b, r, 0), dx = draw(b, n, 0);
    int dgamma = draw(b, k, 0), dbeta = draw(b, k, 0), narrow = draw(b, n, 1), sums = draw(b, k, 0);
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    b->there.halves = 1 << 3;
    there->layernorm_forward(&b->there, rows, cols, 1e-6f, THERE(x), THERE(gamma), THERE(beta),
                             THERE(y), THERE(mean), THERE(rstd));
    ref->layernorm_forward(&b->here, rows, cols, 1e-6f, HERE(x), HERE(gamma), HERE(beta), HERE(y),
                           HERE(mean), HERE(rstd));
    same(b, y, "layernorm_forward");
    for (size_t i = 0; i < n; i++) /* y is its own gradient from here on */
        HERE(y)[i] = rounded(HERE(y)[i]);
    b->there.halves = 1 << 4 | (handed ? 1 << 8 : 0);
    there->layernorm_backward(&b->there, rows, cols, THERE(x), THERE(gamma), THERE(mean),
                              THERE(rstd), THERE(y), acc, THERE(dx), THERE(dgamma), THERE(dbeta),
                              OPTIONAL(handed, narrow, THERE), OPTIONAL(handed, sums, THERE));
    ref->layernorm_backward(&b->here, rows, cols, HERE(x), HERE(gamma), HERE(mean), HERE(rstd),
                            HERE(y), acc, HERE(dx), HERE(dgamma), HERE(dbeta),
                            OPTIONAL(handed, narrow, HERE), OPTIONAL(handed, sums, HERE));
    for (int i = mean; i <= sums; i++)
        same(b, i, "layernorm_backward");
    clear_bench(b);
}

static void norms(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, DEVICE_OWN);
    check_layernorm(&b, 5, 48, 0, 0);
    check_layernorm(&b, 3, 300, 1, 0);
    check_layernorm(&b, 2, 1030, 1, 0);
    check_layernorm(&b, 70, 48, 1, 1);
    check_layernorm(&b, 33, 67, 0, 1);
    check_layernorm(&b, 9, 768, 1, 1);
    check_layernorm(&b, 5, 1030, 1, 1);
    close_bench(&b);
}

static void check_attention(struct bench *b, int n, int t, int d, int causal) {
    enum { HEADS = 2 };
    size_t tokens = (size_t)n * (size_t)t, width = (size_t)HEADS * (size_t)d;
    size_t pairs = HEADS * (size_t)t * (size_t)t, stride = (size_t)attention_stride(t);
    int bias = draw(b, pairs, 0), qkv = draw(b, 3 * tokens * width, 1);
    int p = draw(b, HEADS * tokens * stride, 1), y = draw(b, tokens * width, 1);
    int dy = draw(b, tokens * width, 1), dqkv = draw(b, 3 * tokens * width, 1);
    int dbias = draw(b, pairs, 0);
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    b->there.halves = 1 << 1 | 1 << 2 | 1 << 3;
    there->attention_forward(&b->there, n, t, HEADS, d, 0.3f, causal, THERE(bias), THERE(qkv),
                             THERE(p), THERE(y));
    ref->attention_forward(&b->here, n, t, HEADS, d, 0.3f, causal, HERE(bias), HERE(qkv), HERE(p),
                           HERE(y));
    same(b, p, "attention_forward");
    same(b, y, "attention_forward");
    b->there.halves = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3;
    there->attention_backward(&b->there, n, t, HEADS, d, 0.3f, causal, THERE(qkv), THERE(p),
                              THERE(dy), THERE(dqkv), THERE(dbias));
    ref->attention_backward(&b->here, n, t, HEADS, d, 0.3f, causal, HERE(qkv), HERE(p), HERE(dy),
                            HERE(dqkv), HERE(dbias));
    same(b, dqkv, "attention_backward");
    same(b, dbias, "attention_backward");
    clear_bench(b);
}

static void check_row(struct bench *b, int n, int t, int d) {
    enum { HEADS = 2, TOKEN = 1 };
    static const int32_t row = TOKEN;
    size_t tokens = (size_t)n * (size_t)t, width = (size_t)HEADS * (size_t)d;
    size_t pairs = HEADS * (size_t)t * (size_t)t, stride = (size_t)attention_stride(t);
    int bias = draw(b, pairs, 0), qkv = draw(b, 3 * tokens * width, 1);
    int p = draw(b, (size_t)n * HEADS * stride, 0), y = draw(b, (size_t)n * width, 0);
    int dy = draw(b, (size_t)n * width, 0), dqkv = draw(b, 3 * tokens * width, 1);
    int dbias = draw(b, pairs, 0), at = draw(b, 1, 0);
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    const int32_t *token = b->arrays[at].there;
    b->d->copy_in(b->d, b->arrays[at].there, &row, sizeof row);
    b->there.halves = 1 << 1;
    there->attention_row_forward(&b->there, n, t, HEADS, d, 0.3f, 0, THERE(bias), THERE(qkv), token,
                                 0, THERE(p), THERE(y));
    ref->attention_row_forward(&b->here, n, t, HEADS, d, 0.3f, 0, HERE(bias), HERE(qkv), &row, 0,
                               HERE(p), HERE(y));
    same(b, p, "attention_row_forward");
    same(b, y, "attention_row_forward");
    b->there.halves = 1 << 0 | 1 << 4;
    there->attention_row_backward(&b->there, n, t, HEADS, d, 0.3f, 0, THERE(qkv), token, 0,
                                  THERE(p), THERE(dy), THERE(dqkv), THERE(dbias));
    ref->attention_row_backward(&b->here, n, t, HEADS, d, 0.3f, 0, HERE(qkv), &row, 0, HERE(p),
                                HERE(dy), HERE(dqkv), HERE(dbias));
    same(b, dqkv, "attention_row_backward");
    same(b, dbias, "attention_row_backward");
    clear_bench(b);
}

static void attention(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, DEVICE_OWN);
    check_attention(&b, 2, 5, 8, 0);
    check_attention(&b, 1, 40, 40, 1);
    check_attention(&b, 1, 101, 16, 0);
    check_attention(&b, 1, 101, 72, 1);
    check_attention(&b, 1, 197, 64, 0);
    check_row(&b, 3, 20, 40);
    close_bench(&b);
}

static void attention_without_probabilities(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, DEVICE_OWN);
    check_flash(&b, 2, 5, 2, 8, BIASED);
    check_flash(&b, 1, 40, 2, 24, CAUSAL | BIASED);
    check_flash(&b, 1, 70, 2, 64, 0);
    check_flash(&b, 2, 65, 2, 64, CAUSAL | BIASED);
    check_flash(&b, 1, 101, 2, 72, CAUSAL);
    check_flash(&b, 1, 33, 2, 140, BIASED);
    close_bench(&b);
}

static void numbers(void **state) {
    (void)state;
    enum { ROWS = 1100, COLS = 3, N = ROWS * COLS };
    struct bench one, *b = &one;
    open_bench(b, DEVICE_OWN);
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    int x = draw(b, N, 1), sum = draw(b, COLS, 0), wide = draw(b, N, 0);
    b->there.halves = 1;
    there->column_sum(&b->there, ROWS, COLS, THERE(x), THERE(sum));
    ref->column_sum(&b->here, ROWS, COLS, HERE(x), HERE(sum));
    same(b, sum, "column_sum");
    b->there.halves = 2;
    there->axpby(&b->there, N, 1, THERE(wide), 0, THERE(x));
    ref->axpby(&b->here, N, 1, HERE(wide), 0, HERE(x));
    same(b, x, "axpby");
    close_bench(b);
}

/* In 16 bits with and without a slope, or copied to them. */
static void check_linear_gradient(struct bench *b, int rows, int cols, int half,
                                  enum activation act) {
    const size_t n = (size_t)rows * (size_t)cols;
    int kept = draw(b, n, half), g = draw(b, n, half), narrow = draw(b, n, 1);
    int bias = draw(b, (size_t)cols, 0);
    b->there.halves = half ? 1 << 0 | 1 << 1 : 1 << 2;
    b->d->kernels->linear_gradient(&b->there, rows, cols, act, OPTIONAL(act, kept, THERE), THERE(g),
                                   OPTIONAL(!half, narrow, THERE), THERE(bias));
    kernels_ref()->linear_gradient(&b->here, rows, cols, act, OPTIONAL(act, kept, HERE), HERE(g),
                                   OPTIONAL(!half, narrow, HERE), HERE(bias));
    for (int i = kept; i <= bias; i++)
        same(b, i, "linear_gradient");
    clear_bench(b);
}

static void gradients_of_linear_layers(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, DEVICE_OWN);
    check_linear_gradient(&b, 70, 64, 1, ACT_NONE);
    check_linear_gradient(&b, 1100, 130, 1, ACT_GELU);
    check_linear_gradient(&b, 9, 33, 1, ACT_RELU);
    check_linear_gradient(&b, 1030, 66, 0, ACT_NONE);
    check_linear_gradient(&b, 40, 7, 0, ACT_QUICK_GELU);
    close_bench(&b);
}

struct gather_case {
    int images, in, out, cols, half_y, filled, acc;
};

static void check_gather(struct bench *b, const struct gather_case *k) {
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    const size_t in = (size_t)k->images * (size_t)k->in, out = (size_t)k->images * (size_t)k->out;
    const size_t cols = (size_t)k->cols;
    int x = draw(b, in * cols, 1), fill = draw(b, cols, 0), y = draw(b, out * cols, k->half_y);
    int dx = draw(b, in * cols, 1), dfill = draw(b, cols, 0), index = draw(b, out, 0);
    int32_t *row = calloc(out, sizeof *row);
    for (size_t i = 0; i < out; i++)
        row[i] = k->filled && i % 4 == 1 ? -1 : (int)(i * 7 % (size_t)k->in);
    b->d->copy_in(b->d, b->arrays[index].there, row, out * sizeof *row);
    const int32_t *row_there = b->arrays[index].there;
    b->there.halves = 1 << 0 | (k->half_y ? 1 << 3 : 0);
    there->gather_forward(&b->there, k->images, k->in, k->out, k->cols, THERE(x), row_there, k->out,
                          OPTIONAL(k->filled, fill, THERE), THERE(y));
    ref->gather_forward(&b->here, k->images, k->in, k->out, k->cols, HERE(x), row, k->out,
                        OPTIONAL(k->filled, fill, HERE), HERE(y));
    same(b, y, "gather_forward");
    for (size_t i = 0; i < out * cols && k->half_y; i++) /* y is its own gradient */
        HERE(y)[i] = rounded(HERE(y)[i]);
    b->there.halves = (k->half_y ? 1 << 0 : 0) | 1 << 2;
    there->gather_backward(&b->there, k->images, k->in, k->out, k->cols, THERE(y), row_there,
                           k->out, k->acc, THERE(dx), OPTIONAL(k->filled, dfill, THERE));
    ref->gather_backward(&b->here, k->images, k->in, k->out, k->cols, HERE(y), row, k->out, k->acc,
                         HERE(dx), OPTIONAL(k->filled, dfill, HERE));
    same(b, dx, "gather_backward");
    same(b, dfill, "gather_backward");
    free(row);
    clear_bench(b);
}

static void gathers(void **state) {
    (void)state;
    static const struct gather_case asked[] = {{2, 9, 5, 12, 1, 0, 0},  {2, 9, 5, 7, 0, 1, 0},
                                               {1, 6, 20, 68, 0, 1, 1}, {3, 4, 4, 33, 1, 1, 1},
                                               {2, 6, 9, 16, 1, 1, 1},  {1, 40, 1030, 8, 1, 0, 1}};
    struct bench b;
    open_bench(&b, DEVICE_OWN);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        check_gather(&b, &asked[i]);
    close_bench(&b);
}

static void branches(void **state) {
    (void)state;
    enum { SAMPLES = 3, ROWS = 5, COLS = 8, N = SAMPLES * ROWS * COLS };
    struct bench one, *b = &one;
    open_bench(b, DEVICE_OWN);
    const struct kernels *there = b->d->kernels, *ref = kernels_ref();
    int x = draw(b, N, 1), gain = draw(b, COLS, 0), s = draw(b, SAMPLES, 0);
    int residual = draw(b, N, 0), y = draw(b, N, 0), dx = draw(b, N, 1), dgain = draw(b, COLS, 0);
    b->there.halves = 1;
    there->branch_forward(&b->there, SAMPLES, ROWS, COLS, THERE(x), THERE(gain), THERE(s),
                          THERE(residual), THERE(y));
    ref->branch_forward(&b->here, SAMPLES, ROWS, COLS, HERE(x), HERE(gain), HERE(s), HERE(residual),
                        HERE(y));
    same(b, y, "branch_forward");
    b->there.halves = 1 << 0 | 1 << 4;
    there->branch_backward(&b->there, SAMPLES, ROWS, COLS, THERE(x), THERE(gain), THERE(s),
                           THERE(residual), 0, THERE(dx), THERE(dgain));
    ref->branch_backward(&b->here, SAMPLES, ROWS, COLS, HERE(x), HERE(gain), HERE(s),
                         HERE(residual), 0, HERE(dx), HERE(dgain));
    same(b, dx, "branch_backward");
    same(b, dgain, "branch_backward");
    close_bench(b);
}

/* To the nearest, ties to even; what is none of these stays that. */
static void how_numbers_are_rounded(void **state) {
    (void)state;
    enum { N = 8 };
    static const float from[N] = {1,     1.00390625f, 1.01171875f, 1.0039064f,
                                  -0.0f, 3.4e38f,     NAN,         INFINITY};
    static const uint16_t want[N] = {0x3f80, 0x3f80, 0x3f82, 0x3f81, 0x8000, 0x7f80, 0, 0x7f80};
    struct bench one, *b = &one;
    uint16_t got[N];
    open_bench(b, DEVICE_OWN);
    int x = draw(b, N, 0), y = draw(b, N, 1);
    b->d->copy_in(b->d, b->arrays[x].there, from, sizeof from);
    b->there.halves = 2;
    b->d->kernels->axpby(&b->there, N, 1, THERE(x), 0, THERE(y));
    b->d->copy_out(b->d, got, b->arrays[y].there, sizeof got);
    for (int i = 0; i < N; i++)
        if (isnan(from[i]))
            assert_true((got[i] & 0x7fff) > 0x7f80);
        else
            assert_int_equal(got[i], want[i]);
    close_bench(b);
}

/* The threads of a block in every order. */
static int of_kernels(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),
        cmocka_unit_test(norms),
        cmocka_unit_test(attention),
        cmocka_unit_test(numbers),
        cmocka_unit_test(gradients_of_linear_layers),
        cmocka_unit_test(gathers),
        cmocka_unit_test(branches),
        cmocka_unit_test(how_numbers_are_rounded),
        cmocka_unit_test(attention_without_probabilities),
    };
    int failed = 0;
    for (int order = 0; order < EMULATED_ORDERS; order++) {
        emulated_schedule((enum emulated_order)order, 3);
        failed += cmocka_run_group_tests_name("kernels with halves", tests, NULL, NULL);
    }
    return failed;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_the_library_lacks)};
    int failed = of_kernels();
    return failed + cmocka_run_group_tests_name("a library with halves", tests, NULL, NULL);
}
