/* dnn_plan.h -- a convolution as cuDNN's graph of one operation, attention as one of several
 * (dnn_attention.h), and a plan that computes it.
 *
 * Only engines that repeat their bits; without tf32 only those that multiply float by float.  The
 * choice among them is made for DNN_BATCH images whatever n is, so that a row's result does not
 * depend on how many rows there are as long as the engine itself keeps to that.
 */
#ifndef SSV_KERNELS_CUDA_DNN_PLAN_H
#define SSV_KERNELS_CUDA_DNN_PLAN_H

#include "kernels/cuda/dnn_library.h"
#include "kernels/kernels.h"

enum { DNN_BATCH = 128 };

enum dnn_kind {
    DNN_FORWARD,
    DNN_BACKWARD_DATA,
    DNN_BACKWARD_WEIGHT,
    DNN_CONVOLUTIONS,
    DNN_ATTENTION = DNN_CONVOLUTIONS,
    DNN_ATTENTION_BACKWARD,
    DNN_KINDS
};

/* Plans are kept by this: integers alone, compared byte by byte. */
struct dnn_problem {
    enum dnn_kind kind;
    int n;
    struct conv_shape shape;    /* of a convolution */
    int tokens, heads, columns; /* of attention; columns of a head */
    int causal, biased;         /* of attention */
    int acc;                    /* the result is added to what is there */
    int alignment;              /* of all pointers, in bytes: 16 or less */
    unsigned halves; /* bit id - DNN_X: that argument is of 16 bits (bfloat16); sums are float.
                      * Of attention not 0 */
};

/* What the plans are for: the device of a handle, or one that is described. */
struct dnn_site {
    const struct dnn_library *library;
    cudnnHandle_t handle;            /* or NULL and */
    cudnnBackendDescriptor_t device; /* a finished CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR */
    int tf32;
};

/* The ids of the arguments: image-shaped x or dx, weight-shaped w or dw, output-shaped y or dy. */
enum { DNN_X = 1, DNN_W, DNN_Y, DNN_ARGUMENTS = 3 };

struct dnn_plan {
    struct dnn_made *made; /* what it needs for as long as it is used */
    cudnnBackendDescriptor_t plan;
    size_t workspace; /* bytes */
    int64_t engine;
};

/* CUDNN_STATUS_SUCCESS, or why there is no plan. */
cudnnStatus_t dnn_plan_make(struct dnn_plan *out, const struct dnn_site *site,
                            const struct dnn_problem *problem);
void dnn_plan_end(struct dnn_plan *plan);

#endif
