/* The device that --device cuda opens: its kernels on its own memory against ref, networks on it
 * against the processor, the same bits twice.  Skipped where there is none. */
#include "kernels/plugin.h"
#include "tests/device_net.h"
#include "tests/kernel_checks.h"

enum { FEW = 5 };
static double net_tolerance = 2e-4;

/* By $SSV_MATH, default own. */
static const struct {
    const char *name;
    double kernels, networks;
} maths[] = {{"own", 2e-6, 2e-4}, {"fp32", 2e-6, 5e-4}, {"tf32", 2e-3, 2e-2}, {"bf16", 2e-2, 2e-1}};
static const char *math = "own";

struct fixture {
    struct device *d;
    void *workspace;
};

static int setup(void **state) {
    static struct fixture f;
    struct error err;
    int fell_back;
    *state = &f;
    math = getenv("SSV_MATH") ? getenv("SSV_MATH") : math;
    for (size_t i = 0; i < sizeof maths / sizeof *maths; i++)
        if (!strcmp(math, maths[i].name)) {
            tolerance = maths[i].kernels;
            net_tolerance = maths[i].networks;
        }
    if (device_open(&f.d, "cuda", math, 0, &fell_back, &err)) {
        print_message("%s\n", err.message);
        return getenv("SSV_DEVICE") != NULL; /* make test-cuda: there must be one */
    }
    print_message("%s: %s%s%s\n", f.d->name, f.d->description, *f.d->note ? ": " : "", f.d->note);
    checked_device = f.d;
    return f.d->allocate(f.d, &f.workspace, sizeof(real) * KERNEL_WORKSPACE, "workspace", &err);
}

static struct fixture *there(void **state) {
    struct fixture *f = *state;
    if (!f->d)
        skip();
    return f;
}

static void walk(void **state, check_one *check) {
    struct fixture *f = there(state);
    const struct kctx c = {.threads = 1, .workspace = f->workspace, .device = f->d->queue};
    /* $SSV_FEW: not every shape, for tools that take long */
    for (int i = 0; kernel_case_at(i); i++) {
        struct kernel_case kc = *kernel_case_at(i);
        int most = kc.n_bench + FEW;
        kc.n_shapes = getenv("SSV_FEW") && kc.n_shapes > most ? most : kc.n_shapes;
        check_shapes(check, &c, f->d->kernels, &kc);
    }
}

static void test_against_ref(void **state) {
    walk(state, check_against_ref);
}

static void test_restore(void **state) {
    walk(state, check_restore);
}

/* A library chooses other kernels for another number of rows. */
static void test_rows(void **state) {
    if (strcmp(math, "own") != 0)
        skip();
    walk(state, check_rows);
}

static void test_networks(void **state) {
    struct fixture *f = there(state);
    static struct outcome here, once, twice;
    for (int i = 0; i < CASES; i++) {
        run_net(&cases[i], NULL, &here);
        run_net(&cases[i], f->d, &once);
        run_net(&cases[i], f->d, &twice);
        compare_outcomes(cases[i].name, &once, &here, net_tolerance);
        assert_memory_equal(once.gradient, twice.gradient, once.count * sizeof(real));
        assert_memory_equal(once.loss, twice.loss, sizeof once.loss);
    }
}

static void test_too_much_memory(void **state) {
    struct fixture *f = there(state);
    struct error err;
    void *memory;
    assert_int_equal(f->d->allocate(f->d, &memory, (size_t)1 << 42, "activations", &err),
                     STATUS_MACHINE);
    assert_non_null(strstr(err.message, "activations needs 4194304.0 MiB, "));
    assert_int_equal(f->d->check(f->d, &err), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_ref),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_too_much_memory),
    };
    return cmocka_run_group_tests_name("device", tests, setup, NULL);
}
