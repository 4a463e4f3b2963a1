/* batchnorm.cu -- forward, and what is small on the way back. */
#include "kernels/cuda/batchnorm.cuh"

namespace {

/* In doubles, so that the variance can be had from sums over the same pass. */
template <class X, int N> struct batchnorm_moments {
    sample_rows r;
    const X *x;
    float *moments;
    __device__ void operator()(size_t sample, int group, const strip_team &team) const {
        const int col = group * N;
        double sum[N] = {}, squares[N] = {};
        TEAM_EACH(i, team, r.rows) {
            const several<X, N> here = take<N>(x + r.at(sample, i, col));
            for (int k = 0; k < N; k++) {
                double d = (double)(float)here.v[k];
                sum[k] += d;
                squares[k] += d * d;
            }
        }
        for (int k = 0; k < N; k++) {
            sum[k] = team.total(sum[k]);
            squares[k] = team.total(squares[k]);
        }
        for (int k = 0; k < N && !team.rank; k++)
            finish(r.pair(sample, col + k), sum[k], squares[k]);
    }
    __device__ void finish(size_t own, double sum, double squares) const {
        double mean = r.rows ? sum / r.rows : 0, rest = r.rows ? squares / r.rows - mean * mean : 0;
        moments[own] = (float)mean;
        moments[own + r.cols] = (float)(rest > 0 ? rest : 0);
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

/* A strip for each stretch of rows, so that what a thread has of its columns is read once. */
template <class X, class Y, int N> struct batchnorm {
    enum { STRETCH = 16 * STRIP_WARPS };
    sample_rows r; /* all rows */
    norm_columns of;
    const X *x;
    const Y *residual;
    Y *y;
    struct pixels {
        several<X, N> x;
        several<Y, N> residual;
    };
    __device__ pixels load(size_t at) const {
        pixels p = {take<N>(x + at), {}};
        if (residual)
            p.residual = take<N>(residual + at);
        return p;
    }
    __device__ void operator()(size_t stretch, int group, const strip_team &team) const {
        const int col = group * N, first = (int)stretch * STRETCH;
        const int many = r.rows - first < STRETCH ? r.rows - first : STRETCH;
        if (team.rank >= many)
            return;
        const norm_column<N> c(of, col);
        team_batches<team_batch<several<Y, N>>>(
            team, many, [&](int i) { return load(r.at(0, first + i, col)); },
            [&](int i, const pixels &p) {
                several<Y, N> out;
                for (int k = 0; k < N; k++) {
                    float v = c.value(k, p.x.v[k]) + (residual ? (float)p.residual.v[k] : 0);
                    out.v[k] = of.relu && v < 0 ? 0 : v;
                }
                put<N>(y + r.at(0, first + i, col), out);
            });
    }
};

struct batchnorm_lane {
    int n;
    size_t cols;
    const float *moments;
    float *part;
    __device__ void operator()(int col, const column_team &team) const {
        const float *own = moments + col;
        float mean = 0, var = 0;
        TEAM_EACH(i, team, n) {
            mean += own[2 * (size_t)i * cols];
        }
        mean = team.sum(mean) / (float)(n ? n : 1);
        TEAM_EACH(i, team, n) {
            float d = own[2 * (size_t)i * cols] - mean;
            var += own[(2 * (size_t)i + 1) * cols] + d * d;
        }
        var = team.sum(var) / (float)(n ? n : 1);
        if (!team.rank) {
            part[col] = mean;
            part[cols + (size_t)col] = var;
        }
    }
};

/* A column's parts have been read by all of its team before one writes over them. */
struct batchnorm_combine {
    struct dealt dealt;
    int rows, n;
    size_t cols;
    float eps;
    const float *parts;
    float *batch, momentum, *running_mean, *running_var;
    __device__ float samples(int lane) const {
        return (float)(dealt_first(&dealt, lane + 1) - dealt_first(&dealt, lane));
    }
    __device__ void operator()(int col, const column_team &team) const {
        const float *own = parts + col;
        float count = (float)dealt.n * (float)rows, mean = 0, var = 0;
        TEAM_EACH(i, team, dealt.lanes) {
            mean += samples(i) * own[2 * (size_t)i * cols];
        }
        mean = team.sum(mean) / (float)dealt.n;
        TEAM_EACH(i, team, dealt.lanes) {
            float d = own[2 * (size_t)i * cols] - mean;
            var += samples(i) * (own[(2 * (size_t)i + 1) * cols] + d * d);
        }
        var = team.sum(var) / (float)dealt.n;
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
    int lanes, n;
    size_t cols;
    float count;
    const float *parts, *moments, *batch;
    float *dmoments;
    __device__ void operator()(int col, const column_team &team) const {
        const float *own = moments + col, *slope = parts + col;
        float a = 0, b = 0;
        TEAM_EACH(i, team, lanes) {
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

template <class X>
void moments_of(const struct kctx *c, int n, int rows, int cols, const X *x, float *moments) {
    const char *where = "cuda_batchnorm_moments";
    const sample_rows r = {rows, (size_t)cols};
    if constexpr (sizeof(X) < sizeof(float))
        if (in_pairs(r.cols, x)) {
            samples<PAIR>(c, n, rows, cols, batchnorm_moments<X, PAIR>{r, x, moments}, where);
            return;
        }
    samples<1>(c, n, rows, cols, batchnorm_moments<X, 1>{r, x, moments}, where);
}

template <int N, class X, class Y>
void apply_in(const struct kctx *c, const sample_rows &r, const norm_columns &of, const X *x,
              const Y *residual, Y *y) {
    typedef batchnorm<X, Y, N> work;
    const size_t stretches = ((size_t)r.rows + work::STRETCH - 1) / work::STRETCH;
    strips(c, stretches, (int)r.cols / N, STRIP_WARPS, work{r, of, x, residual, y},
           "cuda_batchnorm_apply");
}

template <class X, class Y>
void apply(const struct kctx *c, const sample_rows &r, const norm_columns &of, const X *x,
           const Y *residual, Y *y) {
    if (in_pairs(r.cols, x) && in_pairs(r.cols, residual) && in_pairs(r.cols, y))
        apply_in<PAIR>(c, r, of, x, residual, y);
    else
        apply_in<1>(c, r, of, x, residual, y);
}

} // namespace

void cuda_batchnorm_moments(const struct kctx *c, int n, int rows, int cols, const real *x,
                            real *moments) {
    if (c->halves)
        moments_of(c, n, rows, cols, cuda_halves(x), moments);
    else
        moments_of(c, n, rows, cols, x, moments);
}

void cuda_batchnorm_parameters(const struct kctx *c, int n, int cols, const real *sums,
                               real *dgamma, real *dbeta) {
    columns<1>(c, n, 2 * cols, 0, batchnorm_parameters{cols, sums, dgamma, dbeta});
}

void cuda_batchnorm_apply(const struct kctx *c, int rows, int cols, const real *x, const real *mean,
                          const real *rstd, const real *gamma, const real *beta,
                          const real *residual, int relu, real *y) {
    enum { X = 1 << 0, RESIDUAL = 1 << 5, Y = 1 << 6 };
    const sample_rows r = {rows, (size_t)cols};
    const norm_columns of = {mean, rstd, gamma, beta, relu};
    if (!c->halves)
        apply(c, r, of, x, residual, y);
    else if (c->halves == (X | RESIDUAL | Y))
        apply(c, r, of, cuda_halves(x), cuda_halves(residual), cuda_halves(y));
    else if (c->halves == X)
        apply(c, r, of, cuda_halves(x), residual, y);
    else if (c->halves == (RESIDUAL | Y))
        apply(c, r, of, x, cuda_halves(residual), cuda_halves(y));
    else
        cuda_no_halves(c, __func__);
}

void cuda_batchnorm_lane(const struct kctx *c, int n, int cols, const real *moments, real *part) {
    team_columns(c, cols, batchnorm_lane{n, (size_t)cols, moments, part});
}

void cuda_batchnorm_combine(const struct kctx *c, const struct dealt *dealt, int rows, int cols,
                            double eps, const real *parts, int n, real *batch, double momentum,
                            real *running_mean, real *running_var) {
    if (dealt->n)
        team_columns(c, cols,
                     batchnorm_combine{*dealt, rows, n, (size_t)cols, (float)eps, parts, batch,
                                       (float)momentum, running_mean, running_var});
}

void cuda_batchnorm_combine_backward(const struct kctx *c, int lanes, double count, int cols,
                                     const real *parts, int n, const real *moments,
                                     const real *batch, real *dmoments) {
    team_columns(c, cols,
                 batchnorm_combine_slope{lanes, n, (size_t)cols, (float)count, parts, moments,
                                         batch, dmoments});
}

void cuda_batchnorm_slopes(const struct kctx *c, int n, int cols, const real *rstd,
                           const real *gamma, const real *sums, real *dbatch) {
    each(c, (size_t)n * (size_t)cols, batchnorm_slopes{(size_t)cols, rstd, gamma, sums, dbatch});
}

void cuda_reciprocal_root(const struct kctx *c, size_t n, double eps, const real *x, real *y) {
    each(c, n, reciprocal_root{(float)eps, x, y});
}
