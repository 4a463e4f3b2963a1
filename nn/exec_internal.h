/* exec_internal.h -- an executor from inside: exec.c runs graphs, exec_cut.c deals a batch to
 * lanes, exec_phases.c takes these through the graph, exec_profile.c says where time went. */
#ifndef SSV_NN_EXEC_INTERNAL_H
#define SSV_NN_EXEC_INTERNAL_H

#include "nn/buckets.h"
#include "nn/exec.h"
#include "nn/lanes.h"
#include "nn/ranks.h"

struct op_time {
    double forward, backward; /* seconds */
};

struct worker {
    struct chunk chunk;
    struct op_time *times; /* (g->n) or NULL */
    int segment;           /* of the gradients: the first one that its lane has not passed */
};

/* What a run is of: all of a batch, or a part of it. */
struct extent {
    int n, n_total, first, last;
    int updates;
};

struct exec {
    struct arena arena;
    struct graph *g;
    struct exec_config config;
    int lanes, begin, end; /* those of all ranks; of this one begin..end-1 */
    const void **bound;    /* (g->n) where kernels find it */
    struct worker *workers;
    double *weights; /* (g->n) what each objective counts now */
    struct slab activations, crossing, outputs, packed, shared, workspace, gradient, sums;
    struct lanes gradients;
    struct away *away; /* NULL without a device */
    struct replay *replay;
    struct ranks *ranks; /* NULL: one process */
    struct buckets *buckets;
    long packed_version;
    double seconds_prepare, seconds_reduce, seconds_total;
    long runs, samples;
};

void exec_cut(struct exec *x); /* the batch into chunks and lanes, in config and x->lanes */

/* What was sent and prepared through all phases, on all threads. */
void exec_phases(struct exec *x, const struct extent *e);

#endif
