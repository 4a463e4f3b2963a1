/* rows.cu -- what is computed row by row: lengths, errors, means. */
#include "kernels/cuda/half.cuh"
#include "kernels/cuda/team.cuh"

namespace {

struct mse {
    int cols;
    const float *x, *target, *weight;
    float *loss;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        size_t at = row * (size_t)cols;
        float sum = 0;
        TEAM_EACH(j, team, cols) {
            float d = x[at + (size_t)j] - target[at + (size_t)j];
            sum += d * d;
        }
        sum = team.sum(sum);
        if (!team.rank)
            loss[row] = cols ? (weight ? weight[row] : 1) * sum / (float)cols : 0;
    }
};

struct mse_slope {
    size_t cols;
    const float *x, *target, *weight, *dloss;
    int acc;
    float *dx;
    __device__ void operator()(size_t i) const {
        size_t row = i / cols;
        float slope = 2 * dloss[row] * (weight ? weight[row] : 1) / (float)cols;
        float d = slope * (x[i] - target[i]);
        dx[i] = acc ? dx[i] + d : d;
    }
};

struct standardize {
    int cols;
    float eps;
    const float *x;
    float *y;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *xi = x + row * (size_t)cols;
        float *yi = y + row * (size_t)cols, squares;
        float mean = team_mean(team, cols, xi, &squares);
        float r = 1 / sqrtf(squares / (float)(cols > 1 ? cols - 1 : 1) + eps);
        team_batches(
            team, cols, [&](int j) { return xi[j]; },
            [&](int j, float v) { yi[j] = (v - mean) * r; });
    }
};

struct l2_normalize {
    int cols;
    float eps;
    const float *x;
    float *y, *norm;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *xi = x + row * (size_t)cols;
        float *yi = y + row * (size_t)cols, squares = 0;
        TEAM_EACH(j, team, cols) {
            squares += xi[j] * xi[j];
        }
        float length = sqrtf(team.sum(squares)), by = length < eps ? eps : length; /* NaN stays */
        team_batches(
            team, cols, [&](int j) { return xi[j]; }, [&](int j, float v) { yi[j] = v / by; });
        if (!team.rank && norm)
            norm[row] = length;
    }
};

struct three {
    float y, dy, before;
};

struct l2_slope {
    int cols;
    float eps;
    const float *y, *norm, *dy;
    int acc;
    float *dx;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *yi = y + row * (size_t)cols, *dyi = dy + row * (size_t)cols;
        float *dxi = dx + row * (size_t)cols, dot = 0, length = norm[row] < eps ? eps : norm[row];
        TEAM_EACH(j, team, cols) {
            dot += yi[j] * dyi[j];
        }
        dot = norm[row] > eps ? team.sum(dot) : 0; /* the same for all of them */
        team_batches(
            team, cols,
            [&](int j) {
                return three{yi[j], dyi[j], acc ? dxi[j] : 0};
            },
            [&](int j, three v) { dxi[j] = v.before + (v.dy - dot * v.y) / length; });
    }
};

struct argmax {
    int cols;
    const float *x;
    int32_t *index;
    __device__ void operator()(size_t row, int lane) const {
        const float *xi = x + row * (size_t)cols;
        float best = -INFINITY;
        int where = cols; /* behind all of them: none yet */
        for (int j = lane; j < cols; j += CUDA_WARP)
            if (xi[j] > best) {
                best = xi[j];
                where = j;
            }
        for (int with = CUDA_WARP / 2; with; with /= 2) {
            float other = __shfl_xor_sync(cuda_all_lanes, best, with);
            int there = __shfl_xor_sync(cuda_all_lanes, where, with);
            if (other > best || (other == best && there < where)) {
                best = other;
                where = there;
            }
        }
        if (!lane)
            index[row] = where < cols ? where : 0;
    }
};

/* A column of a sample is the mean of a stretch of its rows.  T: how x and its gradient are stored.
 */
template <class T> struct mean_rows {
    size_t rows, cols;
    int first, last;
    const T *x;
    float *y;
    __device__ void operator()(size_t i) const {
        const T *from = x + i / cols * rows * cols + i % cols;
        float sum = 0;
        for (int j = first; j < last; j++)
            sum += from[(size_t)j * cols];
        y[i] = sum / (float)(last - first);
    }
};

template <class T> struct mean_rows_slope {
    size_t rows, cols;
    int first, last;
    const float *dy;
    int acc;
    T *dx;
    __device__ void operator()(size_t i) const {
        int row = (int)(i / cols % rows);
        float d = row >= first && row < last
                      ? dy[i / (rows * cols) * cols + i % cols] / (float)(last - first)
                      : 0;
        dx[i] = acc ? dx[i] + d : d;
    }
};

} // namespace

void cuda_mse_forward(const struct kctx *c, int n, int cols, const real *x, const real *target,
                      const real *weight, real *loss) {
    team_rows(c, (size_t)n, cols, mse{cols, x, target, weight, loss});
}

void cuda_mse_backward(const struct kctx *c, int n, int cols, const real *x, const real *target,
                       const real *weight, const real *dloss, int acc, real *dx) {
    each(c, (size_t)n * (size_t)cols, mse_slope{(size_t)cols, x, target, weight, dloss, acc, dx});
}

void cuda_standardize_rows(const struct kctx *c, int n, int cols, real eps, const real *x,
                           real *y) {
    team_rows(c, (size_t)n, cols, standardize{cols, eps, x, y});
}

void cuda_l2_normalize_rows(const struct kctx *c, int n, int cols, real eps, const real *x, real *y,
                            real *norm) {
    team_rows(c, (size_t)n, cols, l2_normalize{cols, eps, x, y, norm});
}

void cuda_l2_normalize_rows_backward(const struct kctx *c, int n, int cols, real eps, const real *y,
                                     const real *norm, const real *dy, int acc, real *dx) {
    team_rows(c, (size_t)n, cols, l2_slope{cols, eps, y, norm, dy, acc, dx});
}

void cuda_argmax_rows(const struct kctx *c, int n, int cols, const real *x, int32_t *index) {
    rows(c, (size_t)n, argmax{cols, x, index});
}

void cuda_mean_rows_forward(const struct kctx *c, int n, int rows, int cols, int first, int last,
                            const real *x, real *y) {
    const size_t r = (size_t)rows, k = (size_t)cols;
    if (c->halves)
        each(c, (size_t)n * k, mean_rows<bfloat16>{r, k, first, last, cuda_halves(x), y});
    else
        each(c, (size_t)n * k, mean_rows<float>{r, k, first, last, x, y});
}

void cuda_mean_rows_backward(const struct kctx *c, int n, int rows, int cols, int first, int last,
                             const real *dy, int acc, real *dx) {
    const size_t r = (size_t)rows, k = (size_t)cols;
    if (c->halves)
        each(c, (size_t)n * r * k,
             mean_rows_slope<bfloat16>{r, k, first, last, dy, acc, cuda_halves(dx)});
    else
        each(c, (size_t)n * r * k, mean_rows_slope<float>{r, k, first, last, dy, acc, dx});
}
