/* softmax.cu -- softmax of rows, and the losses that are made of it. */
#include "kernels/cuda/team.cuh"

namespace {

struct two {
    float a, b;
};

struct three {
    float a, b, c;
};

/* Rounded here: fused with what is subtracted it would not be the maximum that was found. */
__device__ float scaled(float scale, float x) {
    return __fmul_rn(scale, x);
}

/* max_j and log sum_j exp of scale x_j; of none 0 */
template <class T>
__device__ float log_sum(const T &team, int cols, float scale, const float *x, float *most) {
    float top = -INFINITY, sum = 0;
    TEAM_EACH(j, team, cols) {
        top = fmaxf(top, scaled(scale, x[j]));
    }
    *most = top = team.max(top);
    TEAM_EACH(j, team, cols) {
        sum += expf(scaled(scale, x[j]) - top);
    }
    sum = team.sum(sum);
    return cols ? logf(sum) : 0;
}

struct softmax {
    int cols;
    float scale;
    const float *x;
    float *y;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *xi = x + row * (size_t)cols;
        float *yi = y + row * (size_t)cols, most;
        float rest = log_sum(team, cols, scale, xi, &most);
        team_batches(
            team, cols, [&](int j) { return xi[j]; },
            [&](int j, float v) { yi[j] = expf(scaled(scale, v) - most - rest); });
    }
};

struct softmax_slope {
    int cols;
    float scale;
    const float *y, *dy;
    int acc;
    float *dx;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *yi = y + row * (size_t)cols, *dyi = dy + row * (size_t)cols;
        float *dxi = dx + row * (size_t)cols, dot = 0;
        TEAM_EACH(j, team, cols) {
            dot += yi[j] * dyi[j];
        }
        dot = team.sum(dot);
        team_batches(
            team, cols,
            [&](int j) {
                return three{yi[j], dyi[j], acc ? dxi[j] : 0};
            },
            [&](int j, three v) { dxi[j] = v.c + scale * v.a * (v.b - dot); });
    }
};

struct soft_xent {
    int cols;
    float scale;
    const float *x, *target;
    float *p, *loss;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *xi = x + row * (size_t)cols, *ti = target + row * (size_t)cols;
        float *pi = p + row * (size_t)cols;
        float most, rest = log_sum(team, cols, scale, xi, &most), sum = 0;
        team_batches(
            team, cols,
            [&](int j) {
                return two{xi[j], ti[j]};
            },
            [&](int j, two v) {
                float below = scaled(scale, v.a) - most - rest; /* log p */
                sum -= v.b * below;
                pi[j] = expf(below);
            });
        sum = team.sum(sum);
        if (!team.rank)
            loss[row] = sum;
    }
};

struct soft_xent_slope {
    int cols;
    float scale;
    const float *p, *target, *dloss;
    int acc;
    float *dx;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *pi = p + row * (size_t)cols, *ti = target + row * (size_t)cols;
        float *dxi = dx + row * (size_t)cols, total = 0, slope = dloss[row] * scale;
        TEAM_EACH(j, team, cols) {
            total += ti[j];
        }
        total = team.sum(total);
        team_batches(
            team, cols,
            [&](int j) {
                return three{pi[j], ti[j], acc ? dxi[j] : 0};
            },
            [&](int j, three v) { dxi[j] = v.c + slope * (v.a * total - v.b); });
    }
};

struct xent {
    int classes;
    float smooth;
    const float *x;
    const int32_t *target;
    float *p, *loss;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *xi = x + row * (size_t)classes;
        float *pi = p + row * (size_t)classes;
        float most, rest = log_sum(team, classes, 1, xi, &most), total = 0, own = 0;
        int label = target[row];
        team_batches(
            team, classes, [&](int j) { return xi[j]; },
            [&](int j, float v) {
                float below = v - most - rest;
                total -= below;
                own -= j == label ? below : 0;
                pi[j] = expf(below);
            });
        total = team.sum(total);
        own = team.sum(own);
        if (!team.rank)
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

/* As the sum of p (log p + log cols), whose terms are as small as the result: log cols and the
 * entropy are alike, and an error of log p would count as often as it is larger. */
struct kl_uniform {
    int cols;
    const float *x;
    float *p, *y;
    template <class T> __device__ void operator()(size_t row, const T &team) const {
        const float *xi = x + row * (size_t)cols, all = logf((float)cols);
        float *pi = p + row * (size_t)cols;
        float most, rest = log_sum(team, cols, 1, xi, &most);
        double sum = 0;
        team_batches(
            team, cols, [&](int j) { return xi[j]; },
            [&](int j, float v) {
                float below = v - most - rest, share = expf(below); /* log p, p */
                pi[j] = share;
                sum += share > 0 ? share * (below + all) : 0;
            });
        sum = team.sum(sum);
        if (!team.rank)
            y[row] = (float)sum;
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

} // namespace

void cuda_softmax_rows(const struct kctx *c, int n, int cols, real scale, const real *x, real *y) {
    team_rows(c, (size_t)n, cols, softmax{cols, scale, x, y});
}

void cuda_softmax_rows_backward(const struct kctx *c, int n, int cols, real scale, const real *y,
                                const real *dy, int acc, real *dx) {
    team_rows(c, (size_t)n, cols, softmax_slope{cols, scale, y, dy, acc, dx});
}

void cuda_soft_xent_forward(const struct kctx *c, int n, int cols, real scale, const real *x,
                            const real *target, real *p, real *loss) {
    team_rows(c, (size_t)n, cols, soft_xent{cols, scale, x, target, p, loss});
}

void cuda_soft_xent_backward(const struct kctx *c, int n, int cols, real scale, const real *p,
                             const real *target, const real *dloss, int acc, real *dx) {
    team_rows(c, (size_t)n, cols, soft_xent_slope{cols, scale, p, target, dloss, acc, dx});
}

void cuda_softmax_xent_forward(const struct kctx *c, int n, int classes, real smooth, const real *x,
                               const int32_t *target, real *p, real *loss) {
    team_rows(c, (size_t)n, classes, xent{classes, smooth, x, target, p, loss});
}

void cuda_softmax_xent_backward(const struct kctx *c, int n, int classes, real smooth,
                                const real *p, const int32_t *target, const real *dloss, int acc,
                                real *dx) {
    each(c, (size_t)n * (size_t)classes,
         xent_slope{(size_t)classes, smooth, p, target, dloss, acc, dx});
}

void cuda_kl_uniform_forward(const struct kctx *c, int n, int cols, const real *x, real *p,
                             real *y) {
    team_rows(c, (size_t)n, cols, kl_uniform{cols, x, p, y});
}

void cuda_kl_uniform_backward(const struct kctx *c, int n, int cols, const real *p, const real *y,
                              const real *dy, int acc, real *dx) {
    each(c, (size_t)n * (size_t)cols, kl_uniform_slope{(size_t)cols, p, y, dy, acc, dx});
}
