/* argmax.c -- the largest of each lane with the vector that it came in, then the largest lane. */
#include "kernels/cpu/cpu.h"

#include <math.h>

static int32_t argmax(const float *x, size_t n) {
    vec most = vec_set(-INFINITY);
    ivec found = {0};
    for (size_t i = 0; i < n; i += VEC_WIDTH) {
        size_t left = n - i;
        vec v = vec_load_first(x + i, left);
        if (left < VEC_WIDTH)
            v = vec_first_of(v, (int)left, vec_set(-INFINITY));
        ivec more = v > most;
        most = vec_select(more, v, most);
        found = (more & (int32_t)i) | (~more & found);
    }
    int32_t best = found[0];
    float largest = most[0];
    for (int lane = 1; lane < VEC_WIDTH; lane++) {
        int32_t index = found[lane] + lane;
        if (most[lane] > largest || (most[lane] == largest && index < best)) {
            largest = most[lane];
            best = index;
        }
    }
    return largest > -INFINITY ? best : 0;
}

void ISA_NAME(argmax_rows)(const struct kctx *c, int rows, int cols, const float *x,
                           int32_t *index) {
    (void)c;
    for (int row = 0; row < rows; row++, x += cols)
        index[row] = argmax(x, (size_t)cols);
}
