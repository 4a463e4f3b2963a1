#include "nn/model.h"

#include "core/rng.h"

#include <math.h>
#include <string.h>

enum { PAD = 16 }; /* reals: groups start on 64-byte borders */

void model_init(struct model *m) {
    *m = (struct model){.version = 1};
}

int model_group(struct model *m, const char *name) {
    for (int i = 0; i < m->n_groups; i++)
        if (!strcmp(m->groups[i].name, name))
            return i;
    CHECK(m->n_groups < MODEL_GROUPS, "more than %d groups", MODEL_GROUPS);
    m->groups[m->n_groups].name = arena_strdup(&m->arena, name);
    return m->n_groups++;
}

struct param *model_param(struct model *m, int group, const char *name, int ndim, const int *dim,
                          enum init_kind init, double scale) {
    CHECK(group >= 0 && group < m->n_groups, "group %d of %d", group, m->n_groups);
    struct group *g = &m->groups[group];
    for (struct param *p = g->first; p; p = p->next)
        if (!strcmp(p->name, name)) {
            CHECK(p->ndim == ndim && !memcmp(p->dim, dim, sizeof *dim * (size_t)ndim),
                  "parameter %s.%s asked for with two shapes", g->name, name);
            return p;
        }
    CHECK(!m->value, "parameter %s.%s asked for after the model was allocated", g->name, name);
    struct param *p = ARENA_NEW(&m->arena, struct param);
    *p = (struct param){.name = arena_strdup(&m->arena, name),
                        .group = group,
                        .ndim = ndim,
                        .count = 1,
                        .init = init,
                        .scale = scale,
                        .decay = ndim > 1,
                        .trainable = 1};
    for (int i = 0; i < ndim; i++) {
        CHECK(dim[i] > 0, "parameter %s: dimension %d is %d", name, i, dim[i]);
        p->dim[i] = dim[i];
        p->count *= (size_t)dim[i];
    }
    if (g->last)
        g->last->next = p;
    else
        g->first = p;
    g->last = p;
    g->n_params++;
    return p;
}

/* FNV-1a: which draws a parameter gets depends on its full name alone. */
static uint32_t name_hash(const char *group, const char *name) {
    uint32_t h = 2166136261u;
    for (const char *s = group; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    h = (h ^ '.') * 16777619u;
    for (const char *s = name; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

/* Of a stream that nothing else is drawn from. */
struct draws {
    struct rng stream;
    void (*draw)(struct rng *r, double *out, size_t n);
    int left;
    double ahead[128];
};

static double next(struct draws *d) {
    enum { AHEAD = sizeof d->ahead / sizeof *d->ahead };
    if (!d->left) {
        d->draw(&d->stream, d->ahead, AHEAD);
        d->left = AHEAD;
    }
    return d->ahead[AHEAD - d->left--];
}

static void draw_truncated(struct draws *d, double scale, real *w, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double x;
        do
            x = next(d);
        while (fabs(x) > 2);
        w[i] = (real)(x * scale);
    }
}

static void draw(const struct param *p, const char *group, uint64_t seed, real *w) {
    struct draws d = {.stream =
                          rng_at((struct rng_key){seed, RNG_INIT}, 0, name_hash(group, p->name)),
                      .draw = p->init == INIT_XAVIER ? rng_uniforms : rng_normals};
    double fan_out = p->dim[0], fan_in = (double)p->count / p->dim[0];
    double a = sqrt(6.0 / (fan_in + fan_out));
    double he_fan = p->ndim == 4 ? fan_out * p->dim[1] * p->dim[2] : fan_out; /* channels last */
    double constant = p->init == INIT_ONE ? 1 : p->init == INIT_CONSTANT ? p->scale : 0;
    double deviation = p->init == INIT_HE ? sqrt(2 / he_fan) : p->scale;
    switch (p->init) {
    case INIT_ZERO:
    case INIT_ONE:
    case INIT_CONSTANT:
        for (size_t i = 0; i < p->count; i++)
            w[i] = (real)constant;
        break;
    case INIT_TRUNC_NORMAL:
        draw_truncated(&d, p->scale, w, p->count);
        break;
    case INIT_XAVIER:
        for (size_t i = 0; i < p->count; i++)
            w[i] = (real)(2 * a * next(&d) - a);
        break;
    case INIT_NORMAL:
    case INIT_HE:
        for (size_t i = 0; i < p->count; i++)
            w[i] = (real)(deviation * next(&d));
        break;
    }
}

static void lay_out(struct model *m) {
    int n = 0;
    m->count = 0;
    for (int i = 0; i < m->n_groups; i++)
        m->n_facts += m->groups[i].n_params;
    m->facts = ARENA_ARRAY(&m->arena, struct param_fact, m->n_facts);
    for (int i = 0; i < m->n_groups; i++) {
        struct group *g = &m->groups[i];
        g->offset = m->count;
        for (struct param *p = g->first; p; p = p->next) {
            p->offset = m->count;
            m->facts[n++] = (struct param_fact){.offset = p->offset,
                                                .count = p->count,
                                                .ndim = p->ndim,
                                                .lr_scale = 1,
                                                .decay = p->decay,
                                                .group = i,
                                                .trainable = p->trainable && !g->held};
            m->count += p->count;
        }
        m->count = (m->count + PAD - 1) / PAD * PAD;
        g->count = m->count - g->offset;
    }
}

/* Each parameter has a stream of its own, so neither order nor threads matter. */
static void draw_all(struct model *m, uint64_t seed) {
    const struct param **all = ARENA_ARRAY(&m->arena, const struct param *, m->n_facts + 1);
    int n = 0;
    for (int i = 0; i < m->n_groups; i++)
        for (const struct param *p = m->groups[i].first; p; p = p->next)
            all[n++] = p;
#pragma omp parallel for schedule(dynamic, 1)
    for (int i = 0; i < n; i++)
        draw(all[i], m->groups[all[i]->group].name, seed, m->value + all[i]->offset);
}

static int allocate(struct model *m, int with_state, struct error *err) {
    lay_out(m);
    size_t bytes = m->count * sizeof(real) * (with_state ? 3 : 1);
    int status = slab_alloc(&m->slab, bytes, "the model's weights and optimizer state", err);
    if (status)
        return status;
    m->value = m->slab.data;
    m->m = with_state ? m->value + m->count : NULL;
    m->v = with_state ? m->value + 2 * m->count : NULL;
    m->version++;
    return 0;
}

struct optim_state model_optim_state(const struct model *m, const real *gradient) {
    return (struct optim_state){.value = m->value,
                                .grad = gradient,
                                .m = m->m,
                                .v = m->v,
                                .count = m->count,
                                .facts = m->facts,
                                .n_facts = m->n_facts};
}

int model_allocate_blank(struct model *m, struct error *err) {
    return allocate(m, 0, err);
}

int model_allocate(struct model *m, uint64_t seed, int with_state, struct error *err) {
    int status = allocate(m, with_state, err);
    if (!status)
        draw_all(m, seed);
    return status;
}

static struct param *find(const struct group *g, const char *name) {
    struct param *p = g->first;
    while (p && strcmp(p->name, name))
        p = p->next;
    return p;
}

/* Parameters are matched by name: two groups need not have been described in the same order. */
static void each_pair(struct model *m, int from, int to, const struct kernels *k,
                      const struct kctx *c, real *values, double momentum) {
    for (struct param *p = m->groups[to].first; p; p = p->next) {
        struct param *q = find(&m->groups[from], p->name);
        CHECK(q && q->count == p->count, "%s has no %s of that size", m->groups[from].name,
              p->name);
        if (!k)
            memcpy(values + p->offset, values + q->offset, p->count * sizeof(real));
        else if (!q->statistic)
            ema_update(k, c, p->count, values + q->offset, momentum, values + p->offset);
    }
    m->version++;
}

void model_copy(struct model *m, int from, int to) {
    each_pair(m, from, to, NULL, NULL, m->value, 0);
}

void model_ema(struct model *m, const struct kernels *k, const struct kctx *c, real *values,
               int from, int to, double momentum) {
    each_pair(m, from, to, k, c, values, momentum);
}

void model_freeze(struct model *m, int group, long until) {
    for (int i = 0; i < m->n_facts; i++)
        if (m->facts[i].group == group)
            m->facts[i].frozen_until = until;
}

void model_hold(struct model *m, int group) {
    CHECK(!m->value, "held groups are known before the model is allocated");
    m->groups[group].held = 1;
}

size_t model_parameters(const struct model *m) {
    size_t n = 0;
    for (int i = 0; i < m->n_groups; i++)
        for (const struct param *p = m->groups[i].first; p; p = p->next)
            n += p->count;
    return n;
}

void model_free(struct model *m) {
    slab_free(&m->slab);
    arena_free(&m->arena);
    *m = (struct model){0};
}
