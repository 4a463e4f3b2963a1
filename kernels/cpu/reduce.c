/* reduce.c -- sums whose order is a function of the shape alone. */
#include "kernels/cpu/cpu.h"

/* Four rows at a time, so that out, which stays in the cache, is passed over a quarter as often. */
void ISA_NAME(column_sum)(const struct kctx *c, int rows, int cols, const float *x, float *out) {
    (void)c;
    size_t n = (size_t)cols;
    int row = 0;
    for (; row + 4 <= rows; row += 4, x += 4 * n)
        for (size_t i = 0; i < n; i += VEC_WIDTH) {
            size_t left = n - i;
            vec low = vec_load_first(x + i, left) + vec_load_first(x + n + i, left);
            vec high = vec_load_first(x + 2 * n + i, left) + vec_load_first(x + 3 * n + i, left);
            vec_store_first(out + i, left, vec_load_first(out + i, left) + (low + high));
        }
    for (; row < rows; row++, x += n)
        for (size_t i = 0; i < n; i += VEC_WIDTH)
            vec_store_first(out + i, n - i,
                            vec_load_first(out + i, n - i) + vec_load_first(x + i, n - i));
}

/* Two passes: a product that goes into a sum at once would be rounded once with some instructions
 * and twice with others. */
void ISA_NAME(linear_gradient)(const struct kctx *c, int rows, int cols, enum activation act,
                               const float *kept, float *g, float *narrow, float *bias) {
    const size_t n = (size_t)rows * (size_t)cols;
    (void)act;
    for (size_t i = 0; i < n && kept; i += VEC_WIDTH)
        vec_store_first(g + i, n - i,
                        vec_load_first(kept + i, n - i) * vec_load_first(g + i, n - i));
    if (narrow && n)
        memcpy(narrow, g, n * sizeof *g);
    if (bias)
        ISA_NAME(column_sum)(c, rows, cols, g, bias);
}

static double squares(const float *x, size_t n) {
    enum { AHEAD = 4 };
    dvec sum[AHEAD] = {{0}};
    size_t i = 0;
    for (; i + AHEAD * DVEC_WIDTH <= n; i += AHEAD * DVEC_WIDTH)
        for (int s = 0; s < AHEAD; s++) {
            dvec v = dvec_load(x + i + s * DVEC_WIDTH);
            sum[s] += v * v;
        }
    double total = dvec_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (; i < n; i++)
        total += (double)x[i] * x[i];
    return total;
}

/* A fixed number of ranges, whatever the number of threads, each a sum of its own. */
double ISA_NAME(sum_squares)(const struct kctx *c, size_t n, const float *x) {
    enum { RANGES = 64 };
    double part[RANGES] = {0}, total = 0;
    size_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for if (c->threads > 1) num_threads(c->threads) schedule(static)
    for (int range = 0; range < RANGES; range++) {
        size_t from = blocks * (size_t)range / RANGES * BLOCK;
        size_t to = blocks * (size_t)(range + 1) / RANGES * BLOCK;
        for (size_t at = from; at < to; at += BLOCK)
            part[range] += squares(x + at, n - at < BLOCK ? n - at : BLOCK);
    }
    for (int range = 0; range < RANGES; range++)
        total += part[range];
    return total;
}

/* Sum of the lanes at one place.  Like adding one to a binary number: level l holds the sum of 2^l
 * lanes, and two of the same size make one of the next. */
VEC_INLINE vec tree(const float *first, const float *others, int lanes, size_t stride,
                    size_t left) {
    vec level[32];
    int levels = 1;
    level[0] = vec_load_first(first, left);
    for (int lane = 1; lane < lanes; lane++) {
        vec sum = vec_load_first(others + (size_t)(lane - 1) * stride, left);
        for (int below = lane; below & 1; below >>= 1)
            sum = level[--levels] + sum;
        level[levels++] = sum;
    }
    while (levels > 1) {
        levels--;
        level[levels - 1] += level[levels];
    }
    return level[0];
}

void ISA_NAME(reduce_lanes)(const struct kctx *c, int lanes, size_t n, size_t stride,
                            const float *others, float *first) {
    if (lanes < 2)
        return;
#pragma omp parallel for if (c->threads > 1) num_threads(c->threads) schedule(static)
    for (size_t block = 0; block < n; block += BLOCK)
        for (size_t i = block; i < n && i < block + BLOCK; i += VEC_WIDTH)
            vec_store_first(first + i, n - i, tree(first + i, others + i, lanes, stride, n - i));
}
