/* optim.cu -- what an optimizer does with all tensors of a slab in one launch.  Ranges are cut into
 * pieces, a block to each, so that how long a tensor is does not matter. */
#include "kernels/cuda/optim.h"

#include "kernels/cuda/adamw.cuh"
#include "kernels/cuda/team.cuh"

#include <stdlib.h>

namespace {

__global__ void squares_kernel(const struct device_range *pieces, const float *x, const float *y,
                               double *sums) {
    const struct device_range r = pieces[blockIdx.x];
    double sum = 0;
    for (size_t i = threadIdx.x; i < r.count; i += CUDA_BLOCK) {
        double v = (double)r.a * (double)x[r.offset + i];
        if (y)
            v += (double)r.b * (double)y[r.offset + i];
        sum += v * v;
    }
    const block_team team = {(int)threadIdx.x, CUDA_BLOCK};
    sum = team.sum(sum);
    if (!threadIdx.x)
        sums[blockIdx.x] = sum;
}

__global__ void adamw_kernel(const struct device_range *pieces, struct adam_numbers o, float *value,
                             const float *gradient, float *m, float *v) {
    const struct device_range r = pieces[blockIdx.x];
    const struct adamw one = {value, m,    v,     gradient, r.scale,    r.lr,
                              o.b1,  o.b2, o.eps, r.decay,  r.correct1, r.correct2};
    const block_team team = {(int)threadIdx.x, CUDA_BLOCK};
    team_batches<team_batch<adamw::numbers>>(
        team, (int)r.count, [&](int i) { return one.load(r.offset + (size_t)i); },
        [&](int i, const adamw::numbers &old) { one.close(r.offset + (size_t)i, old); });
}

cudaError_t grow(struct cuda_lists *l, size_t n) {
    if (n <= l->room)
        return cudaSuccess;
    cudaFree(l->pieces);
    cudaFree(l->sums);
    free(l->here);
    l->pieces = l->sums = NULL;
    l->room = 0;
    l->here = malloc(n * sizeof(struct device_range));
    cudaError_t error = l->here ? cudaMalloc(&l->pieces, n * sizeof(struct device_range))
                                : cudaErrorMemoryAllocation;
    if (error == cudaSuccess)
        error = cudaMalloc(&l->sums, n * sizeof(double));
    l->room = error == cudaSuccess ? n : 0;
    return error;
}

/* The pieces of all ranges, on the device; 0: none, or an error that is kept.  Where a device reads
 * the processor's memory by itself (GH200) the list before may not have been read yet. */
size_t send(struct cuda_lists *l, const struct kctx *c, int n, const struct device_range *range,
            const char *where) {
    size_t count = 0, at = 0;
    for (int i = 0; i < n; i++)
        count += device_pieces(range[i].count);
    cudaError_t error = grow(l, count);
    if (error != cudaSuccess || !count) {
        cuda_check(c, error, where);
        return 0;
    }
    cuda_queue_wait(cuda_queue_of(c), where);
    struct device_range *here = static_cast<struct device_range *>(l->here);
    for (int i = 0; i < n; i++)
        for (size_t from = 0; from < range[i].count; from += DEVICE_PIECE, at++) {
            here[at] = range[i];
            here[at].offset += from;
            here[at].count = cuda_least(range[i].count - from, DEVICE_PIECE);
        }
    cuda_check(c,
               cudaMemcpyAsync(l->pieces, here, count * sizeof *here, cudaMemcpyHostToDevice,
                               cuda_stream_of(c)),
               where);
    return count;
}

} // namespace

int cuda_lists_grow(struct cuda_lists *l, size_t pieces) {
    return (int)grow(l, pieces);
}

void cuda_squares(struct cuda_lists *l, const struct kctx *c, int n,
                  const struct device_range *range, const real *x, const real *y, double *sums) {
    size_t count = send(l, c, n, range, "squares"), at = 0;
    for (int i = 0; i < n; i++)
        sums[i] = 0;
    if (!count)
        return;
    RUN("squares", c, squares_kernel, dim3((unsigned)count), CUDA_BLOCK, 0,
        static_cast<const struct device_range *>(l->pieces), x, y, static_cast<double *>(l->sums));
    double *back = static_cast<double *>(l->here); /* what was sent is not needed any more */
    cuda_check(c,
               cudaMemcpyAsync(back, l->sums, count * sizeof *back, cudaMemcpyDeviceToHost,
                               cuda_stream_of(c)),
               "squares");
    cuda_queue_wait(cuda_queue_of(c), "squares");
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < device_pieces(range[i].count); k++)
            sums[i] += back[at++];
}

void cuda_adamw_ranges(struct cuda_lists *l, const struct kctx *c, int n,
                       const struct device_range *range, const struct adam_numbers *o, real *value,
                       const real *gradient, real *m, real *v) {
    size_t count = send(l, c, n, range, "adamw");
    RUN("adamw", c, adamw_kernel, dim3((unsigned)count), CUDA_BLOCK, 0,
        static_cast<const struct device_range *>(l->pieces), *o, value, gradient, m, v);
}

void cuda_lists_free(struct cuda_lists *l) {
    cudaFree(l->pieces);
    cudaFree(l->sums);
    free(l->here);
    *l = {};
}
