/* trainer.h -- one stage of a method in training: the graph that runs, its optimizers, its hooks.
 *
 *     TRY(trainer_open(&t, &config, err));
 *     TRY(trainer_fit(&t, err));                  when the stage's first step is still to come,
 *     trainer_start(&t);                          these two
 *     trainer_step(&t, slots, n, done);           loss, rate and gradient norm are then in t
 *     trainer_close(&t);
 *
 * Pretraining, the benchmark and the step command all go through here, so what is measured and what
 * is compared is what trains.
 */
#ifndef SSV_METHODS_TRAINER_H
#define SSV_METHODS_TRAINER_H

#include "methods/method.h"
#include "nn/moments.h"

enum { TRAINER_OPTIMIZERS = 2 };

struct trainer_config {
    const struct method *method;
    const void *self; /* the method's options */
    struct builder *builder;
    struct exec_config exec;         /* batch: the whole one, on all ranks */
    struct moments *moments;         /* shared among exec.ranks; NULL: each rank has all */
    int accumulate;                  /* parts that a batch is run in, 0 or 1: one */
    double lr, weight_decay, warmup; /* of the main recipe, negative: the recipe's own */
    long total, per_epoch;           /* steps: of this stage, in an epoch */
};

struct trainer {
    struct trainer_config config;
    const struct stage *stage;
    struct recipe main; /* recipe[0] */
    struct exec *exec;
    struct optimizer optimizer[TRAINER_OPTIMIZERS];
    const struct recipe *recipe[TRAINER_OPTIMIZERS];
    int n_optimizers;
    struct slab moments[2];  /* m, v on a device: all, or those of config.moments */
    struct carrier *carrier; /* of weights that other ranks moved; NULL: they move none */
    size_t noted;            /* of the device's note, when it was opened */
    int settled;             /* they, and the weights there, are the ones that count */
    char *mine;   /* (batch) the samples of a batch that this rank runs; NULL: one process, all */
    char *wanted; /* (batch) those whose slots have to be filled; NULL: all */
    void *ahead[METHOD_SLOTS]; /* the batch behind that of the next step */
    int n_ahead;               /* 0: it is not known */
    long mixed[2];             /* the even and odd steps whose batches were mixed last; -1: none */
    long unrendered; /* images that were too large: views that came ready, see methods/views.h */
    /* of the last step */
    double loss, lr, grad_norm;
    double parts[METHOD_OBJECTIVES]; /* each objective in its method's own scale */
};

/* What trainer_open and the steps behind it take, in bytes, and what there is: of a device's memory
 * exactly, as it is asked for (a driver rounds up); of the processor's what a step works in. */
struct trainer_needs {
    size_t bytes, available;
};
/* Nothing of it is taken. */
int trainer_needs(const struct trainer_config *config, struct trainer_needs *out,
                  struct error *err);
/* The builder's graph must be planned and its model allocated. */
int trainer_open(struct trainer *t, const struct trainer_config *config, struct error *err);
/* Reads the builder's data where the method measures something on it. */
int trainer_fit(struct trainer *t, struct error *err);
void trainer_start(struct trainer *t);
/* The batch of the step after the next one's, when it is known: a device copies it while it
 * computes the next step, when config.exec.ahead is set.  done: as in trainer_step, of its own
 * step. But for the stage's `mix` it must not change until that is over. */
void trainer_ahead(struct trainer *t, void *const *slots, int n, long done);
/* The first half of a step: loss, parts and exec_gradient, the weights untouched. */
void trainer_gradient(struct trainer *t, void *const *slots, int n, long done);
/* Step number done (0, 1, ...) of the stage with n samples.  0 when loss or gradient is not finite;
 * then the weights are as they were. */
int trainer_step(struct trainer *t, void *const *slots, int n, long done);
/* The gradient norm of what protocols evaluate for each objective alone, on the batch of the last
 * step. */
void trainer_part_norms(struct trainer *t, int n, double norms[METHOD_OBJECTIVES]);
/* Weights and optimizer state into the model, where a device has them: before they are looked at or
 * saved.  trainer_close does so too. */
void trainer_fetch(struct trainer *t);
void trainer_close(struct trainer *t);

/* For loader threads: the method's prepare and what the runner itself draws for a sample. */
void trainer_prepare(const struct method *m, const void *self, const struct builder *b,
                     const struct record *record, long sample, int epoch, struct rng *view,
                     void *const *slots);
/* The inputs of a batch: the method's, then the runner's.  Returns their number. */
int trainer_inputs(const struct builder *b, const struct tensor *inputs[METHOD_SLOTS]);
/* Their slots. */
int trainer_slots(const struct builder *b, struct loader_slot slots[METHOD_SLOTS]);

#endif
