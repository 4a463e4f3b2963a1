/* cell_moments.c -- a model and its optimizer's state on several ranks. */
#include "protocols/cell_internal.h"

#include "core/clock.h"
#include "nn/checkpoint.h"

#include <string.h>

/* One process has everything anyway. */
void cell_share_moments(struct cell *c) {
    const struct context *on = c->context;
    if (!on->machine->zero || communicator_size(on->ranks) == 1 || !c->method->trains)
        return;
    c->moments = moments_open(&c->arena, on->ranks, &c->model);
}

void cell_forget_moments(struct cell *c) {
    const struct model *m = &c->model;
    for (int i = 0; i < m->n_facts; i++) {
        const struct param_fact *f = &m->facts[i];
        if (!f->trainable || (c->moments && !moments_mine(c->moments)[i]))
            continue;
        memset(m->m + f->offset, 0, f->count * sizeof(real));
        memset(m->v + f->offset, 0, f->count * sizeof(real));
    }
}

int cell_share_model(struct cell *c, struct error *err) {
    struct communicator *ranks = c->context->ranks;
    size_t bytes = c->moments ? c->model.count * sizeof(real) : c->model.slab.bytes;
    communicator_broadcast(ranks, WAIT_LIMITED, c->model.value, bytes);
    c->model.version++;
    return c->moments ? checkpoint_hand_on(c->checkpoint, &c->model, c->moments, err) : 0;
}

int cell_save_is_due(const struct cell *c, int wanted, double saved_at) {
    struct communicator *ranks = c->context->ranks;
    int due = wanted && !communicator_rank(ranks) &&
              clock_seconds() - saved_at >= c->context->machine->checkpoint_seconds;
    if (c->moments)
        communicator_broadcast(ranks, WAIT_LIMITED, &due, sizeof due);
    return due;
}
