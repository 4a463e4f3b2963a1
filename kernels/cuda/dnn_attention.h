/* dnn_attention.h -- attention as graphs of cuDNN: what the kernel list calls attention_flash, of
 * all tokens, in 16 bits, without the gradient of a bias.
 *
 * Forward is its one operation for that, which knows neither a causal mask nor a bias: with one of
 * them it is written out (Dao et al. 2022, FlashAttention).  So is the way back (Dao 2023,
 * FlashAttention-2, section 3.1), whose one operation cuDNN 9.19 refuses.  With a tensor of float
 * that dq is summed in it would be another algorithm, for which NVIDIA's cudnn-frontend does not
 * promise the same bits every time, although cuDNN's notes say nothing; as it is here it is what
 * that library asks for where they are wanted, and keeps slopes of scores in its work memory.  For
 * the gradient of a bias cuDNN has plans where that is of 16 bits, and says of none in which order
 * it is summed: it is left to our own kernels.
 */
#ifndef SSV_KERNELS_CUDA_DNN_ATTENTION_H
#define SSV_KERNELS_CUDA_DNN_ATTENTION_H

#include "kernels/cuda/dnn_made.h"
#include "kernels/cuda/dnn_plan.h"

enum { DNN_MOST_OPERATIONS = 22, DNN_MOST_COLUMNS = 128, DNN_COLUMNS_STEP = 8 };

/* The ids of the arguments; those up to the scale are of both ways, from one to dv of the way back,
 * the others where there is a bias, or a mask.  q, k, v and their gradients are parts of an array
 * (n,t,3,heads,d), o and its gradient are (n,t,heads,d), stats is lse (n,heads,t) of float, as is
 * the bias (heads,t,t).  Scale, one and what is below every score, -infinity, are numbers of the
 * processor. */
enum {
    DNN_Q = 1,
    DNN_K,
    DNN_V,
    DNN_O,
    DNN_STATS,
    DNN_SCALE,
    DNN_ONE,
    DNN_DO,
    DNN_DQ,
    DNN_DK,
    DNN_DV,
    DNN_BIAS,
    DNN_BELOW,
    DNN_ATTENTION_ARGUMENTS = DNN_BELOW
};

/* The operations of p for n images; how many. */
int dnn_attention_operations(struct dnn_made *m, const struct dnn_problem *p, int n,
                             cudnnBackendDescriptor_t out[DNN_MOST_OPERATIONS]);

#endif
