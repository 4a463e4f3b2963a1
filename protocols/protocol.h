/* protocol.h -- how a frozen encoder is judged.
 *
 * A protocol sees features, labels and seeds; it knows neither the method nor the backbone.  It
 * chooses everything on a validation split of the training images and looks at the test split once.
 *
 * To add one: a file with a `const struct protocol`, a line in protocols.c, a test with known
 * answers.
 */
#ifndef SSV_PROTOCOLS_PROTOCOL_H
#define SSV_PROTOCOLS_PROTOCOL_H

#include "methods/method.h"
#include "results/run.h"

#include <signal.h>

enum { MAX_REPRESENTATIONS = 64 };

/* One split, every representation: x[r] is (n, dim[r]), NULL where it was not extracted. */
struct feature_split {
    int n;
    const float *x[MAX_REPRESENTATIONS];
    const int32_t *label; /* (n) */
};

struct feature_set {
    int n_representations, classes;
    int dim[MAX_REPRESENTATIONS];        /* features of each representation */
    char names[MAX_REPRESENTATIONS][32]; /* "layer6.cls" */
    struct feature_split train, test;
};

/* A text tower ready to run. */
struct text_coder {
    struct graph *graph;           /* planned */
    const struct builder *builder; /* that has its inputs */
    const struct tensor *features; /* (N,D) */
    void (*fill)(const void *self, const void *runtime, const char *text, void *const *slots);
    const void *self;
};

/* What stands behind the features, for protocols that look into the encoder or train a copy of it.
 * Nothing of it may be changed. */
struct subject {
    const char *name; /* of the run, for progress and messages */
    const struct method *method;
    const void *self; /* the method's options */
    const struct model *model;
    const struct backbone *backbone;
    const struct normalization *norm;
    const struct dataset *data;
    const struct encoded *encoded; /* of encode, whose representations are outputs */
    const struct tensor *images;   /* its input */
    struct graph *encode;          /* the planned graph that the features come from */
    const void *runtime;           /* that its builder left for views */
    const struct text_coder *text; /* of a method with a text tower: features like those of its
                                    * METHOD_PROJECTION; NULL otherwise */
    uint64_t seed;                 /* of pretraining */
    int loader_threads, chunk, lanes;
    const volatile sig_atomic_t *stop; /* may be NULL */
};

/* The encoder on images, as protocols see it: in the graph of a builder whose model has, or will
 * get, the subject's parameters.  A method with an encoding of its own gives all, whatever is
 * wanted. */
void subject_encode(const struct subject *s, struct builder *b, struct tensor *images,
                    enum encoding what, struct encoded *out);
/* A record as the encoder's input (channels, side, side); thread-safe. */
void subject_view(const struct subject *s, const struct record *r, struct rng *rng, float *out);
/* The same of all of the record, whatever its ratio: what a mask lies over, or was cut out already.
 * Published weights want the middle of an image otherwise. */
void subject_view_whole(const struct subject *s, const struct record *r, struct rng *rng,
                        float *out);
int subject_stopped(const struct subject *s, const char *during, struct error *err);

/* What a protocol of masks leaves of the first test images, for pictures: classes or MASK_IGNORE in
 * every pixel of the encoder's input. */
struct mask_pictures {
    int n, side;
    uint8_t *truth, *predicted; /* (n, side, side) */
};

struct protocol_input {
    const struct subject *subject;
    const struct feature_set *features; /* names and widths only where no_features */
    const struct kernels *kernels;
    struct device *device; /* for networks; NULL: the processor */
    /* All of them run a protocol that is shared, and have everything above but the features' x.
     * NULL: one process does. */
    struct communicator *ranks;
    int threads;
    uint64_t split_seed, probe_seed;
    struct arena *arena;         /* for what goes into the result */
    struct mask_pictures *masks; /* NULL: nobody asks for them */
};

struct protocol {
    const char *name, *title, *version;
    int uses_labels;   /* on a dataset without, the row says so instead */
    int uses_captions; /* likewise */
    int uses_masks;    /* likewise */
    int leaves_masks;  /* it fills protocol_input.masks */
    int no_features;   /* nothing is extracted before it runs */
    /* Marks those of the features that a run with these options reads (n_representations), by the
     * names and widths in f.  Returns how many numbers of a training image it has a second time:
     * in the widest of what it joins or parts.  NULL: it reads labels alone. */
    int (*wants)(const void *self, const struct feature_set *f, char *wanted);
    int square; /* the encoder has to take square images */
    int shared; /* several ranks run it together: same input, same outcome on all */
    const struct option_def *options;
    /* What is wrong with an option's text, before anything is run; NULL: nothing ever is. */
    int (*check)(const char *option, const char *value, struct error *err);
    /* The same of all options together, and of the files that they name. */
    int (*ready)(const void *self, struct error *err);
    size_t state_size;
    /* Fills everything in *out except protocol, dataset, class names, version and time. */
    int (*run)(const void *self, const struct protocol_input *in, struct eval *out,
               struct error *err);
};

extern const struct protocol *const protocols[]; /* NULL-terminated */
extern const struct protocol protocol_classify, protocol_linear, protocol_logistic, protocol_knn,
    protocol_lowshot, protocol_finetune, protocol_zeroshot, protocol_retrieval, protocol_segment,
    protocol_segment_finetune;

/* For protocols: room for n_seeds rows, labels copied. */
void eval_reserve(struct eval *e, const struct protocol_input *in, int n_seeds);
/* Row `row` of e from scores (n test, classes). */
void eval_fill(struct eval *e, int row, const struct feature_set *f, const float *scores);
/* The outcome of a protocol whose own training diverged: what was filled is forgotten. */
void eval_diverged(struct eval *e, const char *what);
/* The split that selection uses: the indices of either part, in arena; its hash into e. */
struct selection {
    int32_t *fit, *val; /* (n_fit), (n_val) rows of the training split */
    int n_fit, n_val;
};
/* Status 2 when a part is empty; `protocol` names the option val_share in the message. */
int selection_make(struct selection *s, const struct protocol_input *in, double val_share,
                   const char *protocol, struct eval *e, struct error *err);
/* Marks the best candidate, the first among equals, as chosen and returns its row. */
int grid_choose(struct grid_row *grid, int n);

#endif
