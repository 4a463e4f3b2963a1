/* columns.cu -- sums over rows, and what needs them: gradients of gains and biases, batch norm. */
#include "kernels/cuda/team.cuh"

namespace {

/* to (cols), which may be NULL, gains the sum. */
__device__ void add_to(float *to, int col, float sum) {
    if (to)
        to[col] += sum;
}

struct column_sum {
    size_t cols;
    const float *x;
    float *out;
    __device__ void operator()(size_t row, int col, float *v) const {
        v[0] += x[row * cols + (size_t)col];
    }
    __device__ void finish(int col, const float *v) const {
        out[col] += v[0];
    }
};

struct branch_gain {
    size_t rows, cols; /* rows of a sample */
    const float *x, *s, *dy;
    float *dgamma;
    __device__ void operator()(size_t row, int col, float *v) const {
        size_t at = row * cols + (size_t)col;
        v[0] += (s ? s[row / rows] : 1) * dy[at] * x[at];
    }
    __device__ void finish(int col, const float *v) const {
        dgamma[col] += v[0];
    }
};

struct branch {
    size_t cols, sample;
    const float *x, *gamma, *s, *residual;
    float *y;
    __device__ void operator()(size_t i) const {
        float scale = (gamma ? gamma[i % cols] : 1) * (s ? s[i / sample] : 1);
        y[i] = scale * x[i] + (residual ? residual[i] : 0);
    }
};

struct branch_slope {
    size_t cols, sample;
    const float *gamma, *s, *dy;
    int acc;
    float *dx;
    __device__ void operator()(size_t i) const {
        float d = (gamma ? gamma[i % cols] : 1) * (s ? s[i / sample] : 1) * dy[i];
        dx[i] = acc ? dx[i] + d : d;
    }
};

/* In doubles, so that the variance can be had from sums over the same pass. */
struct moments_of_column {
    int rows;
    size_t cols;
    const float *x;
    float *mean, *var;
    __device__ void operator()(size_t row, int col, double *v) const {
        double d = (double)x[row * cols + (size_t)col];
        v[0] += d;
        v[1] += d * d;
    }
    __device__ void finish(int col, const double *v) const {
        double mu = rows ? v[0] / rows : 0, rest = rows ? v[1] / rows - mu * mu : 0;
        mean[col] = (float)mu;
        var[col] = (float)(rest > 0 ? rest : 0);
    }
};

struct batchnorm {
    size_t cols;
    const float *x, *mean, *rstd, *gamma, *beta, *residual;
    int relu;
    float *y;
    __device__ void operator()(size_t i) const {
        size_t j = i % cols;
        float v = (x[i] - mean[j]) * rstd[j] * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0) +
                  (residual ? residual[i] : 0);
        y[i] = relu && v < 0 ? 0 : v;
    }
};

/* y: NULL without a ReLU */
__device__ float through_relu(const float *y, const float *dy, size_t at) {
    return y && !(y[at] > 0) ? 0 : dy[at];
}

struct batchnorm_sums {
    size_t cols;
    const float *x, *mean, *rstd, *y, *dy;
    float *sums, *dgamma, *dbeta; /* sums (2,cols) */
    __device__ void operator()(size_t row, int col, float *v) const {
        size_t at = row * cols + (size_t)col;
        float g = through_relu(y, dy, at);
        v[0] += g;
        v[1] += g * (x[at] - mean[col]) * rstd[col];
    }
    __device__ void finish(int col, const float *v) const {
        sums[col] = v[0];
        sums[cols + (size_t)col] = v[1];
        add_to(dgamma, col, v[1]);
        add_to(dbeta, col, v[0]);
    }
};

struct batchnorm_slope {
    int rows;
    size_t cols;
    const float *x, *mean, *rstd, *gamma, *y, *dy, *sums;
    int acc;
    float *dx;
    int acc_res;
    float *dres;
    __device__ void operator()(size_t i) const {
        size_t j = i % cols;
        float g = through_relu(y, dy, i), xhat = (x[i] - mean[j]) * rstd[j];
        float d = (gamma ? gamma[j] : 1) * rstd[j] *
                  (g - sums[j] / (float)rows - xhat * sums[cols + j] / (float)rows);
        if (dres)
            dres[i] = acc_res ? dres[i] + g : g;
        if (dx)
            dx[i] = acc ? dx[i] + d : d;
    }
};

struct batchnorm_combine {
    int n, rows;
    size_t cols;
    float eps;
    const float *moments;
    float *batch, momentum, *running_mean, *running_var;
    __device__ void operator()(int col, const column_team &team) const {
        const float *own = moments + col;
        float count = (float)n * (float)rows, mean = 0, var = 0;
        TEAM_EACH(i, team, n) {
            mean += own[2 * (size_t)i * cols];
        }
        mean = team.sum(mean) / (float)n;
        TEAM_EACH(i, team, n) {
            float d = own[2 * (size_t)i * cols] - mean;
            var += own[(2 * (size_t)i + 1) * cols] + d * d;
        }
        var = team.sum(var) / (float)n;
        TEAM_EACH(i, team, n) {
            batch[2 * (size_t)i * cols + (size_t)col] = mean;
            batch[(2 * (size_t)i + 1) * cols + (size_t)col] = 1 / sqrtf(var + eps);
        }
        if (running_mean && !team.rank)
            running_mean[col] += momentum * (mean - running_mean[col]);
        if (running_var && !team.rank)
            running_var[col] +=
                momentum * (var * (count > 1 ? count / (count - 1) : 1) - running_var[col]);
    }
};

struct batchnorm_combine_slope {
    int n, rows;
    size_t cols;
    const float *moments, *batch, *dbatch;
    float *dmoments;
    __device__ void operator()(int col, const column_team &team) const {
        const float *own = moments + col, *slope = dbatch + col;
        float count = (float)n * (float)rows, a = 0, b = 0;
        TEAM_EACH(i, team, n) {
            a -= slope[2 * (size_t)i * cols];
            b -= slope[(2 * (size_t)i + 1) * cols];
        }
        a = team.sum(a) / count;
        b = team.sum(b) / count;
        team_batches(
            team, n, [&](int i) { return own[2 * (size_t)i * cols] - batch[col]; },
            [&](int i, float d) {
                dmoments[2 * (size_t)i * cols + (size_t)col] = a + b * d;
                dmoments[(2 * (size_t)i + 1) * cols + (size_t)col] = b;
            });
    }
};

struct batchnorm_slopes {
    size_t cols;
    const float *rstd, *gamma, *sums;
    float *dbatch;
    __device__ void operator()(size_t i) const {
        size_t j = i % cols, at = i / cols * 2 * cols + j;
        float scale = (gamma ? gamma[j] : 1) * rstd[j];
        dbatch[at] = scale * sums[at + cols];
        dbatch[at + cols] = scale * rstd[j] * sums[at];
    }
};

struct reciprocal_root {
    float eps;
    const float *x;
    float *y;
    __device__ void operator()(size_t i) const {
        y[i] = 1 / sqrtf(x[i] + eps);
    }
};

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
    columns<1>(c, rows, cols, 0, column_sum{(size_t)cols, x, out});
}

void cuda_branch_forward(const struct kctx *c, int n, int rows, int cols, const real *x,
                         const real *gamma, const real *s, const real *residual, real *y) {
    size_t sample = (size_t)rows * (size_t)cols;
    each(c, (size_t)n * sample, branch{(size_t)cols, sample, x, gamma, s, residual, y});
}

void cuda_branch_backward(const struct kctx *c, int n, int rows, int cols, const real *x,
                          const real *gamma, const real *s, const real *dy, int acc, real *dx,
                          real *dgamma) {
    size_t sample = (size_t)rows * (size_t)cols;
    if (dgamma)
        columns<1>(c, n * rows, cols, 0, branch_gain{(size_t)rows, (size_t)cols, x, s, dy, dgamma});
    if (dx)
        each(c, (size_t)n * sample, branch_slope{(size_t)cols, sample, gamma, s, dy, acc, dx});
}

void cuda_batchnorm_stats(const struct kctx *c, int rows, int cols, const real *x, real *mean,
                          real *var) {
    columns<2, double>(c, rows, cols, 0, moments_of_column{rows, (size_t)cols, x, mean, var});
}

void cuda_batchnorm_apply(const struct kctx *c, int rows, int cols, const real *x, const real *mean,
                          const real *rstd, const real *gamma, const real *beta,
                          const real *residual, int relu, real *y) {
    each(c, (size_t)rows * (size_t)cols,
         batchnorm{(size_t)cols, x, mean, rstd, gamma, beta, residual, relu, y});
}

void cuda_batchnorm_backward(const struct kctx *c, int rows, int cols, const real *x,
                             const real *mean, const real *rstd, const real *gamma, const real *y,
                             const real *dy, int acc, real *dx, int acc_res, real *dres,
                             real *dgamma, real *dbeta) {
    float *sums = c->workspace;
    columns<2>(c, rows, cols, 2 * (size_t)cols,
               batchnorm_sums{(size_t)cols, x, mean, rstd, y, dy, sums, dgamma, dbeta});
    if (dx || dres)
        each(c, (size_t)rows * (size_t)cols,
             batchnorm_slope{rows, (size_t)cols, x, mean, rstd, gamma, y, dy, sums, acc, dx,
                             acc_res, dres});
}

void cuda_batchnorm_combine(const struct kctx *c, int n, int rows, int cols, double eps,
                            const real *moments, real *batch, double momentum, real *running_mean,
                            real *running_var) {
    if (n)
        team_columns(c, cols,
                     batchnorm_combine{n, rows, (size_t)cols, (float)eps, moments, batch,
                                       (float)momentum, running_mean, running_var});
}

void cuda_batchnorm_combine_backward(const struct kctx *c, int n, int rows, int cols,
                                     const real *moments, const real *batch, const real *dbatch,
                                     real *dmoments) {
    team_columns(c, cols,
                 batchnorm_combine_slope{n, rows, (size_t)cols, moments, batch, dbatch, dmoments});
}

void cuda_batchnorm_slopes(const struct kctx *c, int n, int cols, const real *rstd,
                           const real *gamma, const real *sums, real *dbatch) {
    each(c, (size_t)n * (size_t)cols, batchnorm_slopes{(size_t)cols, rstd, gamma, sums, dbatch});
}

void cuda_reciprocal_root(const struct kctx *c, size_t n, double eps, const real *x, real *y) {
    each(c, n, reciprocal_root{(float)eps, x, y});
}

double cuda_sum_squares(const struct kctx *c, size_t n, const real *x) {
    double *sums = reinterpret_cast<double *>(c->workspace), *answer = cuda_queue_of(c)->answer;
    size_t blocks = (n + SQUARES_EACH * TEAM_MOST - 1) / (SQUARES_EACH * TEAM_MOST);
    blocks = blocks ? cuda_least(blocks, SQUARES_MOST) : 1;
    RUN(__func__, c, squares_kernel, dim3((unsigned)blocks), TEAM_MOST, 0, n, x,
        blocks > 1 ? sums : answer);
    if (blocks > 1)
        RUN(__func__, c, add_kernel, dim3(1), CUDA_BLOCK, 0, (int)blocks, sums, answer);
    cuda_check(c, cudaStreamSynchronize(cuda_stream_of(c)), __func__);
    return *answer;
}
