/* product.cuh -- products of small matrices that are known by their elements, several at a time.  A
 * block computes 32 x 32 of one result.
 *
 * work.left(z, i, p), work.right(z, p, j): elements of the z-th, asked for inside the matrices
 * only. work.put(z, i, j, sum): what becomes of one of the result. W::LEFT_ALONG_K,
 * W::RIGHT_ALONG_K: whether elements with neighbouring p lie side by side; if not, those with
 * neighbouring i or j do.
 */
#ifndef SSV_KERNELS_CUDA_PRODUCT_CUH
#define SSV_KERNELS_CUDA_PRODUCT_CUH

#include "kernels/cuda/device.cuh"

enum {
    PRODUCT = CUDA_WARP,
    PRODUCT_HIGH = CUDA_BLOCK / PRODUCT,
    PRODUCT_EACH = PRODUCT / PRODUCT_HIGH, /* rows of a thread */
    PRODUCT_STEP = PRODUCT + 1             /* from row to row, on different banks */
};

/* left and right: the stretch of k that begins at p0, zeros outside. */
template <class W>
__device__ static inline void product_load(const W &work, const int size[3], int i0, int j0, int p0,
                                           typename W::part *left, typename W::part *right) {
    const size_t z = blockIdx.z;
    const int fast = (int)threadIdx.x;
#pragma unroll
    for (int slow = (int)threadIdx.y; slow < PRODUCT; slow += PRODUCT_HIGH) {
        int i = W::LEFT_ALONG_K ? slow : fast, p = W::LEFT_ALONG_K ? fast : slow;
        bool inside = i0 + i < size[0] && p0 + p < size[2];
        left[i * PRODUCT_STEP + p] = inside ? work.left(z, i0 + i, p0 + p) : 0;
        int j = W::RIGHT_ALONG_K ? slow : fast, q = W::RIGHT_ALONG_K ? fast : slow;
        inside = j0 + j < size[1] && p0 + q < size[2];
        right[q * PRODUCT_STEP + j] = inside ? work.right(z, p0 + q, j0 + j) : 0;
    }
}

template <class W> __global__ void product_kernel(int m, int n, int k, W work) {
    SHARED(typename W::part, left, PRODUCT * PRODUCT_STEP);
    SHARED(typename W::part, right, PRODUCT * PRODUCT_STEP);
    const int size[3] = {m, n, k}, x = (int)threadIdx.x, y = (int)threadIdx.y;
    int i0 = (int)blockIdx.x * PRODUCT, j0 = (int)blockIdx.y * PRODUCT;
    double total[PRODUCT_EACH] = {0};
    for (int p0 = 0; p0 < k; p0 += PRODUCT) {
        typename W::part sum[PRODUCT_EACH] = {0};
        product_load(work, size, i0, j0, p0, left, right);
        __syncthreads();
#pragma unroll
        for (int p = 0; p < PRODUCT; p++)
            for (int e = 0; e < PRODUCT_EACH; e++)
                sum[e] +=
                    left[(y + e * PRODUCT_HIGH) * PRODUCT_STEP + p] * right[p * PRODUCT_STEP + x];
        for (int e = 0; e < PRODUCT_EACH; e++)
            total[e] += (double)sum[e];
        __syncthreads();
    }
    for (int e = 0; e < PRODUCT_EACH; e++)
        if (i0 + y + e * PRODUCT_HIGH < m && j0 + x < n)
            work.put(blockIdx.z, i0 + y + e * PRODUCT_HIGH, j0 + x, total[e]);
}

/* `many` products of (m,k) by (k,n) */
template <class W>
static void products(const struct kctx *c, int many, int m, int n, int k, const W &work,
                     FROM_CALLER) {
    const dim3 grid((unsigned)((m + PRODUCT - 1) / PRODUCT),
                    (unsigned)((n + PRODUCT - 1) / PRODUCT), (unsigned)many);
    RUN(where, c, product_kernel<W>, grid, dim3(PRODUCT, PRODUCT_HIGH), 0, m, n, k, work);
}

#endif
