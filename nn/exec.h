/* exec.h -- runs a planned graph on threads.
 *
 * A phase is what lies between two operations on the whole batch; most graphs are one phase.  In a
 * phase the batch is cut into chunks of a few samples.  A thread takes a chunk through the whole
 * graph, forward and backward, without waiting for anybody: its activations stay in its own small
 * arena. Gradients of the weights go to a fixed number of lanes; a lane owns a fixed range of
 * chunks, done in order by whichever thread took it, and the lanes are summed as a fixed tree.  So
 * neither the number of threads nor their timing changes a bit of the result; batch, chunk and
 * lanes do (in the last bits), and are recorded with it.
 */
#ifndef SSV_NN_EXEC_H
#define SSV_NN_EXEC_H

#include "core/communicator.h"
#include "kernels/device.h"
#include "nn/graph.h"

#include <stdio.h>

struct exec_config {
    const struct kernels *kernels;
    int threads, batch;
    int chunk; /* samples in a chunk; 0: 8 */
    int lanes; /* 0: by the size of the model, on a device by the number of ranks */
    int profile;
    const struct kernel_watch *watch; /* when kernels are those of kernels/watch.h */
    /* NULL: the processor.  Otherwise its kernels compute, a lane is one chunk, and there are as
     * few lanes as ranks have work, a power of two, or `lanes`; chunk does not count.  Results are
     * copied out after each run; inputs stay in the processor's memory. */
    struct device *device;
    int ahead; /* with a device: room for the next inputs, too, which exec_ahead sends */
    /* Of several processes each runs a part of the samples, with the results that one would have;
     * every function below is then called by all of them.  Graphs with a gradient; NULL: one
     * process. */
    struct communicator *ranks;
    size_t bucket; /* reals of the gradient that ranks send at a time; 0: buckets_usual */
    /* (model->n_facts) the rank that moves a tensor, which alone gets its gradient from exec_run;
     * NULL: all get all. */
    const int *owners;
};

struct exec;

int exec_open(struct exec **out, struct graph *g, const struct exec_config *config,
              struct error *err);
/* data: (batch, per_sample) reals, or int32 for an index; it must live until the next run is over.
 */
void exec_bind(struct exec *x, const struct tensor *input, const void *data);
/* What the run after the next one will be bound to, n samples, when it is known before: a device
 * copies it while it computes the next one.  Called after exec_bind for the next run, for what does
 * not change any more; only a bind with the same data later makes use of it. */
void exec_ahead(struct exec *x, const struct tensor *input, const void *data, int n);
/* n samples (<= batch) forward; in a training graph also backward, leaving the gradient of the loss
 * in exec_gradient.  Returns the loss. */
double exec_run(struct exec *x, int n);
/* A batch in parts: each adds to the gradient of a batch of n_total samples, which is complete when
 * the part called with `last` is done; returns this part's share of the loss.  Only for graphs in
 * which samples do not meet. */
double exec_run_part(struct exec *x, int n, int n_total, int first, int last);
int exec_mixes_samples(const struct exec *x);
/* Of a run with n samples, those whose inputs this process reads: *first..*end-1. */
void exec_share(const struct exec *x, int n, int *first, int *end);
/* The same without a trace: no running statistic moves, and every rank gets all of the gradient.
 * For looking at parts of it. */
double exec_probe(struct exec *x, int n);
/* Another weight for an objective, from the next run on. */
void exec_weigh(struct exec *x, const struct tensor *objective, double weight);
/* The mean over the last run's n samples of the sum of a sample's entries of t, without its weight.
 */
double exec_loss(const struct exec *x, const struct tensor *t, int n);
const real *exec_output(const struct exec *x, const struct tensor *t); /* (batch, per_sample) */
/* (dim[ndim-1]) of t, which graph_sums was told of: its sums over everything else of the last run's
 * n samples, by lanes, of which ranks send each other these sums instead of rows.  They are where
 * kernels compute, until the next call. */
const real *exec_column_sums(struct exec *x, const struct tensor *t, int n);
const real *exec_shared(const struct exec *x, const struct tensor *t); /* (per_sample) */
/* (model->count); with owners, after exec_run, only where this rank is one. */
const real *exec_gradient(const struct exec *x);
/* Where weights and gradient are when a device computes.  0: there is none, and the model and
 * exec_gradient are what counts. */
struct exec_there {
    struct device *device;
    struct kctx ctx; /* for its kernels */
    real *values;    /* (model->count) those of the last run */
    const real *gradient;
};
int exec_there(const struct exec *x, struct exec_there *out);
/* The values there are changed from here on, and the model's are not sent any more. */
void exec_settle(struct exec *x);
/* Into the model, where they were settled. */
void exec_fetch_values(struct exec *x);
/* A parameter in the model, as it is where the graph runs; to be told when it was changed. */
real *exec_value(const struct exec *x, const struct param *p);
void exec_value_changed(const struct exec *x, const struct param *p);
double exec_flops(const struct exec *x, int n); /* of a run, the optimizer left out */
size_t exec_peak_bytes(const struct exec *x);   /* weights, optimizer, gradients, activations */
void exec_profile(const struct exec *x, FILE *out);
void exec_profile_reset(struct exec *x); /* forgets the runs so far: the first touches the memory */
void exec_close(struct exec *x);         /* NULL: nothing */

#endif
