/* kernels.h -- every operation on raw buffers, named once.
 *
 * KERNEL_LIST names each operation with its signature.  From it come the struct of function
 * pointers, the list that the tests walk and the list that the benchmark walks
 * (kernels/cases.h holds for each the shapes to try, its FLOPs and the fewest bytes it must move).
 *
 *   kernels/ref   complete, plain scalar C with double accumulation: the specification
 *   kernels/cpu   the fast ones, written once with vector extensions and compiled for several
 *                 instruction sets; the best one is chosen at run time; a missing slot inherits ref
 *
 * Conventions
 *   - Arrays are dense and row-major; the shape stands beside each in the comments.
 *   - `acc` is 0 (write) or 1 (add to what is there).  Gradients of parameters always add.
 *   - Outputs do not overlap inputs unless the comment says so.
 *   - Every size may be 0, then nothing is read or written; an empty reduction with acc 0 writes 0.
 *   - A reduction has a fixed order that does not depend on the number of threads; a result for a
 *     row does not depend on how many rows the call has.
 *   - A kernel runs on c->threads threads.  Graph execution calls with 1 inside its own parallel
 *     loop over chunks of images, which is faster than any parallel loop inside a kernel.
 */
#ifndef SSV_KERNELS_KERNELS_H
#define SSV_KERNELS_KERNELS_H

#include "core/real.h"

#include <stddef.h>
#include <stdint.h>

enum { KERNEL_WORKSPACE = 1 << 20 }; /* reals of scratch per thread */

struct kctx {
    int threads;
    real *workspace;                  /* threads * KERNEL_WORKSPACE reals, aligned to 64 bytes */
    const struct kernel_watch *watch; /* of the kernels of kernels/watch.h alone */
    void
        *device; /* of kernels that run elsewhere: a struct of theirs; pointers are to its memory */
    /* Bit i: the call's i-th array, in the order of its parameters, holds numbers of 16 bits, the
     * upper half of a float (bfloat16).  For devices alone, and of what op.halves allows. */
    unsigned halves;
};

/* Formulas in kernels/ref/activation.c; GELU is the exact one: x/2 (1 + erf(x / sqrt 2)). */
enum activation {
    ACT_NONE,
    ACT_GELU,
    ACT_RELU,
    ACT_LEAKY_RELU, /* LEAKY_SLOPE x below 0 */
    ACT_QUICK_GELU, /* x sigmoid(QUICK_GELU_SCALE x) */
    ACT_TANH,
    ACT_SIGMOID
};
#define LEAKY_SLOPE ((real)0.2)
#define QUICK_GELU_SCALE ((real)1.702)

/* A convolution: x (n,h,w,in), weight (out,kh,kw,in), y (n,oh,ow,out); pad zeros on every side. */
struct conv_shape {
    int h, w, in, out, kh, kw, stride, pad;
};

/* How often a window of k, moved by stride, fits into size with pad on either side. */
static inline int window_count(int size, int k, int stride, int pad) {
    int room = size + 2 * pad - k;
    return room < 0 ? 0 : room / stride + 1;
}

static inline int conv_out_h(const struct conv_shape *s) {
    return window_count(s->h, s->kh, s->stride, s->pad);
}

static inline int conv_out_w(const struct conv_shape *s) {
    return window_count(s->w, s->kw, s->stride, s->pad);
}

/* What kernels for processors and for devices call. */
#ifdef __CUDACC__
#define KERNEL_FUNCTION __host__ __device__ static inline
#else
#define KERNEL_FUNCTION static inline
#endif

/* Where the n samples of a batch are: in chunks, of which lane i has those from chunks i / lanes
 * on. */
struct dealt {
    int n, chunk, lanes;
};

/* The first sample of a lane; lane = lanes: n. */
KERNEL_FUNCTION int dealt_first(const struct dealt *d, int lane) {
    long chunks = (d->n + d->chunk - 1) / d->chunk;
    long first = chunks * lane / d->lanes * d->chunk;
    return first < d->n ? (int)first : d->n;
}

struct view_shape; /* kernels/views.h */

/* clang-format off */
/* KERNEL(name, (parameters)) */
#define KERNEL_LIST(KERNEL)                                                                        \
    /* y (m,n) = alpha * op(a) op(b) + beta * y; op(a) is (m,k), op(b) is (k,n); ta, tb: transpose \
     * the stored matrix; lda, ldb, ldy: reals from row to row as stored.  k = 0: y = beta * y.    \
     * beta = 0 overwrites y whatever it held, NaN included. */                                    \
    KERNEL(gemm, (const struct kctx *c, int ta, int tb, int m, int n, int k, real alpha,           \
                  const real *a, int lda, const real *b, int ldb, real beta, real *y, int ldy))    \
    /* Number of reals that gemm_pack writes for a (k,n) right-hand side. */                       \
    KERNEL_RETURNS(size_t, gemm_pack_size, (int n, int k))                                         \
    /* Prepares op(w) (k,n), stored with row stride ldw, transposed when tw, for gemm_packed.      \
     * turned: what this has just made of the same w with the other tw, which may be used for both  \
     * from then on; or NULL. */                                                                   \
    KERNEL(gemm_pack, (const struct kctx *c, int tw, int n, int k, const real *w, int ldw,         \
                       const real *turned, real *packed))                                          \
    /* y (m,n) = act(a (m,k) * packed + bias (n)) + residual (m,n); bias, residual and kept may be \
     * NULL; residual may be y itself.  kept (m,n) receives what the way back needs of act: its    \
     * slope, or on a device (c->device) what act was given, since memory takes longer there. */   \
    KERNEL(gemm_packed, (const struct kctx *c, int m, int n, int k, const real *a, int lda,        \
                         const real *packed, const real *bias, enum activation act, real *kept,    \
                         const real *residual, real *y, int ldy))                                  \
    /* out (cols) += column sums of x (rows,cols) */                                               \
    KERNEL(column_sum, (const struct kctx *c, int rows, int cols, const real *x, real *out))       \
    /* y (n) = x + y is axpby(n, 1, x, 1, y): y = a x + b y; b = 0 overwrites; x may be y */       \
    KERNEL(axpby, (const struct kctx *c, size_t n, real a, const real *x, real b, real *y))        \
    /* Views of n images, as tasks (n,views) of struct view_task say; pixels (n,words) of bytes and \
     * tasks lie among indices.  y (n,views,channels,side,side) = (view - norm[0]) norm[1] with norm\
     * (2,channels); outside the image a box has the colour norm[0].  scratch: n * view_scratch(s) \
     * reals. */                                                                                   \
    KERNEL(render_views, (const struct kctx *c, int n, const struct view_shape *s,                 \
                          const int32_t *pixels, const int32_t *tasks, const real *norm,           \
                          real *scratch, real *y))                                                 \
    /* What comes back to a linear layer: g (rows,cols) is multiplied by the slope of act that     \
     * `kept` says as gemm_packed left it, NULL: by 1; narrow, NULL: not wanted, receives a copy of  \
     * it; bias (cols), NULL: not wanted, += its column sums */                                    \
    KERNEL(linear_gradient, (const struct kctx *c, int rows, int cols, enum activation act,        \
                             const real *kept, real *g, real *narrow, real *bias))                 \
    /* y (n) = value */                                                                            \
    KERNEL(fill, (const struct kctx *c, size_t n, real value, real *y))                            \
    /* y = acc * y + x for rows of cols, stored ldx and ldy reals apart; ldx = 0: one row for all. \
     * With acc 0 bits are copied, whatever they mean. */                                          \
    KERNEL(copy_rows, (const struct kctx *c, int rows, int cols, const real *x, int ldx, int acc,  \
                       real *y, int ldy))                                                          \
    /* y (rows,cols) = x[i * ldx + j * step]; step 0: one index for a row */                       \
    KERNEL(copy_index_rows, (const struct kctx *c, int rows, int cols, const int32_t *x, int ldx,  \
                             int step, int32_t *y))                                                \
    /* y (n,rows_out) = x[i * ldx + places[i * ldp + j]], -1 where the place is negative */        \
    KERNEL(pick_index, (const struct kctx *c, int n, int rows_out, const int32_t *x, int ldx,      \
                        const int32_t *places, int ldp, int32_t *y))                               \
    KERNEL_RETURNS(double, sum_squares, (const struct kctx *c, size_t n, const real *x))           \
    /* y = act(x); y may be x */                                                                   \
    KERNEL(act_forward, (const struct kctx *c, enum activation act, size_t n, const real *x,       \
                         real *y))                                                                 \
    /* dx = acc * dx + dy * act'(x), x what act_forward was given; the slope of ReLU at 0 is that  \
     * below; dx may be dy when acc is 0 */                                                        \
    KERNEL(act_backward, (const struct kctx *c, enum activation act, size_t n, const real *x,      \
                          const real *dy, int acc, real *dx))                                      \
    /* Ba et al. 2016: y = (x - mean) rstd gamma + beta, rstd = 1 / sqrt(var + eps), var biased.   \
     * x, y (rows,cols); gamma, beta (cols) may be NULL (1 and 0); mean, rstd (rows) are kept. */  \
    KERNEL(layernorm_forward, (const struct kctx *c, int rows, int cols, real eps, const real *x,  \
                               const real *gamma, const real *beta, real *y, real *mean,           \
                               real *rstd))                                                        \
    /* dgamma, dbeta (cols) are added to; NULL when gamma is NULL.  Then with dx as it is in the    \
     * end what linear_gradient does: narrow (rows,cols) receives a copy, sums (cols) += its column \
     * sums; either may be NULL. */                                                                \
    KERNEL(layernorm_backward, (const struct kctx *c, int rows, int cols, const real *x,           \
                                const real *gamma, const real *mean, const real *rstd,             \
                                const real *dy, int acc, real *dx, real *dgamma, real *dbeta,      \
                                real *narrow, real *sums))                                         \
    /* Ioffe and Szegedy 2015, algorithms 1 and 2, in parts: what a sample knows of itself, and    \
     * below what the batch is.  x (n,rows,cols), moments (n,2,cols): mean and biased variance of  \
     * each sample's rows.  These share the work on a sample's rows among c->threads. */           \
    KERNEL(batchnorm_moments, (const struct kctx *c, int n, int rows, int cols, const real *x,     \
                               real *moments))                                                     \
    /* dx (n,rows,cols) += A + B (x - mean), A and B the two of dmoments (n,2,cols), mean that of  \
     * moments: as batchnorm_combine_backward left them */                                         \
    KERNEL(batchnorm_moments_backward, (const struct kctx *c, int n, int rows, int cols,           \
                                        const real *x, const real *moments,                        \
                                        const real *dmoments, real *dx))                           \
    /* y (rows,cols) = act((x - mean) rstd gamma + beta + residual), act ReLU or none; gamma and   \
     * beta (cols) and residual (rows,cols) may be NULL; y may be x or residual. */                \
    KERNEL(batchnorm_apply, (const struct kctx *c, int rows, int cols, const real *x,              \
                             const real *mean, const real *rstd, const real *gamma,                \
                             const real *beta, const real *residual, int relu, real *y))           \
    /* sums (n,2,cols) = those of g xhat and of g over each sample's rows, with xhat = (x - mean)  \
     * rstd of x (n,rows,cols), mean and rstd (cols).  y: the output when there was a ReLU, which  \
     * makes g (n,rows,cols) 0 where y is not above 0; NULL when not.  dx (n,rows,cols), or NULL,  \
     * = acc * dx + gamma (cols; NULL: 1) rstd g; dx may be g when acc is 0. */                    \
    KERNEL(batchnorm_backward, (const struct kctx *c, int n, int rows, int cols, const real *x,    \
                                const real *mean, const real *rstd, const real *gamma,             \
                                const real *y, real *g, int acc, real *dx, real *sums))            \
    /* The same in two parts that write g or dx once, for where passes over memory are dear.  The  \
     * first: sums alone, with the ReLU's mask made of x as batchnorm_apply makes y without a      \
     * residual; g (n,rows,cols) stays as it is. */                                                \
    KERNEL(batchnorm_sums, (const struct kctx *c, int n, int rows, int cols, const real *x,        \
                            const real *mean, const real *rstd, const real *gamma,                 \
                            const real *beta, int relu, const real *g, real *sums))                \
    /* The second: dx (n,rows,cols) = gamma rstd g, of g behind that mask, + A + B (x - mean) as   \
     * in batchnorm_moments_backward; dx may be g. */                                              \
    KERNEL(batchnorm_input_backward, (const struct kctx *c, int n, int rows, int cols,             \
                                      const real *x, const real *mean, const real *rstd,           \
                                      const real *gamma, const real *beta, int relu,               \
                                      const real *moments, const real *dmoments, const real *g,    \
                                      real *dx))                                                   \
    /* dgamma and dbeta (cols) += the sums (n,2,cols) of all samples; either may be NULL */        \
    KERNEL(batchnorm_parameters, (const struct kctx *c, int n, int cols, const real *sums,         \
                                  real *dgamma, real *dbeta))                                      \
    /* part (2,cols) = mean and biased variance of n equally large samples together, of moments     \
     * (n,2,cols), theirs; of no sample zeros */                                                    \
    KERNEL(batchnorm_lane, (const struct kctx *c, int n, int cols, const real *moments, real *part)) \
    /* What lanes know of themselves to what the batch is: parts (lanes,2,cols) mean and biased     \
     * variance of each, with `rows` for each sample of `dealt`, batch (n,2,cols) mean and          \
     * 1 / sqrt(variance + eps) of all, the same n times.  running_mean and running_var (cols), or  \
     * NULL, move by momentum, with the unbiased variance.  batch may lie anywhere over parts. */   \
    KERNEL(batchnorm_combine, (const struct kctx *c, const struct dealt *dealt, int rows, int cols, \
                               double eps, const real *parts, int n, real *batch, double momentum,  \
                               real *running_mean, real *running_var))                              \
    /* dmoments (n,2,cols) = A + B (mean - that of batch (2,cols)), and B, with the means of moments\
     * (n,2,cols), A and B minus the sums of parts (lanes,2,cols) over lanes, by the number of rows:\
     * `count`.  dmoments may lie anywhere over parts. */                                           \
    KERNEL(batchnorm_combine_backward, (const struct kctx *c, int lanes, double count, int cols,    \
                                        const real *parts, int n, const real *moments,              \
                                        const real *batch, real *dmoments))                         \
    /* dbatch (n,2,cols) = s sums[1], s rstd sums[0] with s = gamma (cols; NULL: 1) rstd (cols), of\
     * sums (n,2,cols) of g xhat and of g */                                                       \
    KERNEL(batchnorm_slopes, (const struct kctx *c, int n, int cols, const real *rstd,             \
                              const real *gamma, const real *sums, real *dbatch))                  \
    /* y (n) = 1 / sqrt(x + eps) */                                                                \
    KERNEL(reciprocal_root, (const struct kctx *c, size_t n, double eps, const real *x, real *y))      \
    /* Vaswani et al. 2017, eq. (1), per image and head.  qkv (n,t,3,heads,d), y (n,t,heads*d);    \
     * p (n,heads,t,tp) receives softmax(q k' * scale + bias), tp = attention_stride(t) with zeros \
     * after column t, kept for the backward pass.  bias (heads,t,t) or NULL.  causal: token i     \
     * sees 0..i, and p is exactly 0 above the diagonal. */                                        \
    KERNEL(attention_forward, (const struct kctx *c, int n, int t, int heads, int d, real scale,   \
                               int causal, const real *bias, const real *qkv, real *p, real *y))   \
    /* dqkv is written, dbias (heads,t,t) added to; dbias may be NULL. */                          \
    KERNEL(attention_backward, (const struct kctx *c, int n, int t, int heads, int d, real scale,  \
                                int causal, const real *qkv, const real *p, const real *dy,        \
                                real *dqkv, real *dbias))                                          \
    /* The same without probabilities (Dao et al. 2022, FlashAttention): lse (n,heads,t) receives   \
     * log sum_j exp(q k' * scale + bias), and the way back makes them of it again. */              \
    KERNEL(attention_flash_forward, (const struct kctx *c, int n, int t, int heads, int d,         \
                                     real scale, int causal, const real *bias, const real *qkv,    \
                                     real *lse, real *y))                                          \
    /* y: as forward left it.  dqkv is written, dbias as above. */                                 \
    KERNEL(attention_flash_backward, (const struct kctx *c, int n, int t, int heads, int d,        \
                                      real scale, int causal, const real *bias, const real *qkv,   \
                                      const real *lse, const real *y, const real *dy, real *dqkv,  \
                                      real *dbias))                                                \
    /* The same for one query an image, token row[i * row_stride], row_stride 0 or 1: where the   \
     * others lead nowhere.  p (n,heads,tp), y (n,heads*d). */                                     \
    KERNEL(attention_row_forward, (const struct kctx *c, int n, int t, int heads, int d,           \
                                   real scale, int causal, const real *bias, const real *qkv,      \
                                   const int32_t *row, int row_stride, real *p, real *y))          \
    /* dqkv (n,t,3,heads,d) is written, zeros for the other queries; dbias as above. */            \
    KERNEL(attention_row_backward, (const struct kctx *c, int n, int t, int heads, int d,          \
                                    real scale, int causal, const real *qkv, const int32_t *row,   \
                                    int row_stride, const real *p, const real *dy, real *dqkv,     \
                                    real *dbias))                                                  \
    /* loss (rows) = cross-entropy -log softmax(x)[target]; x, p (rows,classes); p receives the    \
     * softmax; target (rows) in 0..classes-1; a negative target: loss 0, gradient 0.              \
     * smooth: label smoothing, target distribution (1-smooth) onehot + smooth / classes. */       \
    KERNEL(softmax_xent_forward, (const struct kctx *c, int rows, int classes, real smooth,        \
                                  const real *x, const int32_t *target, real *p, real *loss))      \
    /* dx (rows,classes) = acc * dx + dloss (rows) * (p - target distribution) */                  \
    KERNEL(softmax_xent_backward, (const struct kctx *c, int rows, int classes, real smooth,       \
                                   const real *p, const int32_t *target, const real *dloss,        \
                                   int acc, real *dx))                                             \
    /* loss (rows) = weight (rows; NULL: 1) * mean over cols of (x - target)^2 */                  \
    KERNEL(mse_forward, (const struct kctx *c, int rows, int cols, const real *x,                  \
                         const real *target, const real *weight, real *loss))                      \
    KERNEL(mse_backward, (const struct kctx *c, int rows, int cols, const real *x,                 \
                          const real *target, const real *weight, const real *dloss, int acc,      \
                          real *dx))                                                               \
    /* y[i,j,:] = index[i,j] < 0 ? fill : x[i, index[i,j], :].  x (n,rows_in,cols), y              \
     * (n,rows_out,cols), index (n,rows_out), fill (cols) or NULL for zeros.  index_stride is      \
     * rows_out, or 0 when all n share one row of indices. */                                      \
    KERNEL(gather_forward, (const struct kctx *c, int n, int rows_in, int rows_out, int cols,      \
                            const real *x, const int32_t *index, int index_stride,                 \
                            const real *fill, real *y))                                            \
    /* dx = acc * dx + scatter-add of dy; dfill (cols) += sum of the filled rows; dx, dfill may be \
     * NULL */                                                                                     \
    KERNEL(gather_backward, (const struct kctx *c, int n, int rows_in, int rows_out, int cols,     \
                             const real *dy, const int32_t *index, int index_stride, int acc,      \
                             real *dx, real *dfill))                                               \
    /* y[i,:] = sum_t weight[i,t] x[row[i,t],:]; y (n,cols), row and weight (n,taps), x (.,cols) */\
    KERNEL(combine_rows_forward, (const struct kctx *c, int n, int taps, int cols,                 \
                                  const int32_t *row, const real *weight, const real *x, real *y)) \
    /* dx (rows,cols) is added to */                                                               \
    KERNEL(combine_rows_backward, (const struct kctx *c, int n, int taps, int rows, int cols,      \
                                   const int32_t *row, const real *weight, const real *dy,         \
                                   real *dx))                                                      \
    /* Non-overlapping patches in raster order: x (n,channels,height,width) to y                   \
     * (n, (height/p)*(width/p), channels*p*p), a patch stored (channel, row, column); p divides   \
     * height and width. */                                                                        \
    KERNEL(patchify, (const struct kctx *c, int n, int channels, int height, int width, int p,     \
                      const real *x, real *y))                                                     \
    /* its inverse, which is also its gradient: x = acc * x + ... */                               \
    KERNEL(unpatchify, (const struct kctx *c, int n, int channels, int height, int width, int p,   \
                        const real *y, int acc, real *x))                                          \
    /* y (n,inner) = x (n,inner) + b (inner); y may be x */                                        \
    KERNEL(add_broadcast, (const struct kctx *c, int n, int inner, const real *x, const real *b,   \
                           real *y))                                                               \
    /* y (n,cols) = mean of rows first..last-1 of x (n,rows,cols); first < last <= rows */         \
    KERNEL(mean_rows_forward, (const struct kctx *c, int n, int rows, int cols, int first,         \
                               int last, const real *x, real *y))                                  \
    KERNEL(mean_rows_backward, (const struct kctx *c, int n, int rows, int cols, int first,        \
                                int last, const real *dy, int acc, real *dx))                      \
    /* Each row to zero mean and unit variance, the variance unbiased plus eps (MAE's norm_pix,    \
     * He et al. 2022, section 3); a single column becomes 0; x may be y */                        \
    KERNEL(standardize_rows, (const struct kctx *c, int rows, int cols, real eps, const real *x,   \
                              real *y))                                                            \
    /* y = x / max(|x|, eps) for each row; x may be y; norm (rows) = |x|, may be NULL */                  \
    KERNEL(l2_normalize_rows, (const struct kctx *c, int rows, int cols, real eps, const real *x,  \
                               real *y, real *norm))                                               \
    /* Convolutions, activations with the channels last.  Weights are packed for one shape, its h  \
     * and w included; backward 0: for conv2d_forward, 1: for conv2d_backward_data.  conv_fits(s)  \
     * is true. */                                                                                 \
    KERNEL_RETURNS(size_t, conv2d_pack_size, (const struct conv_shape *s, int backward))           \
    KERNEL(conv2d_pack, (const struct kctx *c, const struct conv_shape *s, int backward,           \
                         const real *w, real *packed))                                             \
    /* y (n,oh,ow,out) = convolution of x (n,h,w,in) with w (out,kh,kw,in) + bias (out) or NULL */ \
    KERNEL(conv2d_forward, (const struct kctx *c, int n, const struct conv_shape *s,               \
                            const real *x, const real *packed, const real *bias, real *y))         \
    /* dx (n,h,w,in) = acc * dx + bias (in) or NULL + the transposed convolution of dy             \
     * (n,oh,ow,out): the gradient, without bias, and the forward pass of PyTorch's                \
     * ConvTranspose2d(out, in), whose output_padding is in h and w. */                            \
    KERNEL(conv2d_backward_data, (const struct kctx *c, int n, const struct conv_shape *s,         \
                                  const real *dy, const real *packed, const real *bias, int acc,   \
                                  real *dx))                                                       \
    /* dw (out,kh,kw,in) is added to. */                                                           \
    KERNEL(conv2d_backward_weight, (const struct kctx *c, int n, const struct conv_shape *s,       \
                                    const real *x, const real *dy, real *dw))                      \
    /* Maximum over windows of k by k, pad <= k / 2: x (n,h,w,ch), y (n,oh,ow,ch), oh =            \
     * window_count(h, k, stride, pad).  Padding never wins.  arg (n,oh,ow,ch) = row * w + column  \
     * of the maximum: the first in raster order; or of NaN, the last, as in PyTorch. */           \
    KERNEL(maxpool_forward, (const struct kctx *c, int n, int h, int w, int ch, int k, int stride, \
                             int pad, const real *x, real *y, int32_t *arg))                       \
    /* dx (n,h,w,ch) = acc * dx + dy at arg */                                                     \
    KERNEL(maxpool_backward, (const struct kctx *c, int n, int h, int w, int ch, int k,            \
                              int stride, int pad, const real *dy, const int32_t *arg, int acc,    \
                              real *dx))                                                           \
    /* The channel-wise fully connected layer of Pathak et al. 2016, section 3.1: y[i,:,j] = w[j]  \
     * x[i,:,j] + bias[j] for each image and channel.  x (n,q,ch), w (ch,p,q), y (n,p,ch), bias    \
     * (ch,p) or NULL. */                                                                          \
    KERNEL(channelwise_fc_forward, (const struct kctx *c, int n, int p, int q, int ch,             \
                                    const real *x, const real *w, const real *bias, real *y))      \
    /* dx = acc * dx + ...; dw, dbias are added to; dx, dbias may be NULL */                       \
    KERNEL(channelwise_fc_backward, (const struct kctx *c, int n, int p, int q, int ch,            \
                                     const real *x, const real *w, const real *dy, int acc,        \
                                     real *dx, real *dw, real *dbias))                             \
    /* dx = acc * dx + (dy - y (y.dy)) / norm for rows longer than eps, dy / eps for the others; y and \
     * norm as l2_normalize_rows left them */                                                      \
    KERNEL(l2_normalize_rows_backward, (const struct kctx *c, int rows, int cols, real eps,        \
                                        const real *y, const real *norm, const real *dy, int acc,  \
                                        real *dx))                                                 \
    /* y = softmax(scale x) of each row; y may be x */                                             \
    KERNEL(softmax_rows, (const struct kctx *c, int rows, int cols, real scale, const real *x,     \
                          real *y))                                                                \
    KERNEL(softmax_rows_backward, (const struct kctx *c, int rows, int cols, real scale,           \
                                   const real *y, const real *dy, int acc, real *dx))              \
    /* loss (rows) = -sum_j target_j log softmax(scale x)_j; x, target, p (rows,cols); target of any \
     * weights; p receives the softmax */                                                          \
    KERNEL(soft_xent_forward, (const struct kctx *c, int rows, int cols, real scale,               \
                               const real *x, const real *target, real *p, real *loss))            \
    /* dx = acc * dx + dloss (rows) scale (p sum(target) - target); nothing to target */           \
    KERNEL(soft_xent_backward, (const struct kctx *c, int rows, int cols, real scale,              \
                                const real *p, const real *target, const real *dloss, int acc,     \
                                real *dx))                                                         \
    /* y (rows) = KL(softmax(x) || uniform) = log cols + sum_j p_j log p_j; p (rows,cols) receives \
     * the softmax */                                                                              \
    KERNEL(kl_uniform_forward, (const struct kctx *c, int rows, int cols, const real *x, real *p,  \
                                real *y))                                                          \
    /* dx = acc * dx + dy p (log p + H), H = log cols - y */                                       \
    KERNEL(kl_uniform_backward, (const struct kctx *c, int rows, int cols, const real *p,          \
                                 const real *y, const real *dy, int acc, real *dx))                \
    /* Which of a batch's rows belong together, in both directions: logit (i,j) = s <x_i, y_j> for x,\
     * y (n,dim), s = scale, or scale exp(*log_scale) where that is not NULL.                      \
     *     R_i = log sum_j exp logit (i,j)        loss of row i    = R_i - logit (i, partner of i) \
     *     C_j = log sum_i exp logit (i,j)        loss of column j = C_j - logit (partner of j, j) \
     * The partner of row i is column i.  With views, n is even, x and y are one matrix in which rows\
     * 2k and 2k+1 are views of a sample: partners, and no row is compared with itself.            \
     * r (n) receives R, partner (n; NULL: not wanted) the logits with the partners.  C is R of x and\
     * y swapped.  Like batchnorm_moments they share their work among c->threads. */                 \
    KERNEL(contrast_rows, (const struct kctx *c, int n, int dim, int views, double scale,          \
                           const real *log_scale, const real *x, const real *y, real *r,           \
                           real *partner))                                                         \
    /* Of sum_i weight_i (loss of row i + loss of column i):                                       \
     *     g_ij = weight_i (exp(logit - R_i) - [j is the partner of i])                            \
     *          + weight_j (exp(logit - C_j) - [j is the partner of i])                            \
     * dx_i = acc dx_i + s sum_j g_ij y_j; own (n) receives sum_j g_ij logit (i,j), and the sum of it\
     * is added to dlog, the gradient of log(s).  dx, and own with dlog, may be NULL. */           \
    KERNEL(contrast_gradient, (const struct kctx *c, int n, int dim, int views, double scale,      \
                               const real *log_scale, const real *x, const real *y,                \
                               const real *weight, const real *r, const real *col, int acc,        \
                               real *dx, real *own, real *dlog))                                   \
    /* loss (n) = r - loss, or (r + col) / 2 - loss where col is not NULL: of partners' logits */  \
    KERNEL(contrast_loss, (const struct kctx *c, int n, const real *r, const real *col,            \
                           real *loss))                                                            \
    /* y (n,rows,cols) = gamma (cols; NULL: 1) s (n; NULL: 1) x + residual (NULL: 0): LayerScale   \
     * (Touvron et al. 2021) and stochastic depth (Huang et al. 2016) of a branch; y may be x or   \
     * residual */                                                                                 \
    KERNEL(branch_forward, (const struct kctx *c, int n, int rows, int cols, const real *x,        \
                            const real *gamma, const real *s, const real *residual, real *y))      \
    /* dx = acc * dx + gamma s dy; dgamma (cols) is added to; dx or dgamma may be NULL, x is read  \
     * for dgamma alone; dx may be dy when acc is 0 */                                             \
    KERNEL(branch_backward, (const struct kctx *c, int n, int rows, int cols, const real *x,       \
                             const real *gamma, const real *s, const real *dy, int acc, real *dx,  \
                             real *dgamma))                                                        \
    /* Su et al. 2021 (arXiv:2104.09864), eq. (34), with entries paired as DINOv3 pairs them: of the \
     * q and k of each row, in each head, entry i < half and entry half + i, (a,b), become           \
     * (a cos - b sin, b cos + a sin) of table (rows,2,half), cosines and sines; v stays.  x and y   \
     * (n,rows,3,heads,2 half).  y = acc * y + that; back: with -sin, which is the way back.  y may  \
     * be x when acc is 0. */                                                                        \
    KERNEL(rotary, (const struct kctx *c, int n, int rows, int heads, int half, const real *table,  \
                    int back, const real *x, int acc, real *y))                                      \
    /* Shazeer 2020 (arXiv:2002.05202), SwiGLU behind its linear layer: y (rows,cols) = a s(a) b, s   \
     * the sigmoid, of x (rows,2 cols): a beside b */                                               \
    KERNEL(swiglu_forward, (const struct kctx *c, int rows, int cols, const real *x, real *y))      \
    /* dx = acc * dx + the gradients of both */                                                     \
    KERNEL(swiglu_backward, (const struct kctx *c, int rows, int cols, const real *x,               \
                             const real *dy, int acc, real *dx))                                    \
    /* loss = max(x, 0) - x target + log(1 + exp(-|x|)): binary cross-entropy of logits, target in \
     * [0,1] */                                                                                    \
    KERNEL(bce_forward, (const struct kctx *c, size_t n, const real *x, real target, real *loss))  \
    /* dx = acc * dx + dloss (sigmoid(x) - target) */                                              \
    KERNEL(bce_backward, (const struct kctx *c, size_t n, const real *x, real target,              \
                          const real *dloss, int acc, real *dx))                                   \
    /* index (rows) of the largest of each row, the first of equals; never of NaN; 0 for a row of  \
     * none */                                                                                     \
    KERNEL(argmax_rows, (const struct kctx *c, int rows, int cols, const real *x,                  \
                         int32_t *index))                                                          \
    /* first (n) = sum of lanes slabs as a balanced tree, itself the first; the others, each       \
     * `stride` reals after the other, stay as they are */                                         \
    KERNEL(reduce_lanes, (const struct kctx *c, int lanes, size_t n, size_t stride,                \
                          const real *others, real *first))                                        \
    /* Loshchilov and Hutter 2019, algorithm 2, as PyTorch computes it: g is scaled by gscale      \
     * first (clipping), w -= lr wd w, m and v are updated, w -= lr (m / c1) / (sqrt(v / c2) +     \
     * eps); c1 = 1 - b1^t, c2 = 1 - b2^t */                                                       \
    KERNEL(adamw, (const struct kctx *c, size_t n, real *w, const real *g, real *m, real *v,       \
                   real gscale, real lr, real b1, real b2, real eps, real wd, real c1, real c2))   \
    /* SGD as PyTorch computes it: g = gscale g + wd w; buf = first ? g : momentum buf + g;        \
     * w -= lr (nesterov ? g + momentum buf : buf) */                                              \
    KERNEL(sgd, (const struct kctx *c, size_t n, real *w, const real *g, real *buf, real gscale,   \
                 real lr, real momentum, real wd, int nesterov, int first))
/* clang-format on */

struct kernels {
    const char *name; /* "ref", "cpu-avx2", ... */
#define KERNEL(name, parameters) void(*name) parameters;
#define KERNEL_RETURNS(type, name, parameters) type(*name) parameters;
    KERNEL_LIST(KERNEL)
#undef KERNEL
#undef KERNEL_RETURNS
};

/* The specification. */
const struct kernels *kernels_ref(void);
#ifndef SSV_F64
/* The fastest that this processor runs; $SSVBENCH_ISA (sse2, avx2, avx512) asks for less.  NULL
 * when that names something this processor or build cannot do. */
const struct kernels *kernels_cpu(void);
/* Where addresses are limited: takes the room that products on so many threads need.  Status 3
 * where there is not that much. */
struct error;
int kernels_room(int threads, struct error *err);
/* Every backend compiled in that this processor can run, for tests; NULL-terminated. */
const struct kernels *const *kernels_all(void);
#endif

/* What gemm_pack_size returns at most, on any backend: every panel may be padded. */
static inline size_t gemm_pack_bound(int n, int k) {
    enum { PANEL = 64 }; /* columns, at most */
    return (size_t)k * (size_t)((n + PANEL - 1) / PANEL * PANEL);
}

/* What conv2d_pack_size returns at most, on any backend and for either direction. */
static inline size_t conv2d_pack_bound(const struct conv_shape *s) {
    enum { PANEL = 64 }; /* columns, at most */
    size_t in = (size_t)(s->in + PANEL - 1) / PANEL * PANEL;
    size_t out = (size_t)(s->out + PANEL - 1) / PANEL * PANEL;
    size_t forward = out * (size_t)s->in, backward = in * (size_t)s->out;
    size_t taps = (size_t)s->kh * (size_t)s->kw;
    if (s->kh == 3 && s->kw == 3 && s->stride == 1)
        taps = 16; /* of a filter that Winograd's transform was done to */
    return (forward > backward ? forward : backward) * taps;
}

/* Whether one row of windows, of x or of y, fits into half of the workspace. */
static inline int conv_fits(const struct conv_shape *s) {
    double rows = s->kh, width = (double)s->w + 2.0 * s->pad + s->kw;
    return 2 * rows * width * (s->in > s->out ? s->in : s->out) <= KERNEL_WORKSPACE;
}

/* Row length of the attention probabilities for t tokens. */
static inline int attention_stride(int t) {
    return (t + 7) / 8 * 8;
}

/* Whether attention to t tokens by heads of d fits into a thread's workspace: what all queries or
 * keys of a head are copied to, thrice, and a tile of scores. */
static inline int attention_fits(int t, int d) {
    const size_t tokens = (size_t)attention_stride(t), wide = (size_t)(d + 7) / 8 * 8, rows = 16;
    return tokens * (3 * wide + rows) <= KERNEL_WORKSPACE;
}

#endif
