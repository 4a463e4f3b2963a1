/* Attention through cuDNN's interface, by the stand-in of tests/cuda: against ref, in 16 bits; what
 * goes there and what does not; what is said where there is no plan. */
#include "kernels/cuda/dnn.h"
#include "tests/cuda/emulator.h"
#include "tests/device_attention.h"

enum { HEADS = 3 };

static void open_with_standin(struct bench *b) {
    setenv("SSVBENCH_CUDNN", STAND_IN, 1);
    open_bench(b, DEVICE_BF16);
    assert_string_equal(b->d->note, "");
}

/* Launches of kernels of our own. */
static unsigned long launches(struct bench *b, int n, int t, int d, int options) {
    unsigned long before = emulated_launches();
    check_flash(b, n, t, HEADS, d, options);
    return emulated_launches() - before;
}

static void against_ref(void **state) {
    (void)state;
    struct bench b;
    open_with_standin(&b);
    assert_int_equal(launches(&b, 2, 5, 8, 0), 0);
    assert_int_equal(launches(&b, 1, 33, 24, 0), 0);
    assert_int_equal(launches(&b, 2, 20, 64, 0), 0);
    assert_int_equal(launches(&b, 1, 70, 128, 0), 0);
    assert_int_equal(launches(&b, 2, 17, 8, CAUSAL), 0);
    assert_int_equal(launches(&b, 1, 33, 64, CAUSAL), 0);
    assert_string_equal(b.d->note, "");
    close_bench(&b);
}

/* But for the gradient of a bias, which takes the means of rows and itself, or the sum of parts. */
static void with_a_bias(void **state) {
    (void)state;
    struct bench b;
    open_with_standin(&b);
    unsigned long biased = launches(&b, 3, 17, 8, BIASED);
    assert_true(biased == 2 || biased == 3);
    assert_int_equal(launches(&b, 3, 17, 8, BIASED | CAUSAL), biased);
    launches(&b, 1, 70, 64, BIASED);
    assert_string_equal(b.d->note, "");
    close_bench(&b);
}

static void what_goes_elsewhere(void **state) {
    (void)state;
    struct bench b;
    open_with_standin(&b);
    assert_true(launches(&b, 1, 17, 12, 0) > 0);
    assert_true(launches(&b, 1, 17, 136, 0) > 0);
    assert_string_equal(b.d->note, "");
    close_bench(&b);
}

/* Each way is left to our own kernels alone; the stand-in has no plan for one token. */
static void without_a_plan(void **state) {
    (void)state;
    struct bench b;
    open_with_standin(&b);
    assert_true(launches(&b, 2, 1, 16, 0) > 0);
    assert_string_equal(b.d->note, "own kernels for 2 attentions, the first (kind n t heads d) "
                                   "forward 2 1 3 16: CUDNN_STATUS_NOT_SUPPORTED_SHAPE");
    close_bench(&b);
    open_with_standin(&b);
    launches(&b, 2, 1, 16, CAUSAL | BIASED);
    assert_string_equal(b.d->note,
                        "own kernels for 2 attentions, the first (kind n t heads d) "
                        "forward 2 1 3 16, causal, biased: CUDNN_STATUS_NOT_SUPPORTED_SHAPE");
    close_bench(&b);
}

static void errors_are_kept(void **state) {
    (void)state;
    enum { N = 64 * HEADS };
    struct bench b;
    struct error err;
    open_with_standin(&b);
    int qkv = draw(&b, (size_t)3 * N, 1), lse = draw(&b, N, 0), y = draw(&b, N, 1);
    b.there.halves = 1 << 1 | 1 << 3;
    setenv("CUDNN_STANDIN_FAILS", "1", 1);
    b.d->kernels->attention_flash_forward(&b.there, 1, 8, HEADS, 8, 1, 0, NULL,
                                          (real *)b.arrays[qkv].there, (real *)b.arrays[lse].there,
                                          (real *)b.arrays[y].there);
    unsetenv("CUDNN_STANDIN_FAILS");
    assert_int_equal(b.d->check(b.d, &err), STATUS_MACHINE);
    assert_string_equal(err.message,
                        "cuda:0: cuda_attention_flash_forward: CUDNN_STATUS_EXECUTION_FAILED");
    close_bench(&b);
}

/* What is planned for is what is taken, and nothing before. */
static void work_memory(void **state) {
    (void)state;
    struct bench b;
    open_with_standin(&b);
    struct dnn *dnn = ((struct cuda_queue *)b.d->queue)->dnn;
    struct device_attention a = {
        .backward = 1, .n = 2, .t = 20, .heads = HEADS, .d = 16, .half = 1};
    size_t bytes = dnn_attention_bytes(dnn, &a);
    assert_int_equal(bytes, 2 * a.n * a.heads * a.t * a.t);
    assert_int_equal(b.d->attention_bytes(b.d, &a), bytes);
    assert_int_equal(dnn_workspace(dnn), 0);
    assert_int_equal(launches(&b, a.n, a.t, a.d, 0), 0);
    assert_int_equal(dnn_workspace(dnn), bytes);
    a.half = 0;
    assert_int_equal(dnn_attention_bytes(dnn, &a), 0);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_ref),         cmocka_unit_test(with_a_bias),
        cmocka_unit_test(what_goes_elsewhere), cmocka_unit_test(without_a_plan),
        cmocka_unit_test(errors_are_kept),     cmocka_unit_test(work_memory),
    };
    return cmocka_run_group_tests_name("attention by cuDNN", tests, NULL, NULL);
}
