#include "bench/bandwidth.h"

#include "core/clock.h"
#include "nn/away.h"

/* A try moves some 16 MiB at least, in a millisecond or so. */
enum { FIRST = 14, STEP = 2, BLOCK_CALLS = 1 << 24, TRIES = 3 };

static double best_rate(const struct kernels *k, const struct kctx *c, struct device *d,
                        size_t bytes, real *data, double seconds) {
    size_t n = bytes / 2 / sizeof(real), calls = 1 + BLOCK_CALLS / bytes;
    double best = 0, end = clock_seconds() + seconds;
    for (int t = 0; t < TRIES || clock_seconds() < end; t++) {
        double start = clock_seconds();
        for (size_t i = 0; i < calls; i++)
            k->axpby(c, n, 0.5f, data, 0.5f, data + n);
        if (d)
            d->wait(d);
        double rate = (double)calls * 3 * (double)n * sizeof(real) / (clock_seconds() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

int bandwidth_measure(struct bandwidth *out, const struct kernels *k, struct device *d, int threads,
                      double seconds, struct error *err) {
    const struct kctx c = {.threads = threads, .device = d ? d->queue : NULL};
    struct slab slab = {0};
    *out = (struct bandwidth){.n = BANDWIDTHS};
    int status = memory_get(d, &slab, (size_t)1 << (FIRST + STEP * (BANDWIDTHS - 1)),
                            "memory to measure", err);
    if (status)
        return status;
    for (int i = 0; i < BANDWIDTHS; i++) {
        out->bytes[i] = (size_t)1 << (FIRST + STEP * i);
        out->per_second[i] = best_rate(k, &c, d, out->bytes[i], slab.data, seconds / BANDWIDTHS);
    }
    memory_put(d, &slab);
    return d ? d->check(d, err) : 0;
}

double bandwidth_for(const struct bandwidth *b, double bytes) {
    int i = 0;
    while (i < b->n - 1 && (double)b->bytes[i] < bytes)
        i++;
    return b->per_second[i];
}
