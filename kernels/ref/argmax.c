#include "kernels/ref/ref.h"

#include <math.h>

void ref_argmax_rows(const struct kctx *c, int rows, int cols, const real *x, int32_t *index) {
    (void)c;
    for (int i = 0; i < rows; i++, x += cols) {
        double most = -INFINITY;
        index[i] = 0;
        for (int j = 0; j < cols; j++)
            if (x[j] > most) {
                most = x[j];
                index[i] = j;
            }
    }
}
