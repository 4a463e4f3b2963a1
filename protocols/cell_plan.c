/* cell_plan.c -- what a cell is before anything is built: its settings, its backbone, its steps. */
#include "protocols/cell_internal.h"
#include "protocols/suite.h"

#include "core/log.h"
#include "core/sha256.h"

#include <math.h>
#include <string.h>

static int assign(struct cell *c, const char *key, const char *value, struct error *err) {
    return options_assign(&c->settings.options, key, value, FROM_FLAG, err);
}

/* A budget in epochs is the option of that name, so that equal budgets are equal settings; any
 * other one makes that option mean nothing. */
static int resolve_budget(struct cell *c, struct error *err) {
    const double nothing = 0.001;
    struct plan *p = &c->settings.plan;
    if (*p->budget) {
        int status = budget_parse(&c->budget, p->budget, err);
        if (status)
            return status;
    } else {
        c->budget = (struct budget){BUDGET_EPOCHS, p->epochs};
    }
    int epochs = c->budget.kind == BUDGET_EPOCHS;
    p->epochs = epochs ? c->budget.amount : nothing;
    p->budget = epochs ? "" : budget_text(&c->budget, &c->arena);
    if (!c->method->trains) { /* nothing that only training reads may split the runs */
        p->epochs = nothing, p->batch = p->accumulate = 1;
        p->lr = p->weight_decay = p->warmup = 0;
        p->stop_on_collapse = 0;
        p->budget = "";
    }
    return 0;
}

/* The suite's settings narrowed to this cell, every "automatic" replaced by its number. */
static int resolve(struct cell *c, const struct settings *suite, struct error *err) {
    struct settings *s = &c->settings;
    int last = c->method->n_stages - 1;
    struct recipe recipe = {.lr = 0};
    settings_init(s);
    settings_use(s, c->method);
    int status = 0;
    TRY(options_load_text(&s->options, options_text(&suite->options, &c->arena), "settings", err));
    s->judging.sweep = ""; /* its values are in their options */
    TRY(assign(c, "methods", c->method->name, err));
    TRY(assign(c, "data", c->data->spec, err));
    TRY(assign(c, "seeds", suite_seed_text(c->seed, &c->arena), err));
    if (last >= 0)
        recipe = stage_recipe(&c->method->stages[last], settings_method(s, c->method));
    if (!strcmp(s->plan.preset, "paper") && c->method->paper_recipe)
        recipe = *c->method->paper_recipe;
    if (s->plan.lr < 0)
        s->plan.lr = recipe.lr;
    if (s->plan.weight_decay < 0)
        s->plan.weight_decay = recipe.weight_decay;
    if (s->plan.warmup < 0)
        s->plan.warmup = recipe.warmup;
    if (!s->plan.image)
        s->plan.image = c->data->height;
    status = resolve_budget(c, err);
out:
    return status;
}

/* Why the pair has no meaning, or NULL. */
static const char *meaningless(struct cell *c) {
    const char *method = c->method->name, *data = c->data->name;
    if (!(c->method->backbones & (unsigned)c->backbone.kind))
        return arena_printf(&c->arena, "%s does not run on %s: see `ssvbench list methods`", method,
                            c->backbone.name);
    if (c->backbone.channels != c->data->channels)
        return arena_printf(&c->arena, "%s has %d channels, %s takes %d", data, c->data->channels,
                            c->backbone.name, c->backbone.channels);
    if (c->method->channels && c->method->channels != c->data->channels)
        return arena_printf(&c->arena, "%s needs images of %d channels, and %s has %d", method,
                            c->method->channels, data, c->data->channels);
    if (c->method->uses_labels && !c->data->classes)
        return arena_printf(&c->arena, "%s needs labels, and %s has none", method, data);
    if (c->method->uses_captions && !c->data->has_caption)
        return arena_printf(&c->arena, "%s needs captions, and %s has none", method, data);
    return NULL;
}

/* The encoder that the method brings along; what the plan says of encoders becomes what that one
 * is.
 */
static int take_own(struct cell *c, struct error *err) {
    struct plan *p = &c->settings.plan;
    int status = c->method->own(settings_method(&c->settings, c->method), &c->arena, &c->backbone,
                                &c->norm, &c->runtime, err);
    if (status)
        return status;
    p->backbone = BACKBONE_OWN;
    p->image = c->backbone.image;
    p->drop_path = p->layer_scale = 0;
    if (c->backbone.kind == BACKBONE_VIT) {
        const struct vit *v = &c->backbone.vit;
        p->patch = v->patch;
        p->pool = v->pool == POOL_MEAN ? "mean" : "cls";
        p->position = v->position == POSITION_LEARNED ? "learned" : "sincos";
        p->relative_positions = v->relative_positions;
    }
    return 0;
}

static int make_backbone(struct cell *c, struct error *err) {
    const struct plan *p = &c->settings.plan;
    const struct backbone_options o = {
        .image = p->image,
        .channels = c->data->channels,
        .patch = p->patch,
        .position = strcmp(p->position, "learned") ? POSITION_SINCOS : POSITION_LEARNED,
        .pool = strcmp(p->pool, "mean") ? POOL_CLS : POOL_MEAN,
        .drop_path = p->drop_path,
        .layer_scale = p->layer_scale,
        .relative_positions = p->relative_positions};
    int status = backbone_make(&c->backbone, p->backbone, &o, err);
    if (status) {
        error_prefix(err, "%s", c->data->name);
        return status;
    }
    memcpy(c->norm.mean, c->data->mean, sizeof c->norm.mean);
    memcpy(c->norm.std, c->data->std, sizeof c->norm.std);
    return 0;
}

static int choose_backbone(struct cell *c, struct error *err) {
    int status = c->method->own ? take_own(c, err) : make_backbone(c, err);
    if (status)
        return status;
    /* Nothing that the others do not read may split their runs; earlier versions let it. */
    static const char *const of_training[] = {"preset", "watch_every", "drop_path", NULL};
    const char *const *idle[] = {c->backbone.kind == BACKBONE_VIT ? NULL : settings_of_vit,
                                 c->method->trains ? NULL : of_training};
    for (size_t k = 0; k < sizeof idle / sizeof *idle && !c->context->stored; k++)
        for (int i = 0; idle[k] && idle[k][i]; i++)
            options_reset(&c->settings.options, idle[k][i]);
    return 0;
}

static void describe_stages(const struct cell *c, struct budget_stage out[METHOD_STAGES]) {
    const void *self = settings_method(&c->settings, c->method);
    for (int i = 0; i < c->method->n_stages; i++) {
        const struct stage *s = &c->method->stages[i];
        out[i] = (struct budget_stage){.share = s->share ? s->share(self) : -1,
                                       .cost = c->stages[i].step_flops};
    }
}

/* At least one whole batch for every stage that takes steps; earlier versions asked for one. */
static int check_images(struct cell *c, struct error *err) {
    struct budget_stage stages[METHOD_STAGES];
    const struct plan *p = &c->settings.plan;
    if (c->budget.kind != BUDGET_IMAGES || c->context->stored)
        return 0;
    describe_stages(c, stages);
    const long least = budget_least(stages, c->method->n_stages);
    if (c->budget.amount >= (double)least * p->batch)
        return 0;
    return error_set(err, STATUS_USAGE, "budget %s is less than one batch of %d%s", p->budget,
                     p->batch,
                     least > 1 ? arena_printf(&c->arena, " for each of the %ld stages of %s", least,
                                              c->method->name)
                               : "");
}

int cell_resolve(struct cell *c, const struct settings *suite, const char **why,
                 struct error *err) {
    int status = 0;
    *why = NULL;
    TRY(resolve(c, suite, err));
    TRY(choose_backbone(c, err));
    *why = meaningless(c);
    if (!*why && c->method->trains && c->data->count[SPLIT_TRAIN] < c->settings.plan.batch)
        status =
            error_set(err, STATUS_USAGE, "%s has %ld training images, fewer than a batch of %d",
                      c->data->name, c->data->count[SPLIT_TRAIN], c->settings.plan.batch);
    if (!status && !*why && c->method->trains)
        status = check_images(c, err);
out:
    return status;
}

int cell_check(const struct settings *suite, const struct method *method,
               const struct dataset *data, const struct context *context, struct arena *a,
               const char **why, char hash[65], struct error *err) {
    struct cell *c = ARENA_NEW(a, struct cell);
    c->context = context;
    c->data = c->judged = data;
    c->method = method;
    int status = cell_resolve(c, suite, why, err);
    if (!status && *why)
        *why = arena_strdup(a, *why);
    const char *text = status ? "" : settings_pretrain_text(&c->settings, method, &c->arena);
    sha256_hex(text, strlen(text), hash);
    for (int i = 0; !status && protocols[i] && !context->stored; i++)
        if (protocols[i]->ready)
            status = protocols[i]->ready(c->settings.protocol[i], err);
    settings_free(&c->settings);
    arena_free(&c->arena);
    return status;
}

/* ---- steps ---- */

static void take_stages(struct cell *c, const struct budget_stage stages[METHOD_STAGES]) {
    c->steps = 0;
    for (int i = 0; i < c->method->n_stages; i++) {
        c->stages[i].first = stages[i].first;
        c->stages[i].steps = stages[i].steps;
        c->steps += stages[i].steps;
    }
}

void cell_set_steps(struct cell *c, long total) {
    struct budget_stage stages[METHOD_STAGES];
    int n = c->method->n_stages;
    describe_stages(c, stages);
    const long least = budget_least(stages, n);
    budget_share(stages, n, total > least ? total : least);
    take_stages(c, stages);
}

int cell_pay_steps(struct cell *c, const double cost[METHOD_STAGES], struct error *err) {
    struct budget_stage stages[METHOD_STAGES];
    double least = 0;
    describe_stages(c, stages);
    for (int i = 0; i < c->method->n_stages; i++) {
        stages[i].cost = cost[i];
        least += stages[i].share != 0 ? cost[i] : 0;
    }
    int pays = budget_steps(stages, c->method->n_stages, c->budget.amount) > 0;
    if (!pays && c->budget.kind == BUDGET_SECONDS) { /* no mistake of the suite: a slow moment */
        log_message(LOG_WARN, "%s: %s is less than its first steps take, %.3g s", c->run.run_id,
                    c->settings.plan.budget, least);
        budget_share(stages, c->method->n_stages, budget_least(stages, c->method->n_stages));
    } else if (!pays) {
        return error_set(err, STATUS_USAGE,
                         "budget %s is less than %s of %s with a batch of %d, which cost %.3g",
                         c->settings.plan.budget,
                         c->method->n_stages > 1 ? "one step of every stage" : "one step",
                         c->method->name, c->settings.plan.batch, least);
    }
    take_stages(c, stages);
    return 0;
}

int cell_count_steps(struct cell *c, struct error *err) {
    enum { PROVISIONAL = 1000 }; /* of a budget in seconds, until a step was timed */
    if (!c->method->trains)
        return 0;
    const int batch = c->settings.plan.batch;
    long per_epoch = c->data->count[SPLIT_TRAIN] / batch;
    double flops[METHOD_STAGES] = {0};
    for (int i = 0; i < c->method->n_stages; i++) {
        const struct graph *g = &c->stages[i].graph;
        flops[i] = c->stages[i].step_flops = (g->flops_forward + g->flops_backward) * batch;
    }
    switch (c->budget.kind) {
    case BUDGET_EPOCHS:
        cell_set_steps(c, lround(c->budget.amount * (double)per_epoch));
        break;
    case BUDGET_IMAGES:
        cell_set_steps(c, (long)floor(c->budget.amount / batch));
        break;
    case BUDGET_FLOPS:
        return cell_pay_steps(c, flops, err);
    case BUDGET_SECONDS:
        cell_set_steps(c, c->context->steps ? c->context->steps : PROVISIONAL);
        break;
    }
    return 0;
}

void cell_record_achieved(struct cell *c) {
    struct run *r = &c->run;
    double images = (double)c->done * c->settings.plan.batch;
    r->achieved_images = c->method->trains ? images : 0;
    r->achieved_epochs = r->achieved_images / (double)c->data->count[SPLIT_TRAIN];
    r->achieved_flops = 0;
    for (int i = 0; i < c->method->n_stages; i++) {
        long steps = c->done - c->stages[i].first;
        if (steps > c->stages[i].steps)
            steps = c->stages[i].steps;
        if (steps > 0)
            r->achieved_flops += (double)steps * c->stages[i].step_flops;
    }
    r->achieved_seconds = c->train_seconds;
    r->waited_seconds = c->waited_seconds;
}
