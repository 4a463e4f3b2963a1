#include "methods/views.h"

#include <stdio.h>
#include <string.h>

const struct method *const methods[] = {&method_random,
                                        &method_supervised,
                                        &method_context_encoder,
                                        &method_split_brain,
                                        &method_context_prediction,
                                        &method_beit,
                                        &method_mae,
                                        &method_simclr,
                                        &method_dino,
                                        &method_clip,
                                        &method_weights,
                                        NULL};

const struct method *method_find(const char *name) {
    for (int i = 0; methods[i]; i++)
        if (!strcmp(methods[i]->name, name))
            return methods[i];
    return NULL;
}

int method_unknown(const char *name, struct error *err) {
    enum { MOST = 64 };
    const char *names[MOST];
    char valid[512] = "";
    size_t at = 0;
    int n = 0;
    for (; methods[n]; n++) {
        names[n] = methods[n]->name;
        at += (size_t)snprintf(valid + at, at < sizeof valid ? sizeof valid - at : 0, "%s%s",
                               n ? ", " : "", names[n]);
    }
    const char *near = nearest_name(name, names, n);
    return error_set(
        err, STATUS_USAGE,
        "there is no method \"%s\"%s%s%s; there are: %s, and sums such as mae:1+simclr:0.1", name,
        near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "", valid);
}

struct recipe stage_recipe(const struct stage *stage, const void *self) {
    struct recipe r = stage->recipe;
    if (stage->tune)
        stage->tune(self, &r);
    return r;
}

static struct tensor *declare(struct builder *b, struct tensor *t) {
    CHECK(b->n_inputs < METHOD_INPUTS, "more than %d inputs", METHOD_INPUTS);
    b->slots[b->n_inputs] = (struct loader_slot){t->name, t->per_sample};
    b->rendered[b->n_inputs] = NULL;
    b->inputs[b->n_inputs++] = t;
    return t;
}

struct tensor *builder_images(struct builder *b, const char *name, int views, int side) {
    int size = side ? side : b->backbone->image;
    const int dim[] = {views, b->backbone->channels, size,
                       side ? side : backbone_wide(b->backbone)};
    if (b->renders)
        return views_declare(b, name, views ? 4 : 3, views ? dim : dim + 1);
    return declare(b,
                   views ? graph_input(b->g, name, 4, dim) : graph_input(b->g, name, 3, dim + 1));
}

struct tensor *builder_reals(struct builder *b, const char *name, int n) {
    return declare(b, graph_input(b->g, name, 1, &n));
}

struct tensor *builder_index(struct builder *b, const char *name, int n) {
    return declare(b, graph_index(b->g, name, n));
}

struct tensor *builder_scalar(struct builder *b, const char *name, double value) {
    CHECK(b->n_scalars < METHOD_SCALARS, "more than %d scalars", METHOD_SCALARS);
    b->scalar_value[b->n_scalars] = (real)value;
    return b->scalars[b->n_scalars++] = graph_scalar(b->g, name);
}

void builder_set(struct builder *b, const struct tensor *scalar, double value) {
    for (int i = 0; i < b->n_scalars; i++)
        if (b->scalars[i] == scalar) {
            b->scalar_value[i] = (real)value;
            return;
        }
    CHECK(0, "%s is not among the scalars", scalar->name);
}

int builder_group(struct builder *b, const char *name) {
    char full[64];
    snprintf(full, sizeof full, "%s%s", b->prefix ? b->prefix : "", name);
    return model_group(b->model, full);
}

int builder_encoder(struct builder *b, const char *name) {
    int group = builder_group(b, name);
    b->more_encoders |= 1u << group;
    return group;
}

int builder_evaluates(const struct builder *b, int group) {
    return group == b->encoder || b->more_encoders >> group & 1;
}

void builder_objective(struct builder *b, const char *name, struct tensor *t, double weight) {
    CHECK(b->n_objectives < METHOD_OBJECTIVES, "more than %d objectives", METHOD_OBJECTIVES);
    b->objectives[b->n_objectives++] = (struct objective){name, t, weight * b->weight, weight};
    /* 0 is what a graph has for tensors that are none; steps set the weight that holds. */
    graph_objective(b->g, t, weight > 0 ? weight * b->weight : 1);
}

void builder_weigh(struct builder *b, const struct tensor *objective, double weight) {
    for (int i = 0; i < b->n_objectives; i++)
        if (b->objectives[i].tensor == objective) {
            b->objectives[i].weight = weight * b->weight;
            return;
        }
    CHECK(0, "%s is not among the objectives", objective->name);
}

void builder_watch(struct builder *b, enum watch watch, struct tensor *t) {
    if (!t->output)
        graph_output(b->g, t);
    b->watched[watch] = t;
}

void builder_uniform_loss(struct builder *b, double loss) {
    b->uniform_loss = loss;
}

struct tensor *builder_drop(struct builder *b) {
    int n = backbone_drops(b->backbone);
    if (n && !b->drop)
        b->drop = graph_input(b->g, "drop", 1, &n);
    return b->drop;
}

void builder_encode(struct builder *b, struct tensor *images, enum encoding what,
                    struct encoded *out) {
    backbone_encode(b->g, b->encoder, b->backbone, images, builder_drop(b), what, out);
    if (!b->watched[WATCH_FEATURES])
        builder_watch(b, WATCH_FEATURES, out->pooled);
}
