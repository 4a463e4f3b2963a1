/* sgd.c -- formulas in kernels/kernels.h; one pass over the three slabs. */
#include "kernels/cpu/cpu.h"

struct step {
    float gscale, lr, momentum, wd;
    int nesterov, first;
};

static void update(const struct step *s, size_t n, float *w, const float *g, float *buf) {
    for (size_t i = 0; i < n; i += VEC_WIDTH) {
        size_t left = n - i;
        vec old = vec_load_first(w + i, left);
        vec gradient = s->gscale * vec_load_first(g + i, left) + s->wd * old;
        vec velocity = gradient;
        if (!s->first)
            velocity += s->momentum * vec_load_first(buf + i, left);
        vec_store_first(buf + i, left, velocity);
        vec direction = s->nesterov ? gradient + s->momentum * velocity : velocity;
        vec_store_first(w + i, left, old - s->lr * direction);
    }
}

void ISA_NAME(sgd)(const struct kctx *c, size_t n, float *w, const float *g, float *buf,
                   float gscale, float lr, float momentum, float wd, int nesterov, int first) {
    const struct step s = {gscale, lr, momentum, wd, nesterov, first};
#pragma omp parallel for if (c->threads > 1) num_threads(c->threads) schedule(static)
    for (size_t at = 0; at < n; at += BLOCK)
        update(&s, n - at < BLOCK ? n - at : BLOCK, w + at, g + at, buf + at);
}
