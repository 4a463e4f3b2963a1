/* ranks.h -- a batch shared among processes: each takes some lanes of every run, with their chunks.
 *
 * What one process would do is done, by others: a lane's chunks are the same samples in the same
 * order wherever it is, and the lanes are summed as the same tree, so that losses, gradients and
 * weights are the same bits on any number of ranks.  Weights are on every rank.  An operation on
 * the whole batch is done by each rank, on rows that it got from those that have them.  Gradients
 * are summed by nn/buckets.h.
 */
#ifndef SSV_NN_RANKS_H
#define SSV_NN_RANKS_H

#include "core/communicator.h"
#include "kernels/device.h"
#include "nn/graph.h"

struct ranks;

struct ranks_config {
    struct communicator *c;
    struct device *device; /* where rows are; NULL: the processor's memory */
    const struct graph *g; /* with a gradient */
    int lanes;             /* a power of two */
    int chunk, batch;      /* samples in a chunk, in all chunks */
};

/* *out lies in a. */
int ranks_open(struct ranks **out, struct arena *a, const struct ranks_config *config,
               struct error *err);
/* A rank's first lane; rank = size: their number.  A rank may have none. */
int ranks_first_lane(const struct ranks *r, int rank);
/* Of n samples a rank's first; rank = size: n. */
int ranks_first_row(const struct ranks *r, int n, int rank);
void ranks_begin(struct ranks *r, int n); /* a run of n samples */
/* The rows of an output, when they are asked for first after a run. */
void ranks_gather_output(struct ranks *r, const struct tensor *t, real *rows);
/* parts (lanes, width), of which each rank has filled those of its lanes. */
void ranks_gather_parts(struct ranks *r, size_t width, real *parts);
/* What an operation on the whole batch reads at this position, where only its owners have it. */
void ranks_gather_sources(struct ranks *r, const struct chunk *whole, const struct tensor *t);
/* Every rank moves the weights itself, and another processor or library could do it differently:
 * status 3 when they are not the same on all ranks. */
int ranks_compare(struct communicator *c, const struct model *m, struct error *err);
size_t ranks_bytes(const struct ranks *r); /* of its buffers */
void ranks_close(struct ranks *r);         /* NULL: nothing */

#endif
