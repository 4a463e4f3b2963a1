/* optim.h -- optimizers and schedules over a parameter group's slabs. */
#ifndef SSV_NN_OPTIM_H
#define SSV_NN_OPTIM_H

#include "core/arena.h"
#include "kernels/device.h"

#include <stddef.h>

enum optimizer_kind { OPTIMIZER_ADAMW, OPTIMIZER_SGD, OPTIMIZER_LARS };

/* What differs between the tensors of a group. */
struct param_fact {
    size_t offset, count; /* in the slab, in reals */
    int ndim;             /* biases and norms (ndim <= 1) get no weight decay and no LARS scaling */
    real lr_scale;        /* layer-wise decay; 1 */
    int decay;            /* 0: weight decay never applies */
    int group;            /* of the model */
    int trainable;        /* 0: never touched */
    long frozen_until;    /* not touched in steps 1..frozen_until; its own steps count from there */
};

struct optimizer {
    enum optimizer_kind kind;
    double b1, b2, eps; /* AdamW */
    double momentum;    /* SGD, LARS */
    int nesterov;       /* SGD */
    double trust;       /* LARS: 0.001 */
    double weight_decay;
    double clip;     /* gradient norm, 0: none */
    int clip_each;   /* of each tensor by itself instead of all together */
    unsigned groups; /* bit i: group i of the model is this optimizer's; 0: every group */
};

/* Slabs of one group; m, v (count reals each) start as zeros.  SGD and LARS use m alone. */
struct optim_state {
    real *value;      /* (count) */
    const real *grad; /* (count) */
    real *m, *v;      /* (count); v may be NULL for SGD, LARS */
    size_t count;
    const struct param_fact *facts;
    int n_facts;
    struct device *device; /* whose memory the slabs are; NULL: the processor's */
    const char *mine;      /* (n_facts) the tensors that are looked at and moved; NULL: all */
    const size_t *places;  /* (n_facts) of these in m and v; NULL: as in the other slabs */
};

/* For each tensor (s->n_facts) the sum of squares of its gradient, 0 where step t = 1, 2, ... does
 * not touch it, or it is not s->mine; lies in a. */
double *optimizer_squares(struct arena *a, const struct optimizer *o, const struct kernels *k,
                          const struct kctx *c, const struct optim_state *s, long t);
/* The gradient's global L2 norm before clipping. */
double optimizer_norm(const struct optim_state *s, const double *squares);
/* Step t with the gradient whose squares these are, of all tensors; only where its norm is finite.
 * LARS: You et al. 2017, as MAE's linear probe has it: g += wd w; g *= trust |w| / |g| when both
 * are > 0, for ndim > 1 only; buf = momentum buf + g; w -= lr buf. */
void optimizer_step(const struct optimizer *o, const struct kernels *k, const struct kctx *c,
                    const struct optim_state *s, const double *squares, double lr, long t);

/* Linear warm-up from 0 over `warmup` steps, then half a cosine from lr to lr_end at `total`
 * (Loshchilov and Hutter 2017, eq. 5 without restarts).  step counts from 0. */
double schedule_cosine(long step, long total, long warmup, double lr, double lr_end);

/* teacher = m * teacher + (1 - m) * student, over a whole slab. */
void ema_update(const struct kernels *k, const struct kctx *c, size_t n, const real *student,
                double m, real *teacher);

#endif
