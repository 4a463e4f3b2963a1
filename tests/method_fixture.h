/* method_fixture.h -- a method on a tiny backbone, with weights and inputs that a Python script can
 * make as well, to compare losses and gradients with.
 *
 * Weights: parameter number k of its group, in the order of definition, holds
 * base + 0.2 sin(0.7 i + 1.3 k + 0.1) at place i in memory (convolutions: (out,kh,kw,in)), base 1
 * for a gain (one dimension, "...weight") and 0 otherwise; running means hold 0 and running
 * variances 1. Slots start as zeros; fixture_fill writes a formula, or the test writes what it
 * likes.
 */
#ifndef SSV_TESTS_METHOD_FIXTURE_H
#define SSV_TESTS_METHOD_FIXTURE_H

#include "methods/trainer.h"
#include "protocols/settings.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct golden_value { /* a gradient: the sum of entries times sin(i + 1), and the L2 norm */
    const char *name; /* "group.parameter" */
    double dot, norm;
};

struct fixture {
    struct settings settings;
    struct arena arena;
    struct model model;
    struct graph graph;
    struct builder builder;
    struct trainer trainer;
    const struct method *method;
    int batch;
    void *slots[METHOD_SLOTS];
};

static const struct normalization fixture_norm = {.mean = {0.5, 0.5, 0.5, 0.5},
                                                  .std = {0.25, 0.25, 0.25, 0.25}};

/* 16 pixels in patches of 4, width 16, 2 blocks of 2 heads, sine-cosine positions. */
__attribute__((unused)) static struct backbone fixture_vit(void) {
    return (struct backbone){.name = "vit",
                             .kind = BACKBONE_VIT,
                             .image = 16,
                             .channels = 3,
                             .dim = 16,
                             .vit = {.image = 16,
                                     .channels = 3,
                                     .patch = 4,
                                     .dim = 16,
                                     .depth = 2,
                                     .heads = 2,
                                     .mlp = 64,
                                     .position = POSITION_SINCOS}};
}

__attribute__((unused)) static double fixture_weight(const struct param *p, int k, size_t i) {
    size_t length = strlen(p->name);
    if (p->statistic)
        return strstr(p->name, "var") != NULL;
    int gain = p->ndim == 1 && length >= 6 && !strcmp(p->name + length - 6, "weight");
    return gain + 0.2 * sin(0.7 * (double)i + 1.3 * k + 0.1);
}

static void fixture_parameters(struct model *m) {
    for (int g = 0; g < m->n_groups; g++) {
        int k = 0;
        for (const struct param *p = m->groups[g].first; p; p = p->next, k++)
            for (size_t i = 0; i < p->count; i++)
                m->value[p->offset + i] = (real)fixture_weight(p, k, i);
    }
    m->version++;
}

/* options: "key=value" up to a NULL, or NULL.  data may be NULL.  Status of build. */
static int fixture_build(struct fixture *f, const struct method *m, int stage,
                         const struct backbone *backbone, const struct dataset *data,
                         const char *const *options, struct error *err) {
    memset(f, 0, sizeof *f);
    f->method = m;
    settings_init(&f->settings);
    settings_use(&f->settings, m);
    for (; options && *options; options++) {
        char key[128];
        const char *value = strchr(*options, '=');
        snprintf(key, sizeof key, "%.*s", (int)(value - *options), *options);
        assert_int_equal(options_assign(&f->settings.options, key, value + 1, FROM_FLAG, err), 0);
    }
    model_init(&f->model);
    graph_init(&f->graph, &f->model);
    f->builder = (struct builder){.g = &f->graph,
                                  .model = &f->model,
                                  .backbone = backbone,
                                  .data = data,
                                  .norm = &fixture_norm,
                                  .prefix = "",
                                  .weight = 1,
                                  .arena = &f->arena,
                                  .classes = 10,
                                  .encoder = model_group(&f->model, "encoder"),
                                  .stage = stage};
    return m->stages[stage].build(settings_method(&f->settings, m), &f->builder, err);
}

__attribute__((unused)) static void fixture_open(struct fixture *f, const struct method *m,
                                                 int stage, const struct backbone *backbone,
                                                 int batch, const struct dataset *data,
                                                 const char *const *options,
                                                 const struct kernels *k) {
    struct error err;
    if (fixture_build(f, m, stage, backbone, data, options, &err))
        fail_msg("%s", err.message);
    f->batch = batch;
    graph_plan(&f->graph);
    assert_int_equal(model_allocate(&f->model, 0, 1, &err), 0);
    fixture_parameters(&f->model);
    const struct trainer_config config = {
        .method = m,
        .self = settings_method(&f->settings, m),
        .builder = &f->builder,
        .exec = {.kernels = k, .threads = 2, .batch = batch, .chunk = 1, .lanes = 2},
        .lr = -1,
        .weight_decay = -1,
        .warmup = -1,
        .total = 100,
        .per_epoch = 10};
    assert_int_equal(trainer_open(&f->trainer, &config, &err), 0);
    struct loader_slot slots[METHOD_SLOTS];
    int n = trainer_slots(&f->builder, slots);
    for (int i = 0; i < n; i++)
        f->slots[i] = ARENA_ARRAY(&f->arena, float, slots[i].per_sample *(size_t)batch);
}

__attribute__((unused)) static void fixture_close(struct fixture *f) {
    trainer_close(&f->trainer);
    graph_free(&f->graph);
    model_free(&f->model);
    settings_free(&f->settings);
    arena_free(&f->arena);
}

__attribute__((unused)) static int fixture_slot_number(const struct fixture *f, const char *name) {
    for (int i = 0; i < f->builder.n_inputs; i++)
        if (!strcmp(f->builder.slots[i].name, name))
            return i;
    fail_msg("%s has no input %s", f->method->name, name);
    return -1;
}

__attribute__((unused)) static void *fixture_slot(const struct fixture *f, const char *name) {
    return f->slots[fixture_slot_number(f, name)];
}

/* Entry i of the whole batch becomes sin(step * i + shift). */
__attribute__((unused)) static void fixture_fill(const struct fixture *f, const char *name,
                                                 double step, double shift) {
    int s = fixture_slot_number(f, name);
    size_t n = f->builder.slots[s].per_sample * (size_t)f->batch;
    for (size_t i = 0; i < n; i++)
        ((float *)f->slots[s])[i] = (float)sin(step * (double)i + shift);
}

/* The gradient of everything minimised, without changing the weights; returns the loss. */
__attribute__((unused)) static double fixture_run(struct fixture *f) {
    for (int i = 0; i < f->builder.n_inputs; i++)
        exec_bind(f->trainer.exec, f->builder.inputs[i], f->slots[i]);
    if (f->builder.drop)
        exec_bind(f->trainer.exec, f->builder.drop, f->slots[f->builder.n_inputs]);
    return exec_run(f->trainer.exec, f->batch);
}

__attribute__((unused)) static void fixture_near(const char *what, double value, double golden,
                                                 double tolerance) {
    if (!(fabs(value - golden) <= tolerance))
        fail_msg("%s: %.9g instead of %.9g", what, value, golden);
}

static const struct golden_value *fixture_golden(const struct golden_value *golden, int n,
                                                 const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(golden[i].name, name))
            return &golden[i];
    fail_msg("no golden value of %s", name);
    return NULL;
}

/* Every parameter that an optimizer would touch, against its golden gradient: 1e-4 of the norm. */
__attribute__((unused)) static void fixture_compare(const struct fixture *f,
                                                    const struct golden_value *golden, int n) {
    int seen = 0;
    for (int g = 0; g < f->model.n_groups; g++)
        for (const struct param *p = f->model.groups[g].first; p; p = p->next) {
            char name[160];
            if (!p->trainable || f->model.groups[g].held)
                continue;
            snprintf(name, sizeof name, "%s.%s", f->model.groups[g].name, p->name);
            const struct golden_value *want = fixture_golden(golden, n, name);
            const real *d = exec_gradient(f->trainer.exec) + p->offset;
            double dot = 0, square = 0;
            for (size_t i = 0; i < p->count; i++) {
                dot += (double)d[i] * sin((double)i + 1);
                square += (double)d[i] * (double)d[i];
            }
            double tolerance = 1e-4 * want->norm + 1e-7;
            fixture_near(name, dot, want->dot, tolerance * sqrt((double)p->count / 2 + 1));
            fixture_near(name, sqrt(square), want->norm, tolerance);
            seen++;
        }
    assert_int_equal(seen, n);
}

#endif
