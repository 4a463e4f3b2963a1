/* ref.h -- the specification, one function per line of KERNEL_LIST: ref_gemm, ref_axpby, ...
 *
 * Plain scalar C with double accumulation on one thread, written to be read.  Other backends take a
 * slot that they do not fill from here.
 */
#ifndef SSV_KERNELS_REF_REF_H
#define SSV_KERNELS_REF_REF_H

#include "kernels/kernels.h"

#define KERNEL(name, parameters) void ref_##name parameters;
#define KERNEL_RETURNS(type, name, parameters) type ref_##name parameters;
KERNEL_LIST(KERNEL)
#undef KERNEL
#undef KERNEL_RETURNS

double ref_activation(enum activation act, double x);
double ref_activation_slope(enum activation act, double x);
/* What a number that gemm_packed kept says of it. */
double ref_kept_slope(const struct kctx *c, enum activation act, double kept);

#endif
