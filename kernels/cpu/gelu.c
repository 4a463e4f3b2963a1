#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vmath.h"

void ISA_NAME(gelu_forward)(const struct kctx *c, size_t n, const float *x, float *y) {
    (void)c;
    for (size_t i = 0; i < n; i += VEC_WIDTH)
        vec_store_first(y + i, n - i, vgelu(vec_load_first(x + i, n - i)));
}

void ISA_NAME(gelu_backward)(const struct kctx *c, size_t n, const float *x, const float *dy,
                             int acc, float *dx) {
    (void)c;
    for (size_t i = 0; i < n; i += VEC_WIDTH) {
        vec slope = vec_load_first(dy + i, n - i) * vgelu_slope(vec_load_first(x + i, n - i));
        if (acc)
            slope += vec_load_first(dx + i, n - i);
        vec_store_first(dx + i, n - i, slope);
    }
}
