#include "methods/compound.h"

#include "methods/show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- running ---- */

struct part_runtime {
    struct builder builder;
    int first_slot, first_scalar, first_objective;
    int first_tensor, last_tensor; /* last excluded */
};

struct compound_runtime {
    struct part_runtime part[COMPOUND_PARTS];
};

static void adopt(struct builder *b, struct part_runtime *p, const char *name) {
    struct builder *sub = &p->builder;
    CHECK(b->n_inputs + sub->n_inputs <= METHOD_INPUTS &&
              b->n_scalars + sub->n_scalars <= METHOD_SCALARS &&
              b->n_objectives + sub->n_objectives <= METHOD_OBJECTIVES,
          "%s brings too many inputs, scalars or objectives", name);
    p->first_slot = b->n_inputs;
    p->first_scalar = b->n_scalars;
    p->first_objective = b->n_objectives;
    for (int i = 0; i < sub->n_inputs; i++, b->n_inputs++) {
        b->inputs[b->n_inputs] = sub->inputs[i];
        b->slots[b->n_inputs] = sub->slots[i];
        b->rendered[b->n_inputs] = sub->rendered[i];
    }
    for (int i = 0; i < sub->n_scalars; i++, b->n_scalars++) {
        b->scalars[b->n_scalars] = sub->scalars[i];
        b->scalar_value[b->n_scalars] = sub->scalar_value[i];
    }
    for (int i = 0; i < sub->n_objectives; i++, b->n_objectives++) {
        b->objectives[b->n_objectives] = sub->objectives[i];
        b->objectives[b->n_objectives].name =
            arena_printf(b->arena, "%s:%s", name, sub->objectives[i].name);
    }
    for (int i = 0; i < WATCHES; i++)
        if (!b->watched[i])
            b->watched[i] = sub->watched[i];
    b->drop = sub->drop;
    b->pixels = sub->pixels;
    b->rendered_words = sub->rendered_words;
    if (sub->fingerprint != b->fingerprint)
        b->fingerprint = b->fingerprint
                             ? arena_printf(b->arena, "%s %s", b->fingerprint, sub->fingerprint)
                             : sub->fingerprint;
}

static int build(const void *self, struct builder *b, struct error *err) {
    const struct compound_options *o = self;
    const struct compound *c = o->compound;
    struct compound_runtime *r = ARENA_NEW(b->arena, struct compound_runtime);
    b->runtime = r;
    for (int i = 0; i < c->n; i++) {
        struct part_runtime *p = &r->part[i];
        p->builder = *b;
        p->builder.n_inputs = p->builder.n_scalars = p->builder.n_objectives = 0;
        p->builder.runtime = NULL;
        memset(p->builder.watched, 0, sizeof p->builder.watched);
        p->builder.prefix = arena_printf(b->arena, "%s.", c->part[i]->name);
        p->builder.weight = b->weight * c->weight[i];
        p->first_tensor = b->g->n;
        int status = c->part[i]->stages[0].build(o->self[i], &p->builder, err);
        p->last_tensor = b->g->n;
        if (status)
            return status;
        adopt(b, p, c->part[i]->name);
    }
    return 0;
}

static void tune(const void *self, struct recipe *r) {
    const struct compound_options *o = self;
    *r = stage_recipe(&o->compound->part[0]->stages[0], o->self[0]);
}

/* Every part draws from streams of its own, so that adding a part does not change another. */
static void prepare(const void *self, const struct sample *s) {
    const struct compound_options *o = self;
    const struct compound_runtime *r = s->runtime;
    for (int i = 0; i < o->compound->n; i++) {
        struct rng view = *s->view, mask = *s->mask;
        struct sample part = *s;
        part.view = &view;
        part.mask = &mask;
        part.runtime = r->part[i].builder.runtime;
        part.slots = s->slots + r->part[i].first_slot;
        o->compound->part[i]->stages[0].prepare(o->self[i], &part);
    }
}

static const char *own_views(const void *self) {
    const struct compound_options *o = self;
    const char *own = NULL;
    for (int i = 0; i < o->compound->n && !own; i++) {
        const struct method *part = o->compound->part[i];
        own = part->own_views ? part->own_views(o->self[i]) : NULL;
    }
    return own;
}

typedef void hook(const void *self, struct step *s);

static hook *hook_of(const struct stage *s, size_t offset) {
    hook *h;
    memcpy(&h, (const char *)s + offset, sizeof h);
    return h;
}

static void run_hooks(const void *self, struct step *s, size_t offset) {
    const struct compound_options *o = self;
    struct compound_runtime *r = s->b->runtime;
    for (int i = 0; i < o->compound->n; i++) {
        struct part_runtime *p = &r->part[i];
        struct step part = *s;
        part.b = &p->builder;
        part.slots = s->slots ? s->slots + p->first_slot : NULL;
        hook *h = hook_of(&o->compound->part[i]->stages[0], offset);
        if (h)
            h(o->self[i], &part);
        for (int j = 0; j < p->builder.n_scalars; j++)
            s->b->scalar_value[p->first_scalar + j] = p->builder.scalar_value[j];
        for (int j = 0; j < p->builder.n_objectives; j++) {
            struct objective *sum = &s->b->objectives[p->first_objective + j];
            sum->own = p->builder.objectives[j].own;
            sum->weight = p->builder.objectives[j].weight;
        }
        if (i == 0) {
            s->lr = part.lr;
            s->weight_decay = part.weight_decay;
        }
    }
}

static void start(const void *self, struct step *s) {
    run_hooks(self, s, offsetof(struct stage, start));
}

static void before(const void *self, struct step *s) {
    run_hooks(self, s, offsetof(struct stage, before));
}

static void after(const void *self, struct step *s) {
    run_hooks(self, s, offsetof(struct stage, after));
}

/* One part's picture after the other, each from its own inputs and tensors. */
static int show(struct show *s, struct error *err) {
    const struct compound_options *o = s->self;
    struct compound_runtime *r = s->graphs[0].b->runtime;
    int status = 0;
    for (int i = 0; i < o->compound->n && !status; i++) {
        struct part_runtime *p = &r->part[i];
        struct show_graph *g = &s->graphs[0];
        s->method = o->compound->part[i];
        s->self = o->self[i];
        s->part = arena_printf(&s->arena, "%s: ", s->method->name);
        g->b = &p->builder;
        g->first = p->first_tensor;
        g->last = p->last_tensor;
        g->slots = g->all + p->first_slot;
        sheet_heading(&s->sheet, s->method->name);
        status = s->method->show(s, err);
    }
    return status;
}

/* ---- parsing ---- */

static int parse_part(struct compound *c, const char *item, struct error *err) {
    char name[64];
    const char *colon = strchr(item, ':');
    size_t length = colon ? (size_t)(colon - item) : strlen(item);
    snprintf(name, sizeof name, "%.*s", (int)length, item);
    if (c->n == COMPOUND_PARTS)
        return error_set(err, STATUS_USAGE, "more than %d methods in one", COMPOUND_PARTS);
    const struct method *m = method_find(name);
    char *end = NULL;
    double weight = colon ? strtod(colon + 1, &end) : 1;
    if (!m)
        return method_unknown(name, err);
    if (colon && (end == colon + 1 || *end || !isfinite(weight) || weight <= 0))
        return error_set(err, STATUS_USAGE, "%s: the weight \"%s\" is not a positive number", name,
                         colon + 1);
    for (int i = 0; i < c->n; i++)
        if (c->part[i] == m)
            return error_set(err, STATUS_USAGE, "%s stands twice in one method", name);
    c->part[c->n] = m;
    c->weight[c->n++] = weight;
    return 0;
}

static int check_part(const struct compound *c, const struct method *m, struct error *err) {
    const char *why = !m->trains             ? "it does not train"
                      : m->n_stages > 1      ? "it has two stages"
                      : m->encode            ? "it has encoders of its own"
                      : !c->method.backbones ? "no backbone runs all of them"
                                             : NULL;
    return why ? error_set(err, STATUS_USAGE, "%s cannot share an encoder: %s", m->name, why) : 0;
}

/* The compound as a method, from its parts. */
static int combine(struct compound *c, struct arena *a, const char *text, struct error *err) {
    struct method *m = &c->method;
    const struct stage *first = &c->part[0]->stages[0];
    *m = (struct method){.name = arena_strdup(a, text),
                         .title = "Combined objectives",
                         .cite = c->part[0]->cite,
                         .paper_recipe = c->part[0]->paper_recipe,
                         .backbones = BACKBONE_ANY,
                         .trains = 1,
                         .own_views = own_views,
                         .stages = {{.name = "pretrain",
                                     .recipe = first->recipe,
                                     .tune = tune,
                                     .build = build,
                                     .prepare = prepare,
                                     .start = start,
                                     .before = before,
                                     .after = after}},
                         .n_stages = 1,
                         .compound = c};
    for (int i = 0; i < c->n; i++) {
        const struct method *p = c->part[i];
        m->show = p->show && (!i || m->show) ? show : NULL;
        m->shows_kinds |= p->shows_kinds;
        m->backbones &= p->backbones;
        m->uses_labels |= p->uses_labels;
        m->uses_captions |= p->uses_captions;
        m->channels = p->channels ? p->channels : m->channels;
        m->mixes_samples |= p->mixes_samples;
        const struct recipe *second = p->stages[0].second;
        if (second && m->stages[0].second)
            return error_set(err, STATUS_USAGE, "%s: two methods with a second optimizer", text);
        if (second) {
            CHECK(!strchr(second->groups, ' '), "%s: groups \"%s\"", p->name, second->groups);
            c->second = *second;
            c->second.groups = arena_printf(a, "%s.%s", p->name, second->groups);
            m->stages[0].second = &c->second;
        }
    }
    int status = 0;
    for (int i = 0; i < c->n && !status; i++)
        status = check_part(c, c->part[i], err);
    return status;
}

int method_parse(const char *text, struct arena *a, const struct method **out, struct error *err) {
    if (!strpbrk(text, ":+")) {
        *out = method_find(text);
        return *out ? 0 : method_unknown(text, err);
    }
    struct compound *c = ARENA_NEW(a, struct compound);
    char *copy = arena_strdup(a, text), *rest = NULL;
    if (strlen(text) >= 64)
        return error_set(err, STATUS_USAGE, "\"%s\" is too long for a method", text);
    const size_t length = strlen(text);
    if (text[0] == '+' || text[length - 1] == '+' || strstr(text, "++"))
        return error_set(err, STATUS_USAGE, "\"%s\": a method is missing beside a +", text);
    int status = 0;
    for (char *item = strtok_r(copy, "+", &rest); item; item = strtok_r(NULL, "+", &rest))
        TRY(parse_part(c, item, err));
    TRY(combine(c, a, text, err));
    *out = &c->method;
out:
    return status;
}
