/* ops.h -- the operations that methods are written with.  N samples; shapes of one batch. */
#ifndef SSV_NN_OPS_H
#define SSV_NN_OPS_H

#include "nn/graph.h"

/* y (N,T,out) = act(x (N,T,in) W' + b) + residual (N,T,out).  Parameters name.weight (out,in) and
 * name.bias (out); residual may be NULL and needs act NONE.  x may also be (N,in). */
struct linear_spec {
    int group, out;
    enum activation act;
    enum init_kind init; /* of the weight; the bias starts at 0 */
    double scale;
};
struct tensor *op_linear(struct graph *g, const char *name, struct tensor *x,
                         const struct linear_spec *spec, struct tensor *residual);
/* y = layer norm of the last dimension; parameters name.weight, name.bias; eps as PyTorch's ViTs */
struct tensor *op_layernorm(struct graph *g, const char *name, int group, struct tensor *x,
                            double eps);
/* y (N,T,D) from qkv (N,T,3D), softmax(q k' / sqrt(D/heads)) v per head */
struct tensor *op_attention(struct graph *g, const char *name, struct tensor *qkv, int heads);
/* y (N,R,D) = rows index (N,R) of x (N,T,D); a negative index takes `fill` (D) or zeros */
struct tensor *op_gather(struct graph *g, const char *name, struct tensor *x, struct tensor *index,
                         struct tensor *fill);
/* y (N,T,D) = x + b (T,D) */
struct tensor *op_add_broadcast(struct graph *g, const char *name, struct tensor *x,
                                struct tensor *b);
/* y (N,D) = mean of rows first..last-1 of x (N,T,D) */
struct tensor *op_mean_rows(struct graph *g, const char *name, struct tensor *x, int first,
                            int last);
/* y (N,T,C*p*p) from images x (N,C,H,W) */
struct tensor *op_patchify(struct graph *g, const char *name, struct tensor *x, int patch);
/* rows to zero mean, unit unbiased variance; no gradient */
struct tensor *op_standardize(struct graph *g, const char *name, struct tensor *x, double eps);
/* loss (N) of logits x (N,K) and labels target, an index input of 1 */
struct tensor *op_softmax_xent(struct graph *g, const char *name, struct tensor *x,
                               struct tensor *target, double smooth);
/* loss (N,T) = mean over the last dimension of (x - target)^2; no gradient to target */
struct tensor *op_mse(struct graph *g, const char *name, struct tensor *x, struct tensor *target);

#endif
