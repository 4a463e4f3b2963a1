/* kernel_fixture.h -- what tests of single operations on every backend share.
 *
 * The state of a test is a struct fixture, by setup and teardown.  KERNEL_SEED, defined before, is
 * what draws are keyed by.
 */
#ifndef SSV_TESTS_KERNEL_FIXTURE_H
#define SSV_TESTS_KERNEL_FIXTURE_H

#include "core/arena.h"
#include "core/rng.h"
#include "kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct slab workspace;
    struct arena arena;
    struct kctx c;
    uint32_t draws;
};

static int setup(void **state) {
    static struct fixture f;
    struct error err;
    *state = &f;
    int status = slab_alloc(&f.workspace, sizeof(real) * KERNEL_WORKSPACE, "workspace", &err);
    f.c = (struct kctx){.threads = 1, .workspace = f.workspace.data};
    return status;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    arena_free(&f->arena);
    slab_free(&f->workspace);
    return 0;
}

/* n, and one behind them that nobody uses: n may be 0 */
static inline real *zeros(struct fixture *f, size_t n) {
    return ARENA_ARRAY(&f->arena, real, n + 1);
}

/* n draws of N(0, 1), different at every call */
static inline real *draw(struct fixture *f, size_t n) {
    real *x = zeros(f, n);
    struct rng r =
        rng_at((struct rng_key){.seed = KERNEL_SEED, .purpose = RNG_TEST}, 0, f->draws++);
    for (size_t i = 0; i < n; i++)
        x[i] = (real)rng_normal(&r);
    return x;
}

static inline double dot(int n, const real *a, const real *b) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static inline real *copy(struct fixture *f, const double *golden, size_t n) {
    real *x = zeros(f, n);
    for (size_t i = 0; i < n; i++)
        x[i] = (real)golden[i];
    return x;
}

static inline void assert_equals(const char *backend, const char *what, const real *x,
                                 const double *golden, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(x[i] == (real)golden[i] || (isnan(x[i]) && isnan(golden[i])) ||
              fabs(x[i] - golden[i]) < 3e-6 * fmax(1, fabs(golden[i]))))
            fail_msg("%s: %s[%zu] = %.9g, PyTorch has %.9g", backend, what, i, x[i], golden[i]);
}

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define COPY(name) copy(f, golden_##name, LENGTH(golden_##name))
#define SAME(x, key) assert_equals(k->name, #key, x, golden_##key, LENGTH(golden_##key))
#define ROOM(name) zeros(f, LENGTH(golden_##name))
#define EACH_BACKEND(k)                                                                            \
    for (const struct kernels *const *each = kernels_all(), *k = *each; k; k = *++each)

#endif
