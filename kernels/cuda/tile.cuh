/* tile.cuh -- the product of two matrices that are known by their elements: stored ones, or the
 * windows of a convolution.  A block computes 64 x 64 of the result in 16 steps of k at a time,
 * each of its threads 4 x 4.
 *
 * work.left(i, p), work.right(p, j): the elements, asked for inside the matrices only.
 * work.put(part, i, j, sum): what becomes of one of the result; of the sums over one part of k,
 * where k is cut.
 */
#ifndef SSV_KERNELS_CUDA_TILE_CUH
#define SSV_KERNELS_CUDA_TILE_CUH

#include "kernels/cuda/device.cuh"

enum { TILE = 64, TILE_K = 16, TILE_SIDE = 16, TILE_EACH = TILE / TILE_SIDE };

template <class W> __global__ void tile_kernel(int m, int n, int k, int k_part, W work) {
    SHARED(float, left, TILE_K *TILE);
    SHARED(float, right, TILE_K *TILE);
    int i0 = (int)blockIdx.x * TILE, j0 = (int)blockIdx.y * TILE, part = (int)blockIdx.z;
    int first = part * k_part, end = k - first < k_part ? k : first + k_part;
    int tx = (int)threadIdx.x, ty = (int)threadIdx.y, me = ty * TILE_SIDE + tx;
    float sum[TILE_EACH][TILE_EACH];
    for (int a = 0; a < TILE_EACH; a++)
        for (int b = 0; b < TILE_EACH; b++)
            sum[a][b] = 0;
    for (int p0 = first; p0 < end; p0 += TILE_K) {
        for (int e = me; e < TILE_K * TILE; e += TILE_SIDE * TILE_SIDE) {
            int i = i0 + e / TILE_K, p = p0 + e % TILE_K; /* neighbours in k */
            left[e % TILE_K * TILE + e / TILE_K] = i < m && p < end ? work.left(i, p) : 0;
            int j = j0 + e % TILE, q = p0 + e / TILE; /* neighbours in j */
            right[e] = j < n && q < end ? work.right(q, j) : 0;
        }
        __syncthreads();
        for (int p = 0; p < TILE_K; p++)
            for (int a = 0; a < TILE_EACH; a++)
                for (int b = 0; b < TILE_EACH; b++)
                    sum[a][b] +=
                        left[p * TILE + ty + a * TILE_SIDE] * right[p * TILE + tx + b * TILE_SIDE];
        __syncthreads();
    }
    for (int a = 0; a < TILE_EACH; a++)
        for (int b = 0; b < TILE_EACH; b++) {
            int i = i0 + ty + a * TILE_SIDE, j = j0 + tx + b * TILE_SIDE;
            if (i < m && j < n)
                work.put(part, i, j, sum[a][b]);
        }
}

/* k in parts of k_part, each put on its own. */
template <class W>
static void tiles(const struct kctx *c, int m, int n, int k, int k_part, int parts, const W &work,
                  FROM_CALLER) {
    const dim3 grid((unsigned)((m + TILE - 1) / TILE), (unsigned)((n + TILE - 1) / TILE),
                    (unsigned)parts);
    RUN(where, c, tile_kernel<W>, grid, dim3(TILE_SIDE, TILE_SIDE), 0, m, n, k, k_part, work);
}

#endif
