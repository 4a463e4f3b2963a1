/* branch.c -- formulas in kernels/ref/branch.c */
#include "kernels/cpu/cpu.h"

void ISA_NAME(branch_forward)(const struct kctx *c, int n, int rows, int cols, const float *x,
                              const float *gamma, const float *s, const float *residual, float *y) {
    (void)c;
    size_t width = (size_t)cols, at = 0;
    for (int i = 0; i < n; i++)
        for (int row = 0; row < rows; row++, at += width)
            for (size_t j = 0; j < width; j += VEC_WIDTH) {
                size_t left = width - j;
                vec v = vec_load_first(x + at + j, left) * (s ? s[i] : 1);
                if (gamma)
                    v *= vec_load_first(gamma + j, left);
                if (residual)
                    v += vec_load_first(residual + at + j, left);
                vec_store_first(y + at + j, left, v);
            }
}

void ISA_NAME(branch_backward)(const struct kctx *c, int n, int rows, int cols, const float *x,
                               const float *gamma, const float *s, const float *dy, int acc,
                               float *dx, float *dgamma) {
    (void)c;
    size_t width = (size_t)cols, at = 0;
    for (int i = 0; i < n; i++)
        for (int row = 0; row < rows; row++, at += width)
            for (size_t j = 0; j < width; j += VEC_WIDTH) {
                size_t left = width - j;
                vec slope = vec_load_first(dy + at + j, left) * (s ? s[i] : 1);
                if (dgamma)
                    vec_store_first(dgamma + j, left,
                                    vec_load_first(dgamma + j, left) +
                                        slope * vec_load_first(x + at + j, left));
                if (!dx)
                    continue;
                vec d = gamma ? slope * vec_load_first(gamma + j, left) : slope;
                if (acc)
                    d += vec_load_first(dx + at + j, left);
                vec_store_first(dx + at + j, left, d);
            }
}
