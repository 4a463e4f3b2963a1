#include "kernels/cpu/cpu.h"

void ISA_NAME(mean_rows_forward)(const struct kctx *c, int n, int rows, int cols, int first,
                                 int last, const float *x, float *y) {
    (void)c;
    size_t width = (size_t)cols;
    float scale = 1 / (float)(last - first);
    for (int image = 0; image < n; image++, x += (size_t)rows * width, y += width)
        for (size_t i = 0; i < width; i += VEC_WIDTH) {
            vec sum = {0};
            for (int j = first; j < last; j++)
                sum += vec_load_first(x + (size_t)j * width + i, width - i);
            vec_store_first(y + i, width - i, sum * scale);
        }
}

void ISA_NAME(mean_rows_backward)(const struct kctx *c, int n, int rows, int cols, int first,
                                  int last, const float *dy, int acc, float *dx) {
    (void)c;
    size_t width = (size_t)cols;
    float scale = 1 / (float)(last - first);
    for (int image = 0; image < n; image++, dy += width)
        for (int j = 0; j < rows; j++, dx += width) {
            int inside = j >= first && j < last;
            for (size_t i = 0; i < width && (inside || !acc); i += VEC_WIDTH) {
                vec v = inside ? vec_load_first(dy + i, width - i) * scale : vec_set(0);
                if (acc)
                    v += vec_load_first(dx + i, width - i);
                vec_store_first(dx + i, width - i, v);
            }
        }
}
