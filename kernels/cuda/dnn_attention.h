/* dnn_attention.h -- attention as graphs of cuDNN: what the kernel list calls attention_flash, of
 * all tokens, without mask or bias, in 16 bits.
 *
 * Forward is its one operation for that.  The way back is written out (Dao 2023, FlashAttention-2,
 * section 3.1): cuDNN 9.19 refuses its one operation.  With a tensor of float that dq is summed in
 * it would be another algorithm, for which NVIDIA's cudnn-frontend does not promise the same bits
 * every time, although cuDNN's notes say nothing; as it is here it is what that library asks for
 * where they are wanted, and keeps slopes of scores in its work memory.
 */
#ifndef SSV_KERNELS_CUDA_DNN_ATTENTION_H
#define SSV_KERNELS_CUDA_DNN_ATTENTION_H

#include "kernels/cuda/dnn_made.h"
#include "kernels/cuda/dnn_plan.h"

enum { DNN_MOST_OPERATIONS = 17, DNN_MOST_COLUMNS = 128, DNN_COLUMNS_STEP = 8 };

/* The ids of the arguments; those up to the scale are forward's, all are those of the way back.
 * q, k, v and their gradients are parts of an array (n,t,3,heads,d), o and its gradient are
 * (n,t,heads,d), stats is lse (n,heads,t) of float.  Scale and one are numbers of the processor. */
enum {
    DNN_Q = 1,
    DNN_K,
    DNN_V,
    DNN_O,
    DNN_STATS,
    DNN_SCALE,
    DNN_FORWARD_ARGUMENTS = DNN_SCALE,
    DNN_ONE,
    DNN_DO,
    DNN_DQ,
    DNN_DK,
    DNN_DV,
    DNN_ATTENTION_ARGUMENTS = DNN_DV
};

/* The operations of p for n images; how many. */
int dnn_attention_operations(struct dnn_made *m, const struct dnn_problem *p, int n,
                             cudnnBackendDescriptor_t out[DNN_MOST_OPERATIONS]);

#endif
