/* workload.h -- the training steps that are benched, each a method on an encoder.
 *
 * Every method is stepped on one batch of `shapes`.  A workload's options hold where the user's
 * flags say nothing, so that bench/peers/steps.py can do the same work with PyTorch.
 *
 *     struct stepper s;
 *     TRY(stepper_open(&s, &workloads[i], &config, err));
 *     TRY(stepper_fill(&s, err));
 *     trainer_start(&s.trainer);
 *     trainer_step(&s.trainer, s.slots, w->batch, 0);
 *     stepper_close(&s);
 */
#ifndef SSV_BENCH_WORKLOAD_H
#define SSV_BENCH_WORKLOAD_H

#include "methods/trainer.h"
#include "protocols/settings.h"

struct workload {
    const char *name, *method, *backbone;
    int image, patch, batch;
    const char *options; /* of the method: "key=value key=value" */
};

/* The last one of each has no name.  Networks as published are a device's: a processor takes
 * minutes for a step. */
extern const struct workload workloads[], workloads_published[];

struct stepper_config {
    struct settings *settings; /* the method's options change and are put back by stepper_close */
    const struct dataset *data;
    const struct kernels *kernels;
    struct device *device;            /* NULL: the processor */
    const struct kernel_watch *watch; /* NULL: not watching */
    int threads, profile, recompute, recompute_norms;
    int renders;                /* views are made in the graph, of methods where that is possible */
    int chunk, lanes;           /* of exec_config */
    struct communicator *ranks; /* that step together; NULL: alone */
};

struct stepper {
    struct trainer trainer;
    struct model model;
    void *slots[METHOD_SLOTS]; /* memory for a batch */
    /* private */
    struct graph graph;
    struct backbone backbone;
    struct slab memory[METHOD_SLOTS]; /* of slots */
    int n_pinned;
    struct builder builder;
    struct arena arena;
    struct settings *settings;
    unsigned char before[SETTINGS_METHODS][METHOD_STATE];
};

/* The batch holds zeros.  After an error there is nothing to close. */
int stepper_open(struct stepper *s, const struct workload *w, const struct stepper_config *config,
                 struct error *err);
/* A batch as the loader would hand it over. */
int stepper_fill(struct stepper *s, struct error *err);
void stepper_close(struct stepper *s);

#endif
