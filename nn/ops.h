/* ops.h -- the operations that methods are written with.
 *
 * Shapes of one batch; N samples.  [V,] stands for further leading dimensions, such as the views of
 * a sample, which count as more of the same.  Activations of images are channels-last:
 * (N,[V,]H,W,C).
 */
#ifndef SSV_NN_OPS_H
#define SSV_NN_OPS_H

#include "nn/graph.h"

/* y (N,..,out) = act(x (N,..,in) W' + b) + residual (N,..,out).  Parameters name.weight (out,in)
 * and name.bias (out), left out when no_bias; residual may be NULL and needs act NONE. */
struct linear_spec {
    int group, out;
    enum activation act;
    enum init_kind init; /* of the weight; the bias starts at 0 */
    double scale;
    int no_bias;
};
struct tensor *op_linear(struct graph *g, const char *name, struct tensor *x,
                         const struct linear_spec *spec, struct tensor *residual);
/* y (N,..,K) = x (N,..,D) w' for a shared tensor w (K,D), such as rows normalised by op_l2norm */
struct tensor *op_matmul(struct graph *g, const char *name, struct tensor *x, struct tensor *w);
/* y = layer norm of the last dimension; parameters name.weight, name.bias; eps as PyTorch's ViTs */
struct tensor *op_layernorm(struct graph *g, const char *name, int group, struct tensor *x,
                            double eps);
/* y (N,[V,]T,D) from qkv (N,[V,]T,3D), softmax(q k' / sqrt(D/heads) + bias) v per head.  causal:
 * token i sees 0..i.  bias (heads,T,T), one for all samples, or NULL. */
struct tensor *op_attention(struct graph *g, const char *name, struct tensor *qkv, int heads,
                            int causal, struct tensor *bias);
/* The same of one token, y (N,[V,]1,D): row (N,1), or a constant (1), says which. */
struct tensor *op_attention_row(struct graph *g, const char *name, struct tensor *qkv, int heads,
                                int causal, struct tensor *bias, struct tensor *row);
/* qkv (N,[V,]T,3D) with its queries and keys turned by the angles of a constant table
 * (T,2,D/heads/2), cosines and sines, as the kernel `rotary` does it; entry i of a head belongs to
 * entry i + D/heads/2 (Simeoni et al. 2025, as their code has it). */
struct tensor *op_rotary(struct graph *g, const char *name, struct tensor *qkv, int heads,
                         struct tensor *table);
/* For looking at it: p ([V,]heads,T,T) of one sample, the softmax above, once more from the value
 * of qkv that a run left, and the bias. */
void attention_probabilities(const struct tensor *attention, const real *qkv, const real *bias,
                             real *p);
int attention_heads(const struct tensor *attention);
/* The same of one token, p (heads,T), which is cheap; for attention without further dimensions. */
void attention_of_token(const struct tensor *attention, const real *qkv, const real *bias,
                        int token, real *p);
/* y (N,R,D) = rows index (N,R) of x (N,T,D); a negative index takes `fill` (D) or zeros.  index may
 * be a constant, then x may be (N,[V,]T,D). */
struct tensor *op_gather(struct graph *g, const char *name, struct tensor *x, struct tensor *index,
                         struct tensor *fill);
/* y (N,R,D) = rows index (N,R) of a shared table (T,D): embeddings of symbols */
struct tensor *op_embed(struct graph *g, const char *name, struct tensor *table,
                        struct tensor *index);
/* y (N,[V,]..) = x + b for a shared b of x's last dimensions */
struct tensor *op_add_broadcast(struct graph *g, const char *name, struct tensor *x,
                                struct tensor *b);
/* Positions (1 + from*from, D) of a parameter or constant for another grid (1 + to*to, D), see
 * interpolate_positions in vit.h. */
struct tensor *op_resize_positions(struct graph *g, const char *name, struct tensor *table,
                                   int from, int to);
/* (heads, 1+T, 1+T) for rows x cols patches behind CLS, from a parameter name (heads,
 * (2 rows - 1) (2 cols - 1) + 3) that starts at 0: one entry for each offset, and three for CLS to
 * patch, patch to CLS, CLS to CLS (Bao et al. 2022, as their code has it, transposed). */
struct tensor *op_relative_bias(struct graph *g, const char *name, int group, int rows, int cols,
                                int heads);
/* y = by * x (* *times, a scalar input; NULL: 1), of a parameter too */
struct tensor *op_scale(struct graph *g, const char *name, struct tensor *x, double by,
                        struct tensor *times);
/* y = x + z */
struct tensor *op_add(struct graph *g, const char *name, struct tensor *x, struct tensor *z);
/* y (N,[V,]D) = mean of rows first..last-1 of x (N,[V,]T,D) */
struct tensor *op_mean_rows(struct graph *g, const char *name, struct tensor *x, int first,
                            int last);
/* The same entries under other dimensions. */
struct tensor *op_reshape(struct graph *g, const char *name, struct tensor *x, int ndim,
                          const int *dim);
/* y (N,..,D1+D2) = x1 (N,..,D1) beside x2 (N,..,D2) */
struct tensor *op_concat(struct graph *g, const char *name, struct tensor *x1, struct tensor *x2);
/* The value, without a way back for gradients. */
struct tensor *op_stop(struct graph *g, const char *name, struct tensor *x);
/* y (N,[V,]C,side,side) of tasks index (N,V * VIEW_WORDS) and the pixels index (N,words) of an
 * image, as kernels/views.h has them; norm (2,C): means, and what is divided by, inverted */
struct tensor *op_views(struct graph *g, const char *name, struct tensor *pixels,
                        struct tensor *tasks, struct tensor *norm, int ndim, const int *dim);
/* y (N,[V,]T,C*p*p) from images x (N,[V,]C,H,W); with p = 1: channels last */
struct tensor *op_patchify(struct graph *g, const char *name, struct tensor *x, int patch);
/* rows to zero mean, unit unbiased variance; no gradient */
struct tensor *op_standardize(struct graph *g, const char *name, struct tensor *x, double eps);
/* rows of the last dimension divided by max(their norm, eps); of a parameter too */
struct tensor *op_l2norm(struct graph *g, const char *name, struct tensor *x, double eps);
struct tensor *op_activation(struct graph *g, const char *name, struct tensor *x,
                             enum activation act);
/* y (N,..,D) = a sigmoid(a) b of x (N,..,2D), a beside b: Shazeer 2020 (arXiv:2002.05202), SwiGLU
 */
struct tensor *op_swiglu(struct graph *g, const char *name, struct tensor *x);
/* y (N,[V,]T,D) = residual + gain (D; NULL: 1) * drop[column] * x: LayerScale and stochastic depth
 * of a residual branch; drop (N,n) an input of zeros and 1/keep, or NULL.  All views of a sample
 * share its draw. */
struct tensor *op_branch(struct graph *g, const char *name, struct tensor *x, struct tensor *gain,
                         struct tensor *drop, int column, struct tensor *residual);

/* Convolutions: parameters name.weight and, with bias, name.bias. */
struct conv_spec {
    int group, out, kernel, stride, pad, bias;
    enum init_kind init;
    double scale;
};
/* y (N,[V,]oh,ow,out) from x (N,[V,]h,w,in) */
struct tensor *op_conv2d(struct graph *g, const char *name, struct tensor *x,
                         const struct conv_spec *spec);
/* y (N,[V,]H,W,out), H = (h-1)*stride - 2 pad + kernel: PyTorch's ConvTranspose2d, weight
 * (in,out,k,k) */
struct tensor *op_conv_transpose2d(struct graph *g, const char *name, struct tensor *x,
                                   const struct conv_spec *spec);
struct tensor *op_maxpool(struct graph *g, const char *name, struct tensor *x, int kernel,
                          int stride, int pad);
/* y (N,p,C) from x (N,q,C), a weight matrix for each channel: Pathak et al. 2016, section 3.1 */
struct tensor *op_channelwise_fc(struct graph *g, const char *name, int group, struct tensor *x,
                                 int p);
/* y = act(batch norm of x over everything but the last dimension, + residual); parameters
 * name.weight, name.bias (none when plain), name.running_mean, name.running_var (momentum 0.1,
 * unbiased, as PyTorch).  relu 0 or 1; residual may be NULL.  Uses running statistics where
 * graph.evaluating is set. */
struct tensor *op_batchnorm(struct graph *g, const char *name, int group, struct tensor *x,
                            struct tensor *residual, int relu, int plain);

/* loss (N,..) of logits x (N,..,K) and targets index (N,..), or one a sample */
struct tensor *op_softmax_xent(struct graph *g, const char *name, struct tensor *x,
                               struct tensor *target, double smooth);
/* loss (N,..) of scale * x (N,..,K) against distributions (N,..,K); no gradient to target */
struct tensor *op_soft_xent(struct graph *g, const char *name, struct tensor *x,
                            struct tensor *target, double scale);
/* y = softmax(x * scale (* *times, a scalar input; NULL: 1)) */
struct tensor *op_softmax(struct graph *g, const char *name, struct tensor *x, double scale,
                          struct tensor *times);
/* index value (N,R) of the largest of each row of x (N,R,K) */
struct tensor *op_argmax(struct graph *g, const char *name, struct tensor *x);
/* index value (N,R): the entries of an index value x (N,T) at places index (N,R); -1 at negative
 * places */
struct tensor *op_pick(struct graph *g, const char *name, struct tensor *x, struct tensor *places);
/* loss (N) of telling the text of each image from those of all others, and the other way round, by
 * exp(log_scale) <image, text>: images (N,D), texts (N,D), log_scale a parameter of one entry */
struct tensor *op_clip(struct graph *g, const char *name, struct tensor *images,
                       struct tensor *texts, struct tensor *log_scale);
/* loss (N,2) of two views z (N,2,D) of each sample, rows of unit length: NT-Xent over the batch */
struct tensor *op_nt_xent(struct graph *g, const char *name, struct tensor *z, double temperature);
/* loss (N,..) = weight (N,.. or shared; NULL: 1) * mean over the last dimension of (x - target)^2;
 * no gradient to target or weight */
struct tensor *op_mse(struct graph *g, const char *name, struct tensor *x, struct tensor *target,
                      struct tensor *weight);
/* loss (N,..) = binary cross-entropy of logits x against a constant target */
struct tensor *op_bce(struct graph *g, const char *name, struct tensor *x, double target);
/* loss (N,..) = KL(softmax(x) || uniform) of logits x (N,..,K): log K minus the entropy */
struct tensor *op_kl_uniform(struct graph *g, const char *name, struct tensor *x);

#endif
