/* bce.c -- formulas in kernels/kernels.h */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vmath.h"

void ISA_NAME(bce_forward)(const struct kctx *c, size_t n, const float *x, float target,
                           float *loss) {
    (void)c;
    for (size_t i = 0; i < n; i += VEC_WIDTH) {
        vec v = vec_load_first(x + i, n - i);
        vec rest = vlog1p(vexp_low(-vec_abs(v)));
        vec_store_first(loss + i, n - i, vec_at_least(v, 0) - v * target + rest);
    }
}

void ISA_NAME(bce_backward)(const struct kctx *c, size_t n, const float *x, float target,
                            const float *dloss, int acc, float *dx) {
    (void)c;
    for (size_t i = 0; i < n; i += VEC_WIDTH) {
        vec slope = vsigmoid(vec_load_first(x + i, n - i)) - target;
        vec v = vec_load_first(dloss + i, n - i) * slope;
        if (acc)
            v += vec_load_first(dx + i, n - i);
        vec_store_first(dx + i, n - i, v);
    }
}
