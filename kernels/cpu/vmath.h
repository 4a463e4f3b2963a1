/* vmath.h -- exp, log, tanh, sigmoid, erf and GELU of vectors.
 *
 * The coefficients are minimax fits made for these functions (iteratively reweighted least squares,
 * then a search over neighbouring floats); tests/t210_kernels_properties.c holds their errors
 * against libm.
 */
#ifndef SSV_KERNELS_CPU_VMATH_H
#define SSV_KERNELS_CPU_VMATH_H

#include "kernels/cpu/isa.h"
#include "kernels/erf.h"

/* exp(x) for -88 <= x <= 89: 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2; the reduction with
 * ln 2 in two parts is Cody and Waite's (Software Manual for the Elementary Functions, 1980). */
struct vexp_parts { /* exp(x) = (less + 1) power */
    vec less, power;
};

VEC_INLINE struct vexp_parts vexp_parts(vec x) {
    const float biased = 12582912 + 127; /* 1.5 2^23: adding it rounds to an integer */
    vec t = x * 1.44269504f + biased;
    vec n = t - biased;
    vec r = x - n * 0.693359375f;
    r += n * 2.12194440e-4f;
    vec p = 1.3814598e-3f * r + 8.3687169e-3f;
    p = p * r + 4.16683880e-2f;
    p = p * r + 1.66665206e-1f;
    p = p * r + 4.99999934e-1f;
    /* The low bits of t are n + 127: moved to the exponent they are 2^n, 0 for -127 and infinity
     * for 128. */
    return (struct vexp_parts){p * (r * r) + r, (vec)((uvec)t << 23)};
}

VEC_INLINE vec vexp_inside(vec x) {
    struct vexp_parts e = vexp_parts(x);
    return (e.less + 1) * e.power;
}

/* Within 1.5 ulp from -87.3 to 88.3; 0 below -87.7 and infinity above 88.4, the ends of normal
 * floats; NaN stays. */
VEC_INLINE vec vexp(vec x) {
    return vexp_inside(vec_at_most(vec_at_least(x, -88), 89));
}

/* 1 / (1 + exp(-x)), within 3 ulp above -87, 0 below -88.4 */
VEC_INLINE vec vsigmoid(vec x) {
    return 1 / (1 + vexp(-x));
}

/* s (1 - s) for s = sigmoid(x) without the difference */
VEC_INLINE vec vsigmoid_slope(vec x) {
    vec e = vexp(-vec_abs(x)), q = 1 / (1 + e);
    return e * q * q;
}

/* -e / (e + 2) for e = exp(-2 |x|) - 1, which keeps its digits for a small x; within 3 ulp.  From
 * 10 on it is 1 in float. */
VEC_INLINE vec vtanh(vec x) {
    struct vexp_parts p = vexp_parts(-2 * vec_at_most(vec_abs(x), 10));
    vec e = p.less * p.power + (p.power - 1);
    return vec_copysign(e / (e + 2), x);
}

/* log(1 + u) for 0 <= u <= 1: 2 artanh(z), z = u / (2 + u); within 2 ulp */
VEC_INLINE vec vlog1p(vec u) {
    vec z = u / (2 + u), s = z * z;
    vec p = 1.40059963e-1f * s + 1.40009016e-1f;
    p = p * s + 2.00107634e-1f;
    p = p * s + 3.33332092e-1f;
    return 2 * z * (p * s) + 2 * z;
}

/* vexp for x <= 89 */
VEC_INLINE vec vexp_low(vec x) {
    return vexp_inside(vec_at_least(x, -88));
}

/* erf(x) for |x| <= ERF_ONE, within 5 ulp, on average 1. */
VEC_INLINE vec verf_inside(vec x) {
    vec s = x * x;
    return x * ERF_NUMERATOR(s) / ERF_DENOMINATOR(s);
}

VEC_INLINE vec verf(vec x) {
    return verf_inside(vec_at_most(vec_at_least(x, -ERF_ONE), ERF_ONE));
}

/* Below -5.58 Phi(x) = (1 + erf(x / sqrt 2)) / 2 is 0 to float's precision; keeping x from going
 * further makes x Phi(x) 0 there, not x times a rounding error. */
VEC_INLINE vec normal_low(vec x) {
    return vec_at_least(x, -ERF_ONE / SQRT_HALF);
}

VEC_INLINE vec normal_distribution(vec low) {
    return 0.5f + 0.5f * verf_inside(vec_at_most(low, ERF_ONE / SQRT_HALF) * SQRT_HALF);
}

/* x Phi(x), the exact GELU; absolute error below 3e-7 max(1, |x|) */
VEC_INLINE vec vgelu(vec x) {
    vec low = normal_low(x);
    return low * normal_distribution(low);
}

/* Phi(x) + x phi(x), phi(x) = exp(-x^2 / 2) / sqrt(2 pi), which is 0 to float's precision at 13 */
VEC_INLINE vec vgelu_slope(vec x) {
    vec inside = vec_at_most(vec_at_least(x, -13), 13);
    vec density = 0.398942280f * vexp_inside(inside * inside * -0.5f);
    return normal_distribution(normal_low(inside)) + inside * density;
}

VEC_INLINE vec vgelu_and_slope(vec x, vec *slope) {
    vec low = normal_low(x), distribution = normal_distribution(low);
    vec inside = vec_at_most(vec_at_least(x, -13), 13);
    *slope = distribution + inside * (0.398942280f * vexp_inside(inside * inside * -0.5f));
    return low * distribution;
}

#endif
