/* probe_fixture.h -- what the tests of classifiers on frozen features share. */
#ifndef SSV_TESTS_PROBE_FIXTURE_H
#define SSV_TESTS_PROBE_FIXTURE_H

#include "core/arena.h"
#include "protocols/probe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static inline int teardown(void **state) {
    (void)state;
    arena_free(&arena);
    return 0;
}

static inline const struct kernels *fast(void) {
    const struct kernels *k = kernels_cpu();
    assert_non_null(k);
    return k;
}

/* Unit Gaussians around `distance` times the unit vector of each class; labels run round. */
static inline struct features gaussians(int n, int dim, int classes, double distance,
                                        uint32_t stream) {
    float *x = ARENA_ARRAY(&arena, float, (size_t)n *(size_t)dim);
    int32_t *label = ARENA_ARRAY(&arena, int32_t, n);
    for (int i = 0; i < n; i++) {
        struct rng r = rng_at((struct rng_key){610, RNG_TEST}, stream, (uint32_t)i);
        label[i] = i % classes;
        for (int d = 0; d < dim; d++)
            x[(size_t)i * (size_t)dim + (size_t)d] =
                (float)(rng_normal(&r) + (d == label[i] ? distance : 0));
    }
    return (struct features){.x = x, .label = label, .n = n, .dim = dim, .classes = classes};
}

#endif
