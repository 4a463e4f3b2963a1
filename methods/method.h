/* method.h -- what a pretraining method is.
 *
 * A method describes its computation once (build) and what one sample contributes to a batch
 * (prepare).  The runner owns everything else: data, threads, optimizers, schedules, checkpoints.
 * The encoder is a backbone from nn/, the same for every method, so a comparison changes the method
 * and nothing else.
 *
 *     build      declares inputs (builder_*), makes groups (builder_group) and tensors, and says
 *                what is minimised (builder_objective) and watched (builder_watch)
 *     fit        once, when weights have been drawn: what is measured on the data, a codebook
 *     start      once, behind fit: a teacher becomes a copy of its student
 *     mix        each batch: samples change each other
 *     before     each step: scalars, temperatures, weight decay
 *     prepare    on loader threads: one record becomes its part of every slot
 *     after      each step: moving averages
 *
 * What must survive a restart lives in parameters (builder_group's, held or not), never in
 * variables: everything else is a function of options, data and the step's number.
 *
 * Where the builder renders, a slot of images holds tasks instead, and prepare makes them by
 * methods/views.h.
 *
 * To add one: a file with a `const struct method`, a line in methods.c, a golden test of its loss
 * and gradients.
 */
#ifndef SSV_METHODS_METHOD_H
#define SSV_METHODS_METHOD_H

#include "core/options.h"
#include "data/augment.h"
#include "data/loader.h"
#include "nn/backbone.h"
#include "nn/exec.h"
#include "nn/optim.h"

enum {
    METHOD_SLOTS = LOADER_SLOTS,
    METHOD_INPUTS = METHOD_SLOTS - 2, /* the runner has two of its own */
    METHOD_SCALARS = 8,
    METHOD_STATE = 512,
    METHOD_OBJECTIVES = 8,
    METHOD_STAGES = 2
};

struct objective {
    const char *name; /* "loss", "adversarial" */
    struct tensor *tensor;
    double weight; /* in what is minimised */
    double own;    /* in the method's own loss, as its paper has it */
};

enum watch { WATCH_FEATURES, WATCH_LOGITS, WATCHES };

/* What build works on.  Inputs are declared in the order in which prepare finds its slots. */
struct builder {
    struct graph *g;
    struct model *model;
    const struct backbone *backbone;
    const struct dataset *data;       /* what is trained on; NULL where there is none */
    const struct normalization *norm; /* that the views have */
    const char *prefix;               /* of the groups that builder_group makes; "" */
    double weight;                    /* of everything this method minimises; 1 */
    struct arena *arena;              /* lives as long as the graph */
    void *runtime;           /* the method's own, made by build in the arena; read-only then */
    const char *fingerprint; /* of what else decides the weights, such as a vocabulary; NULL */
    int classes;
    uint64_t seed;
    int encoder;            /* the group that all protocols evaluate */
    unsigned more_encoders; /* bits of those evaluated beside it: see builder_encoder */
    int stage;              /* which of the method's stages is being built */
    int batch;              /* samples in a step */
    struct tensor *inputs[METHOD_INPUTS];
    struct loader_slot slots[METHOD_INPUTS];
    int n_inputs;
    int renders;                            /* views are made in the graph, see methods/views.h */
    size_t rendered_words;                  /* that all views of a sample weigh */
    struct tensor *rendered[METHOD_INPUTS]; /* what is made of a slot's tasks; NULL: it is filled */
    /* Inputs that are the runner's business; NULL: none. */
    struct tensor *drop;   /* of stochastic depth */
    struct tensor *pixels; /* of the images that views are made from */
    struct tensor *scalars[METHOD_SCALARS];
    real scalar_value[METHOD_SCALARS];
    int n_scalars;
    struct objective objectives[METHOD_OBJECTIVES];
    int n_objectives;
    struct tensor *watched[WATCHES]; /* for the diagnostics of collapse, or NULL */
    double uniform_loss; /* what the loss is when every answer is the same; 0: no such number */
};

/* A slot of images (N,[views,]C,side,side); views 0: no such dimension; side 0: the backbone's. */
struct tensor *builder_images(struct builder *b, const char *name, int views, int side);
struct tensor *builder_reals(struct builder *b, const char *name, int n); /* a slot (N,n) */
struct tensor *builder_index(struct builder *b, const char *name, int n); /* an int32 slot (N,n) */
/* A number that `before` sets; starts at value. */
struct tensor *builder_scalar(struct builder *b, const char *name, double value);
void builder_set(struct builder *b, const struct tensor *scalar, double value);
int builder_group(struct builder *b, const char *name); /* "head", "decoder", "teacher" */
/* A group that protocols evaluate beside the encoder's: the other half of a split network. */
int builder_encoder(struct builder *b, const char *name);
int builder_evaluates(const struct builder *b, int group); /* whether protocols do */
/* The runner minimises weight * mean over samples of the sum of a sample's entries of t. */
void builder_objective(struct builder *b, const char *name, struct tensor *t, double weight);
/* Another weight for an objective, from the next step on. */
void builder_weigh(struct builder *b, const struct tensor *objective, double weight);
/* Features (N,..,D) whose spread, or logits (N,..,K) whose entropy, tells of a collapse; either or
 * both. */
void builder_watch(struct builder *b, enum watch watch, struct tensor *t);
/* The total loss of an encoder that gives every image the same answer, for a full batch of n: runs
 * that stay there are called collapsed. */
void builder_uniform_loss(struct builder *b, double loss);
/* Stochastic depth's input where the user asked for that, NULL otherwise. */
struct tensor *builder_drop(struct builder *b);
/* The backbone on images, in the encoder's group, with stochastic depth where it is asked for. */
void builder_encode(struct builder *b, struct tensor *images, enum encoding what,
                    struct encoded *out);

/* What prepare works on: one record becomes its part of every slot. */
struct sample {
    const struct record *record;
    const struct normalization *norm;
    const struct backbone *backbone;
    const void *runtime;     /* the builder's */
    struct rng *view, *mask; /* fresh for (seed, purpose, epoch, sample) */
    int renders;             /* the builder's */
    int whole;               /* of a view: all of the record, though the method would cut it */
    void *const *slots;
};

/* One optimizer step, seen from outside. */
struct step {
    struct builder *b;
    const struct kernels *kernels;
    struct exec *exec; /* outputs of the step that was just run (after) */
    real *values;      /* after: the model's, where kernels compute */
    int n;             /* samples in the batch */
    long done, total;  /* steps before this one; in this stage */
    long per_epoch;
    void *const *slots;         /* mix, before, after: of the batch, as prepare filled them */
    struct kctx ctx;            /* all threads, no workspace */
    struct communicator *ranks; /* that share the batch; NULL: one process */
    const char *mine;           /* (n) the samples that are run here; NULL: all.  Others' slots may
                                 * be anything, but for those that mine are mixed with */
    double lr, weight_decay;    /* before: what the schedule says; may be changed */
};

/* How many entries of an index slot are not negative, in the whole batch on all ranks. */
size_t step_count(const struct step *s, int slot);

/* The optimizer that the method's paper uses; the user's options override it. */
struct recipe {
    enum optimizer_kind optimizer;
    double lr; /* base rate, for 256 samples in a batch: lr = base * batch / 256 */
    double weight_decay, b1, b2, momentum, clip;
    int clip_each;
    double warmup;      /* share of all steps */
    double lr_end;      /* share of lr at the end */
    const char *groups; /* of a second recipe: its groups, separated by spaces */
};

/* Most methods have one stage; BEiT first makes a tokenizer. */
struct stage {
    const char *name;     /* "pretrain", "tokenizer" */
    struct recipe recipe; /* of everything, or of all that `second` does not name */
    const struct recipe
        *second; /* NULL: one optimizer; its lr follows the user's lr in proportion */
    /* What the method's options change in the recipe; NULL: nothing. */
    void (*tune)(const void *self, struct recipe *r);
    /* REQUIRED where the method trains.  Parameters, inputs, objectives. */
    int (*build)(const void *self, struct builder *b, struct error *err);
    /* REQUIRED where the method trains.  Thread-safe; writes every element of every slot. */
    void (*prepare)(const void *self, const struct sample *s);
    /* Once, before start: parameters that are measured on the data and not trained. */
    int (*fit)(const void *self, struct step *s, struct error *err);
    void (*start)(const void *self, struct step *s);
    /* Once for each batch, which it may change: each sample with the one opposite, the first with
     * the last.  Maybe while steps before s->done are still to come. */
    void (*mix)(const void *self, struct step *s);
    void (*before)(const void *self, struct step *s);
    void (*after)(const void *self, struct step *s);
    /* Share of all steps that this stage gets; NULL: what the other leaves. */
    double (*share)(const void *self);
};

struct preprocessing;
struct show;

struct method {
    const char *name, *title, *cite;
    int version;                      /* counts up when the same options give other weights */
    unsigned backbones;               /* kinds it runs on, BACKBONE_VIT | ... */
    int trains;                       /* 0: the encoder stays as it was drawn */
    int uses_labels, uses_captions;   /* stated in every table; data must have them */
    int channels;                     /* that images must have; 0: any */
    int mixes_samples;                /* its loss compares the samples of a batch */
    const struct option_def *options; /* may be NULL */
    /* What its views are, with these options, that methods/views.h has no word for and prepare
     * makes by itself; returns NULL: nothing.  NULL: never anything. */
    const char *(*own_views)(const void *self);
    /* The defaults are for images of 32 to 96 pixels and short budgets; the preset `paper` has the
     * paper's values: "key=value key=value", and of the recipe rate, decay and warm-up. */
    const char *paper;
    const struct recipe *paper_recipe;
    size_t state_size; /* of the struct of option values, at most METHOD_STATE */
    struct stage stages[METHOD_STAGES];
    int n_stages;
    /* What protocols see, where it is not backbone_encode on view_plain: split-brain's two halves
     * on Lab images. */
    void (*encode)(const void *self, struct builder *b, struct tensor *images, struct encoded *out);
    void (*view)(const void *self, const struct sample *s, float *out);
    const struct compound *compound; /* several methods in one, see compound.h; NULL: a plain one */
    /* Of a method with a text tower; all three or none.  project: images (N,D), from what the
     * backbone gave, a further representation (METHOD_PROJECTION).  encode_text: declares the
     * inputs of a text and gives its features (N,D), to be compared with those by cosine; its
     * builder has the runtime that the last stage's build left.  text: fills one text's part of
     * those inputs; thread-safe. */
    struct tensor *(*project)(const void *self, struct builder *b, const struct encoded *e);
    struct tensor *(*encode_text)(const void *self, struct builder *b);
    void (*text)(const void *self, const void *runtime, const char *text, void *const *slots);
    /* Of a method whose encoder was trained elsewhere (weights.c); all of them or none.  own: what
     * the encoder is and how images are normalised, instead of the plan's; what it returns is the
     * runtime of every builder, in a.  weights: fills the model, which nobody has drawn.  stamp:
     * what the weights are, for the run's name.  classify: logits of a classifier that came with
     * them, or NULL.  Here `project` and `encode_text` may return NULL too: there is none. */
    int (*own)(const void *self, struct arena *a, struct backbone *b, struct normalization *norm,
               void **runtime, struct error *err);
    int (*weights)(const void *self, const void *runtime, struct model *m, struct error *err);
    int (*stamp)(const void *self, char sha256[65], struct error *err);
    struct tensor *(*classify)(const void *self, struct builder *b, const struct encoded *e);
    const struct preprocessing *(*prepared)(const void *runtime); /* images, for `view` */
    /* A picture of what the method does, see show.h; NULL: there is none. */
    int (*show)(struct show *s, struct error *err);
    int shows_kinds; /* it has pictures as large as the images (show_kinds), which samples.h5 keeps
                      */
};

#define METHOD_PROJECTION "projection"

extern const struct method *const methods[]; /* NULL-terminated */
const struct method *method_find(const char *name);
/* Status 2: there is no such method, the nearest one, all of them. */
int method_unknown(const char *name, struct error *err);
/* A stage's main recipe under the method's options. */
struct recipe stage_recipe(const struct stage *stage, const void *self);

extern const struct method method_random, method_supervised, method_mae, method_context_encoder,
    method_split_brain, method_context_prediction, method_beit, method_simclr, method_dino,
    method_clip, method_weights;

#endif
