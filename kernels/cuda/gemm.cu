/* gemm.cu -- y = alpha op(a) op(b) + beta y, and the same with a right-hand side prepared once. */
#include "kernels/cuda/activation.cuh"
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

} // namespace

void cuda_gemm(const struct kctx *c, int ta, int tb, int m, int n, int k, real alpha, const real *a,
               int lda, const real *b, int ldb, real beta, real *y, int ldy) {
    const plain work = {{a, (size_t)lda, ta}, {b, (size_t)ldb, tb}, alpha, beta, y, (size_t)ldy};
    tiles(c, m, n, k, k, 1, work);
}

size_t cuda_gemm_pack_size(int n, int k) {
    return (size_t)n * (size_t)k;
}

void cuda_gemm_pack(const struct kctx *c, int tw, int n, int k, const real *w, int ldw,
                    real *packed) {
    each(c, (size_t)n * (size_t)k, pack{(size_t)n, {w, (size_t)ldw, tw}, packed});
}

void cuda_gemm_packed(const struct kctx *c, int m, int n, int k, const real *a, int lda,
                      const real *packed, const real *bias, enum activation act, real *slope,
                      const real *residual, real *y, int ldy) {
    const packed_product work = {
        {a, (size_t)lda, 0}, {packed, (size_t)n, 0}, (size_t)n, bias, act, slope, residual, y,
        (size_t)ldy};
    tiles(c, m, n, k, k, 1, work);
}
