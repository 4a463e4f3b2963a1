/* Every kernel of the list, on every backend that this processor runs, over the shapes of its case:
 * against ref, for overruns, for any number of threads and for any number of rows. */
#include "tests/kernel_checks.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_THREADS = 3 };

static const char *const names[] = {
#define KERNEL(name, parameters) #name,
#define KERNEL_RETURNS(type, name, parameters) #name,
    KERNEL_LIST(KERNEL)
#undef KERNEL
#undef KERNEL_RETURNS
};
enum { NAMES = sizeof names / sizeof *names };

struct fixture {
    struct slab workspace;
};

static struct kctx context(void **state, int threads) {
    struct fixture *f = *state;
    return (struct kctx){.threads = threads, .workspace = f->workspace.data};
}

static int setup(void **state) {
    static struct fixture f;
    struct error err;
    *state = &f;
    return slab_alloc(&f.workspace, sizeof(real) * MAX_THREADS * KERNEL_WORKSPACE, "workspace",
                      &err);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    slab_free(&f->workspace);
    return 0;
}

static void walk(void **state, check_one *check, int with_ref) {
    const struct kctx c = context(state, 1);
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        if (with_ref || *k != kernels_ref())
            check_all(check, &c, *k);
}

static void check_threads(const struct kctx *c, const struct kernels *k,
                          const struct kernel_case *kc, const int *dim, const char *place) {
    struct case_run one, many;
    struct kctx shared = *c;
    case_open(&one, kc, dim, k, 0, 0);
    case_call(&one, c);
    for (shared.threads = 2; shared.threads <= MAX_THREADS; shared.threads++) {
        case_open(&many, kc, dim, k, 0, 0);
        case_call(&many, &shared);
        same_bits(&many, &one, -1, place, "threads");
        case_close(&many);
    }
    case_close(&one);
}

/* What ref writes is complete: without gaps no poison is left. */
static void check_complete(const struct case_run *r) {
    for (int i = 0; i < r->n_buffers; i++)
        if (r->buffer[i].data &&
            (r->buffer[i].role == CASE_OUTPUT || r->buffer[i].role == CASE_UPDATE))
            assert_true(case_distance(&r->buffer[i], &r->buffer[i]) < INFINITY);
}

/* ref, which takes longest, once for all of them; and ref again, elsewhere. */
static void check_all_against_ref(const struct kctx *c, const struct kernels *k,
                                  const struct kernel_case *kc, const int *dim, const char *place) {
    struct case_run ref;
    char text[256];
    (void)place;
    (void)k;
    call_ref(&ref, c, kc, dim);
    check_complete(&ref);
    for (const struct kernels *const *one = kernels_all(); *one; one++)
        for (int offset = 0; offset < 2; offset++)
            compare_at(offset, &ref, c, *one, where(*one, kc, dim, text));
    case_close(&ref);
}

static void test_ref_is_complete_and_all_compute_it(void **state) {
    const struct kctx c = context(state, 1);
    check_all(check_all_against_ref, &c, kernels_ref());
}

/* ref takes longest; what others call twice is what it calls. */
static void test_restore(void **state) {
    walk(state, check_restore, getenv("SSV_LONG") != NULL);
}

/* ref has one thread. */
static void test_threads(void **state) {
    walk(state, check_threads, 0);
}

static void test_rows(void **state) {
    walk(state, check_rows, 1);
}

/* What the comparison must see: a result, an input, a number that is none. */
static void test_a_wrong_result_is_found(void **state) {
    const struct kctx c = context(state, 1);
    const struct kernel_case *kc = kernel_case_at(0);
    const int dim[CASE_DIMS] = {31, 1};
    struct case_run ref, run;
    double worst;
    for (int i = 1; strcmp(kc->name, "axpby") != 0; i++)
        kc = kernel_case_at(i);
    case_open(&ref, kc, dim, kernels_ref(), 0, 2);
    case_call(&ref, &c);
    for (int buffer = 0; buffer < 2; buffer++)
        for (int nan = 0; nan < 2; nan++) {
            case_open(&run, kc, dim, kernels_ref(), 0, 2);
            case_call(&run, &c);
            assert_int_equal(case_differs(&run, &ref, tolerance, &worst), -1);
            assert_true(worst == 0);
            run.buffer[buffer].data[7] = nan ? NAN : run.buffer[buffer].data[7] + 1e-3f;
            assert_int_equal(case_differs(&run, &ref, tolerance, &worst), buffer);
            assert_true(worst > tolerance);
            case_close(&run);
        }
    case_close(&ref);
}

static void test_every_kernel_has_a_case(void **state) {
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        int at = 0;
        while (kernel_case_at(at) && strcmp(kernel_case_at(at)->name, names[i]) != 0)
            at++;
        const struct kernel_case *kc = kernel_case_at(at);
        if (!kc)
            fail_msg("%s has no case in kernels/cases_*.c", names[i]);
        assert_true(kc->n_shapes - kc->n_bench > 3);
        assert_true(kc->n_bench > 0);
    }
}

static void test_choice(void **state) {
    (void)state;
    unsetenv("SSVBENCH_ISA");
    const struct kernels *best = kernels_cpu();
    assert_non_null(best);
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        if (!strncmp((*k)->name, "cpu-", 4)) {
            setenv("SSVBENCH_ISA", (*k)->name + 4, 1);
            assert_ptr_equal(kernels_cpu(), *k);
        }
#define KERNEL(name, parameters) assert_non_null((*k)->name);
#define KERNEL_RETURNS(type, name, parameters) assert_non_null((*k)->name);
        KERNEL_LIST(KERNEL)
#undef KERNEL
#undef KERNEL_RETURNS
    }
    setenv("SSVBENCH_ISA", "mmx", 1);
    assert_null(kernels_cpu());
    setenv("SSVBENCH_ISA", "", 1);
    assert_ptr_equal(kernels_cpu(), best);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kernel_has_a_case),
        cmocka_unit_test(test_a_wrong_result_is_found),
        cmocka_unit_test(test_ref_is_complete_and_all_compute_it),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
