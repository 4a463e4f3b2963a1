/* conv_scatter.h -- a convolution as one matrix product whose columns, one for each tap and
 * channel of the result, are then added to the places that the taps reach.
 *
 * It pays where windows (conv_window.h) would waste work: few channels in the result, which leave
 * most of a vector empty, or windows that see mostly zeros.
 */
#ifndef SSV_KERNELS_CPU_CONV_SCATTER_H
#define SSV_KERNELS_CPU_CONV_SCATTER_H

#include "kernels/cpu/cpu.h"

/* A function of the shape alone.  backward as in conv2d_pack. */
int ISA_NAME(conv_scatter_pays)(const struct conv_shape *s, int backward);
size_t ISA_NAME(conv_scatter_pack_size)(const struct conv_shape *s, int backward);
void ISA_NAME(conv_scatter_pack)(const struct conv_shape *s, int backward, const float *w,
                                 float *packed);
/* to = acc * to + bias + convolution of from */
void ISA_NAME(conv_scatter)(const struct kctx *c, int n, const struct conv_shape *s, int backward,
                            const float *from, const float *packed, const float *bias, int acc,
                            float *to);

#endif
