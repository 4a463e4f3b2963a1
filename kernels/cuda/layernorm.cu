/* layernorm.cu -- layer norm.  Rows of up to HELD_MOST columns lie in the registers of a warp and
 * are read once; the backward pass adds up the gradients of gain and bias while it is there.  Where
 * rows can be taken four numbers at a time they are: one by one takes more instructions than an
 * H100 has time for while it reads them.
 *
 * S: how y and dy are stored, float or in 16 bits. */
#include "kernels/cuda/half.cuh"
#include "kernels/cuda/team.cuh"

namespace {

/* BACKWARD_MOST blocks: two for each multiprocessor of an H100, which all run at once. */
enum { HELD_MOST = 24 * CUDA_WARP, BACKWARD_MOST = 264, WARPS = CUDA_BLOCK / CUDA_WARP, SUMS = 3 };
static_assert(SUMS * (size_t)BACKWARD_MOST * HELD_MOST <= KERNEL_WORKSPACE, "sums of blocks");

/* j = V (lane + 32 k), where the K groups of V columns begin that a lane holds */
#define HELD(k, j, lane, cols)                                                                     \
    _Pragma("unroll") for (int k = 0, j = V * (lane); k < K;                                       \
                           k++, j += V * CUDA_WARP) if (j < (cols))
#define EACH(i) _Pragma("unroll") for (int i = 0; i < V; i++)

/* A parameter's, or what counts where there is none. */
template <int V> __device__ several<float, V> take_or(const float *from, int j, float otherwise) {
    several<float, V> x;
    if (from)
        return take<V>(from + j);
    EACH(i) x.v[i] = otherwise;
    return x;
}

template <class S> struct forward {
    int cols;
    float eps;
    const float *x, *gamma, *beta;
    S *y;
    float *mean, *rstd;
    __device__ void keep(size_t row, int rank, float mu, float r) const {
        if (rank)
            return;
        mean[row] = mu;
        rstd[row] = r;
    }
    __device__ float put(int j, float v, float mu, float r) const {
        return (v - mu) * r * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0);
    }
    template <int K, int V> __device__ void held(size_t row, int lane) const {
        const float *xi = x + row * (size_t)cols;
        S *yi = y + row * (size_t)cols;
        several<float, V> v[K] = {};
        float sum = 0, squares = 0;
        HELD(k, j, lane, cols) v[k] = take<V>(xi + j);
        HELD(k, j, lane, cols) EACH(i) sum += v[k].v[i];
        float mu = cols ? warp_sum(sum) / (float)cols : 0;
        HELD(k, j, lane, cols) EACH(i) squares += (v[k].v[i] - mu) * (v[k].v[i] - mu);
        float r = 1 / sqrtf((cols ? warp_sum(squares) / (float)cols : 0) + eps);
        HELD(k, j, lane, cols) {
            const several<float, V> scale = take_or<V>(gamma, j, 1), shift = take_or<V>(beta, j, 0);
            several<S, V> out;
            EACH(i) out.v[i] = (v[k].v[i] - mu) * r * scale.v[i] + shift.v[i];
            ::put<V>(yi + j, out);
        }
        keep(row, lane, mu, r);
    }
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *xi = x + row * (size_t)cols;
        S *yi = y + row * (size_t)cols;
        float squares;
        float mu = team_mean(team, cols, xi, &squares);
        float r = 1 / sqrtf(squares / (float)cols + eps);
        team_batches(
            team, cols, [&](int j) { return xi[j]; },
            [&](int j, float v) { yi[j] = put(j, v, mu, r); });
        keep(row, team.rank, mu, r);
    }
};

struct triple {
    float xhat, g, before;
};

template <class S> struct backward {
    int cols;
    const float *x, *gamma, *mean, *rstd;
    const S *dy;
    int acc;
    float *dx;
    bfloat16 *narrow; /* or NULL */
    /* What the row adds to the gradients of gain and bias, too, and to own sums of dx, in shared
     * memory since registers are full; NULL: not wanted. */
    template <int K, int V>
    __device__ void held(size_t row, int lane, several<float, V> *dgamma, several<float, V> *dbeta,
                         float *own) const {
        const float *xi = x + row * (size_t)cols;
        const S *dyi = dy + row * (size_t)cols;
        float *dxi = dx + row * (size_t)cols, mu = mean[row], r = rstd[row], sum = 0, dot = 0;
        several<float, V> xhat[K] = {},
                          g[K] = {}; /* the gradient that reaches what is normalized */
        HELD(k, j, lane, cols) {
            const several<S, V> d = take<V>(dyi + j);
            xhat[k] = take<V>(xi + j);
            EACH(i) g[k].v[i] = d.v[i];
        }
        HELD(k, j, lane, cols) {
            const several<float, V> scale = take_or<V>(gamma, j, 1);
            EACH(i) {
                xhat[k].v[i] = (xhat[k].v[i] - mu) * r;
                dgamma[k].v[i] += g[k].v[i] * xhat[k].v[i];
                dbeta[k].v[i] += g[k].v[i];
                g[k].v[i] *= scale.v[i];
                sum += g[k].v[i];
                dot += g[k].v[i] * xhat[k].v[i];
            }
        }
        sum = warp_sum(sum) / (float)cols;
        dot = warp_sum(dot) / (float)cols;
        HELD(k, j, lane, cols) {
            EACH(i) g[k].v[i] = r * (g[k].v[i] - sum - xhat[k].v[i] * dot);
            xhat[k] = take_or<V>(acc ? dxi : NULL, j, 0); /* it is not needed any more */
        }
        HELD(k, j, lane, cols) {
            EACH(i) g[k].v[i] += xhat[k].v[i];
            put<V>(dxi + j, g[k]);
        }
        if (narrow)
            HELD(k, j, lane, cols) {
                several<bfloat16, V> copy;
                EACH(i) copy.v[i] = g[k].v[i];
                put<V>(narrow + row * (size_t)cols + j, copy);
            }
        if (own)
            HELD(k, j, lane, cols) {
                several<float, V> so_far = take<V>(own + j);
                EACH(i) so_far.v[i] += g[k].v[i];
                put<V>(own + j, so_far);
            }
    }
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *xi = x + row * (size_t)cols;
        const S *dyi = dy + row * (size_t)cols;
        float *dxi = dx + row * (size_t)cols, mu = mean[row], r = rstd[row], sum = 0, dot = 0;
        auto load = [&](int j) {
            return triple{(xi[j] - mu) * r, dyi[j] * (gamma ? gamma[j] : 1), acc ? dxi[j] : 0};
        };
        TEAM_EACH(j, team, cols) {
            float g = dyi[j] * (gamma ? gamma[j] : 1);
            sum += g;
            dot += g * (xi[j] - mu) * r;
        }
        sum = team.sum(sum) / (float)cols;
        dot = team.sum(dot) / (float)cols;
        team_batches(team, cols, load,
                     [&](int j, triple v) { dxi[j] = v.before + r * (v.g - sum - v.xhat * dot); });
    }
};

template <class S> struct gain {
    size_t cols;
    const float *x, *mean, *rstd;
    const S *dy;
    float *dgamma, *dbeta;
    __device__ void operator()(size_t row, int col, float *v) const {
        size_t at = row * cols + (size_t)col;
        v[0] += dy[at] * (x[at] - mean[row]) * rstd[row];
        v[1] += dy[at];
    }
    __device__ void finish(int col, const float *v) const {
        if (dgamma)
            dgamma[col] += v[0];
        if (dbeta)
            dbeta[col] += v[1];
    }
};

template <int K, int V, class S> __global__ void forward_kernel(size_t rows, forward<S> work) {
    int lane = (int)(threadIdx.x % CUDA_WARP);
    size_t row = (size_t)blockIdx.x * WARPS + threadIdx.x / CUDA_WARP;
    for (; row < rows; row += (size_t)gridDim.x * WARPS)
        work.template held<K, V>(row, lane);
}

/* to (cols) = the sum of what the warps have in shared memory, `width` numbers each */
__device__ static inline void add_warps(int cols, int width, const float *sums, float *to) {
    __syncthreads();
    for (int j = (int)threadIdx.x; j < cols; j += CUDA_BLOCK) {
        float sum = 0;
        for (int w = 0; w < WARPS; w++)
            sum += sums[w * width + j];
        to[j] = sum;
    }
    __syncthreads();
}

/* Where a warp has them. */
template <int K, int V>
__device__ void put_sums(int cols, int lane, const several<float, V> *v, float *own) {
    HELD(k, j, lane, cols) put<V>(own + j, v[k]);
}

/* partial (blocks,SUMS,cols): the gradients of gain and bias and the sums of dx, from each block's
 * rows; the first two or the last are left out where they are not wanted. */
template <int K, int V, class S>
__global__ void __launch_bounds__(CUDA_BLOCK, 2)
    backward_kernel(size_t rows, backward<S> work, float *partial, bool gains, bool summed) {
    enum { WIDTH = K * V * CUDA_WARP };
    SHARED(float, sums, WARPS *WIDTH);
    int lane = (int)(threadIdx.x % CUDA_WARP), cols = work.cols;
    float *own = sums + threadIdx.x / CUDA_WARP * WIDTH;
    float *to = partial + SUMS * (size_t)blockIdx.x * (size_t)cols;
    size_t row = (size_t)blockIdx.x * WARPS + threadIdx.x / CUDA_WARP;
    several<float, V> dgamma[K] = {}, dbeta[K] = {};
    put_sums<K, V>(cols, lane, dgamma, own);
    for (; row < rows; row += (size_t)gridDim.x * WARPS)
        work.template held<K, V>(row, lane, dgamma, dbeta, summed ? own : NULL);
    if (summed)
        add_warps(cols, WIDTH, sums, to + 2 * cols);
    if (!gains)
        return;
    put_sums<K, V>(cols, lane, dgamma, own);
    add_warps(cols, WIDTH, sums, to);
    put_sums<K, V>(cols, lane, dbeta, own);
    add_warps(cols, WIDTH, sums, to + cols);
}

/* The kernel that holds so many columns. */
template <class F> F by_width(int cols, F four, F eight, F sixteen, F most) {
    return cols <= 4 * CUDA_WARP    ? four
           : cols <= 8 * CUDA_WARP  ? eight
           : cols <= 16 * CUDA_WARP ? sixteen
                                    : most;
}

template <int V, class S> auto forward_of(int cols) {
    return by_width(cols, forward_kernel<4 / V, V, S>, forward_kernel<8 / V, V, S>,
                    forward_kernel<16 / V, V, S>, forward_kernel<24 / V, V, S>);
}

template <int V, class S> auto backward_of(int cols) {
    return by_width(cols, backward_kernel<4 / V, V, S>, backward_kernel<8 / V, V, S>,
                    backward_kernel<16 / V, V, S>, backward_kernel<24 / V, V, S>);
}

/* Where sums over rows are added to; NULL: they are not wanted, and not made where blocks are. */
struct wanted {
    float *dgamma, *dbeta, *sums;
    __device__ void finish(int col, const float *v) const {
        if (dgamma)
            dgamma[col] += v[0];
        if (dbeta)
            dbeta[col] += v[1];
        if (sums)
            sums[col] += v[2];
    }
};

template <class S>
void backward_held(const struct kctx *c, size_t n, const backward<S> &work, const wanted &to) {
    const char *where = "cuda_layernorm_backward";
    const bool gains = to.dgamma || to.dbeta, summed = to.sums != NULL;
    int cols = work.cols;
    size_t each_warp = (n + WARPS * BACKWARD_MOST - 1) / (WARPS * BACKWARD_MOST); /* rows */
    unsigned blocks = n ? cuda_blocks(n, WARPS * each_warp) : 0;
    const bool fours = cuda_in_groups<4>(cols, work.x) && cuda_in_groups<4>(cols, work.dy) &&
                       cuda_in_groups<4>(cols, work.dx) && cuda_in_groups<4>(cols, work.gamma) &&
                       cuda_in_groups<4>(cols, work.narrow);
    auto kernel = fours ? backward_of<4, S>(cols) : backward_of<1, S>(cols);
    RUN(where, c, kernel, blocks, CUDA_BLOCK, 0, n, work, c->workspace, gains, summed);
    if (gains || summed)
        team_columns(c, cols, columns_end<SUMS, float, wanted>{cols, (int)blocks, c->workspace, to},
                     where);
}

template <class S> void run_forward(const struct kctx *c, int n, const forward<S> &work) {
    int cols = work.cols;
    const bool fours = cuda_in_groups<4>(cols, work.x) && cuda_in_groups<4>(cols, work.y) &&
                       cuda_in_groups<4>(cols, work.gamma) && cuda_in_groups<4>(cols, work.beta);
    auto kernel = fours ? forward_of<4, S>(cols) : forward_of<1, S>(cols);
    if (cols <= HELD_MOST)
        RUN("cuda_layernorm_forward", c, kernel, cuda_blocks((size_t)n, WARPS), CUDA_BLOCK, 0,
            (size_t)n, work);
    else
        team_rows(c, (size_t)n, cols, work, "cuda_layernorm_forward");
}

/* The sums of long rows first: dx may be dy. */
template <class S>
void run_backward(const struct kctx *c, int n, const backward<S> &work, const wanted &to) {
    int cols = work.cols;
    const char *where = "cuda_layernorm_backward";
    if (cols <= HELD_MOST) {
        backward_held(c, (size_t)n, work, to);
        return;
    }
    if (to.dgamma || to.dbeta)
        columns<2>(
            c, n, cols, 0,
            gain<S>{(size_t)cols, work.x, work.mean, work.rstd, work.dy, to.dgamma, to.dbeta},
            where);
    team_rows(c, (size_t)n, cols, work, where);
}

} // namespace

void cuda_layernorm_forward(const struct kctx *c, int n, int cols, real eps, const real *x,
                            const real *gamma, const real *beta, real *y, real *mean, real *rstd) {
    if (c->halves)
        run_forward<bfloat16>(c, n, {cols, eps, x, gamma, beta, cuda_halves(y), mean, rstd});
    else
        run_forward<float>(c, n, {cols, eps, x, gamma, beta, y, mean, rstd});
}

/* A copy in 16 bits of short rows is made on the way; what else is wanted of dx, behind it. */
void cuda_layernorm_backward(const struct kctx *c, int n, int cols, const real *x,
                             const real *gamma, const real *mean, const real *rstd, const real *dy,
                             int acc, real *dx, real *dgamma, real *dbeta, real *narrow,
                             real *sums) {
    enum { DY = 4, NARROW = 8, NARROW_OF_LINEAR = 2 };
    const bool half = cuda_is_half(c, NARROW), held = cols <= HELD_MOST && (half || !narrow);
    bfloat16 *copy = held && narrow ? cuda_halves(narrow) : NULL;
    const wanted to = {dgamma, dbeta, held ? sums : NULL};
    if (cuda_is_half(c, DY))
        run_backward<bfloat16>(c, n, {cols, x, gamma, mean, rstd, cuda_halves(dy), acc, dx, copy},
                               to);
    else
        run_backward<float>(c, n, {cols, x, gamma, mean, rstd, dy, acc, dx, copy}, to);
    struct kctx behind = *c;
    behind.halves = half ? 1u << NARROW_OF_LINEAR : 0;
    if (!held && (narrow || sums))
        cuda_linear_gradient(&behind, n, cols, ACT_NONE, NULL, dx, narrow, sums);
}
