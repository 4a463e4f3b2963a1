/* exec_cut.c -- chunks and lanes of a batch. */
#include "nn/exec_internal.h"

enum { CHUNK = 8, LANES_MOST = 16, LANE_REALS = 1 << 26 };

/* A power of two, few enough that the lanes stay within 256 MiB, and a function of nothing that
 * differs between two machines. */
static int choose_lanes(const struct graph *g, const struct exec_config *c) {
    int chunks = (c->batch + c->chunk - 1) / c->chunk, lanes = 1;
    if (!g->train)
        return chunks;
    size_t most = c->lanes ? (size_t)c->lanes : (size_t)LANE_REALS / (g->model->count + 1);
    if (!c->lanes)
        most = most < 2 ? 2 : most > LANES_MOST ? LANES_MOST : most;
    while (2 * lanes <= chunks && 2 * (size_t)lanes <= most)
        lanes *= 2;
    return lanes;
}

/* A device takes a lane in one go: as few lanes as there are ranks, or as the user says. */
static void take_device(struct exec_config *c, const struct graph *g) {
    int lanes = 1, ranks = communicator_size(c->ranks);
    c->kernels = c->device->kernels;
    c->threads = 1;
    while (g->train && 2 * lanes <= c->batch && (c->lanes ? 2 * lanes <= c->lanes : lanes < ranks))
        lanes *= 2;
    c->lanes = lanes;
    c->chunk = (c->batch + lanes - 1) / lanes;
}

void exec_cut(struct exec *x) {
    struct exec_config *c = &x->config;
    CHECK(c->batch > 0, "a batch of %d", c->batch);
    if (c->device)
        take_device(c, x->g);
    if (!c->chunk)
        c->chunk = CHUNK;
    if (c->chunk > c->batch)
        c->chunk = c->batch;
    x->lanes = choose_lanes(x->g, c);
}
