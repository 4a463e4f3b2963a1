/* layernorm.cu -- layer norm.  Rows of up to HELD_MOST columns lie in the registers of a warp and
 * are read once; the backward pass adds up the gradients of gain and bias while it is there.  Where
 * rows can be taken four numbers at a time they are: one by one takes more instructions than an
 * H100 has time for while it reads them.
 *
 * S: how y and dy are stored, float or in 16 bits. */
#include "kernels/cuda/half.cuh"
#include "kernels/cuda/team.cuh"

namespace {

enum { HELD_MOST = 24 * CUDA_WARP, BACKWARD_MOST = 512, WARPS = CUDA_BLOCK / CUDA_WARP };
static_assert(2 * (size_t)BACKWARD_MOST * HELD_MOST <= KERNEL_WORKSPACE, "sums of blocks");

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
    /* What the row adds to the gradients of gain and bias, too. */
    template <int K, int V>
    __device__ void held(size_t row, int lane, several<float, V> *dgamma,
                         several<float, V> *dbeta) const {
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

/* to (cols) = the sum of the warps' v */
template <int K, int V> __device__ void add_warps(int cols, const several<float, V> *v, float *to) {
    enum { WIDTH = K * V * CUDA_WARP };
    SHARED(float, sums, WARPS *WIDTH);
    int lane = (int)(threadIdx.x % CUDA_WARP), warp = (int)(threadIdx.x / CUDA_WARP);
    HELD(k, j, lane, cols) put<V>(sums + warp * WIDTH + j, v[k]);
    __syncthreads();
    for (int j = (int)threadIdx.x; j < cols; j += CUDA_BLOCK) {
        float sum = 0;
        for (int w = 0; w < WARPS; w++)
            sum += sums[w * WIDTH + j];
        to[j] = sum;
    }
    __syncthreads();
}

/* partial (blocks,2,cols), or NULL: the gradients of gain and bias from each block's rows */
template <int K, int V, class S>
__global__ void __launch_bounds__(CUDA_BLOCK, 2)
    backward_kernel(size_t rows, backward<S> work, float *partial) {
    int lane = (int)(threadIdx.x % CUDA_WARP), cols = work.cols;
    size_t row = (size_t)blockIdx.x * WARPS + threadIdx.x / CUDA_WARP;
    several<float, V> dgamma[K] = {}, dbeta[K] = {};
    for (; row < rows; row += (size_t)gridDim.x * WARPS)
        work.template held<K, V>(row, lane, dgamma, dbeta);
    if (!partial)
        return;
    add_warps<K, V>(cols, dgamma, partial + 2 * (size_t)blockIdx.x * (size_t)cols);
    add_warps<K, V>(cols, dbeta, partial + (2 * (size_t)blockIdx.x + 1) * (size_t)cols);
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

template <class S>
void backward_held(const struct kctx *c, size_t n, const backward<S> &work, float *dgamma,
                   float *dbeta) {
    int cols = work.cols, wanted = dgamma || dbeta;
    size_t each_warp = (n + WARPS * BACKWARD_MOST - 1) / (WARPS * BACKWARD_MOST); /* rows */
    unsigned blocks = n ? cuda_blocks(n, WARPS * each_warp) : 0;
    float *partial = wanted ? c->workspace : NULL;
    const bool fours = cuda_in_groups<4>(cols, work.x) && cuda_in_groups<4>(cols, work.dy) &&
                       cuda_in_groups<4>(cols, work.dx) && cuda_in_groups<4>(cols, work.gamma);
    auto kernel = fours ? backward_of<4, S>(cols) : backward_of<1, S>(cols);
    RUN("cuda_layernorm_backward", c, kernel, blocks, CUDA_BLOCK, 0, n, work, partial);
    const gain<S> end = {(size_t)cols, NULL, NULL, NULL, NULL, dgamma, dbeta};
    if (wanted)
        team_columns(c, cols, columns_end<2, float, gain<S>>{cols, (int)blocks, partial, end},
                     "cuda_layernorm_backward");
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
void run_backward(const struct kctx *c, int n, const backward<S> &work, float *dgamma,
                  float *dbeta) {
    int cols = work.cols;
    const char *where = "cuda_layernorm_backward";
    if (cols <= HELD_MOST) {
        backward_held(c, (size_t)n, work, dgamma, dbeta);
        return;
    }
    if (dgamma || dbeta)
        columns<2>(c, n, cols, 0,
                   gain<S>{(size_t)cols, work.x, work.mean, work.rstd, work.dy, dgamma, dbeta},
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

void cuda_layernorm_backward(const struct kctx *c, int n, int cols, const real *x,
                             const real *gamma, const real *mean, const real *rstd, const real *dy,
                             int acc, real *dx, real *dgamma, real *dbeta) {
    if (c->halves)
        run_backward<bfloat16>(c, n, {cols, x, gamma, mean, rstd, cuda_halves(dy), acc, dx}, dgamma,
                               dbeta);
    else
        run_backward<float>(c, n, {cols, x, gamma, mean, rstd, dy, acc, dx}, dgamma, dbeta);
}
