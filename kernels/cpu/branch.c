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

/* One strip of columns at a time, so that its part of dgamma stays in a register. */
void ISA_NAME(branch_backward)(const struct kctx *c, int n, int rows, int cols, const float *x,
                               const float *gamma, const float *s, const float *dy, int acc,
                               float *dx, float *dgamma) {
    (void)c;
    size_t width = (size_t)cols;
    for (size_t j = 0; j < width; j += VEC_WIDTH) {
        size_t left = width - j, at = j;
        vec gain = gamma ? vec_load_first(gamma + j, left) : vec_set(1), sum = {0};
        for (int i = 0; i < n; i++)
            for (int row = 0; row < rows; row++, at += width) {
                vec slope = vec_load_first(dy + at, left) * (s ? s[i] : 1);
                sum += slope * vec_load_first(x + at, left);
                if (!dx)
                    continue;
                vec d = gain * slope;
                if (acc)
                    d += vec_load_first(dx + at, left);
                vec_store_first(dx + at, left, d);
            }
        if (dgamma)
            vec_store_first(dgamma + j, left, vec_load_first(dgamma + j, left) + sum);
    }
}
