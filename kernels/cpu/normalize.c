/* normalize.c -- rows to zero mean and unit variance, rows to unit length. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

#include <float.h>
#include <math.h>

void ISA_NAME(standardize_rows)(const struct kctx *c, int rows, int cols, float eps, const float *x,
                                float *y) {
    (void)c;
    size_t n = (size_t)cols;
    float freedom = cols > 1 ? (float)(cols - 1) : 1;
    for (int row = 0; row < rows; row++, x += n, y += n) {
        float mean = row_sum(x, n) / (float)cols;
        row_standardize(x, mean, 1 / sqrtf(row_squares(x, mean, n) / freedom + eps), n, y);
    }
}

/* A row whose squares, or the inverse of whose length, are beyond floats; returns |x|. */
static float normalize_in_double(const struct kctx *c, size_t n, float eps, const float *x,
                                 float *y) {
    const double length = sqrt(ISA_NAME(sum_squares)(c, n, x));
    const double by = length < (double)eps ? (double)eps : length;
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(x[i] / by);
    return (float)length;
}

void ISA_NAME(l2_normalize_rows)(const struct kctx *c, int rows, int cols, float eps,
                                 const float *x, float *y, float *norm) {
    static const float least = 1e-30F; /* what floats lose below does not count beside it */
    size_t n = (size_t)cols;
    for (int row = 0; row < rows; row++, x += n, y += n) {
        float squares = row_squares(x, 0, n), length = sqrtf(squares);
        if (squares < least || squares > FLT_MAX)
            length = normalize_in_double(c, n, eps, x, y);
        else
            row_standardize(x, 0, 1 / (length < eps ? eps : length), n, y); /* a NaN stays */
        if (norm)
            norm[row] = length;
    }
}

void ISA_NAME(l2_normalize_rows_backward)(const struct kctx *c, int rows, int cols, float eps,
                                          const float *y, const float *norm, const float *dy,
                                          int acc, float *dx) {
    (void)c;
    size_t n = (size_t)cols;
    for (int row = 0; row < rows; row++, y += n, dy += n, dx += n) {
        float inverse = 1 / (norm[row] < eps ? eps : norm[row]);
        float dot = norm[row] > eps ? row_dot(y, dy, n) : 0;
        for (size_t i = 0; i < n; i += VEC_WIDTH) {
            vec d = (vec_load_first(dy + i, n - i) - dot * vec_load_first(y + i, n - i)) * inverse;
            if (acc)
                d += vec_load_first(dx + i, n - i);
            vec_store_first(dx + i, n - i, d);
        }
    }
}
