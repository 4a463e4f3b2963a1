/* Arrays on a device beside those that kernels/ref is given, of 16 bits or of 32. */
#ifndef SSV_TESTS_DEVICE_ARRAYS_H
#define SSV_TESTS_DEVICE_ARRAYS_H

#include "kernels/cuda/runtime.h"
#include "tests/device_net.h"

#include <stdlib.h>

/* Half a unit of 8 bits, and what comes from rounding on the way. */
static const double rounding = 1.0 / 256;

enum { MOST = 16 };
struct array {
    size_t n;
    int half;
    real *here; /* what ref is given, of 16 bits where half */
    void *there;
};

struct bench {
    struct device *d;
    struct kctx here, there;
    struct array arrays[MOST];
    int n;
    struct slab workspace;
    void *room;
};

static float rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits += 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void open_bench(struct bench *b, enum device_math math) {
    struct error err;
    memset(b, 0, sizeof *b);
    assert_int_equal(cuda_device_open(&b->d, 0, math, &err), 0);
    size_t bytes = sizeof(real) * KERNEL_WORKSPACE;
    assert_int_equal(slab_alloc(&b->workspace, bytes, "workspace", &err), 0);
    assert_int_equal(b->d->allocate(b->d, &b->room, bytes, "workspace", &err), 0);
    /* ref keeps of an activation what the device does */
    b->here = (struct kctx){.threads = 1, .workspace = b->workspace.data, .device = b->d->queue};
    b->there = (struct kctx){.threads = 1, .workspace = b->room, .device = b->d->queue};
}

static void clear_bench(struct bench *b) {
    for (int i = 0; i < b->n; i++) {
        free(b->arrays[i].here);
        b->d->release(b->d, b->arrays[i].there);
    }
    b->n = 0;
}

static void close_bench(struct bench *b) {
    clear_bench(b);
    b->d->release(b->d, b->room);
    slab_free(&b->workspace);
    cuda_device_close(b->d);
}

/* Draws the next array of n numbers; its number. */
static inline int draw(struct bench *b, size_t n, int half) {
    assert_true(b->n < MOST);
    struct error err;
    struct array *a = &b->arrays[b->n];
    struct rng r = rng_at((struct rng_key){17, RNG_TEST}, 0, (uint32_t)b->n);
    *a = (struct array){.n = n, .half = half, .here = calloc(n + 1, sizeof(real))};
    uint16_t *narrow = calloc(n + 1, sizeof *narrow);
    for (size_t i = 0; i < n; i++) {
        float x = (float)rng_normal(&r);
        a->here[i] = half ? rounded(x) : x;
        memcpy(&narrow[i], (char *)&a->here[i] + 2, 2);
    }
    size_t bytes = n * (half ? sizeof *narrow : sizeof(real));
    assert_int_equal(b->d->allocate(b->d, &a->there, bytes, "an array", &err), 0);
    b->d->copy_in(b->d, a->there, half ? (void *)narrow : (void *)a->here, bytes);
    free(narrow);
    return b->n++;
}

/* What the device has, against what ref has. */
static inline void same(struct bench *b, int number, const char *what) {
    const struct array *a = &b->arrays[number];
    real *got = calloc(a->n + 1, sizeof *got);
    uint16_t *narrow = calloc(a->n + 1, sizeof *narrow);
    struct error err;
    if (b->d->check(b->d, &err))
        fail_msg("%s: %s", what, err.message);
    if (a->half)
        b->d->copy_out(b->d, narrow, a->there, a->n * sizeof *narrow);
    else
        b->d->copy_out(b->d, got, a->there, a->n * sizeof *got);
    for (size_t i = 0; i < a->n && a->half; i++)
        memcpy((char *)&got[i] + 2, &narrow[i], 2);
    double far = net_distance(got, a->here, a->n);
    if (!(far < rounding))
        fail_msg("%s: array %d is %g away", what, number, far);
    free(got);
    free(narrow);
}

#define HERE(i) (b->arrays[i].here)
#define THERE(i) ((real *)b->arrays[i].there)
#define OPTIONAL(take, i, side) ((take) ? side(i) : NULL)

#endif
