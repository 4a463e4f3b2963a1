/* columns.cu -- sums over rows, and what needs them: gradients of gains and biases. */
#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/half.cuh"
#include "kernels/cuda/team.cuh"

namespace {

template <class T> struct column_sum {
    size_t cols;
    const T *x;
    float *out;
    __device__ void operator()(size_t row, int col, float *v) const {
        v[0] += x[row * cols + (size_t)col];
    }
    __device__ void finish(int col, const float *v) const {
        out[col] += v[0];
    }
};

/* What comes back to a linear layer, N neighbouring columns of a thread at a time.  G: how what was
 * kept and the gradient are stored, C: the copy.  Sums have the order that column_sum has. */
template <class G, class C, int N> struct linear_gradient {
    size_t cols;
    enum activation act;
    const G *kept;
    G *g;
    C *narrow;
    struct numbers {
        several<G, N> g, kept;
    };
    __device__ numbers load(size_t at) const {
        numbers here = {take<N>(g + at), {}};
        if (kept)
            here.kept = take<N>(kept + at);
        return here;
    }
    __device__ void close(size_t at, numbers here, float *sum) const {
        several<C, N> copy;
        if (kept)
            for_activation(act, [&](enum activation by) {
#pragma unroll
                for (int k = 0; k < N; k++)
                    here.g.v[k] = here.g.v[k] * activation_slope(by, here.kept.v[k]);
            });
        for (int k = 0; k < N; k++) {
            copy.v[k] = here.g.v[k];
            sum[k] += here.g.v[k];
        }
        if (kept)
            put<N>(g + at, here.g);
        if (narrow)
            put<N>(narrow + at, copy);
    }
};

/* partial (stretches,cols) or else bias (cols), or neither */
template <int N, class W>
__global__ void __launch_bounds__(COLUMNS_BLOCK, COLUMNS_AT_ONCE)
    linear_gradient_kernel(int rows, int stretch, float *partial, float *bias, W work) {
    const int groups = (int)work.cols / N, group = team_column(), row = (int)blockIdx.y * stretch;
    const strip_team team = columns_team(group, groups);
    const size_t first = (size_t)row * work.cols + (size_t)group * N;
    float sum[N] = {};
    team_batches<team_batch<decltype(W::numbers::g)>>(
        team, rows - row < stretch ? rows - row : stretch,
        [&](int i) { return work.load(first + (size_t)i * work.cols); },
        [&](int i, typename W::numbers here) {
            work.close(first + (size_t)i * work.cols, here, sum);
        });
    for (int k = 0; k < N && (partial || bias); k++) {
        const size_t col = (size_t)group * N + (size_t)k;
        float all = team.total(sum[k]);
        if (!team.rank && partial)
            partial[blockIdx.y * work.cols + col] = all;
        else if (!team.rank)
            bias[col] += all;
    }
}

template <class G, class C, int N>
void linear_gradient_in(const struct kctx *c, int rows, const linear_gradient<G, C, N> &work,
                        float *bias) {
    const char *where = "cuda_linear_gradient";
    const columns_cut cut = cut_columns(rows, (int)(work.cols / N), work.cols, 0);
    float *partial = bias && cut.stretches > 1 ? c->workspace : NULL;
    RUN(where, c, (linear_gradient_kernel<N, linear_gradient<G, C, N>>), cut.grid(), cut.block(), 0,
        rows, cut.stretch, partial, bias, work);
    const column_sum<float> end = {work.cols, NULL, bias};
    if (partial)
        team_columns(
            c, (int)work.cols,
            columns_end<1, float, column_sum<float>>{(int)work.cols, cut.stretches, partial, end},
            where);
}

template <class G, class C>
void run_linear_gradient(const struct kctx *c, int rows, size_t cols, enum activation act,
                         const G *kept, G *g, C *narrow, float *bias) {
    enum { PAIR = 2 };
    if (cols >= PAIR * CUDA_WARP && cuda_in_groups<PAIR>(cols, kept) &&
        cuda_in_groups<PAIR>(cols, g) && cuda_in_groups<PAIR>(cols, narrow))
        linear_gradient_in(c, rows, linear_gradient<G, C, PAIR>{cols, act, kept, g, narrow}, bias);
    else
        linear_gradient_in(c, rows, linear_gradient<G, C, 1>{cols, act, kept, g, narrow}, bias);
}

/* T: how x and its gradient are stored */
template <class T> struct branch_gain {
    size_t rows, cols; /* rows of a sample */
    const T *x;
    const float *s, *dy;
    float *dgamma;
    __device__ void operator()(size_t row, int col, float *v) const {
        size_t at = row * cols + (size_t)col;
        v[0] += (s ? s[cuda_quotient(row, rows)] : 1) * dy[at] * x[at];
    }
    __device__ void finish(int col, const float *v) const {
        dgamma[col] += v[0];
    }
};

/* What a column of a sample counts: N neighbours of a row, the first of them number i of all. */
template <int N> struct branch_scale {
    size_t cols, sample;
    const float *gamma, *s;
    __device__ several<float, N> operator()(size_t i) const {
        const float of_sample = s ? s[cuda_quotient(i, sample)] : 1;
        const float *own = gamma ? gamma + cuda_remainder(i, cols) : NULL;
        several<float, N> scale;
        for (int k = 0; k < N; k++)
            scale.v[k] = (own ? own[k] : 1) * of_sample;
        return scale;
    }
};

template <class T, int N> struct branch {
    branch_scale<N> scale;
    const T *x;
    const float *residual;
    float *y;
    __device__ void operator()(size_t group) const {
        const several<float, N> by = scale(group * N);
        const several<T, N> in = take<N>(x + group * N);
        several<float, N> rest = {}, out;
        if (residual)
            rest = take<N>(residual + group * N);
        for (int k = 0; k < N; k++)
            out.v[k] = by.v[k] * in.v[k] + (residual ? rest.v[k] : 0);
        put<N>(y + group * N, out);
    }
};

template <class T, int N> struct branch_slope {
    branch_scale<N> scale;
    const float *dy;
    int acc;
    T *dx;
    __device__ void operator()(size_t group) const {
        const several<float, N> by = scale(group * N), g = take<N>(dy + group * N);
        several<T, N> out = {};
        if (acc)
            out = take<N>(dx + group * N);
        for (int k = 0; k < N; k++) {
            float d = by.v[k] * g.v[k];
            out.v[k] = acc ? out.v[k] + d : d;
        }
        put<N>(dx + group * N, out);
    }
};

enum { FOUR = 4 };

template <class T>
void run_branch_forward(const struct kctx *c, int n, int rows, int cols, const T *x,
                        const float *gamma, const float *s, const float *residual, float *y) {
    const char *where = "cuda_branch_forward";
    const size_t k = (size_t)cols, sample = (size_t)rows * k, all = (size_t)n * sample;
    if (cuda_in_groups<FOUR>(k, x) && cuda_in_groups<FOUR>(k, residual) &&
        cuda_in_groups<FOUR>(k, y))
        each(c, all / FOUR, branch<T, FOUR>{{k, sample, gamma, s}, x, residual, y}, where);
    else
        each(c, all, branch<T, 1>{{k, sample, gamma, s}, x, residual, y}, where);
}

template <class T>
void run_branch_backward(const struct kctx *c, int n, int rows, int cols, const T *x,
                         const float *gamma, const float *s, const float *dy, int acc, T *dx,
                         float *dgamma) {
    const char *where = "cuda_branch_backward";
    const size_t k = (size_t)cols, sample = (size_t)rows * k, all = (size_t)n * sample;
    if (dgamma)
        columns<1>(c, n * rows, cols, 0, branch_gain<T>{(size_t)rows, k, x, s, dy, dgamma}, where);
    if (dx && cuda_in_groups<FOUR>(k, dy) && cuda_in_groups<FOUR>(k, dx))
        each(c, all / FOUR, branch_slope<T, FOUR>{{k, sample, gamma, s}, dy, acc, dx}, where);
    else if (dx)
        each(c, all, branch_slope<T, 1>{{k, sample, gamma, s}, dy, acc, dx}, where);
}

enum { SQUARES_EACH = 8, SQUARES_MOST = 256 }; /* of a thread, while the blocks are not too many */

/* sums (blocks) of the squares that each block has */
__global__ void __launch_bounds__(TEAM_MOST)
    squares_kernel(size_t n, const float *x, double *sums) {
    const block_team team = {(int)threadIdx.x, (int)blockDim.x};
    size_t step = (size_t)gridDim.x * blockDim.x;
    double sum = 0;
#pragma unroll 8
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
        sum += (double)x[i] * (double)x[i];
    sum = team.sum(sum);
    if (!team.rank)
        sums[blockIdx.x] = sum;
}

/* One block. */
__global__ void add_kernel(int n, const double *x, double *out) {
    const block_team team = {(int)threadIdx.x, (int)blockDim.x};
    double sum = 0;
    TEAM_EACH(i, team, n) {
        sum += x[i];
    }
    sum = team.sum(sum);
    if (!team.rank)
        *out = sum;
}

} // namespace

void cuda_column_sum(const struct kctx *c, int rows, int cols, const real *x, real *out) {
    if (c->halves)
        columns<1>(c, rows, cols, 0, column_sum<bfloat16>{(size_t)cols, cuda_halves(x), out});
    else
        columns<1>(c, rows, cols, 0, column_sum<float>{(size_t)cols, x, out});
}

/* Of 16 bits are none, what was kept and the gradient, or the copy. */
void cuda_linear_gradient(const struct kctx *c, int rows, int cols, enum activation act,
                          const real *kept, real *g, real *narrow, real *bias) {
    enum { G = 1 << 0 | 1 << 1, NARROW = 1 << 2 };
    const size_t k = (size_t)cols;
    if (!c->halves)
        run_linear_gradient(c, rows, k, act, kept, g, narrow, bias);
    else if (c->halves == NARROW)
        run_linear_gradient(c, rows, k, act, kept, g, cuda_halves(narrow), bias);
    else if (c->halves == G && !narrow)
        run_linear_gradient(c, rows, k, act, cuda_halves(kept), cuda_halves(g), (bfloat16 *)NULL,
                            bias);
    else
        cuda_no_halves(c, __func__);
}

void cuda_branch_forward(const struct kctx *c, int n, int rows, int cols, const real *x,
                         const real *gamma, const real *s, const real *residual, real *y) {
    if (c->halves)
        run_branch_forward(c, n, rows, cols, cuda_halves(x), gamma, s, residual, y);
    else
        run_branch_forward(c, n, rows, cols, x, gamma, s, residual, y);
}

void cuda_branch_backward(const struct kctx *c, int n, int rows, int cols, const real *x,
                          const real *gamma, const real *s, const real *dy, int acc, real *dx,
                          real *dgamma) {
    if (c->halves)
        run_branch_backward(c, n, rows, cols, cuda_halves(x), gamma, s, dy, acc, cuda_halves(dx),
                            dgamma);
    else
        run_branch_backward(c, n, rows, cols, x, gamma, s, dy, acc, dx, dgamma);
}

double cuda_sum_squares(const struct kctx *c, size_t n, const real *x) {
    double *sums = reinterpret_cast<double *>(c->workspace), *answer = cuda_queue_of(c)->answer;
    size_t blocks = (n + SQUARES_EACH * TEAM_MOST - 1) / (SQUARES_EACH * TEAM_MOST);
    blocks = blocks ? cuda_least(blocks, SQUARES_MOST) : 1;
    RUN(__func__, c, squares_kernel, dim3((unsigned)blocks), TEAM_MOST, 0, n, x,
        blocks > 1 ? sums : answer);
    if (blocks > 1)
        RUN(__func__, c, add_kernel, dim3(1), CUDA_BLOCK, 0, (int)blocks, sums, answer);
    cuda_queue_wait(cuda_queue_of(c), __func__);
    return *answer;
}
