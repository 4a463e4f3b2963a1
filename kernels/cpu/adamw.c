/* adamw.c -- formulas in kernels/kernels.h; one pass over the four slabs. */
#include "kernels/cpu/cpu.h"

#include <math.h>

struct step { /* what all elements share */
    float gscale, b1, b2, eps, decay, lr, root;
};

/* Decay and step are added before they meet w: 1 - lr wd has few digits left of a small lr wd. */
static void update(const struct step *s, size_t n, float *w, const float *g, float *m, float *v) {
    for (size_t i = 0; i < n; i += VEC_WIDTH) {
        size_t left = n - i;
        vec gradient = s->gscale * vec_load_first(g + i, left), old = vec_load_first(w + i, left);
        vec first = s->b1 * vec_load_first(m + i, left) + (1 - s->b1) * gradient;
        vec second = s->b2 * vec_load_first(v + i, left) + (1 - s->b2) * (gradient * gradient);
        vec step = s->lr * first / (vec_sqrt(second) * s->root + s->eps);
        vec_store_first(m + i, left, first);
        vec_store_first(v + i, left, second);
        vec_store_first(w + i, left, old - (s->decay * old + step));
    }
}

void ISA_NAME(adamw)(const struct kctx *c, size_t n, float *w, const float *g, float *m, float *v,
                     float gscale, float lr, float b1, float b2, float eps, float wd, float c1,
                     float c2) {
    const struct step s = {.gscale = gscale,
                           .b1 = b1,
                           .b2 = b2,
                           .eps = eps,
                           .decay = lr * wd,
                           .lr = lr / c1,
                           .root = 1 / sqrtf(c2)};
#pragma omp parallel for if (c->threads > 1) num_threads(c->threads) schedule(static)
    for (size_t at = 0; at < n; at += BLOCK)
        update(&s, n - at < BLOCK ? n - at : BLOCK, w + at, g + at, m + at, v + at);
}
