#include "bench/peak.h"

#include "core/clock.h"
#include "core/rng.h"
#include "nn/away.h"

enum { SIDE = 4096 };

/* The same normals in a and b: zeros would be faster than numbers. */
static int fill(struct device *d, struct slab *a, struct slab *b, struct error *err) {
    struct rng random = rng_at((struct rng_key){.seed = 0, .purpose = RNG_TEST}, 0, 0);
    struct slab here = {0};
    int status = slab_alloc(&here, a->bytes, "memory to measure", err);
    real *x = here.data;
    for (size_t i = 0; i < a->bytes / sizeof *x && !status; i++)
        x[i] = (real)(rng_uniform(&random) - 0.5);
    if (!status) {
        d->copy_in(d, a->data, here.data, a->bytes);
        d->copy_in(d, b->data, here.data, b->bytes);
    }
    slab_free(&here);
    return status;
}

int peak_device(double *flops, struct device *d, double seconds, struct error *err) {
    enum { MATRICES = 3, LEAST = 3 };
    struct slab m[MATRICES] = {{0}}, workspace = {0};
    int status = 0;
    *flops = 0;
    for (int i = 0; i < MATRICES; i++)
        TRY(memory_get(d, &m[i], (size_t)SIDE * SIDE * sizeof(real), "memory to measure", err));
    TRY(memory_get(d, &workspace, KERNEL_WORKSPACE * sizeof(real), "workspace", err));
    TRY(fill(d, &m[0], &m[1], err));
    const struct kctx c = {.threads = 1, .workspace = workspace.data, .device = d->queue};
    double end = clock_seconds() + seconds;
    for (int i = 0; i < LEAST || clock_seconds() < end; i++) {
        double start = clock_seconds();
        d->kernels->gemm(&c, 0, 0, SIDE, SIDE, SIDE, 1, m[0].data, SIDE, m[1].data, SIDE, 0,
                         m[2].data, SIDE);
        d->wait(d);
        double rate = 2.0 * SIDE * SIDE * SIDE / (clock_seconds() - start);
        *flops = rate > *flops ? rate : *flops;
    }
    status = d->check(d, err);
out:
    for (int i = 0; i < MATRICES; i++)
        memory_put(d, &m[i]);
    memory_put(d, &workspace);
    return status;
}
