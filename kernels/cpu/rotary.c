/* rotary.c -- formulas in kernels/ref/rotary.c */
#include "kernels/cpu/cpu.h"

/* y (2 half) of one head, from x, cosines and sines. */
VEC_INLINE void turn(size_t half, const float *cosine, const float *sine, float sign,
                     const float *x, int acc, float *y) {
    for (size_t j = 0; j < half; j += VEC_WIDTH) {
        size_t left = half - j;
        vec a = vec_load_first(x + j, left), b = vec_load_first(x + half + j, left);
        vec cos = vec_load_first(cosine + j, left), sin = vec_load_first(sine + j, left) * sign;
        vec first = a * cos - b * sin, second = b * cos + a * sin;
        if (acc) {
            first += vec_load_first(y + j, left);
            second += vec_load_first(y + half + j, left);
        }
        vec_store_first(y + j, left, first);
        vec_store_first(y + half + j, left, second);
    }
}

static void copy(size_t n, const float *x, int acc, float *y) {
    if (!acc && x != y)
        memcpy(y, x, n * sizeof *y);
    for (size_t j = 0; acc && j < n; j += VEC_WIDTH)
        vec_store_first(y + j, n - j, vec_load_first(y + j, n - j) + vec_load_first(x + j, n - j));
}

void ISA_NAME(rotary)(const struct kctx *c, int n, int rows, int heads, int half,
                      const float *table, int back, const float *x, int acc, float *y) {
    (void)c;
    size_t wide = (size_t)half, width = 2 * wide * (size_t)heads;
    float sign = back ? -1 : 1;
    for (int i = 0; i < n; i++)
        for (int row = 0; row < rows; row++, x += 3 * width, y += 3 * width) {
            const float *cosine = table + 2 * wide * (size_t)row;
            for (size_t at = 0; at < 2 * width; at += 2 * wide)
                turn(wide, cosine, cosine + wide, sign, x + at, acc, y + at);
            copy(width, x + 2 * width, acc, y + 2 * width);
        }
}
