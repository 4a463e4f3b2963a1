/* transpose.h -- y (cols,rows) = x (rows,cols) transposed, in blocks of 4 by 4. */
#ifndef SSV_KERNELS_CPU_TRANSPOSE_H
#define SSV_KERNELS_CPU_TRANSPOSE_H

#include <stddef.h>

typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));

/* Row strides ld and to. */
static inline void transpose4(const float *x, size_t ld, float *y, size_t to) {
    quad a = *(const quad *)x, b = *(const quad *)(x + ld);
    quad c = *(const quad *)(x + 2 * ld), d = *(const quad *)(x + 3 * ld);
    quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    quad ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    quad cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(quad *)y = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    *(quad *)(y + to) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    *(quad *)(y + 2 * to) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    *(quad *)(y + 3 * to) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

static inline void transpose(int rows, int cols, const float *x, size_t ld, float *y, size_t to) {
    int whole_rows = rows / 4 * 4, whole_cols = cols / 4 * 4;
    for (int i = 0; i < rows; i++)
        for (int k = i < whole_rows ? whole_cols : 0; k < cols; k++)
            y[(size_t)k * to + (size_t)i] = x[(size_t)i * ld + (size_t)k];
    for (int i = 0; i < whole_rows; i += 4)
        for (int k = 0; k < whole_cols; k += 4)
            transpose4(x + (size_t)i * ld + k, ld, y + (size_t)k * to + i, to);
}

#endif
