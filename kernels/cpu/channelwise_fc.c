/* channelwise_fc.c -- channel after channel; the lanes of a vector are images, or inputs in the
 * gradient of the weights. */
#include "kernels/cpu/cpu.h"

enum { ROWS = 8 };

/* sum (ROWS): rows first.. of a times b, a[i row_stride + k k_stride], b[k ldb ..]; rows from
 * `rows` on repeat the last one. */
VEC_INLINE void products(int rows, int first, int depth, const float *a, size_t row_stride,
                         size_t k_stride, const float *b, size_t ldb, vec sum[ROWS]) {
    vec s[ROWS];
    size_t at[ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) {
        s[i] = vec_set(0);
        at[i] = (size_t)(first + i < rows ? first + i : rows - 1) * row_stride;
    }
    for (int k = 0; k < depth; k++, a += k_stride, b += ldb) {
        vec v = vec_load(b);
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; i++)
            s[i] += a[at[i]] * v;
    }
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++)
        sum[i] = s[i];
}

/* One channel x[(i rows + j) ch] of n images, to the lanes of out (rows, VEC_WIDTH). */
static void images_to_lanes(int n, int rows, int ch, const float *x, float *out) {
    memset(out, 0, sizeof(vec) * (size_t)rows);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < rows; j++)
            out[j * VEC_WIDTH + i] = x[((size_t)i * (size_t)rows + (size_t)j) * (size_t)ch];
}

/* Back to rows first.. of one channel. */
static void lanes_to_images(int n, int rows, int ch, int first, const vec sum[ROWS], int acc,
                            float *y) {
    for (int r = 0; r < ROWS && first + r < rows; r++) {
        float lane[VEC_WIDTH];
        vec_store(lane, sum[r]);
        for (int i = 0; i < n; i++) {
            float *to = y + ((size_t)i * (size_t)rows + (size_t)(first + r)) * (size_t)ch;
            *to = acc ? *to + lane[i] : lane[i];
        }
    }
}

static int least(int a, int b) {
    return a < b ? a : b;
}

void ISA_NAME(channelwise_fc_forward)(const struct kctx *c, int n, int p, int q, int ch,
                                      const float *x, const float *w, const float *bias, float *y) {
    CHECK((size_t)q * VEC_WIDTH <= KERNEL_WORKSPACE, "%d inputs", q);
    for (int i = 0; i < n; i += VEC_WIDTH)
        for (int e = 0; e < ch; e++) {
            int images = least(n - i, VEC_WIDTH);
            images_to_lanes(images, q, ch, x + (size_t)i * (size_t)q * (size_t)ch + e,
                            c->workspace);
            for (int a = 0; a < p; a += ROWS) {
                vec sum[ROWS];
                products(p, a, q, w + (size_t)e * (size_t)p * (size_t)q, (size_t)q, 1, c->workspace,
                         VEC_WIDTH, sum);
                for (int r = 0; bias && r < ROWS && a + r < p; r++)
                    sum[r] += bias[(size_t)e * (size_t)p + (size_t)(a + r)];
                lanes_to_images(images, p, ch, a, sum, 0,
                                y + (size_t)i * (size_t)p * (size_t)ch + e);
            }
        }
}

/* dw (p,q) += sum over images of dy x; dy (p, VEC_WIDTH) has images in lanes, x (images, ldx) is
 * padded to whole vectors. */
static void weight_gradient(int images, int p, int q, const float *dy, const float *x, size_t ldx,
                            float *dw) {
    for (int a = 0; a < p; a += ROWS)
        for (int b = 0; b < q; b += VEC_WIDTH) {
            vec sum[ROWS];
            products(p, a, images, dy, VEC_WIDTH, 1, x + b, ldx, sum);
            for (int r = 0; r < ROWS && a + r < p; r++) {
                float *to = dw + (size_t)(a + r) * (size_t)q + (size_t)b;
                size_t left = (size_t)(q - b);
                vec_store_first(to, left, vec_load_first(to, left) + sum[r]);
            }
        }
}

void ISA_NAME(channelwise_fc_backward)(const struct kctx *c, int n, int p, int q, int ch,
                                       const float *x, const float *w, const float *dy, int acc,
                                       float *dx, float *dw, float *dbias) {
    size_t ldx = (size_t)(q + VEC_WIDTH - 1) / VEC_WIDTH * VEC_WIDTH,
           weights = (size_t)p * (size_t)q;
    float *grad = c->workspace, *input = grad + (size_t)p * VEC_WIDTH;
    CHECK(((size_t)p + ldx) * VEC_WIDTH <= KERNEL_WORKSPACE, "%d inputs, %d outputs", q, p);
    for (int i = 0; i < n; i += VEC_WIDTH)
        for (int e = 0; e < ch; e++) {
            int images = least(n - i, VEC_WIDTH);
            size_t from = (size_t)i * (size_t)q * (size_t)ch + (size_t)e;
            images_to_lanes(images, p, ch, dy + (size_t)i * (size_t)p * (size_t)ch + e, grad);
            for (int b = 0; dx && b < q; b += ROWS) {
                vec sum[ROWS];
                products(q, b, p, w + (size_t)e * weights, 1, (size_t)q, grad, VEC_WIDTH, sum);
                lanes_to_images(images, q, ch, b, sum, acc, dx + from);
            }
            memset(input, 0, (size_t)images * ldx * sizeof *input);
            for (size_t at = 0; at < (size_t)images * (size_t)q; at++)
                input[at / (size_t)q * ldx + at % (size_t)q] = x[from + at * (size_t)ch];
            weight_gradient(images, p, q, grad, input, ldx, dw + (size_t)e * weights);
            for (int a = 0; dbias && a < p; a++)
                dbias[(size_t)e * (size_t)p + (size_t)a] += vec_sum(vec_load(grad + a * VEC_WIDTH));
        }
}
