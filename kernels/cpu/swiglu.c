/* swiglu.c -- formulas in kernels/ref/swiglu.c */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vmath.h"

#define FAR 87 /* here the sigmoid is 0 or 1 to float's precision */

void ISA_NAME(swiglu_forward)(const struct kctx *c, int rows, int cols, const float *x, float *y) {
    (void)c;
    size_t width = (size_t)cols;
    for (int i = 0; i < rows; i++, x += 2 * width, y += width)
        for (size_t j = 0; j < width; j += VEC_WIDTH) {
            size_t left = width - j;
            vec a = vec_at_least(vec_load_first(x + j, left), -FAR);
            vec_store_first(y + j, left, a * vsigmoid(a) * vec_load_first(x + width + j, left));
        }
}

void ISA_NAME(swiglu_backward)(const struct kctx *c, int rows, int cols, const float *x,
                               const float *dy, int acc, float *dx) {
    (void)c;
    size_t width = (size_t)cols;
    for (int i = 0; i < rows; i++, x += 2 * width, dx += 2 * width, dy += width)
        for (size_t j = 0; j < width; j += VEC_WIDTH) {
            size_t left = width - j;
            vec a = vec_at_least(vec_load_first(x + j, left), -FAR), near = vec_at_most(a, FAR);
            vec b = vec_load_first(x + width + j, left), d = vec_load_first(dy + j, left);
            vec s = vsigmoid(near);
            vec da = d * b * (s + near * vsigmoid_slope(near)), db = d * (a * s);
            if (acc) {
                da += vec_load_first(dx + j, left);
                db += vec_load_first(dx + width + j, left);
            }
            vec_store_first(dx + j, left, da);
            vec_store_first(dx + width + j, left, db);
        }
}
