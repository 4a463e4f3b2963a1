#include "nn/optim.h"

#include <math.h>

/* What one tensor's update needs beside the slabs. */
struct update {
    const struct optimizer *o;
    const struct optim_state *s;
    const struct param_fact *fact;
    real gscale, lr, wd;
    long t;
};

static void adamw_update(const struct kernels *k, const struct kctx *c, const struct update *u) {
    const struct optimizer *o = u->o;
    const struct optim_state *s = u->s;
    size_t at = u->fact->offset;
    k->adamw(c, u->fact->count, s->value + at, s->grad + at, s->m + at, s->v + at, u->gscale, u->lr,
             (real)o->b1, (real)o->b2, (real)o->eps, u->wd, (real)(1 - pow(o->b1, (double)u->t)),
             (real)(1 - pow(o->b2, (double)u->t)));
}

static void sgd_update(const struct kernels *k, const struct kctx *c, const struct update *u) {
    const struct optim_state *s = u->s;
    size_t at = u->fact->offset;
    k->sgd(c, u->fact->count, s->value + at, s->grad + at, s->m + at, u->gscale, u->lr,
           (real)u->o->momentum, u->wd, u->o->nesterov, u->t == 1);
}

/* |gscale g + wd w| */
static double decayed_norm(const struct kernels *k, const struct kctx *c, const struct update *u) {
    const real *g = u->s->grad + u->fact->offset, *w = u->s->value + u->fact->offset;
    size_t n = u->fact->count;
    if (u->wd == 0)
        return (double)u->gscale * sqrt(k->sum_squares(c, n, g));
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)u->gscale * (double)g[i] + (double)u->wd * (double)w[i];
        sum += x * x;
    }
    return sqrt(sum);
}

/* q (gscale g + wd w) is the SGD kernel's gradient with q gscale and q wd. */
static void lars_update(const struct kernels *k, const struct kctx *c, const struct update *u) {
    const struct optim_state *s = u->s;
    size_t at = u->fact->offset;
    double q = 1;
    if (u->fact->ndim > 1) {
        double w_norm = sqrt(k->sum_squares(c, u->fact->count, s->value + at));
        double g_norm = decayed_norm(k, c, u);
        if (w_norm > 0 && g_norm > 0)
            q = u->o->trust * w_norm / g_norm;
    }
    k->sgd(c, u->fact->count, s->value + at, s->grad + at, s->m + at, (real)(q * (double)u->gscale),
           u->lr, (real)u->o->momentum, (real)(q * (double)u->wd), 0, u->t == 1);
}

static void (*const updates[])(const struct kernels *, const struct kctx *,
                               const struct update *) = {
    [OPTIMIZER_ADAMW] = adamw_update,
    [OPTIMIZER_SGD] = sgd_update,
    [OPTIMIZER_LARS] = lars_update,
};

static int touches(const struct optimizer *o, const struct param_fact *f, long t) {
    return f->trainable && t > f->frozen_until && (!o->groups || o->groups >> f->group & 1u);
}

/* PyTorch's clip_grad_norm_, its 1e-6 included: trajectories are compared with it. */
static double clip_scale(double clip, double norm) {
    return clip > 0 ? fmin(1, clip / (norm + 1e-6)) : 1;
}

double optimizer_norm(const struct optimizer *o, const struct kernels *k, const struct kctx *c,
                      const struct optim_state *s, long t) {
    CHECK(t >= 1, "steps count from 1, not %ld", t);
    double sum = 0;
    for (int i = 0; i < s->n_facts; i++) {
        const struct param_fact *fact = &s->facts[i];
        CHECK(fact->offset <= s->count && fact->count <= s->count - fact->offset,
              "tensor %d ends behind the slab of %zu", i, s->count);
        if (touches(o, fact, t))
            sum += k->sum_squares(c, fact->count, s->grad + fact->offset);
    }
    return sqrt(sum);
}

double optimizer_step(const struct optimizer *o, const struct kernels *k, const struct kctx *c,
                      const struct optim_state *s, double lr, long t) {
    double norm = optimizer_norm(o, k, c, s, t);
    if (!isfinite(norm))
        return norm;
    double gscale = o->clip_each ? 1 : clip_scale(o->clip, norm);
    for (int i = 0; i < s->n_facts; i++) {
        const struct param_fact *fact = &s->facts[i];
        if (!touches(o, fact, t))
            continue;
        if (o->clip_each)
            gscale =
                clip_scale(o->clip, sqrt(k->sum_squares(c, fact->count, s->grad + fact->offset)));
        struct update u = {.o = o,
                           .s = s,
                           .fact = fact,
                           .gscale = (real)gscale,
                           .lr = (real)(lr * (double)fact->lr_scale),
                           .wd = (real)(fact->decay && fact->ndim > 1 ? o->weight_decay : 0),
                           .t = t - fact->frozen_until};
        updates[o->kind](k, c, &u);
    }
    return norm;
}

double schedule_cosine(long step, long total, long warmup, double lr, double lr_end) {
    if (step < warmup)
        return lr * (double)step / (double)warmup;
    if (step >= total)
        return lr_end;
    double share = (double)(step - warmup) / (double)(total - warmup);
    return lr_end + (lr - lr_end) * 0.5 * (1 + cos(3.14159265358979323846 * share));
}

void ema_update(const struct kernels *k, const struct kctx *c, size_t n, const real *student,
                double m, real *teacher) {
    /* Rounded first, subtracted then: the two factors sum to exactly 1, and a teacher equal to its
     * student stays equal. */
    real keep = (real)m;
    k->axpby(c, n, 1 - keep, student, keep, teacher);
}
