/* rows.cu -- what is computed row by row, a warp to each: norms, softmaxes, losses. */
#include "kernels/cuda/device.cuh"

#define EACH_OF(j, lane, cols) for (int j = (lane); j < (cols); j += CUDA_WARP)

namespace {

struct layernorm_forward {
    int cols;
    float eps;
    const float *x, *gamma, *beta;
    float *y, *mean, *rstd;
    __device__ void operator()(size_t row, int lane) const {
        const float *xi = x + row * (size_t)cols;
        float *yi = y + row * (size_t)cols, sum = 0, squares = 0;
        EACH_OF(j, lane, cols)
        sum += xi[j];
        float mu = cols ? warp_sum(sum) / (float)cols : 0;
        EACH_OF(j, lane, cols)
        squares += (xi[j] - mu) * (xi[j] - mu);
        float r = 1 / sqrtf((cols ? warp_sum(squares) / (float)cols : 0) + eps);
        EACH_OF(j, lane, cols)
        yi[j] = (xi[j] - mu) * r * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0);
        if (lane)
            return;
        mean[row] = mu;
        rstd[row] = r;
    }
};

struct layernorm_slope {
    int cols;
    const float *x, *gamma, *mean, *rstd, *dy;
    int acc;
    float *dx;
    __device__ void operator()(size_t row, int lane) const {
        const float *xi = x + row * (size_t)cols, *dyi = dy + row * (size_t)cols;
        float *dxi = dx + row * (size_t)cols, mu = mean[row], r = rstd[row], sum = 0, dot = 0;
        EACH_OF(j, lane, cols) {
            float g = dyi[j] * (gamma ? gamma[j] : 1);
            sum += g;
            dot += g * (xi[j] - mu) * r;
        }
        sum = warp_sum(sum) / (float)cols;
        dot = warp_sum(dot) / (float)cols;
        EACH_OF(j, lane, cols) {
            float g = dyi[j] * (gamma ? gamma[j] : 1);
            float d = r * (g - sum - (xi[j] - mu) * r * dot);
            dxi[j] = acc ? dxi[j] + d : d;
        }
    }
};

struct layernorm_gain {
    size_t cols;
    const float *x, *mean, *rstd, *dy;
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

/* max_j and log sum_j exp of scale x_j; of none 0 */
__device__ float log_sum(int cols, int lane, float scale, const float *x, float *most) {
    float top = -INFINITY, sum = 0;
    EACH_OF(j, lane, cols)
    top = fmaxf(top, scale * x[j]);
    *most = top = warp_max(top);
    EACH_OF(j, lane, cols)
    sum += expf(scale * x[j] - top);
    return cols ? logf(warp_sum(sum)) : 0;
}

struct softmax {
    int cols;
    float scale;
    const float *x;
    float *y;
    __device__ void operator()(size_t row, int lane) const {
        const float *xi = x + row * (size_t)cols;
        float *yi = y + row * (size_t)cols, most;
        float rest = log_sum(cols, lane, scale, xi, &most);
        EACH_OF(j, lane, cols)
        yi[j] = expf(scale * xi[j] - most - rest);
    }
};

struct softmax_slope {
    int cols;
    float scale;
    const float *y, *dy;
    int acc;
    float *dx;
    __device__ void operator()(size_t row, int lane) const {
        size_t at = row * (size_t)cols;
        float dot = 0;
        EACH_OF(j, lane, cols)
        dot += y[at + (size_t)j] * dy[at + (size_t)j];
        dot = warp_sum(dot);
        EACH_OF(j, lane, cols) {
            size_t i = at + (size_t)j;
            float d = scale * y[i] * (dy[i] - dot);
            dx[i] = acc ? dx[i] + d : d;
        }
    }
};

struct soft_xent {
    int cols;
    float scale;
    const float *x, *target;
    float *p, *loss;
    __device__ void operator()(size_t row, int lane) const {
        size_t at = row * (size_t)cols;
        float most, rest = log_sum(cols, lane, scale, x + at, &most), sum = 0;
        EACH_OF(j, lane, cols) {
            float below = scale * x[at + (size_t)j] - most - rest; /* log p */
            sum -= target[at + (size_t)j] * below;
            p[at + (size_t)j] = expf(below);
        }
        sum = warp_sum(sum);
        if (!lane)
            loss[row] = sum;
    }
};

struct soft_xent_slope {
    int cols;
    float scale;
    const float *p, *target, *dloss;
    int acc;
    float *dx;
    __device__ void operator()(size_t row, int lane) const {
        size_t at = row * (size_t)cols;
        float total = 0, slope = dloss[row] * scale;
        EACH_OF(j, lane, cols)
        total += target[at + (size_t)j];
        total = warp_sum(total);
        EACH_OF(j, lane, cols) {
            size_t i = at + (size_t)j;
            float d = slope * (p[i] * total - target[i]);
            dx[i] = acc ? dx[i] + d : d;
        }
    }
};

struct xent {
    int classes;
    float smooth;
    const float *x;
    const int32_t *target;
    float *p, *loss;
    __device__ void operator()(size_t row, int lane) const {
        size_t at = row * (size_t)classes;
        float most, rest = log_sum(classes, lane, 1, x + at, &most), total = 0, own = 0;
        int label = target[row];
        EACH_OF(j, lane, classes) {
            float below = x[at + (size_t)j] - most - rest;
            total -= below;
            own -= j == label ? below : 0;
            p[at + (size_t)j] = expf(below);
        }
        total = warp_sum(total);
        own = warp_sum(own);
        if (!lane)
            loss[row] =
                label < 0 || !classes
                    ? 0
                    : (1 - smooth) * own + (smooth > 0 ? smooth * total / (float)classes : 0);
    }
};

struct xent_slope {
    size_t classes;
    float smooth;
    const float *p;
    const int32_t *target;
    const float *dloss;
    int acc;
    float *dx;
    __device__ void operator()(size_t i) const {
        size_t row = i / classes;
        int label = target[row];
        float q = smooth / (float)classes + ((int)(i % classes) == label ? 1 - smooth : 0);
        float d = label < 0 ? 0 : dloss[row] * (p[i] - q);
        dx[i] = acc ? dx[i] + d : d;
    }
};

struct mse {
    int cols;
    const float *x, *target, *weight;
    float *loss;
    __device__ void operator()(size_t row, int lane) const {
        size_t at = row * (size_t)cols;
        float sum = 0;
        EACH_OF(j, lane, cols) {
            float d = x[at + (size_t)j] - target[at + (size_t)j];
            sum += d * d;
        }
        sum = warp_sum(sum);
        if (!lane)
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
    __device__ void operator()(size_t row, int lane) const {
        const float *xi = x + row * (size_t)cols;
        float *yi = y + row * (size_t)cols, sum = 0, squares = 0;
        EACH_OF(j, lane, cols)
        sum += xi[j];
        float mean = warp_sum(sum) / (float)cols;
        EACH_OF(j, lane, cols)
        squares += (xi[j] - mean) * (xi[j] - mean);
        float r = 1 / sqrtf(warp_sum(squares) / (float)(cols > 1 ? cols - 1 : 1) + eps);
        EACH_OF(j, lane, cols)
        yi[j] = (xi[j] - mean) * r;
    }
};

struct l2_normalize {
    int cols;
    float eps;
    const float *x;
    float *y, *norm;
    __device__ void operator()(size_t row, int lane) const {
        const float *xi = x + row * (size_t)cols;
        float *yi = y + row * (size_t)cols, squares = 0;
        EACH_OF(j, lane, cols)
        squares += xi[j] * xi[j];
        float length = sqrtf(warp_sum(squares));
        EACH_OF(j, lane, cols)
        yi[j] = xi[j] / fmaxf(length, eps);
        if (!lane && norm)
            norm[row] = length;
    }
};

struct l2_slope {
    int cols;
    float eps;
    const float *y, *norm, *dy;
    int acc;
    float *dx;
    __device__ void operator()(size_t row, int lane) const {
        size_t at = row * (size_t)cols;
        float dot = 0, length = fmaxf(norm[row], eps);
        if (norm[row] > eps) /* the same for all lanes */
            EACH_OF(j, lane, cols)
        dot += y[at + (size_t)j] * dy[at + (size_t)j];
        dot = warp_sum(dot);
        EACH_OF(j, lane, cols) {
            size_t i = at + (size_t)j;
            float d = (dy[i] - dot * y[i]) / length;
            dx[i] = acc ? dx[i] + d : d;
        }
    }
};

struct kl_uniform {
    int cols;
    const float *x;
    float *p, *y;
    __device__ void operator()(size_t row, int lane) const {
        size_t at = row * (size_t)cols;
        float most, rest = log_sum(cols, lane, 1, x + at, &most), mean = 0;
        EACH_OF(j, lane, cols) {
            float below = x[at + (size_t)j] - most - rest; /* log p */
            p[at + (size_t)j] = expf(below);
            mean += p[at + (size_t)j] > 0 ? p[at + (size_t)j] * below : 0;
        }
        mean = warp_sum(mean);
        if (!lane)
            y[row] = cols ? logf((float)cols) + mean : 0;
    }
};

struct kl_uniform_slope {
    size_t cols;
    const float *p, *y, *dy;
    int acc;
    float *dx;
    __device__ void operator()(size_t i) const {
        size_t row = i / cols;
        float d = p[i] > 0 ? dy[row] * p[i] * (logf(p[i]) + logf((float)cols) - y[row]) : 0;
        dx[i] = acc ? dx[i] + d : d;
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
        EACH_OF(j, lane, cols)
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

/* A column of a sample is the mean of a stretch of its rows. */
struct mean_rows {
    size_t rows, cols;
    int first, last;
    const float *x;
    float *y;
    __device__ void operator()(size_t i) const {
        const float *from = x + i / cols * rows * cols + i % cols;
        float sum = 0;
        for (int j = first; j < last; j++)
            sum += from[(size_t)j * cols];
        y[i] = sum / (float)(last - first);
    }
};

struct mean_rows_slope {
    size_t rows, cols;
    int first, last;
    const float *dy;
    int acc;
    float *dx;
    __device__ void operator()(size_t i) const {
        int row = (int)(i / cols % rows);
        float d = row >= first && row < last
                      ? dy[i / (rows * cols) * cols + i % cols] / (float)(last - first)
                      : 0;
        dx[i] = acc ? dx[i] + d : d;
    }
};

} // namespace

void cuda_layernorm_forward(const struct kctx *c, int n, int cols, real eps, const real *x,
                            const real *gamma, const real *beta, real *y, real *mean, real *rstd) {
    rows(c, (size_t)n, layernorm_forward{cols, eps, x, gamma, beta, y, mean, rstd});
}

/* The sums first: dx may be dy. */
void cuda_layernorm_backward(const struct kctx *c, int n, int cols, const real *x,
                             const real *gamma, const real *mean, const real *rstd, const real *dy,
                             int acc, real *dx, real *dgamma, real *dbeta) {
    if (dgamma || dbeta)
        columns<2>(c, n, cols, 0, layernorm_gain{(size_t)cols, x, mean, rstd, dy, dgamma, dbeta});
    rows(c, (size_t)n, layernorm_slope{cols, x, gamma, mean, rstd, dy, acc, dx});
}

void cuda_softmax_rows(const struct kctx *c, int n, int cols, real scale, const real *x, real *y) {
    rows(c, (size_t)n, softmax{cols, scale, x, y});
}

void cuda_softmax_rows_backward(const struct kctx *c, int n, int cols, real scale, const real *y,
                                const real *dy, int acc, real *dx) {
    rows(c, (size_t)n, softmax_slope{cols, scale, y, dy, acc, dx});
}

void cuda_soft_xent_forward(const struct kctx *c, int n, int cols, real scale, const real *x,
                            const real *target, real *p, real *loss) {
    rows(c, (size_t)n, soft_xent{cols, scale, x, target, p, loss});
}

void cuda_soft_xent_backward(const struct kctx *c, int n, int cols, real scale, const real *p,
                             const real *target, const real *dloss, int acc, real *dx) {
    rows(c, (size_t)n, soft_xent_slope{cols, scale, p, target, dloss, acc, dx});
}

void cuda_softmax_xent_forward(const struct kctx *c, int n, int classes, real smooth, const real *x,
                               const int32_t *target, real *p, real *loss) {
    rows(c, (size_t)n, xent{classes, smooth, x, target, p, loss});
}

void cuda_softmax_xent_backward(const struct kctx *c, int n, int classes, real smooth,
                                const real *p, const int32_t *target, const real *dloss, int acc,
                                real *dx) {
    each(c, (size_t)n * (size_t)classes,
         xent_slope{(size_t)classes, smooth, p, target, dloss, acc, dx});
}

void cuda_mse_forward(const struct kctx *c, int n, int cols, const real *x, const real *target,
                      const real *weight, real *loss) {
    rows(c, (size_t)n, mse{cols, x, target, weight, loss});
}

void cuda_mse_backward(const struct kctx *c, int n, int cols, const real *x, const real *target,
                       const real *weight, const real *dloss, int acc, real *dx) {
    each(c, (size_t)n * (size_t)cols, mse_slope{(size_t)cols, x, target, weight, dloss, acc, dx});
}

void cuda_standardize_rows(const struct kctx *c, int n, int cols, real eps, const real *x,
                           real *y) {
    rows(c, (size_t)n, standardize{cols, eps, x, y});
}

void cuda_l2_normalize_rows(const struct kctx *c, int n, int cols, real eps, const real *x, real *y,
                            real *norm) {
    rows(c, (size_t)n, l2_normalize{cols, eps, x, y, norm});
}

void cuda_l2_normalize_rows_backward(const struct kctx *c, int n, int cols, real eps, const real *y,
                                     const real *norm, const real *dy, int acc, real *dx) {
    rows(c, (size_t)n, l2_slope{cols, eps, y, norm, dy, acc, dx});
}

void cuda_kl_uniform_forward(const struct kctx *c, int n, int cols, const real *x, real *p,
                             real *y) {
    rows(c, (size_t)n, kl_uniform{cols, x, p, y});
}

void cuda_kl_uniform_backward(const struct kctx *c, int n, int cols, const real *p, const real *y,
                              const real *dy, int acc, real *dx) {
    each(c, (size_t)n * (size_t)cols, kl_uniform_slope{(size_t)cols, p, y, dy, acc, dx});
}

void cuda_argmax_rows(const struct kctx *c, int n, int cols, const real *x, int32_t *index) {
    rows(c, (size_t)n, argmax{cols, x, index});
}

void cuda_mean_rows_forward(const struct kctx *c, int n, int rows, int cols, int first, int last,
                            const real *x, real *y) {
    each(c, (size_t)n * (size_t)cols, mean_rows{(size_t)rows, (size_t)cols, first, last, x, y});
}

void cuda_mean_rows_backward(const struct kctx *c, int n, int rows, int cols, int first, int last,
                             const real *dy, int acc, real *dx) {
    each(c, (size_t)n * (size_t)rows * (size_t)cols,
         mean_rows_slope{(size_t)rows, (size_t)cols, first, last, dy, acc, dx});
}
