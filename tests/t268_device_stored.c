/* Every kernel that takes arrays in 16 bits, on all shapes of the tests: the device's against ref
 * on the numbers that are stored, with the arrays that networks store so; and as the benchmark sees
 * it. */
#include "bench/kernel_time.h"
#include "kernels/cases.h"
#include "tests/cuda/emulator.h"
#include "tests/device_arrays.h"

/* Half a unit of 8 bits for each number that is written, and sums of products in another order. */
static const double tolerance = 1.0 / 128;

/* option of dim[number]: where it is set, these arrays are not stored so together. */
static const struct {
    const char *kernel;
    unsigned halves;
    int number, option;
} stored[] = {
    {"act_forward", 0x3, 0, 0},
    {"act_backward", 0x7, 0, 0},
    {"attention_forward", 0xe, 0, 0},
    {"attention_backward", 0xf, 0, 0},
    {"attention_flash_forward", 0xa, 0, 0},
    {"attention_flash_backward", 0x3a, 0, 0},
    {"attention_row_forward", 0x2, 0, 0},
    {"attention_row_backward", 0x11, 0, 0},
    {"axpby", 0x1, 0, 0},
    {"axpby", 0x2, 0, 0},
    {"axpby", 0x3, 0, 0},
    {"column_sum", 0x1, 0, 0},
    {"linear_gradient", 0x3, 2, 2},
    {"linear_gradient", 0x4, 0, 0},
    {"branch_forward", 0x1, 0, 0},
    {"branch_backward", 0x11, 3, 8},
    {"rotary", 0x6, 4, 4},
    {"swiglu_forward", 0x3, 0, 0},
    {"swiglu_backward", 0x7, 0, 0},
    {"batchnorm_moments", 0x1, 0, 0},
    {"batchnorm_moments_backward", 0x9, 0, 0},
    {"batchnorm_apply", 0x61, 0, 0},
    {"batchnorm_apply", 0x1, 2, 8},
    {"batchnorm_apply", 0x60, 2, 8},
    {"batchnorm_backward", 0x71, 0, 0},
    {"batchnorm_backward", 0x41, 3, 8},
    {"batchnorm_sums", 0x1, 0, 0},
    {"batchnorm_sums", 0x21, 0, 0},
    {"batchnorm_input_backward", 0x101, 3, 8},
    {"batchnorm_input_backward", 0x181, 0, 0},
    {"conv2d_forward", 0xb, 0, 0},
    {"conv2d_backward_data", 0xb, 0, 0},
    {"conv2d_backward_weight", 0x3, 0, 0},
    {"gemm", 0x3, 0, 0},
    {"gemm_packed", 0x3, 0, 0},
    {"gemm_packed", 0x3b, 0, 0},
    {"layernorm_forward", 0x8, 0, 0},
    {"layernorm_backward", 0x10, 0, 0},
    {"layernorm_backward", 0x110, 0, 0},
    {"patchify", 0x2, 0, 0},
    {"unpatchify", 0x1, 0, 0},
    {"gather_forward", 0x1, 0, 0},
    {"gather_forward", 0x9, 0, 0},
    {"gather_backward", 0x4, 0, 0},
    {"gather_backward", 0x5, 0, 0},
    {"maxpool_forward", 0x3, 0, 0},
    {"maxpool_backward", 0x5, 0, 0},
    {"mean_rows_forward", 0x1, 0, 0},
    {"mean_rows_backward", 0x2, 0, 0},
};

enum { STORED = sizeof stored / sizeof *stored };

static void check(const struct bench *b, const struct kernel_case *kc, const int *dim,
                  unsigned halves) {
    struct kctx there = b->there;
    struct case_run ref, run;
    struct error err;
    double worst;
    there.halves = halves;
    case_open_stored(&ref, kc, dim, halves, kernels_ref(), 0);
    case_open_stored(&run, kc, dim, halves, b->d->kernels, 0);
    assert_int_equal(case_send(&run, b->d, &err), 0);
    case_call(&ref, &b->here);
    case_call(&run, &there);
    if (case_fetch(&run, &err))
        fail_msg("%s: %s", kc->name, err.message);
    int wrong = case_differs(&run, &ref, tolerance, &worst), outside = case_overrun(&run);
    if (wrong >= 0 || outside >= 0)
        fail_msg("%s %d %d %d %d %d %d, arrays %x: buffer %d is %g away, written outside of %d",
                 kc->name, dim[0], dim[1], dim[2], dim[3], dim[4], dim[5], halves, wrong, worst,
                 outside);
    case_close(&run);
    case_close(&ref);
}

static void test_all_shapes(void **state) {
    (void)state;
    struct bench b;
    const struct kernel_case *kc;
    int seen = 0;
    open_bench(&b, DEVICE_OWN);
    for (int i = 0; (kc = kernel_case_at(i)); i++)
        for (int k = 0; k < STORED; k++) {
            if (strcmp(kc->name, stored[k].kernel) != 0)
                continue;
            seen++;
            for (int s = 0; s < kc->n_shapes - kc->n_bench; s++)
                if (!(kc->shape[s][stored[k].number] & stored[k].option))
                    check(&b, kc, kc->shape[s], stored[k].halves);
        }
    assert_int_equal(seen, STORED);
    close_bench(&b);
}

/* Two bytes of each such number count, and no fewer words than the others' are looked after. */
static void test_bytes(void **state) {
    (void)state;
    const struct kernel_case *kc = kernel_case_at(0);
    for (int i = 0; strcmp(kc->name, "batchnorm_apply") != 0; i++)
        kc = kernel_case_at(i);
    const int dim[CASE_DIMS] = {100, 64, 0};
    const double all = 2.0 * 100 * 64 + 2 * 64; /* x and y, mean and rstd */
    assert_true(case_cost(kc, dim, 0).bytes == all * 4);
    assert_true(case_cost(kc, dim, 0x61).bytes == all * 4 - 2.0 * 100 * 64 * 2);
    assert_true(case_cost(kc, dim, 0x1).bytes == all * 4 - 1.0 * 100 * 64 * 2);
}

/* As `ssvbench kernels` does it: what is kept of an activation is the device's, too. */
static void test_kernel_time(void **state) {
    (void)state;
    static struct kernel_time t;
    static const struct {
        const char *kernel;
        struct kernel_call call;
    } asked[] = {
        {"linear_gradient", {.dim = {40, 66, 5, ACT_GELU}, .halves = 0x3}},
        {"gemm_packed", {.dim = {9, 33, 17, 3, 0, ACT_GELU}, .halves = 0x3b}},
        {"gemm_packed", {.dim = {9, 33, 17, 3, 0, ACT_GELU}}},
        {"maxpool_forward", {.dim = {2, 8, 8, 12, 3, 2, 1}, .halves = 0x3}},
    };
    struct bench b;
    struct error err;
    open_bench(&b, DEVICE_OWN);
    const struct kernel_place place = {
        .device = b.d, .workspace = b.room, .flush = b.room, .flush_reals = KERNEL_WORKSPACE};
    const struct kernel_time_options o = {
        .threads = 1, .tolerance = tolerance, .workspace = b.workspace.data, .place = &place};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct kernel_call call = asked[i].call;
        for (int k = 0; !call.kernel || strcmp(call.kernel->name, asked[i].kernel) != 0; k++)
            call.kernel = kernel_case_at(k);
        assert_int_equal(kernel_time(&t, &call, b.d->kernels, &o, &err), 0);
        assert_true(t.checked);
        if (t.wrong >= 0)
            fail_msg("%s: buffer %d is %g away", asked[i].kernel, t.wrong, t.distance);
        assert_true(t.n_warm > 0 && t.n_cold > 0);
    }
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_shapes),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_kernel_time),
    };
    emulated_schedule(EMULATED_RANDOM, 3);
    return cmocka_run_group_tests_name("kernels on arrays in 16 bits", tests, NULL, NULL);
}
