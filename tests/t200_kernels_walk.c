/* Every kernel of the list, on every backend that this processor runs, over the shapes of its case:
 * against ref, for overruns, for any number of threads and for any number of rows. */
#include "kernels/cases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_THREADS = 3 };
static const double tolerance = 2e-6; /* of float sums of some hundred terms, as a norm */

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

/* "cpu-avx2 axpby 7 0 0 ...", for the message of a failure */
static const char *where(const struct kernels *k, const struct kernel_case *kc, const int *dim,
                         char text[static 256]) {
    int n = snprintf(text, 256, "%s %s (%s):", k->name, kc->name, kc->dims);
    for (int i = 0; i < CASE_DIMS; i++)
        n += snprintf(text + n, 256 - (size_t)n, " %d", dim[i]);
    return text;
}

static void compare(const struct case_run *run, const struct case_run *ref, const char *place) {
    double worst;
    int wrong = case_differs(run, ref, tolerance, &worst);
    if (wrong >= 0)
        fail_msg("%s: buffer %d is not that of ref: %g away", place, wrong, worst);
    if (case_overrun(run) >= 0)
        fail_msg("%s: wrote outside buffer %d", place, case_overrun(run));
}

static void same_bits(const struct case_run *run, const struct case_run *first, int rows,
                      const char *place, const char *what) {
    for (int i = 0; i < first->n_buffers; i++) {
        const struct case_buffer *a = &run->buffer[i], *b = &first->buffer[i];
        if (a->role == CASE_SCRATCH)
            continue;
        size_t n = a->rows * a->stride;
        const void *x = a->index ? (const void *)a->index : a->data;
        const void *y = b->index ? (const void *)b->index : b->data;
        if (rows >= 0)
            n = a->rows == (size_t)first->dim[first->kernel->rows] ? (size_t)rows * a->stride : 0;
        if (memcmp(x, y, n * sizeof(real)) != 0)
            fail_msg("%s: buffer %d depends on the number of %s", place, i, what);
    }
}

typedef void check_one(void **state, const struct kernels *k, const struct kernel_case *kc,
                       const int *dim, const char *place);

/* check(...) for every backend, kernel and shape but the large ones */
static void walk(void **state, check_one *check) {
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        for (int i = 0; kernel_case_at(i); i++) {
            const struct kernel_case *kc = kernel_case_at(i);
            for (int s = 0; s < kc->n_shapes - kc->n_bench; s++) {
                char text[256];
                check(state, *k, kc, kc->shape[s], where(*k, kc, kc->shape[s], text));
            }
        }
}

static void check_against_ref(void **state, const struct kernels *k, const struct kernel_case *kc,
                              const int *dim, const char *place) {
    const struct kctx c = context(state, 1);
    struct case_run ref, run;
    case_open(&ref, kc, dim, kernels_ref(), 0, 0);
    case_call(&ref, &c);
    for (int offset = 0; offset < 2; offset++) {
        case_open(&run, kc, dim, k, offset, 0);
        case_call(&run, &c);
        compare(&run, &ref, place);
        case_close(&run);
    }
    case_close(&ref);
}

static void check_threads(void **state, const struct kernels *k, const struct kernel_case *kc,
                          const int *dim, const char *place) {
    struct case_run one, many;
    struct kctx c = context(state, 1);
    case_open(&one, kc, dim, k, 0, 0);
    case_call(&one, &c);
    for (c.threads = 2; c.threads <= MAX_THREADS; c.threads++) {
        case_open(&many, kc, dim, k, 0, 0);
        case_call(&many, &c);
        same_bits(&many, &one, -1, place, "threads");
        case_close(&many);
    }
    case_close(&one);
}

static void check_rows(void **state, const struct kernels *k, const struct kernel_case *kc,
                       const int *dim, const char *place) {
    if (kc->rows < 0)
        return;
    const struct kctx c = context(state, 1);
    int all = dim[kc->rows];
    const int few[] = {1, all / 2, all - 1};
    struct case_run whole, part;
    case_open(&whole, kc, dim, k, 0, 0);
    case_call(&whole, &c);
    for (int i = 0; i < 3; i++) {
        if (few[i] < 1 || few[i] > all)
            continue;
        case_open(&part, kc, dim, k, 0, 0);
        part.dim[kc->rows] = few[i];
        case_call(&part, &c);
        same_bits(&part, &whole, few[i], place, "rows");
        case_close(&part);
    }
    case_close(&whole);
}

static void test_against_ref(void **state) {
    walk(state, check_against_ref);
}

/* A second call on what was restored is the first one. */
static void check_restore(void **state, const struct kernels *k, const struct kernel_case *kc,
                          const int *dim, const char *place) {
    const struct kctx c = context(state, 1);
    struct case_run once, twice;
    case_open(&once, kc, dim, k, 0, 1);
    case_call(&once, &c);
    case_open(&twice, kc, dim, k, 0, 1);
    case_call(&twice, &c);
    case_restore(&twice);
    case_call(&twice, &c);
    same_bits(&twice, &once, -1, place, "calls");
    case_close(&once);
    case_close(&twice);
}

static void test_restore(void **state) {
    walk(state, check_restore);
}

static void test_threads(void **state) {
    walk(state, check_threads);
}

static void test_rows(void **state) {
    walk(state, check_rows);
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

/* What ref writes is complete: without gaps no poison is left. */
static void test_ref_is_complete(void **state) {
    const struct kctx c = context(state, 1);
    for (int at = 0; kernel_case_at(at); at++)
        for (int s = 0; s < kernel_case_at(at)->n_shapes - kernel_case_at(at)->n_bench; s++) {
            const struct kernel_case *kc = kernel_case_at(at);
            struct case_run r;
            case_open(&r, kc, kc->shape[s], kernels_ref(), 0, 0);
            case_call(&r, &c);
            for (int i = 0; i < r.n_buffers; i++)
                if (r.buffer[i].data &&
                    (r.buffer[i].role == CASE_OUTPUT || r.buffer[i].role == CASE_UPDATE))
                    assert_true(case_distance(&r.buffer[i], &r.buffer[i]) < INFINITY);
            case_close(&r);
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
        cmocka_unit_test(test_ref_is_complete),
        cmocka_unit_test(test_a_wrong_result_is_found),
        cmocka_unit_test(test_against_ref),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
