/* model.h -- named parameters in flat groups.
 *
 * A group ("encoder", "decoder", "head") owns one contiguous slab of weights and the optimizer's
 * two slabs beside it; all groups of a model are one run of memory, so that a gradient of the whole
 * model is one array with the same layout.  Graphs of one model (training, feature extraction) look
 * their parameters up by name: the first that asks defines shape and initialisation, later ones get
 * the same parameter.
 *
 *     model_init(&m, seed);
 *     ... build graphs, which call model_param ...
 *     TRY(model_allocate(&m, err));      weights drawn, optimizer state zero
 */
#ifndef SSV_NN_MODEL_H
#define SSV_NN_MODEL_H

#include "core/arena.h"
#include "core/real.h"
#include "nn/optim.h"

#include <stdint.h>

enum { MODEL_GROUPS = 16, MAX_DIM = 5 };

enum init_kind {
    INIT_ZERO,
    INIT_ONE,
    INIT_CONSTANT,     /* scale */
    INIT_NORMAL,       /* N(0, scale^2) */
    INIT_TRUNC_NORMAL, /* the same, redrawn outside two standard deviations */
    INIT_XAVIER,       /* U(-a, a), a = sqrt(6 / (fan_in + fan_out)); Glorot and Bengio 2010 */
    INIT_HE,           /* N(0, 2 / fan_out), fan_out = out * kh * kw; He et al. 2015, eq. (14) */
};

struct param {
    const char *name; /* "blocks.0.attn.qkv.weight", without the group */
    int group;        /* its number in the model */
    int ndim, dim[MAX_DIM];
    size_t offset, count; /* in the whole model, in reals */
    enum init_kind init;
    double scale;
    int decay;          /* weight decay applies */
    int trainable;      /* 0: no optimizer touches it */
    int statistic;      /* a running statistic, no weight: a teacher keeps its own */
    int channels_last;  /* (out,kh,kw,in) here, (out,in,kh,kw) in files, as PyTorch has it */
    struct param *next; /* in its group */
};

struct group {
    const char *name;
    struct param *first, *last;
    int n_params;
    int held;             /* no optimizer touches it: a teacher */
    size_t offset, count; /* in the whole model, in reals; 64-byte multiples */
};

struct model {
    struct arena arena;
    struct group groups[MODEL_GROUPS];
    int n_groups;
    size_t count;             /* reals in the whole model, padding included */
    real *value;              /* (count) */
    real *m, *v;              /* (count) optimizer state; NULL when made without */
    struct param_fact *facts; /* (n_facts) one per parameter, offsets in the whole model */
    int n_facts;
    struct slab slab;
    long version; /* grows with every change of the weights: packed copies compare it */
};

void model_init(struct model *m);
/* The group's number; made when it is not there. */
int model_group(struct model *m, const char *name);
/* Gets or defines; CHECKs that a second caller wants the same shape. */
struct param *model_param(struct model *m, int group, const char *name, int ndim, const int *dim,
                          enum init_kind init, double scale);
/* Lays out and draws everything.  Each parameter's draws are keyed by (seed, its full name): an
 * encoder starts the same under every method.  with_state: allocate m and v. */
int model_allocate(struct model *m, uint64_t seed, int with_state, struct error *err);
/* The same without drawing: everything is 0, to be filled by the caller. */
int model_allocate_blank(struct model *m, struct error *err);
/* The whole model as one slab for optimizer_step; gradient (count). */
struct optim_state model_optim_state(const struct model *m, const real *gradient);
/* For a teacher.  Group `to` starts as group `from`, follows it in values (count), which
 * lie where the kernels compute (teacher = momentum * teacher + (1
 * - momentum) * student, running statistics excepted), and is held: touched by no optimizer. */
void model_copy(struct model *m, int from, int to);
void model_ema(struct model *m, const struct kernels *k, const struct kctx *c, real *values,
               int from, int to, double momentum);
void model_hold(struct model *m, int group);
/* The optimizer leaves a group alone in its first `until` steps. */
void model_freeze(struct model *m, int group, long until);
size_t model_parameters(const struct model *m); /* without padding */
void model_free(struct model *m);

#endif
