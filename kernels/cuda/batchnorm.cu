/* batchnorm.cu -- formulas in kernels/ref/batchnorm.c; a strip for each sample and 32 columns.
 * X: how x and its gradient are stored, Y: the output, its gradient and the residual. */
#include "kernels/cuda/half.cuh"
#include "kernels/cuda/team.cuh"

namespace {

/* Of strips whose rows lie one after the other. */
struct sample_rows {
    int rows;
    size_t cols;
    __device__ size_t at(size_t sample, int row, int col) const {
        return (sample * (size_t)rows + (size_t)row) * cols + (size_t)col;
    }
    /* Of two numbers for each column of a sample the first. */
    __device__ size_t pair(size_t sample, int col) const {
        return 2 * sample * cols + (size_t)col;
    }
};

/* In doubles, so that the variance can be had from sums over the same pass. */
template <class X> struct batchnorm_moments {
    sample_rows r;
    const X *x;
    float *moments;
    __device__ void operator()(size_t sample, int col, const strip_team &team) const {
        double sum = 0, squares = 0;
        TEAM_EACH(i, team, r.rows) {
            double d = (double)(float)x[r.at(sample, i, col)];
            sum += d;
            squares += d * d;
        }
        sum = team.total(sum);
        squares = team.total(squares);
        if (team.rank)
            return;
        double mean = r.rows ? sum / r.rows : 0, rest = r.rows ? squares / r.rows - mean * mean : 0;
        moments[r.pair(sample, col)] = (float)mean;
        moments[r.pair(sample, col) + r.cols] = (float)(rest > 0 ? rest : 0);
    }
};

template <class X> struct batchnorm_moments_slope {
    sample_rows r;
    const X *x;
    const float *moments, *dmoments;
    X *dx;
    struct pixel {
        float x, dx;
    };
    __device__ void operator()(size_t sample, int col, const strip_team &team) const {
        if (team.rank >= r.rows)
            return;
        size_t own = r.pair(sample, col);
        const float mean = moments[own], a = dmoments[own], b = dmoments[own + r.cols];
        team_batches(
            team, r.rows,
            [&](int i) {
                size_t at = r.at(sample, i, col);
                return pixel{x[at], dx[at]};
            },
            [&](int i, pixel p) { dx[r.at(sample, i, col)] = p.dx + a + b * (p.x - mean); });
    }
};

template <class X, class Y> struct batchnorm_sums {
    sample_rows r;
    const X *x;
    const float *mean, *rstd;
    const Y *y;
    Y *g;
    float *sums;
    struct pixel {
        float x, y, g;
    };
    __device__ void operator()(size_t sample, int col, const strip_team &team) const {
        const bool works = team.rank < r.rows;
        const float m = works ? mean[col] : 0, scale = works ? rstd[col] : 0;
        float sum_g = 0, sum_gx = 0;
        team_batches(
            team, r.rows,
            [&](int i) {
                size_t at = r.at(sample, i, col);
                return pixel{x[at], y ? (float)y[at] : 1, g[at]};
            },
            [&](int i, pixel p) {
                float own = p.y > 0 ? p.g : 0;
                if (y)
                    g[r.at(sample, i, col)] = own;
                sum_g += own;
                sum_gx += own * (p.x - m) * scale;
            });
        sum_g = team.total(sum_g);
        sum_gx = team.total(sum_gx);
        if (team.rank)
            return;
        sums[r.pair(sample, col)] = sum_gx;
        sums[r.pair(sample, col) + r.cols] = sum_g;
    }
};

/* The two halves of sums (n,2 cols). */
struct batchnorm_parameters {
    int cols;
    const float *sums;
    float *dgamma, *dbeta;
    __device__ void operator()(size_t row, int col, float *v) const {
        v[0] += sums[row * 2 * (size_t)cols + (size_t)col];
    }
    __device__ void finish(int col, const float *v) const {
        float *to = col < cols ? dgamma : dbeta;
        if (to)
            to[col % cols] += v[0];
    }
};

template <class X, class Y> struct batchnorm {
    size_t cols;
    const X *x;
    const float *mean, *rstd, *gamma, *beta;
    const Y *residual;
    int relu;
    Y *y;
    __device__ void operator()(size_t i) const {
        size_t j = i % cols;
        float v = (x[i] - mean[j]) * rstd[j] * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0) +
                  (residual ? (float)residual[i] : 0);
        y[i] = relu && v < 0 ? 0 : v;
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

/* Each thread of a column has some tens of rows, so that many are under way. */
int team_of_rows(int rows) {
    enum { EACH = 32 };
    int size = 1;
    while (size < CUDA_WARP && size * EACH < rows)
        size *= 2;
    return size;
}

struct apply_to {
    size_t n, cols;
    const float *mean, *rstd, *gamma, *beta;
    int relu;
};

template <class X, class Y>
void apply(const struct kctx *c, const apply_to &to, const X *x, const Y *residual, Y *y) {
    each(c, to.n,
         batchnorm<X, Y>{to.cols, x, to.mean, to.rstd, to.gamma, to.beta, residual, to.relu, y},
         "cuda_batchnorm_apply");
}

template <class W>
void samples(const struct kctx *c, int n, int rows, int cols, const W &work, FROM_CALLER) {
    strips(c, (size_t)n, cols, team_of_rows(rows), work, where);
}

} // namespace

void cuda_batchnorm_moments(const struct kctx *c, int n, int rows, int cols, const real *x,
                            real *moments) {
    const sample_rows r = {rows, (size_t)cols};
    if (c->halves)
        samples(c, n, rows, cols, batchnorm_moments<bfloat16>{r, cuda_halves(x), moments});
    else
        samples(c, n, rows, cols, batchnorm_moments<float>{r, x, moments});
}

void cuda_batchnorm_moments_backward(const struct kctx *c, int n, int rows, int cols, const real *x,
                                     const real *moments, const real *dmoments, real *dx) {
    const sample_rows r = {rows, (size_t)cols};
    if (c->halves)
        samples(c, n, rows, cols,
                batchnorm_moments_slope<bfloat16>{r, cuda_halves(x), moments, dmoments,
                                                  cuda_halves(dx)});
    else
        samples(c, n, rows, cols, batchnorm_moments_slope<float>{r, x, moments, dmoments, dx});
}

void cuda_batchnorm_sums(const struct kctx *c, int n, int rows, int cols, const real *x,
                         const real *mean, const real *rstd, const real *y, real *g, real *sums) {
    enum { X = 1 << 0, Y = 1 << 3 | 1 << 4 };
    const sample_rows r = {rows, (size_t)cols};
    if (!c->halves)
        samples(c, n, rows, cols, batchnorm_sums<float, float>{r, x, mean, rstd, y, g, sums});
    else if (c->halves == X)
        samples(c, n, rows, cols,
                batchnorm_sums<bfloat16, float>{r, cuda_halves(x), mean, rstd, y, g, sums});
    else if (c->halves == (X | Y))
        samples(c, n, rows, cols,
                batchnorm_sums<bfloat16, bfloat16>{r, cuda_halves(x), mean, rstd, cuda_halves(y),
                                                   cuda_halves(g), sums});
    else
        cuda_no_halves(c, __func__);
}

void cuda_batchnorm_parameters(const struct kctx *c, int n, int cols, const real *sums,
                               real *dgamma, real *dbeta) {
    columns<1>(c, n, 2 * cols, 0, batchnorm_parameters{cols, sums, dgamma, dbeta});
}

void cuda_batchnorm_apply(const struct kctx *c, int rows, int cols, const real *x, const real *mean,
                          const real *rstd, const real *gamma, const real *beta,
                          const real *residual, int relu, real *y) {
    enum { X = 1 << 0, RESIDUAL = 1 << 5, Y = 1 << 6 };
    const apply_to to = {(size_t)rows * (size_t)cols, (size_t)cols, mean, rstd, gamma, beta, relu};
    if (!c->halves)
        apply(c, to, x, residual, y);
    else if (c->halves == (X | RESIDUAL | Y))
        apply(c, to, cuda_halves(x), cuda_halves(residual), cuda_halves(y));
    else if (c->halves == X)
        apply(c, to, cuda_halves(x), residual, y);
    else if (c->halves == (RESIDUAL | Y))
        apply(c, to, x, cuda_halves(residual), cuda_halves(y));
    else
        cuda_no_halves(c, __func__);
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
