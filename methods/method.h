/* method.h -- what a pretraining method is.
 *
 * A method describes its computation once (build) and what one sample contributes to a batch
 * (prepare).  The runner owns everything else: data, threads, optimizer, schedule, checkpoints.
 * The encoder is a backbone from nn/, the same for every method, so a comparison changes the method
 * and nothing else.
 *
 * To add one: a file with a `const struct method`, a line in methods.c, a golden test of its loss.
 */
#ifndef SSV_METHODS_METHOD_H
#define SSV_METHODS_METHOD_H

#include "core/options.h"
#include "data/augment.h"
#include "data/loader.h"
#include "nn/optim.h"
#include "nn/vit.h"

enum { METHOD_INPUTS = 8, METHOD_OPTIONS = 32, METHOD_STATE = 512 };

/* What build works on.  Inputs are declared in the order in which prepare finds its slots. */
struct builder {
    struct graph *g;
    struct model *model;
    const struct vit *vit;
    int classes;
    int encoder; /* the group that all protocols evaluate */
    struct tensor *inputs[METHOD_INPUTS];
    struct loader_slot slots[METHOD_INPUTS];
    int n_inputs;
};

/* An image slot (N,C,image,image), or an int32 slot (N,n). */
struct tensor *builder_images(struct builder *b, const char *name);
struct tensor *builder_index(struct builder *b, const char *name, int n);

/* What prepare works on: one record becomes its part of every slot. */
struct sample {
    const struct record *record;
    const struct normalization *norm;
    const struct vit *vit;
    struct rng *view, *mask; /* fresh for (seed, purpose, epoch, sample) */
    void *const *slots;
};

/* The optimizer that the method's paper uses; the user's options override it. */
struct recipe {
    enum optimizer_kind optimizer;
    double lr; /* base rate, for 256 samples in a batch: lr = base * batch / 256 */
    double weight_decay, b1, b2, momentum, clip;
    double warmup; /* share of all steps */
};

struct method {
    const char *name, *title, *cite;
    int trains;                       /* 0: the encoder stays as it was drawn */
    int uses_labels;                  /* stated in every table */
    const struct option_def *options; /* may be NULL */
    size_t state_size;                /* of the struct of option values, at most METHOD_STATE */
    struct recipe recipe;
    /* REQUIRED.  Parameters, inputs, objectives.  A method that does not train builds nothing. */
    int (*build)(const void *self, struct builder *b, struct error *err);
    /* REQUIRED when it trains.  Thread-safe; writes every element of every slot. */
    void (*prepare)(const void *self, const struct sample *s);
};

extern const struct method *const methods[]; /* NULL-terminated */
const struct method *method_find(const char *name);

extern const struct method method_random, method_supervised, method_mae;

#endif
