/* gather.c -- rows are copied and added whole. */
#include "kernels/cpu/cpu.h"

static void add_row(size_t n, const float *from, float *to) {
    for (size_t i = 0; i < n; i += VEC_WIDTH)
        vec_store_first(to + i, n - i,
                        vec_load_first(to + i, n - i) + vec_load_first(from + i, n - i));
}

void ISA_NAME(gather_forward)(const struct kctx *c, int n, int rows_in, int rows_out, int cols,
                              const float *x, const int32_t *index, int index_stride,
                              const float *fill, float *y) {
    (void)c;
    size_t width = (size_t)cols, bytes = width * sizeof *y;
    if (!width)
        return;
    for (int i = 0; i < n; i++, x += (size_t)rows_in * width, index += index_stride)
        for (int j = 0; j < rows_out; j++, y += width)
            if (index[j] >= 0)
                memcpy(y, x + (size_t)index[j] * width, bytes);
            else if (fill)
                memcpy(y, fill, bytes);
            else
                memset(y, 0, bytes);
}

void ISA_NAME(gather_backward)(const struct kctx *c, int n, int rows_in, int rows_out, int cols,
                               const float *dy, const int32_t *index, int index_stride, int acc,
                               float *dx, float *dfill) {
    (void)c;
    size_t width = (size_t)cols, image = (size_t)rows_in * width;
    if (dx && !acc && n && image)
        memset(dx, 0, (size_t)n * image * sizeof *dx);
    for (int i = 0; i < n; i++, index += index_stride)
        for (int j = 0; j < rows_out; j++, dy += width)
            if (index[j] >= 0 && dx)
                add_row(width, dy, dx + (size_t)i * image + (size_t)index[j] * width);
            else if (index[j] < 0 && dfill)
                add_row(width, dy, dfill);
}
