/* gemm.cu -- y = alpha op(a) op(b) + beta y, and the same with a right-hand side prepared once. */
#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/tile.cuh"

namespace {

struct matrix {
    const float *x;
    size_t ld;
    int transposed;
    __device__ float at(int i, int j) const {
        return transposed ? x[(size_t)j * ld + (size_t)i] : x[(size_t)i * ld + (size_t)j];
    }
};

struct plain {
    matrix a, b;
    float alpha, beta, *y;
    size_t ldy;
    __device__ float left(int i, int p) const {
        return a.at(i, p);
    }
    __device__ float right(int p, int j) const {
        return b.at(p, j);
    }
    __device__ void put(int part, int i, int j, float sum) const {
        float *to = y + (size_t)i * ldy + (size_t)j;
        (void)part;
        *to = beta != 0 ? alpha * sum + beta * *to : alpha * sum; /* with 0 it may hold NaN */
    }
};

struct packed_product {
    matrix a, w;
    size_t n;
    const float *bias;
    enum activation act;
    float *slope;
    const float *residual;
    float *y;
    size_t ldy;
    __device__ float left(int i, int p) const {
        return a.at(i, p);
    }
    __device__ float right(int p, int j) const {
        return w.at(p, j);
    }
    __device__ void put(int part, int i, int j, float sum) const {
        size_t dense = (size_t)i * n + (size_t)j;
        (void)part;
        sum += bias ? bias[j] : 0;
        if (slope)
            slope[dense] = activation_slope(act, sum);
        y[(size_t)i * ldy + (size_t)j] = activate(act, sum) + (residual ? residual[dense] : 0);
    }
};

struct pack {
    size_t n;
    matrix w;
    float *packed;
    __device__ void operator()(size_t i) const {
        packed[i] = w.at((int)(i / n), (int)(i % n));
    }
};

/* What follows a product by the library: y holds a b + bias. */
struct product_end {
    size_t n, ldy;
    enum activation act;
    float *slope;
    const float *residual;
    float *y;
    __device__ void operator()(size_t i) const {
        float *to = y + (ldy == n ? i : i / n * ldy + i % n), out; /* a division takes longest */
        if (slope)
            out = activate_with_slope(act, *to, &slope[i]);
        else
            out = activate(act, *to);
        *to = out + (residual ? residual[i] : 0);
    }
};

/* Whether the library has done it. */
bool by_library(const struct kctx *c, const struct product *p, const char *where) {
    struct cuda_queue *q = cuda_queue_of(c);
    if (!q->blas || p->m <= 0 || p->n <= 0 || p->k <= 0)
        return false;
    int status = blas_product(q->blas, p);
    if (status && status != BLAS_NONE && !q->error) {
        q->error = status;
        q->where = where;
        q->says = blas_error(q->blas, status);
    }
    return status != BLAS_NONE;
}

} // namespace

void cuda_gemm(const struct kctx *c, int ta, int tb, int m, int n, int k, real alpha, const real *a,
               int lda, const real *b, int ldb, real beta, real *y, int ldy) {
    const struct product p = {m, n, k, ta, tb, alpha, beta, a, b, y, NULL, y, lda, ldb, ldy, ldy};
    if (by_library(c, &p, "cuda_gemm"))
        return;
    const plain work = {{a, (size_t)lda, ta}, {b, (size_t)ldb, tb}, alpha, beta, y, (size_t)ldy};
    tiles(c, m, n, k, k, 1, work);
}

size_t cuda_gemm_pack_size(int n, int k) {
    return (size_t)n * (size_t)k;
}

void cuda_gemm_pack(const struct kctx *c, int tw, int n, int k, const real *w, int ldw,
                    real *packed) {
    const struct packed_matrix there = {packed, w, ldw, tw};
    struct cuda_queue *q = cuda_queue_of(c);
    if (q->blas && n > 0 && k > 0 && !blas_remember(q->blas, &there))
        return;
    each(c, (size_t)n * (size_t)k, pack{(size_t)n, {w, (size_t)ldw, tw}, packed});
}

void cuda_gemm_packed(const struct kctx *c, int m, int n, int k, const real *a, int lda,
                      const real *packed, const real *bias, enum activation act, real *slope,
                      const real *residual, real *y, int ldy) {
    struct cuda_queue *q = cuda_queue_of(c);
    const struct packed_matrix *there = q->blas ? blas_recall(q->blas, packed) : NULL;
    matrix w = {packed, (size_t)n, 0};
    if (there) {
        int ends = act != ACT_NONE || slope, adds = residual && !ends;
        const struct product p = {m,
                                  n,
                                  k,
                                  0,
                                  there->transposed,
                                  1,
                                  adds ? 1.0f : 0.0f,
                                  a,
                                  there->w,
                                  adds ? residual : y,
                                  bias,
                                  y,
                                  lda,
                                  there->ldw,
                                  adds ? n : ldy,
                                  ldy};
        w = {there->w, (size_t)there->ldw, there->transposed};
        if ((!ends || residual != y) && by_library(c, &p, "cuda_gemm_packed")) {
            if (ends)
                each(c, (size_t)m * (size_t)n,
                     product_end{(size_t)n, (size_t)ldy, act, slope, residual, y});
            return;
        }
    }
    const packed_product work = {{a, (size_t)lda, 0}, w, (size_t)n, bias, act, slope, residual, y,
                                 (size_t)ldy};
    tiles(c, m, n, k, k, 1, work);
}
