/* What a kernel must be on any backend, for one case and shape: what ref computes, nothing written
 * outside, the same a second time, and no row dependent on how many there are. */
#ifndef SSV_TESTS_KERNEL_CHECKS_H
#define SSV_TESTS_KERNEL_CHECKS_H

#include "kernels/cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static double tolerance = 2e-6; /* of float sums of some hundred terms, as a norm */

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

static struct device *checked_device; /* that computes; NULL: this processor */

static void open_there(struct case_run *run) {
    struct error err;
    if (checked_device && case_send(run, checked_device, &err))
        fail_msg("%s", err.message);
}

static void bring_back(struct case_run *run, const char *place) {
    struct error err;
    if (case_fetch(run, &err))
        fail_msg("%s: %s", place, err.message);
}

/* c for the processor's own */
static struct kctx beside(const struct kctx *c) {
    static real workspace[KERNEL_WORKSPACE];
    /* ref keeps of an activation what the device does */
    return checked_device ? (struct kctx){.threads = 1, .workspace = workspace, .device = c->device}
                          : *c;
}

typedef void check_one(const struct kctx *c, const struct kernels *k, const struct kernel_case *kc,
                       const int *dim, const char *place);

/* What compare_at compares with, for one backend or several: case_close ends it. */
static void call_ref(struct case_run *ref, const struct kctx *c, const struct kernel_case *kc,
                     const int *dim) {
    const struct kctx here = beside(c);
    case_open(ref, kc, dim, kernels_ref(), 0, 0);
    case_call(ref, &here);
}

/* With buffers so many numbers behind the beginning of a cache line. */
static void compare_at(int offset, const struct case_run *ref, const struct kctx *c,
                       const struct kernels *k, const char *place) {
    struct case_run run;
    case_open(&run, ref->kernel, ref->dim, k, offset, 0);
    open_there(&run);
    case_call(&run, c);
    bring_back(&run, place);
    compare(&run, ref, place);
    case_close(&run);
}

static inline void check_against_ref(const struct kctx *c, const struct kernels *k,
                                     const struct kernel_case *kc, const int *dim,
                                     const char *place) {
    struct case_run ref;
    call_ref(&ref, c, kc, dim);
    for (int offset = 0; offset < 2; offset++)
        compare_at(offset, &ref, c, k, place);
    case_close(&ref);
}

static void check_rows(const struct kctx *c, const struct kernels *k, const struct kernel_case *kc,
                       const int *dim, const char *place) {
    if (kc->rows < 0)
        return;
    int all = dim[kc->rows];
    const int few[] = {1, all / 2, all - 1};
    struct case_run whole, part;
    case_open(&whole, kc, dim, k, 0, 0);
    open_there(&whole);
    case_call(&whole, c);
    bring_back(&whole, place);
    for (int i = 0; i < 3; i++) {
        if (few[i] < 1 || few[i] > all)
            continue;
        case_open(&part, kc, dim, k, 0, 0);
        open_there(&part);
        part.dim[kc->rows] = few[i];
        case_call(&part, c);
        bring_back(&part, place);
        same_bits(&part, &whole, few[i], place, "rows");
        case_close(&part);
    }
    case_close(&whole);
}

/* A second call on what was restored is the first one. */
static void check_restore(const struct kctx *c, const struct kernels *k,
                          const struct kernel_case *kc, const int *dim, const char *place) {
    struct case_run once, twice;
    case_open(&once, kc, dim, k, 0, 1);
    open_there(&once);
    case_call(&once, c);
    bring_back(&once, place);
    case_open(&twice, kc, dim, k, 0, 1);
    open_there(&twice);
    case_call(&twice, c);
    case_restore(&twice);
    case_call(&twice, c);
    bring_back(&twice, place);
    same_bits(&twice, &once, -1, place, "calls");
    case_close(&once);
    case_close(&twice);
}

/* check(...) for every shape of a kernel but the large ones */
static void check_shapes(check_one *check, const struct kctx *c, const struct kernels *k,
                         const struct kernel_case *kc) {
    for (int s = 0; s < kc->n_shapes - kc->n_bench; s++) {
        char text[256];
        check(c, k, kc, kc->shape[s], where(k, kc, kc->shape[s], text));
    }
}

static inline void check_all(check_one *check, const struct kctx *c, const struct kernels *k) {
    for (int i = 0; kernel_case_at(i); i++)
        check_shapes(check, c, k, kernel_case_at(i));
}

#endif
