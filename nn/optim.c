#include "nn/optim.h"

#include <math.h>

/* What one tensor's update needs beside the slabs. */
struct update {
    const struct optimizer *o;
    const struct optim_state *s;
    const struct param_fact *fact;
    size_t place; /* in m and v */
    real gscale, lr, wd;
    long t;
};

static void adamw_update(const struct kernels *k, const struct kctx *c, const struct update *u) {
    const struct optimizer *o = u->o;
    const struct optim_state *s = u->s;
    size_t at = u->fact->offset;
    k->adamw(c, u->fact->count, s->value + at, s->grad + at, s->m + u->place, s->v + u->place,
             u->gscale, u->lr, (real)o->b1, (real)o->b2, (real)o->eps, u->wd,
             (real)(1 - pow(o->b1, (double)u->t)), (real)(1 - pow(o->b2, (double)u->t)));
}

static void sgd_update(const struct kernels *k, const struct kctx *c, const struct update *u) {
    const struct optim_state *s = u->s;
    size_t at = u->fact->offset;
    k->sgd(c, u->fact->count, s->value + at, s->grad + at, s->m + u->place, u->gscale, u->lr,
           (real)u->o->momentum, u->wd, u->o->nesterov, u->t == 1);
}

/* |gscale g + wd w| */
static double decayed_norm(const struct kernels *k, const struct kctx *c, const struct update *u) {
    const real *g = u->s->grad + u->fact->offset, *w = u->s->value + u->fact->offset;
    size_t n = u->fact->count;
    double sum = 0;
    if (u->s->device) {
        const struct device_range range = {.count = n, .a = u->gscale, .b = u->wd};
        u->s->device->squares(u->s->device, 1, &range, g, w, &sum);
        return sqrt(sum);
    }
    if (u->wd == 0)
        return (double)u->gscale * sqrt(k->sum_squares(c, n, g));
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
    k->sgd(c, u->fact->count, s->value + at, s->grad + at, s->m + u->place,
           (real)(q * (double)u->gscale), u->lr, (real)u->o->momentum, (real)(q * (double)u->wd), 0,
           u->t == 1);
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

double *optimizer_squares(struct arena *a, const struct optimizer *o, const struct kernels *k,
                          const struct kctx *c, const struct optim_state *s, long t) {
    double *out = ARENA_ARRAY(a, double, s->n_facts + 1);
    struct device_range *range = ARENA_ARRAY(a, struct device_range, s->n_facts + 1);
    CHECK(t >= 1, "steps count from 1, not %ld", t);
    for (int i = 0; i < s->n_facts; i++) {
        const struct param_fact *fact = &s->facts[i];
        CHECK(fact->offset <= s->count && fact->count <= s->count - fact->offset,
              "tensor %d ends behind the slab of %zu", i, s->count);
        size_t count = touches(o, fact, t) && (!s->mine || s->mine[i]) ? fact->count : 0;
        range[i] = (struct device_range){.offset = fact->offset, .count = count, .a = 1};
        if (!s->device)
            out[i] = count ? k->sum_squares(c, count, s->grad + fact->offset) : 0;
    }
    if (s->device)
        s->device->squares(s->device, s->n_facts, range, s->grad, NULL, out);
    return out;
}

double optimizer_norm(const struct optim_state *s, const double *squares) {
    double sum = 0;
    for (int i = 0; i < s->n_facts; i++)
        sum += squares[i];
    return sqrt(sum);
}

static struct update describe(const struct optimizer *o, const struct optim_state *s, int i,
                              double gscale, double lr, long t) {
    const struct param_fact *fact = &s->facts[i];
    return (struct update){.o = o,
                           .s = s,
                           .fact = fact,
                           .place = s->places ? s->places[i] : fact->offset,
                           .gscale = (real)gscale,
                           .lr = (real)(lr * (double)fact->lr_scale),
                           .wd = (real)(fact->decay && fact->ndim > 1 ? o->weight_decay : 0),
                           .t = t - fact->frozen_until};
}

/* One launch for all tensors instead of one each, as far as moments lie as their weights do. */
static void adamw_on_device(struct arena *scratch, const struct optimizer *o,
                            const struct optim_state *s, int n, const struct update *u) {
    struct device_range *range = ARENA_ARRAY(scratch, struct device_range, n + 1);
    for (int i = 0, end; i < n; i = end) {
        const size_t first = u[i].fact->offset, place = u[i].place;
        for (end = i; end < n && u[end].fact->offset - first == u[end].place - place; end++)
            range[end] =
                (struct device_range){.offset = u[end].fact->offset - first,
                                      .count = u[end].fact->count,
                                      .scale = u[end].gscale,
                                      .lr = u[end].lr,
                                      .decay = u[end].wd,
                                      .correct1 = (real)(1 - pow(o->b1, (double)u[end].t)),
                                      .correct2 = (real)(1 - pow(o->b2, (double)u[end].t))};
        s->device->adamw(s->device, end - i, range + i, s->value + first, s->grad + first,
                         s->m + place, s->v + place, (real)o->b1, (real)o->b2, (real)o->eps);
    }
}

void optimizer_step(const struct optimizer *o, const struct kernels *k, const struct kctx *c,
                    const struct optim_state *s, const double *squares, double lr, long t) {
    struct arena scratch = {0};
    struct update *u = ARENA_ARRAY(&scratch, struct update, s->n_facts + 1);
    double all = clip_scale(o->clip, optimizer_norm(s, squares));
    int n = 0;
    for (int i = 0; i < s->n_facts; i++)
        if (touches(o, &s->facts[i], t) && (!s->mine || s->mine[i]))
            u[n++] = describe(o, s, i, o->clip_each ? clip_scale(o->clip, sqrt(squares[i])) : all,
                              lr, t);
    if (s->device && o->kind == OPTIMIZER_ADAMW)
        adamw_on_device(&scratch, o, s, n, u);
    else
        for (int i = 0; i < n; i++)
            updates[o->kind](k, c, &u[i]);
    arena_free(&scratch);
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
