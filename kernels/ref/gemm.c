/* gemm.c -- y = alpha op(a) op(b) + beta y, and the same with a right-hand side prepared once. */
#include "kernels/ref/ref.h"

/* op(x)[i,j] of a stored matrix with row stride ld */
static double at(const real *x, int ld, int transposed, int i, int j) {
    return transposed ? x[(size_t)j * (size_t)ld + (size_t)i]
                      : x[(size_t)i * (size_t)ld + (size_t)j];
}

void ref_gemm(const struct kctx *c, int ta, int tb, int m, int n, int k, real alpha, const real *a,
              int lda, const real *b, int ldb, real beta, real *y, int ldy) {
    (void)c;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            real *out = y + (size_t)i * (size_t)ldy + j;
            double sum = 0;
            for (int p = 0; p < k; p++)
                sum += at(a, lda, ta, i, p) * at(b, ldb, tb, p, j);
            /* beta 0 must not read y: it may hold NaN */
            *out = (real)(alpha * sum + (beta != 0 ? (double)beta * *out : 0));
        }
}

size_t ref_gemm_pack_size(int n, int k) {
    return (size_t)n * (size_t)k;
}

/* Here the prepared matrix is op(w) itself, (k,n) without gaps. */
void ref_gemm_pack(const struct kctx *c, int tw, int n, int k, const real *w, int ldw,
                   const real *turned, real *packed) {
    (void)c;
    (void)turned;
    for (int p = 0; p < k; p++)
        for (int j = 0; j < n; j++)
            packed[(size_t)p * (size_t)n + (size_t)j] = (real)at(w, ldw, tw, p, j);
}

void ref_gemm_packed(const struct kctx *c, int m, int n, int k, const real *a, int lda,
                     const real *packed, const real *bias, enum activation act, real *kept,
                     const real *residual, real *y, int ldy) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            size_t dense = (size_t)i * (size_t)n + (size_t)j; /* kept and residual have no gaps */
            double sum = bias ? bias[j] : 0;
            for (int p = 0; p < k; p++)
                sum += at(a, lda, 0, i, p) * packed[(size_t)p * (size_t)n + (size_t)j];
            if (kept)
                kept[dense] = (real)(c->device ? sum : ref_activation_slope(act, sum));
            sum = ref_activation(act, sum);
            if (residual)
                sum += residual[dense];
            y[(size_t)i * (size_t)ldy + (size_t)j] = (real)sum;
        }
}
