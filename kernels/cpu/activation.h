/* activation.h -- enum activation of vectors; formulas in kernels/ref/activation.c.
 *
 * `act` is a constant wherever these are expanded: EACH_ACTIVATION makes it one.
 */
#ifndef SSV_KERNELS_CPU_ACTIVATION_H
#define SSV_KERNELS_CPU_ACTIVATION_H

#include "kernels/cpu/vmath.h"
#include "kernels/kernels.h"

#define EACH_ACTIVATION(act, CALL)                                                                 \
    switch (act) {                                                                                 \
    case ACT_NONE:                                                                                 \
        CALL(ACT_NONE);                                                                            \
        break;                                                                                     \
    case ACT_GELU:                                                                                 \
        CALL(ACT_GELU);                                                                            \
        break;                                                                                     \
    case ACT_RELU:                                                                                 \
        CALL(ACT_RELU);                                                                            \
        break;                                                                                     \
    case ACT_LEAKY_RELU:                                                                           \
        CALL(ACT_LEAKY_RELU);                                                                      \
        break;                                                                                     \
    case ACT_QUICK_GELU:                                                                           \
        CALL(ACT_QUICK_GELU);                                                                      \
        break;                                                                                     \
    case ACT_TANH:                                                                                 \
        CALL(ACT_TANH);                                                                            \
        break;                                                                                     \
    case ACT_SIGMOID:                                                                              \
        CALL(ACT_SIGMOID);                                                                         \
        break;                                                                                     \
    }

/* Here the sigmoid of 1.702 x is 0 or 1 to float's precision, and x times it is still finite. */
#define QUICK_GELU_FAR 51

VEC_INLINE vec vactivation(enum activation act, vec x) {
    switch (act) {
    case ACT_NONE:
        break;
    case ACT_GELU:
        return vgelu(x);
    case ACT_RELU:
        return vec_at_least(x, 0);
    case ACT_LEAKY_RELU:
        return vec_select(x < 0, LEAKY_SLOPE * x, x);
    case ACT_QUICK_GELU:
        x = vec_at_least(x, -QUICK_GELU_FAR);
        return x * vsigmoid(QUICK_GELU_SCALE * x);
    case ACT_TANH:
        return vtanh(x);
    case ACT_SIGMOID:
        return vsigmoid(x);
    }
    return x;
}

VEC_INLINE vec vactivation_slope(enum activation act, vec x) {
    switch (act) {
    case ACT_NONE:
        break;
    case ACT_GELU:
        return vgelu_slope(x);
    case ACT_RELU:
        return vec_select(x > 0, vec_set(1), vec_set(0));
    case ACT_LEAKY_RELU:
        return vec_select(x > 0, vec_set(1), vec_set(LEAKY_SLOPE));
    case ACT_QUICK_GELU: {
        vec z = QUICK_GELU_SCALE * vec_at_most(vec_at_least(x, -QUICK_GELU_FAR), QUICK_GELU_FAR);
        vec e = vexp_inside(-vec_abs(z)), q = 1 / (1 + e);
        return vec_select(z < 0, e * q, q) + z * (e * q * q); /* s + z s (1 - s) */
    }
    case ACT_TANH:
        return 4 * vsigmoid_slope(2 * x);
    case ACT_SIGMOID:
        return vsigmoid_slope(x);
    }
    return vec_set(1);
}

/* Both, with the bits of each. */
VEC_INLINE vec vactivation_and_slope(enum activation act, vec x, vec *slope) {
    if (act == ACT_GELU)
        return vgelu_and_slope(x, slope);
    *slope = vactivation_slope(act, x);
    return vactivation(act, x);
}

#endif
