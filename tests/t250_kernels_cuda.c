/* The CUDA kernels on the processor, by the emulator of tests/cuda: against ref with the threads of
 * a block in any order. */
#include "kernels/cuda/cuda.h"
#include "tests/cuda/emulator.h"
#include "tests/kernel_checks.h"

#include <math.h>

struct fixture {
    struct slab workspace;
    struct cuda_queue queue;
    double answer;
};

static int setup(void **state) {
    static struct fixture f;
    struct error err;
    *state = &f;
    f.queue.answer = &f.answer;
    return slab_alloc(&f.workspace, sizeof(real) * KERNEL_WORKSPACE, "workspace", &err);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    slab_free(&f->workspace);
    return 0;
}

static void walk(void **state, check_one *check) {
    struct fixture *f = *state;
    const struct kctx c = {.threads = 1, .workspace = f->workspace.data, .device = &f->queue};
    unsigned long before = emulated_launches();
    real *scratch = f->workspace.data;
    for (size_t i = 0; i < KERNEL_WORKSPACE; i++)
        scratch[i] = NAN;
    emulated_schedule(EMULATED_RANDOM, 7);
    check_all(check, &c, kernels_cuda());
    if (f->queue.error)
        fail_msg("%s: error %d", f->queue.where, f->queue.error);
    assert_true(emulated_launches() > before);
}

/* In every order, each at one of two places.  Sanitizers look at addresses, which are the same in
 * any. */
static void check_orders(const struct kctx *c, const struct kernels *k,
                         const struct kernel_case *kc, const int *dim, const char *place) {
    struct case_run ref;
    call_ref(&ref, c, kc, dim);
    for (int order = EMULATED_FORWARD; order < EMULATED_ORDERS; order++) {
#ifdef __SANITIZE_ADDRESS__
        if (order != EMULATED_RANDOM)
            continue;
#endif
        emulated_schedule((enum emulated_order)order, 7);
        compare_at(order % 2, &ref, c, k, place);
    }
    case_close(&ref);
}

static void test_against_ref(void **state) {
    walk(state, check_orders);
}

static void test_restore(void **state) {
    walk(state, check_restore);
}

static void test_rows(void **state) {
    walk(state, check_rows);
}

/* What no device would run is noted, with the operation's name. */
static void test_errors_are_kept(void **state) {
    struct fixture *f = *state;
    struct cuda_queue queue = {.error = 0};
    const struct kctx c = {.threads = 1, .workspace = f->workspace.data, .device = &queue};
    const struct conv_shape wide = {
        .h = 1, .w = 1, .in = 1 << 23, .out = 1, .kh = 1, .kw = 1, .stride = 1};
    real one[1] = {0};
    cuda_conv2d_backward_weight(&c, 1, &wide, one, one, one); /* 131072 columns of blocks */
    assert_int_not_equal(queue.error, 0);
    assert_string_equal(queue.where, "cuda_conv2d_backward_weight");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_ref),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_errors_are_kept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
