/* graph.h -- a computation described once: built, differentiated, planned, then run many times.
 *
 * A graph is a list of tensors in the order they were made.  A tensor is an input (bound to the
 * caller's memory at each run), a scalar (set between runs), a constant, a parameter of a model, or
 * the value of an operation.  Inputs and values have one entry per sample: shapes here are those of
 * one sample, and the batch is the executor's business.  Shapes in comments write N for the
 * samples. A value made from parameters and constants alone is shared: computed once for all
 * samples.
 *
 * An operation is a const struct: how its gradient needs what, forward and backward on one screen,
 * its FLOPs.  Both are called for a chunk of samples at a time, by many threads at once: they
 * touch nothing but the buffers that the executor hands them.  An operation that mixes samples
 * (batch norm, a contrastive loss) is `whole`: called once, for the batch, with all threads; what
 * others hand to it lies in memory for the whole batch.
 */
#ifndef SSV_NN_GRAPH_H
#define SSV_NN_GRAPH_H

#include "core/arena.h"
#include "kernels/kernels.h"
#include "nn/model.h"

enum { MAX_SRC = 6, MAX_SAVED = 2, MAX_ATTR = 10 };

enum tensor_kind {
    TENSOR_INPUT,
    TENSOR_INDEX,
    TENSOR_SCALAR,
    TENSOR_CONST,
    TENSOR_PARAM,
    TENSOR_SHARED, /* the value of an operation on parameters and constants */
    TENSOR_VALUE
};

struct chunk;
struct tensor;

struct op {
    const char *name;
    void (*forward)(const struct chunk *c, const struct tensor *t);
    void (*backward)(const struct chunk *c, const struct tensor *t); /* NULL: not differentiable */
    /* Once per change of the weights, before any chunk; may be NULL.  `packed` holds
     * t->packed_count reals. */
    void (*prepare)(const struct chunk *c, const struct tensor *t, real *packed);
    /* Of one sample; counts and conventions in docs/architecture.md. */
    void (*flops)(const struct tensor *t, double *forward, double *backward);
    unsigned backward_reads; /* bit s: the value of source s; BACKWARD_READS_OUT: its own value */
    int alias_src;           /* source whose gradient starts as this tensor's gradient; -1: none */
    unsigned stops;          /* bit s: no gradient goes to source s */
    unsigned writes;         /* bit s: the gradient of parameter s can be written, see chunk_adds */
    int whole;               /* called once for the whole batch */
    /* Of a whole operation that needs a few numbers of each lane only, called with the samples of
     * one first: part (per_sample) from source 0 for forward, from its gradient for backward.  Both
     * or none.  Source 0 is as large as the value, and the gradient that it gets is written.  There
     * and in the value the parts lie until they are written over, by samples whole.first... alone.
     */
    void (*lane_forward)(const struct chunk *c, const struct tensor *t, real *part);
    void (*lane_backward)(const struct chunk *c, const struct tensor *t, real *part);
    int cheap;       /* sooner computed again on the way back than kept until then */
    int limit;       /* 1 + the attr that its indices stay below; 0: none */
    unsigned halves; /* bit s: source s may be stored in 16 bits; HALVES_... */
    int handed_sums; /* 1 + the source, a bias, whose gradient gets the sums of tensor.handed; 0: it
                      * is never handed */
    /* Before planning, of a graph for a device: may choose another operation that gives the same.
     * NULL: there is none. */
    void (*choose_away)(struct tensor *t);
    /* Of a graph for a device: who, with nothing but an operation on the whole batch in between on
     * the way back, can give source 0 what this one would, together with its own.  NULL: nobody. */
    struct tensor *(*finisher)(const struct tensor *t);
};

enum { BACKWARD_READS_OUT = 1u << 16 };
/* In op.halves, too: its own value may be, what it saves first is where its own value is, its own
 * value may be where source 0 is, and source 0 where its own value is; source alias_src is where
 * its own value is; it needs chunk_narrow on the way back, and on the way forth; where source 0 is
 * `handed` it fills that of it with the gradient that it gives. */
enum {
    HALVES_OUT = 1u << 16,
    HALVES_SAVED = 1u << 17,
    HALVES_OUT_AS_SOURCE = 1u << 18,
    HALVES_SOURCE_AS_OUT = 1u << 19,
    HALVES_ALIAS_AS_OUT = 1u << 20,
    HALVES_NARROW = 1u << 21,
    HALVES_NARROW_OUT = 1u << 22,
    HALVES_HANDS_NARROW = 1u << 23
};

struct buffer { /* a planned piece of the chunk arena */
    size_t per_sample, offset;
    int born, dies; /* schedule positions, both inclusive; dies < born: never needed */
    int whole;      /* in the batch's arena, not in the chunk's */
};

/* A value computed again on the way back, before what is at position `first` of a phase that ends
 * at `last`. */
struct again {
    struct tensor *t;
    int first, last;
    struct buffer value, saved[MAX_SAVED];
    struct again *next_of; /* the same tensor in another phase */
    struct again *next_at; /* the next at the same position, which may read this one */
};

/* A run of schedule positions between two barriers. */
struct phase {
    int first, last; /* schedule positions, both inclusive */
    int whole;       /* one operation, for the whole batch */
};

struct tensor {
    const char *name;
    int number; /* in the graph */
    enum tensor_kind kind;
    const struct op *op;
    struct tensor *src[MAX_SRC];
    int n_src;
    int ndim, dim[MAX_DIM]; /* of one sample; of the whole for TENSOR_CONST and TENSOR_PARAM */
    size_t per_sample;      /* product of dim */
    int attr[MAX_ATTR];     /* the operation's own integers */
    double real_attr;
    size_t saved_per_sample[MAX_SAVED]; /* what forward leaves for backward */
    size_t packed_count;                /* reals that prepare fills */
    struct param *param;
    int frozen;           /* a parameter that gets no gradient through this tensor */
    const void *constant; /* real or int32_t, in the graph's arena */

    int half;   /* value and gradient are stored in 16 bits a number (bfloat16) instead of reals */
    int output; /* the caller reads the value of the whole batch */
    int summed; /* but for its rows' sums alone */
    double objective; /* not 0: the loss gains this * sum over entries, mean over samples */
    int needs_grad;
    int handed; /* who gives its gradient last fills chunk_narrow with it, and sums its rows */
    const struct tensor *left; /* whose gradient of source 0 this one's way back gives, too; its own
                                * gradient, behind what it masked of it, is still there; NULL */
    int leaves;                /* somebody else gives the gradient of source 0 */
    int acc[MAX_SRC];          /* backward adds to what is in the gradient of this source */
    unsigned writes;           /* bit s: a lane's first chunk writes this parameter's gradient */
    struct tensor *grad_alias; /* the tensor whose gradient buffer this one's is */
    struct buffer value, grad, saved[MAX_SAVED];
    struct buffer narrow; /* room for this tensor's value or gradient in 16 bits */
    struct again *again;  /* instead of kept until the way back; NULL: it is kept */
    size_t output_offset, packed_offset;
    size_t shared_offset, shared_grad_offset, shared_saved_offset[MAX_SAVED]; /* TENSOR_SHARED */
};

struct graph {
    struct arena arena;
    struct model *model;
    struct tensor **tensors; /* (n) */
    int n, capacity;
    int train;      /* has a gradient */
    int evaluating; /* batch norm uses its running statistics; set before building */
    int freezes;    /* parameters asked for now get no gradient: see graph_freeze */
    int halves;     /* store what operations allow in 16 bits, for a device; set before planning */
    int one_lane;   /* with halves: no run will have several lanes; set before planning */
    int away;       /* operations as they suit a device; set before planning */
    int recompute; /* keep next to nothing for the way back across a barrier; set before planning */
    int keep_cheap; /* without recompute: also what is cheap to compute again; set before planning
                     */
    /* planned */
    int planned;
    struct phase *phases; /* (n_phases) */
    int n_phases;
    struct again **again;     /* (2n) the first value to be computed again at a position, or NULL */
    size_t chunk_per_sample;  /* reals of the chunk arena, per sample of a chunk */
    size_t batch_per_sample;  /* reals of the batch arena, per sample of the batch */
    size_t shared_count;      /* reals of shared values and what they keep */
    size_t shared_grad_count; /* reals of their gradients */
    size_t output_per_sample; /* reals of the outputs, per sample of the batch */
    size_t packed_count;
    size_t sum_count;                     /* columns of the widest tensor of graph_sums */
    double flops_forward, flops_backward; /* of one sample */
};

void graph_init(struct graph *g, struct model *m);
struct tensor *graph_input(struct graph *g, const char *name, int ndim, const int *dim);
struct tensor *graph_index(struct graph *g, const char *name, int n); /* int32 (N, n) */
/* Before planning: an index input that so far has fewer entries gets n. */
void graph_widen(const struct graph *g, struct tensor *index, int n);
/* A number that all samples share, bound like an input; no gradient. */
struct tensor *graph_scalar(struct graph *g, const char *name);
/* The data is copied. */
struct tensor *graph_const(struct graph *g, const char *name, int ndim, const int *dim,
                           const real *data);
struct tensor *graph_const_index(struct graph *g, const char *name, int n, const int32_t *data);
struct tensor *graph_param(struct graph *g, int group, const char *name, int ndim, const int *dim,
                           enum init_kind init, double scale);
/* While on, graph_param makes tensors through which a parameter gets no gradient; a gradient still
 * flows through the operations that use them. */
void graph_freeze(struct graph *g, int on);
/* For operations: a new value with the given source tensors (NULLs at the end are left out). */
struct tensor *graph_value(struct graph *g, const struct op *op, const char *name, int ndim,
                           const int *dim, struct tensor *const *src, int n_src);
void graph_output(struct graph *g, struct tensor *t);
/* Only sums over samples and rows will be asked for, exec_column_sums: ranks keep their rows. */
void graph_sums(struct graph *g, struct tensor *t);
/* The loss gains weight * the mean over samples of the sum over a sample's entries of t. */
void graph_objective(struct graph *g, struct tensor *t, double weight);
/* Finds what needs a gradient, the life of every buffer and where it lies.  Once, when complete. */
void graph_plan(struct graph *g);
void graph_free(struct graph *g);

/* What the entries of an index input must stay below, by everything that uses it; they may be -1.
 */
int graph_index_limit(const struct graph *g, const struct tensor *index);

/* What an operation sees of the executor. */
/* Of the samples of a batch, which n are, this process has own from number first on.  parts
 * (lanes, per_sample) is what op.lane_forward or op.lane_backward made of each lane; NULL: the
 * sources, or the gradient, are there for all samples. */
struct whole {
    struct dealt dealt;
    int first, own;
    const real *parts;
};

struct chunk {
    const struct kernels *k;
    struct kctx ctx;
    int n; /* samples in this chunk */
    const struct graph *g;
    const void *const *bound; /* per tensor: inputs of the whole batch, constants */
    real *values;             /* the model's, where kernels see them */
    long first;               /* the chunk's first sample in the batch */
    real *arena;              /* this thread's */
    int capacity;             /* samples the arena is made for */
    real *batch_arena;        /* everybody's */
    real *shared;             /* shared values */
    real *outputs;            /* of the whole batch */
    long batch;               /* samples the outputs are made for */
    const real *packed;
    real *grads;               /* this lane's */
    const size_t *grad_places; /* per tensor: of a parameter's or shared value's gradient in it */
    int updates;               /* running statistics are to be updated */
    struct whole whole;        /* of an operation on the whole batch */
    int fresh;    /* the first of its lane: what chunk_adds is about holds no gradient yet */
    int position; /* in the schedule */
};

const real *chunk_value(const struct chunk *c, const struct tensor *t);
real *chunk_result(const struct chunk *c, const struct tensor *t); /* to write the value */
const int32_t *chunk_index(const struct chunk *c, const struct tensor *t, int *stride);
const real *chunk_grad(const struct chunk *c, const struct tensor *t);    /* of t, complete */
real *chunk_grad_in_place(const struct chunk *c, const struct tensor *t); /* may be overwritten */
/* Gradient of source s, to be written or added to by t->acc[s]; NULL: not needed, or already there
 * because it is the same buffer as t's own. */
real *chunk_grad_src(const struct chunk *c, const struct tensor *t, int s);
/* Of a parameter s in op.writes: whether its gradient is added to, or written whatever it held. */
int chunk_adds(const struct chunk *c, const struct tensor *t, int s);
real *chunk_saved(const struct chunk *c, const struct tensor *t, int i);
/* Where the sums of t go that is handed; NULL: not needed. */
real *chunk_handed_sums(const struct chunk *c, const struct tensor *t);
/* Room for t's gradient, or its value, in 16 bits where source 0 is stored so and t is not. */
real *chunk_narrow(const struct chunk *c, const struct tensor *t);
/* For a kernel, some of whose arrays are stored in 16 bits: kctx.halves. */
static inline struct kctx chunk_halves(const struct chunk *c, unsigned halves) {
    struct kctx k = c->ctx;
    k.halves = halves;
    return k;
}
const real *chunk_packed(const struct chunk *c, const struct tensor *t);
/* An index value's place to write: (n, dim[0]) int32. */
int32_t *chunk_index_result(const struct chunk *c, const struct tensor *t);

#endif
