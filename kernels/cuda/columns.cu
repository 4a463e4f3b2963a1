/* columns.cu -- sums over rows, and what needs them: gradients of gains and biases. */
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

/* T: how x and its gradient are stored */
template <class T> struct branch_gain {
    size_t rows, cols; /* rows of a sample */
    const T *x;
    const float *s, *dy;
    float *dgamma;
    __device__ void operator()(size_t row, int col, float *v) const {
        size_t at = row * cols + (size_t)col;
        v[0] += (s ? s[row / rows] : 1) * dy[at] * x[at];
    }
    __device__ void finish(int col, const float *v) const {
        dgamma[col] += v[0];
    }
};

template <class T> struct branch {
    size_t cols, sample;
    const T *x;
    const float *gamma, *s, *residual;
    float *y;
    __device__ void operator()(size_t i) const {
        float scale = (gamma ? gamma[i % cols] : 1) * (s ? s[i / sample] : 1);
        y[i] = scale * x[i] + (residual ? residual[i] : 0);
    }
};

template <class T> struct branch_slope {
    size_t cols, sample;
    const float *gamma, *s, *dy;
    int acc;
    T *dx;
    __device__ void operator()(size_t i) const {
        float d = (gamma ? gamma[i % cols] : 1) * (s ? s[i / sample] : 1) * dy[i];
        dx[i] = acc ? dx[i] + d : d;
    }
};

template <class T>
void run_branch_backward(const struct kctx *c, int n, int rows, int cols, const T *x,
                         const float *gamma, const float *s, const float *dy, int acc, T *dx,
                         float *dgamma) {
    const char *where = "cuda_branch_backward";
    size_t sample = (size_t)rows * (size_t)cols;
    if (dgamma)
        columns<1>(c, n * rows, cols, 0,
                   branch_gain<T>{(size_t)rows, (size_t)cols, x, s, dy, dgamma}, where);
    if (dx)
        each(c, (size_t)n * sample, branch_slope<T>{(size_t)cols, sample, gamma, s, dy, acc, dx},
             where);
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

void cuda_branch_forward(const struct kctx *c, int n, int rows, int cols, const real *x,
                         const real *gamma, const real *s, const real *residual, real *y) {
    size_t sample = (size_t)rows * (size_t)cols;
    if (c->halves)
        each(c, (size_t)n * sample,
             branch<bfloat16>{(size_t)cols, sample, cuda_halves(x), gamma, s, residual, y});
    else
        each(c, (size_t)n * sample, branch<float>{(size_t)cols, sample, x, gamma, s, residual, y});
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
