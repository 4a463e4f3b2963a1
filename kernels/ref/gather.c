/* gather.c -- rows picked by index, of which a negative one stands for a shared fill row; rows that
 * are sums of a few others. */
#include "kernels/ref/ref.h"

#include <string.h>

void ref_gather_forward(const struct kctx *c, int n, int rows_in, int rows_out, int cols,
                        const real *x, const int32_t *index, int index_stride, const real *fill,
                        real *y) {
    (void)c;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < rows_out; j++) {
            int32_t from = index[(size_t)i * (size_t)index_stride + (size_t)j];
            real *out = y + ((size_t)i * (size_t)rows_out + (size_t)j) * (size_t)cols;
            for (int e = 0; e < cols; e++)
                out[e] = from < 0 ? (fill ? fill[e] : 0)
                                  : x[((size_t)i * (size_t)rows_in + (size_t)from) * (size_t)cols +
                                      (size_t)e];
        }
}

/* Rows are added in the order of j, so that a row picked twice has one result. */
static void scatter(int n, int rows_in, int rows_out, int cols, const real *dy,
                    const int32_t *index, int index_stride, real *dx) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < rows_out; j++) {
            int32_t to = index[(size_t)i * (size_t)index_stride + (size_t)j];
            const real *from = dy + ((size_t)i * (size_t)rows_out + (size_t)j) * (size_t)cols;
            for (int e = 0; to >= 0 && e < cols; e++)
                dx[((size_t)i * (size_t)rows_in + (size_t)to) * (size_t)cols + (size_t)e] +=
                    from[e];
        }
}

void ref_gather_backward(const struct kctx *c, int n, int rows_in, int rows_out, int cols,
                         const real *dy, const int32_t *index, int index_stride, int acc, real *dx,
                         real *dfill) {
    (void)c;
    size_t size = (size_t)n * (size_t)rows_in * (size_t)cols;
    if (dx && !acc && size)
        memset(dx, 0, size * sizeof *dx);
    if (dx)
        scatter(n, rows_in, rows_out, cols, dy, index, index_stride, dx);
    for (int e = 0; dfill && e < cols; e++) {
        double sum = 0;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < rows_out; j++)
                if (index[(size_t)i * (size_t)index_stride + (size_t)j] < 0)
                    sum +=
                        dy[((size_t)i * (size_t)rows_out + (size_t)j) * (size_t)cols + (size_t)e];
        dfill[e] = (real)(dfill[e] + sum);
    }
}

void ref_combine_rows_forward(const struct kctx *c, int n, int taps, int cols, const int32_t *row,
                              const real *weight, const real *x, real *y) {
    (void)c;
    for (int i = 0; i < n; i++, row += taps, weight += taps)
        for (int e = 0; e < cols; e++) {
            double sum = 0;
            for (int t = 0; t < taps; t++)
                sum += (double)weight[t] * (double)x[(size_t)row[t] * (size_t)cols + (size_t)e];
            *y++ = (real)sum;
        }
}

void ref_combine_rows_backward(const struct kctx *c, int n, int taps, int rows, int cols,
                               const int32_t *row, const real *weight, const real *dy, real *dx) {
    (void)c, (void)rows;
    for (int i = 0; i < n; i++, row += taps, weight += taps, dy += cols)
        for (int t = 0; t < taps; t++)
            for (int e = 0; e < cols; e++)
                dx[(size_t)row[t] * (size_t)cols + (size_t)e] += weight[t] * dy[e];
}
