#include "methods/method.h"

#include <string.h>

const struct method *const methods[] = {&method_random, &method_supervised, &method_mae, NULL};

const struct method *method_find(const char *name) {
    for (int i = 0; methods[i]; i++)
        if (!strcmp(methods[i]->name, name))
            return methods[i];
    return NULL;
}

static struct tensor *declare(struct builder *b, struct tensor *t) {
    CHECK(b->n_inputs < METHOD_INPUTS, "more than %d inputs", METHOD_INPUTS);
    b->slots[b->n_inputs] = (struct loader_slot){t->name, t->per_sample};
    b->inputs[b->n_inputs++] = t;
    return t;
}

struct tensor *builder_images(struct builder *b, const char *name) {
    const int dim[] = {b->vit->channels, b->vit->image, b->vit->image};
    return declare(b, graph_input(b->g, name, 3, dim));
}

struct tensor *builder_index(struct builder *b, const char *name, int n) {
    return declare(b, graph_index(b->g, name, n));
}
