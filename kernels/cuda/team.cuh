/* team.cuh -- kernels in which several threads share a row or a column: a team.
 *
 * A team's threads have a `rank` below its `size`; sum(x) and max(x) give each of them that of all,
 * in an order that the size alone decides.  All of them must call.
 */
#ifndef SSV_KERNELS_CUDA_TEAM_CUH
#define SSV_KERNELS_CUDA_TEAM_CUH

#include "kernels/cuda/device.cuh"

/* A thread's share of 0..n-1; unrolled, so that several loads are under way at a time. */
#define TEAM_EACH(j, team, n)                                                                      \
    _Pragma("unroll 8") for (int j = (team).rank; j < (n); j += (team).size)

/* Memory is busy while some 20 KiB are under way to each multiprocessor of an H100: 1,024 threads
 * that have asked for 32 bytes, some of which compute or store meanwhile. */
enum { TEAM_BATCH = 8, TEAM_BYTES = 32 };

/* Loads of a T that a thread has under way. */
template <class T>
static constexpr int team_batch = sizeof(T) * TEAM_BATCH <= TEAM_BYTES
                                      ? (int)TEAM_BATCH
                                      : (int)(TEAM_BYTES / sizeof(T));

/* store(j, load(j)) for a thread's share of 0..n-1, MANY loads before the first store.  In a plain
 * loop each load waits for the store before it, which might be to the same place. */
template <int MANY = TEAM_BATCH, class T, class L, class S>
__device__ static inline void team_batches(const T &team, int n, L load, S store) {
    for (int first = team.rank; first < n; first += MANY * team.size) {
        decltype(load(0)) held[MANY] = {};
#pragma unroll
        for (int k = 0; k < MANY; k++)
            if (first + k * team.size < n)
                held[k] = load(first + k * team.size);
#pragma unroll
        for (int k = 0; k < MANY; k++)
            if (first + k * team.size < n)
                store(first + k * team.size, held[k]);
    }
}

/* The mean of x (n), and the sum of squared distances from it. */
template <class T>
__device__ static inline float team_mean(const T &team, int n, const float *x, float *squares) {
    float sum = 0;
    TEAM_EACH(j, team, n) {
        sum += x[j];
    }
    float mean = team.sum(sum) / (float)n;
    sum = 0;
    TEAM_EACH(j, team, n) {
        sum += (x[j] - mean) * (x[j] - mean);
    }
    *squares = team.sum(sum);
    return mean;
}

/* ---- team_rows: work(row, team) by a warp, or for a long row by a block ---- */

/* Of threads with up to 64 registers two of the largest blocks run at once, so that one reads while
 * the other waits for its sums. */
enum { TEAM_WARP_COLS = 512, TEAM_BLOCK_COLS = 4096, TEAM_MOST = 512, TEAM_BLOCKS = 2 };

struct warp_team {
    int rank;
    static constexpr int size = CUDA_WARP;
    template <class T> __device__ T sum(T x) const {
        return warp_sum(x);
    }
    __device__ float max(float x) const {
        return warp_max(x);
    }
};

struct block_team {
    int rank, size;
    template <class T> __device__ T sum(T x) const {
        return warp_sum(of_warps(warp_sum(x), T(0)));
    }
    __device__ float max(float x) const {
        return warp_max(of_warps(warp_max(x), -INFINITY));
    }
    /* To lane w what warp w brings, to the lanes left over `none`. */
    template <class T> __device__ T of_warps(T x, T none) const {
        SHARED(T, brought, CUDA_WARP);
        int lane = rank % CUDA_WARP;
        if (!lane)
            brought[rank / CUDA_WARP] = x;
        __syncthreads();
        x = lane < size / CUDA_WARP ? brought[lane] : none;
        __syncthreads(); /* it may be written again */
        return x;
    }
};

template <class W> __global__ void warp_rows_kernel(size_t rows, W work) {
    size_t step = (size_t)gridDim.x * (blockDim.x / CUDA_WARP);
    size_t row = (size_t)blockIdx.x * (blockDim.x / CUDA_WARP) + threadIdx.x / CUDA_WARP;
    const warp_team team = {(int)(threadIdx.x % CUDA_WARP)};
    for (; row < rows; row += step)
        work(row, team);
}

template <class W>
__global__ void __launch_bounds__(TEAM_MOST, TEAM_BLOCKS) block_rows_kernel(size_t rows, W work) {
    const block_team team = {(int)threadIdx.x, (int)blockDim.x};
    for (size_t row = blockIdx.x; row < rows; row += gridDim.x)
        work(row, team);
}

/* The team depends on cols alone, so that a row's sums do not depend on the number of rows. */
template <class W>
static void team_rows(const struct kctx *c, size_t n, int cols, const W &work, FROM_CALLER) {
    const int block = cols <= TEAM_BLOCK_COLS ? (int)CUDA_BLOCK : (int)TEAM_MOST;
    if (cols <= TEAM_WARP_COLS)
        RUN(where, c, warp_rows_kernel<W>, cuda_blocks(n, CUDA_BLOCK / CUDA_WARP), CUDA_BLOCK, 0, n,
            work);
    else
        RUN(where, c, block_rows_kernel<W>, cuda_blocks(n, 1), block, 0, n, work);
}

/* ---- team_columns: work(col, team) by the 32 threads that a column has in a block of 32 ---- */

enum { COLUMN_BLOCK = CUDA_WARP * CUDA_WARP };

struct column_team {
    int rank; /* of a thread that has no column: beyond every size */
    static constexpr int size = CUDA_WARP;
    /* Transposed, so that a warp adds what the threads of a column bring. */
    template <class T> __device__ T sum(T x) const {
        SHARED(T, brought, CUDA_WARP * (CUDA_WARP + 1));
        SHARED(T, sums, CUDA_WARP);
        int along = (int)threadIdx.x, down = (int)threadIdx.y;
        brought[down * (CUDA_WARP + 1) + along] = x;
        __syncthreads();
        x = warp_sum(brought[along * (CUDA_WARP + 1) + down]);
        if (!along)
            sums[down] = x;
        __syncthreads();
        return sums[along];
    }
};

__device__ static inline column_team column_team_of(int col, int cols) {
    return {col < cols ? (int)threadIdx.y : 1 << 30};
}

__device__ static inline int team_column(void) {
    return (int)(blockIdx.x * CUDA_WARP + threadIdx.x);
}

template <class W>
__global__ void __launch_bounds__(COLUMN_BLOCK) team_columns_kernel(int cols, W work) {
    work(team_column(), column_team_of(team_column(), cols));
}

template <class W>
static void team_columns(const struct kctx *c, int cols, const W &work, FROM_CALLER) {
    RUN(where, c, team_columns_kernel<W>, dim3((unsigned)((cols + CUDA_WARP - 1) / CUDA_WARP)),
        dim3(CUDA_WARP, CUDA_WARP), 0, cols, work);
}

/* ---- strips: work(item, col, team) by the threads that a column of an item has ----
 *
 * A block has one item and 32 columns, or several such strips when their teams are small.  Of a
 * thread that has no column the rank is beyond every size. */

enum { STRIP_WARPS = 8 }; /* of a block, at least */
enum { STRIP_MOST = TEAM_MOST / CUDA_WARP };

struct strip_team {
    int rank, size;
    /* To rank 0 the sum, in the order of ranks. */
    template <class T> __device__ T total(T x) const {
        SHARED(T, brought, TEAM_MOST);
        int own = (int)(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
        brought[own] = x;
        __syncthreads();
        for (int other = 1; !rank && other < size; other++)
            x += brought[own + other * CUDA_WARP];
        __syncthreads(); /* it may be written again */
        return x;
    }
};

template <class W>
__global__ void __launch_bounds__(TEAM_MOST, TEAM_BLOCKS)
    strips_kernel(size_t n, int cols, W work) {
    unsigned parts = (unsigned)(cols + CUDA_WARP - 1) / CUDA_WARP;
    unsigned strip = blockIdx.x * blockDim.z + threadIdx.z;
    size_t item = strip / parts;
    int col = (int)(strip % parts * CUDA_WARP + threadIdx.x);
    bool works = item < n && col < cols;
    work(item, col, strip_team{works ? (int)threadIdx.y : 1 << 30, (int)blockDim.y});
}

/* size: threads of a team, a power of two up to STRIP_MOST, which must not depend on n. */
template <class W>
static void strips(const struct kctx *c, size_t n, int cols, int size, const W &work, FROM_CALLER) {
    unsigned high = (unsigned)size, deep = high < STRIP_WARPS ? STRIP_WARPS / high : 1;
    size_t all = n * (size_t)((cols + CUDA_WARP - 1) / CUDA_WARP);
    RUN(where, c, strips_kernel<W>, dim3((unsigned)((all + deep - 1) / deep)),
        dim3(CUDA_WARP, high, deep), 0, n, cols, work);
}

/* ---- columns: N sums over rows for each column ----
 *
 * work(row, col, v) adds to its N sums v, reals or doubles; work.finish(col, v) takes them.  Many
 * rows are cut into stretches; the sums of a stretch go through the workspace and are added by a
 * second launch. */

enum { COLUMNS_WARPS = STRIP_WARPS, COLUMNS_BLOCK = COLUMNS_WARPS * CUDA_WARP };
enum { COLUMNS_AT_ONCE = 4 };                      /* blocks of a multiprocessor */
enum { COLUMNS_ONCE = 256, COLUMNS_STRETCH = 64 }; /* rows */
enum { COLUMNS_MOST = 256 };                       /* stretches */
/* A block has little to do for its sums where it has many rows, and where blocks are many the last
 * ones do not leave much of the device idle. */
enum { COLUMNS_ENOUGH = 8192 };

__device__ static inline strip_team columns_team(int col, int cols) {
    return {col < cols ? (int)threadIdx.y : 1 << 30, COLUMNS_WARPS};
}

template <int N, class T, class W>
__global__ void __launch_bounds__(COLUMNS_BLOCK, COLUMNS_AT_ONCE)
    columns_kernel(int rows, int cols, int stretch, T *partial, W work) {
    int col = team_column(), first = (int)blockIdx.y * stretch;
    const strip_team team = columns_team(col, cols);
    int many = rows - first < stretch ? rows - first : stretch;
    T v[N];
    for (int k = 0; k < N; k++)
        v[k] = 0;
    TEAM_EACH(i, team, many) {
        work((size_t)first + (size_t)i, col, v);
    }
    for (int k = 0; k < N; k++) {
        v[k] = team.total(v[k]);
        if (partial && !team.rank)
            partial[((size_t)blockIdx.y * N + (size_t)k) * (size_t)cols + (size_t)col] = v[k];
    }
    if (!partial && !team.rank)
        work.finish(col, v);
}

/* partial (stretches,N,cols) */
template <int N, class T, class W> struct columns_end {
    int cols, stretches;
    const T *partial;
    W work;
    __device__ void operator()(int col, const column_team &team) const {
        T v[N];
        for (int k = 0; k < N; k++) {
            v[k] = 0;
            TEAM_EACH(s, team, stretches) {
                v[k] += partial[((size_t)s * N + (size_t)k) * (size_t)cols + (size_t)col];
            }
            v[k] = team.sum(v[k]);
        }
        if (!team.rank)
            work.finish(col, v);
    }
};

/* Rows of a stretch, and how many stretches there are; across: blocks beside each other. */
struct columns_cut {
    int stretch, stretches;
    unsigned across;
    dim3 grid() const {
        return dim3(across, (unsigned)stretches);
    }
    dim3 block() const {
        return dim3(CUDA_WARP, COLUMNS_WARPS);
    }
};

/* cols: of threads.  Sums take `width` reals of the workspace a stretch. */
static inline columns_cut cut_columns(int rows, int cols, size_t width, size_t reserved) {
    const unsigned across = (unsigned)(cols + CUDA_WARP - 1) / CUDA_WARP;
    int most = (int)cuda_least((KERNEL_WORKSPACE - reserved) / (width ? width : 1), COLUMNS_MOST);
    int stretch = COLUMNS_STRETCH;
    most = (int)cuda_least((size_t)most, COLUMNS_ENOUGH / (across ? across : 1));
    while (most > 0 && (rows - 1) / stretch + 1 > most)
        stretch *= 2;
    int stretches = rows > COLUMNS_ONCE && most > 1 ? (rows - 1) / stretch + 1 : 1;
    return {stretches > 1 ? stretch : rows, stretches, across};
}

/* Sums of no rows are 0, and are finished too.  `reserved` reals of the workspace are in use, an
 * even number. */
template <int N, class T = float, class W>
static void columns(const struct kctx *c, int rows, int cols, size_t reserved, const W &work,
                    FROM_CALLER) {
    const size_t width = N * sizeof(T) / sizeof(float) * (size_t)cols;
    const columns_cut cut = cut_columns(rows, cols, width, reserved);
    T *partial = cut.stretches > 1 ? reinterpret_cast<T *>(c->workspace + reserved) : NULL;
    RUN(where, c, (columns_kernel<N, T, W>), cut.grid(), cut.block(), 0, rows, cols, cut.stretch,
        partial, work);
    if (partial)
        team_columns(c, cols, columns_end<N, T, W>{cols, cut.stretches, partial, work}, where);
}

#endif
