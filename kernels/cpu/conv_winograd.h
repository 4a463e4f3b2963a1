/* conv_winograd.h -- 3 x 3 convolutions of stride 1 in fewer multiplications. */
#ifndef SSV_KERNELS_CPU_CONV_WINOGRAD_H
#define SSV_KERNELS_CPU_CONV_WINOGRAD_H

#include "kernels/cpu/cpu.h"

/* A function of the shape alone. */
int ISA_NAME(conv_winograd_pays)(const struct conv_shape *s);
size_t ISA_NAME(conv_winograd_pack_size)(const struct conv_shape *s, int backward);
/* backward as in conv2d_pack */
void ISA_NAME(conv_winograd_pack)(const struct conv_shape *s, int backward, const float *w,
                                  float *packed);
/* to = acc * to + bias + convolution of from */
void ISA_NAME(conv_winograd)(const struct kctx *c, int n, const struct conv_shape *s, int backward,
                             const float *from, const float *packed, const float *bias, int acc,
                             float *to);
/* dw is added to. */
void ISA_NAME(conv_winograd_weight)(const struct kctx *c, int n, const struct conv_shape *s,
                                    const float *x, const float *dy, float *dw);

#endif
