#include "core/memory.h"
#include "kernels/counting.h"
#include "methods/trainer.h"

/* What networks ask a sample for, and never read. */
static void bind_nothing(struct trainer *t) {
    static const real nothing = 0;
    const struct graph *g = t->config.builder->g;
    for (int i = 0; i < g->n; i++) {
        const struct tensor *x = g->tensors[i];
        if ((x->kind == TENSOR_INPUT || x->kind == TENSOR_INDEX) && !x->constant)
            exec_bind(t->exec, x, &nothing);
    }
}

/* The calls of a step say what libraries work in. */
static int count(struct counting *k, const struct trainer_config *config, size_t *bytes,
                 struct error *err) {
    struct trainer_config counted = *config;
    struct communicator alone;
    struct trainer t;
    if (config->exec.ranks) {
        alone = *config->exec.ranks;
        communicator_mute(&alone); /* others may be counting other cells */
        counted.exec.ranks = &alone;
    }
    counted.exec.device = counting_device(k);
    counted.exec.watch = NULL;
    counted.exec.profile = 0;
    int status = trainer_open(&t, &counted, err);
    if (!status) {
        bind_nothing(&t);
        exec_probe(t.exec, config->exec.batch / (config->accumulate > 1 ? config->accumulate : 1));
        *bytes = counting_bytes(k);
    }
    trainer_close(&t);
    return status;
}

static int on_processor(const struct trainer_config *config, struct trainer_needs *out,
                        struct error *err) {
    struct trainer t;
    int status = trainer_open(&t, config, err);
    if (!status)
        *out = (struct trainer_needs){exec_peak_bytes(t.exec), memory_available()};
    if (!status && config->moments)
        out->bytes -= moments_spared(config->moments);
    trainer_close(&t);
    return status;
}

int trainer_needs(const struct trainer_config *config, struct trainer_needs *out,
                  struct error *err) {
    struct counting *k;
    *out = (struct trainer_needs){.bytes = 0};
    if (!config->exec.device)
        return on_processor(config, out, err);
    int status = counting_open(&k, config->exec.device, err);
    if (status)
        return status;
    status = count(k, config, &out->bytes, err);
    out->available = counting_room(k);
    counting_close(k);
    return status;
}
