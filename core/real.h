/* real.h -- the element type of every tensor.
 *
 * The program computes in float.  The gradient tests compile kernels/ref and nn once more with
 * -DSSV_F64, so that a finite difference can be trusted to ten digits.
 */
#ifndef SSV_CORE_REAL_H
#define SSV_CORE_REAL_H

#ifdef SSV_F64
typedef double real;
#else
typedef float real;
#endif

#endif
