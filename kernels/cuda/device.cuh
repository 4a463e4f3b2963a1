/* device.cuh -- what kernels are written with: a launch that is checked, and three shapes of
 * kernels. An `each` computes every element of an output on its own.  A `rows` gives a warp to each
 * row. A `columns` sums over rows, in two steps whose order depends on the sizes alone.
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
#define SHARED(type, name, count) __shared__ type name[count]
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

/* Only the first error says anything. */
static inline void cuda_check(const struct kctx *c, cudaError_t error, const char *where) {
    struct cuda_queue *q = cuda_queue_of(c);
    if (error == cudaSuccess || q->error)
        return;
    q->error = (int)error;
    q->where = where;
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

static inline unsigned cuda_blocks(size_t n, size_t each) {
    return (unsigned)cuda_least((n + each - 1) / each, CUDA_MOST_BLOCKS);
}

/* The operation that launches, for messages. */
#define FROM_CALLER const char *where = __builtin_FUNCTION()

/* ---- each: work(i) for i = 0..n-1 ---- */

template <class W> __global__ void each_kernel(size_t n, W work) {
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
        work(i);
}

template <class W> static void each(const struct kctx *c, size_t n, const W &work, FROM_CALLER) {
    RUN(where, c, each_kernel<W>, cuda_blocks(n, CUDA_BLOCK), CUDA_BLOCK, 0, n, work);
}

/* ---- rows: work(row, lane) by a whole warp ---- */

__device__ static inline float warp_sum(float x) {
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

/* ---- columns: N sums over rows for each column ----
 *
 * work(row, col, v) adds to its N sums v; work.finish(col, v) takes them.  Rows are cut into
 * stretches; the sums of a stretch go through the workspace and are added in order. */

enum { COLUMNS_WIDE = 32, COLUMNS_HIGH = 8, COLUMNS_STRETCH = 128, COLUMNS_MOST = 256 };

template <int N, class W>
__global__ void columns_kernel(int rows, int cols, int stretch, float *partial, W work) {
    SHARED(float, sums, N *COLUMNS_HIGH *COLUMNS_WIDE);
    int col = (int)(blockIdx.x * COLUMNS_WIDE + threadIdx.x), first = (int)blockIdx.y * stretch;
    int end = rows - first < stretch ? rows : first + stretch;
    float v[N];
    for (int k = 0; k < N; k++)
        v[k] = 0;
    for (int row = first + (int)threadIdx.y; row < end && col < cols; row += COLUMNS_HIGH)
        work((size_t)row, col, v);
    for (int k = 0; k < N; k++)
        sums[(k * COLUMNS_HIGH + (int)threadIdx.y) * COLUMNS_WIDE + (int)threadIdx.x] = v[k];
    __syncthreads();
    if (threadIdx.y || col >= cols)
        return;
    for (int k = 0; k < N; k++) {
        v[k] = 0;
        for (int y = 0; y < COLUMNS_HIGH; y++)
            v[k] += sums[(k * COLUMNS_HIGH + y) * COLUMNS_WIDE + (int)threadIdx.x];
        if (partial)
            partial[((size_t)blockIdx.y * N + (size_t)k) * (size_t)cols + (size_t)col] = v[k];
    }
    if (!partial)
        work.finish(col, v);
}

template <int N, class W> struct columns_end {
    int cols, stretches;
    const float *partial;
    W work;
    __device__ void operator()(size_t col) const {
        float v[N];
        for (int k = 0; k < N; k++) {
            v[k] = 0;
            for (int s = 0; s < stretches; s++)
                v[k] += partial[((size_t)s * N + (size_t)k) * (size_t)cols + col];
        }
        work.finish((int)col, v);
    }
};

/* Sums of no rows are 0, and are finished too.  `reserved` reals of the workspace are in use. */
template <int N, class W>
static void columns(const struct kctx *c, int rows, int cols, size_t reserved, const W &work,
                    FROM_CALLER) {
    size_t room = (KERNEL_WORKSPACE - reserved) / ((size_t)N * (size_t)(cols > 0 ? cols : 1));
    int most = (int)cuda_least(room, COLUMNS_MOST), stretch = COLUMNS_STRETCH;
    while (most > 0 && (rows - 1) / stretch + 1 > most)
        stretch *= 2;
    int stretches = rows > 0 && most > 1 ? (rows - 1) / stretch + 1 : 1;
    if (stretches == 1)
        stretch = rows;
    const dim3 block(COLUMNS_WIDE, COLUMNS_HIGH);
    float *partial = stretches > 1 ? c->workspace + reserved : NULL;
    RUN(where, c, (columns_kernel<N, W>),
        dim3((unsigned)((cols + COLUMNS_WIDE - 1) / COLUMNS_WIDE), (unsigned)stretches), block, 0,
        rows, cols, stretch, partial, work);
    if (partial) {
        const columns_end<N, W> end = {cols, stretches, partial, work};
        each(c, (size_t)cols, end, where);
    }
}

#endif
