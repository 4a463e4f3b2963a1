/* device.cuh -- what kernels are written with: a launch that is checked, and two shapes of kernels.
 * An `each` computes every element of an output on its own.  A `rows` gives a warp to each row.
 * More shapes are in team.cuh.
 *
 * The work is a struct with its operands and an operator(): what runs on the device.
 */
#ifndef SSV_KERNELS_CUDA_DEVICE_CUH
#define SSV_KERNELS_CUDA_DEVICE_CUH

#include "kernels/cuda/cuda.h"

#include <cuda_runtime.h>

#ifndef CUDA_EMULATED
#define LAUNCH(kernel, grid, block, shared, stream, ...)                                           \
    (kernel<<<(grid), (block), (shared), (stream)>>>(__VA_ARGS__), cudaGetLastError())
/* On 16 bytes: some of it is moved as `several` are. */
#define SHARED(type, name, count) __shared__ __align__(16) type name[count]
#define DYNAMIC_SHARED(type, name)                                                                 \
    extern __shared__ float4 name##_memory[];                                                      \
    type *name = reinterpret_cast<type *>(name##_memory)
#endif

enum { CUDA_WARP = 32, CUDA_BLOCK = 256, CUDA_MOST_BLOCKS = 1 << 15 };
static constexpr unsigned cuda_all_lanes = 0xffffffffu;

static inline struct cuda_queue *cuda_queue_of(const struct kctx *c) {
    return static_cast<struct cuda_queue *>(c->device);
}

static inline cudaStream_t cuda_stream_of(const struct kctx *c) {
    return static_cast<cudaStream_t>(cuda_queue_of(c)->stream);
}

/* The operation that launches, for messages. */
#define FROM_CALLER const char *where = __builtin_FUNCTION()

/* Only the first error says anything. */
static inline void cuda_check(const struct kctx *c, cudaError_t error, const char *where) {
    struct cuda_queue *q = cuda_queue_of(c);
    if (error == cudaSuccess || q->error)
        return;
    q->error = (int)error;
    q->where = where;
}

/* Whether a library took it; what went wrong there is the queue's error. */
static inline bool cuda_is_done(const struct kctx *c, int result, FROM_CALLER) {
    if (result > 0)
        cuda_check(c, (cudaError_t)result, where);
    return result >= 0;
}

/* RUN(where, c, kernel, grid, block, shared, arguments): nothing for an empty grid. */
#define RUN(where, c, kernel, grid, block, shared, ...)                                            \
    do {                                                                                           \
        const dim3 run_grid = (grid);                                                              \
        if (run_grid.x && run_grid.y && run_grid.z)                                                \
            cuda_check(                                                                            \
                (c), LAUNCH(kernel, run_grid, (block), (shared), cuda_stream_of(c), __VA_ARGS__),  \
                (where));                                                                          \
    } while (0)

static inline size_t cuda_least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* In 32 bits where that is possible: a division of 64 bits takes longer than all the rest of what
 * moves numbers. */
__device__ static inline size_t cuda_quotient(size_t a, size_t b) {
    return (a | b) >> 32 ? a / b : (unsigned)a / (unsigned)b;
}

__device__ static inline size_t cuda_remainder(size_t a, size_t b) {
    return (a | b) >> 32 ? a % b : (unsigned)a % (unsigned)b;
}

static inline unsigned cuda_blocks(size_t n, size_t each) {
    return (unsigned)cuda_least((n + each - 1) / each, CUDA_MOST_BLOCKS);
}

/* ---- each: work(i) for i = 0..n-1 ---- */

template <class W> __global__ void each_kernel(size_t n, W work) {
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
        work(i);
}

template <class W> static void each(const struct kctx *c, size_t n, const W &work, FROM_CALLER) {
    RUN(where, c, each_kernel<W>, cuda_blocks(n, CUDA_BLOCK), CUDA_BLOCK, 0, n, work);
}

/* For an `each`: what was summed in parts, each of `size` numbers, added in their order. */
struct add_parts {
    int parts;
    size_t size;
    const float *part;
    float *to;
    __device__ void operator()(size_t i) const {
        float sum = 0;
        for (int p = 0; p < parts; p++)
            sum += part[(size_t)p * size + i];
        to[i] += sum;
    }
};

/* ---- rows: work(row, lane) by a whole warp ---- */

template <class T> __device__ static inline T warp_sum(T x) {
    for (int with = CUDA_WARP / 2; with; with /= 2)
        x += __shfl_xor_sync(cuda_all_lanes, x, with);
    return x;
}

__device__ static inline float warp_max(float x) {
    for (int with = CUDA_WARP / 2; with; with /= 2)
        x = fmaxf(x, __shfl_xor_sync(cuda_all_lanes, x, with));
    return x;
}

template <class W> __global__ void rows_kernel(size_t rows, W work) {
    size_t step = (size_t)gridDim.x * (blockDim.x / CUDA_WARP);
    size_t row = (size_t)blockIdx.x * (blockDim.x / CUDA_WARP) + threadIdx.x / CUDA_WARP;
    for (; row < rows; row += step)
        work(row, (int)(threadIdx.x % CUDA_WARP));
}

template <class W> static void rows(const struct kctx *c, size_t n, const W &work, FROM_CALLER) {
    RUN(where, c, rows_kernel<W>, cuda_blocks(n, CUDA_BLOCK / CUDA_WARP), CUDA_BLOCK, 0, n, work);
}

#endif
