/* dnn.h -- convolutions and attention by cuDNN, of arrays as kernels/kernels.h has them: all of
 * float or, with `half`, all of bfloat16, whose products are summed in float.
 *
 * A plan is made when a convolution comes for the first time, and kept.  Only engines whose results
 * have the same bits every time are used; without tf32 only those that multiply float by float.
 */
#ifndef SSV_KERNELS_CUDA_DNN_H
#define SSV_KERNELS_CUDA_DNN_H

#include "core/error.h"
#include "kernels/device.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dnn;

/* stream: a cudaStream_t of the current device.  Status 3 with one line where there is no cuDNN 9;
 * $SSVBENCH_CUDNN names another library than libcudnn.so.9. */
int dnn_open(struct dnn **out, void *stream, int tf32, struct error *err);
void dnn_close(struct dnn *d); /* NULL: nothing */

/* Pointers are to the device's memory.  0: it was put into the stream.  -1: nothing was done, there
 * is no work or no plan for it.  Above: an error for dnn_error. */
int dnn_conv_forward(struct dnn *d, int n, const struct conv_shape *s, int half, const void *x,
                     const void *w, void *y);
/* dx = acc dx + ... */
int dnn_conv_backward_data(struct dnn *d, int n, const struct conv_shape *s, int half,
                           const void *dy, const void *w, int acc, void *dx);
/* dw, of float, is added to.  With `half` cuDNN has no engine that writes float: *narrow is then
 * where the sum is in bfloat16, until the next call, and dw as it was; NULL else. */
int dnn_conv_backward_weight(struct dnn *d, int n, const struct conv_shape *s, int half,
                             const void *x, const void *dy, float *dw, const void **narrow);

/* Attention, where it is stored in 16 bits; all but the gradient of a bias. */
int dnn_attention(struct dnn *d, const struct device_attention *a, float scale);

/* The bytes of work memory that such a convolution takes when it is done, planned now; the pointers
 * are not followed.  0: none, or it is not done here. */
size_t dnn_conv_bytes(struct dnn *d, const struct device_conv *conv);
size_t dnn_attention_bytes(struct dnn *d, const struct device_attention *a); /* the same */
size_t dnn_workspace(const struct dnn *d); /* bytes that it has by now */
/* What comes next is recorded, and done again later with the same pointers: the work memory of now
 * is kept until dnn_close, whatever needs more. */
void dnn_record(struct dnn *d);

/* The text of an error that one of these returned; NULL for what is CUDA's own. */
const char *dnn_error(const struct dnn *d, int error);
/* How many convolutions and attentions had no plan, and which was the first; "" while there are
 * none.  It stays where it is until dnn_close. */
const char *dnn_note(const struct dnn *d);

#ifdef __cplusplus
}
#endif

#endif
