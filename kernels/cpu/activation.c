/* activation.c -- one loop for each function, over vectors of kernels/cpu/activation.h. */
#include "kernels/cpu/activation.h"
#include "kernels/cpu/cpu.h"

VEC_INLINE void forward(enum activation act, size_t n, const float *x, float *y) {
    for (size_t i = 0; i < n; i += VEC_WIDTH)
        vec_store_first(y + i, n - i, vactivation(act, vec_load_first(x + i, n - i)));
}

VEC_INLINE void backward(enum activation act, size_t n, const float *x, const float *dy, int acc,
                         float *dx) {
    for (size_t i = 0; i < n; i += VEC_WIDTH) {
        vec slope = vactivation_slope(act, vec_load_first(x + i, n - i));
        vec v = vec_load_first(dy + i, n - i) * slope;
        if (acc)
            v += vec_load_first(dx + i, n - i);
        vec_store_first(dx + i, n - i, v);
    }
}

void ISA_NAME(act_forward)(const struct kctx *c, enum activation act, size_t n, const float *x,
                           float *y) {
    (void)c;
#define FORWARD(ACT) forward(ACT, n, x, y)
    EACH_ACTIVATION(act, FORWARD)
#undef FORWARD
}

void ISA_NAME(act_backward)(const struct kctx *c, enum activation act, size_t n, const float *x,
                            const float *dy, int acc, float *dx) {
    (void)c;
#define BACKWARD(ACT) backward(ACT, n, x, dy, acc, dx)
    EACH_ACTIVATION(act, BACKWARD)
#undef BACKWARD
}
