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

template <class X, int N> struct batchnorm_moments_slope {
    sample_rows r;
    const X *x;
    const float *moments, *dmoments;
    X *dx;
    struct pixels {
        several<X, N> x, dx;
    };
    __device__ void operator()(size_t sample, int group, const strip_team &team) const {
        const int col = group * N;
        if (team.rank >= r.rows)
            return;
        float mean[N], a[N], b[N];
        for (int k = 0; k < N; k++) {
            size_t own = r.pair(sample, col + k);
            mean[k] = moments[own];
            a[k] = dmoments[own];
            b[k] = dmoments[own + r.cols];
        }
        team_batches<TEAM_BATCH / N>(
            team, r.rows,
            [&](int i) {
                size_t at = r.at(sample, i, col);
                return pixels{take<N>(x + at), take<N>(dx + at)};
            },
            [&](int i, pixels p) {
                for (int k = 0; k < N; k++)
                    p.dx.v[k] = p.dx.v[k] + a[k] + b[k] * (p.x.v[k] - mean[k]);
                put<N>(dx + r.at(sample, i, col), p.dx);
            });
    }
};

/* What batchnorm_backward has of a column and of all of them. */
template <class X, class Y> struct batchnorm_back {
    const X *x;
    const float *mean, *rstd, *gamma;
    const Y *y;
    Y *g;
    int acc;
    X *dx; /* NULL: not wanted; then it may be g */
    float *sums;
};

template <class X, class Y, int N> struct batchnorm_backward {
    sample_rows r;
    batchnorm_back<X, Y> b;
    int in_place; /* dx is g */
    struct pixels {
        several<X, N> x, dx;
        several<Y, N> y, g;
    };
    /* Of a column mean, rstd and gamma. */
    struct column {
        float mean, rstd, gamma;
    };
    __device__ pixels load(size_t at) const {
        pixels p = {take<N>(b.x + at), {}, {}, take<N>(b.g + at)};
        if (b.y)
            p.y = take<N>(b.y + at);
        if (b.dx && b.acc)
            p.dx = take<N>(b.dx + at);
        return p;
    }
    /* g as it is kept, or would be. */
    __device__ void close(size_t at, pixels p, const column *c, float *sum_g, float *sum_gx) const {
        for (int k = 0; k < N; k++) {
            float own = !b.y || p.y.v[k] > 0 ? (float)p.g.v[k] : 0;
            float before = b.acc ? (float)p.dx.v[k] : 0;
            p.g.v[k] = own;
            sum_g[k] += own;
            sum_gx[k] += own * (p.x.v[k] - c[k].mean) * c[k].rstd;
            p.dx.v[k] = own * c[k].rstd * c[k].gamma + 0.0f + before;
        }
        if (b.y && !in_place)
            put<N>(b.g + at, p.g);
        if (b.dx)
            put<N>(b.dx + at, p.dx);
    }
    __device__ void operator()(size_t sample, int group, const strip_team &team) const {
        const int col = group * N;
        const bool works = team.rank < r.rows;
        float sum_g[N] = {}, sum_gx[N] = {};
        column c[N];
        for (int k = 0; k < N; k++)
            c[k] = {works ? b.mean[col + k] : 0, works ? b.rstd[col + k] : 0,
                    works && b.gamma ? b.gamma[col + k] : 1};
        team_batches<TEAM_BATCH / N>(
            team, r.rows, [&](int i) { return load(r.at(sample, i, col)); },
            [&](int i, pixels p) { close(r.at(sample, i, col), p, c, sum_g, sum_gx); });
        for (int k = 0; k < N; k++) {
            sum_g[k] = team.total(sum_g[k]);
            sum_gx[k] = team.total(sum_gx[k]);
        }
        for (int k = 0; k < N && !team.rank; k++) {
            b.sums[r.pair(sample, col + k)] = sum_gx[k];
            b.sums[r.pair(sample, col + k) + r.cols] = sum_g[k];
        }
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

template <class X, class Y, int N> struct batchnorm {
    size_t cols;
    const X *x;
    const float *mean, *rstd, *gamma, *beta;
    const Y *residual;
    int relu;
    Y *y;
    __device__ void operator()(size_t group) const {
        const size_t i = group * N, first = cuda_remainder(i, cols);
        const several<X, N> in = take<N>(x + i);
        several<Y, N> rest = {}, out;
        if (residual)
            rest = take<N>(residual + i);
        for (int k = 0; k < N; k++) {
            size_t j = first + (size_t)k;
            float v = (in.v[k] - mean[j]) * rstd[j] * (gamma ? gamma[j] : 1) +
                      (beta ? beta[j] : 0) + (residual ? (float)rest.v[k] : 0);
            out.v[k] = relu && v < 0 ? 0 : v;
        }
        put<N>(y + i, out);
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

/* Neighbouring columns of a thread, where they lie so that they can be had at once. */
enum { PAIR = 2 };

/* Numbers of 16 bits, where a warp has work for all lanes then. */
template <class T> bool in_pairs(size_t cols, const T *x) {
    return cols >= PAIR * CUDA_WARP && cuda_in_groups<PAIR>(cols, x);
}

/* Each thread of a column has some tens of rows, so that many are under way. */
int team_of_rows(int rows) {
    enum { EACH = 32 };
    int size = 1;
    while (size < CUDA_WARP && size * EACH < rows)
        size *= 2;
    return size;
}

/* N columns of a thread. */
template <int N, class W>
void samples(const struct kctx *c, int n, int rows, int cols, const W &work, FROM_CALLER) {
    strips(c, (size_t)n, cols / N, team_of_rows(rows), work, where);
}

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

template <class X>
void slope_of(const struct kctx *c, int n, int rows, int cols, const X *x, const float *moments,
              const float *dmoments, X *dx) {
    const char *where = "cuda_batchnorm_moments_backward";
    const sample_rows r = {rows, (size_t)cols};
    if constexpr (sizeof(X) < sizeof(float))
        if (in_pairs(r.cols, x) && in_pairs(r.cols, dx)) {
            samples<PAIR>(c, n, rows, cols,
                          batchnorm_moments_slope<X, PAIR>{r, x, moments, dmoments, dx}, where);
            return;
        }
    samples<1>(c, n, rows, cols, batchnorm_moments_slope<X, 1>{r, x, moments, dmoments, dx}, where);
}

template <class X, class Y>
void backward_of(const struct kctx *c, int n, const sample_rows &r, const batchnorm_back<X, Y> &b) {
    const char *where = "cuda_batchnorm_backward";
    const int cols = (int)r.cols, in_place = (const void *)b.dx == (const void *)b.g;
    if constexpr (sizeof(X) < sizeof(float) && sizeof(Y) < sizeof(float))
        if (in_pairs(r.cols, b.x) && in_pairs(r.cols, b.y) && in_pairs(r.cols, b.g) &&
            in_pairs(r.cols, b.dx)) {
            samples<PAIR>(c, n, r.rows, cols, batchnorm_backward<X, Y, PAIR>{r, b, in_place},
                          where);
            return;
        }
    samples<1>(c, n, r.rows, cols, batchnorm_backward<X, Y, 1>{r, b, in_place}, where);
}

struct apply_to {
    size_t n, cols;
    const float *mean, *rstd, *gamma, *beta;
    int relu;
};

template <int N, class X, class Y>
void apply_in(const struct kctx *c, const apply_to &to, const X *x, const Y *residual, Y *y) {
    each(c, to.n / N,
         batchnorm<X, Y, N>{to.cols, x, to.mean, to.rstd, to.gamma, to.beta, residual, to.relu, y},
         "cuda_batchnorm_apply");
}

template <class X, class Y>
void apply(const struct kctx *c, const apply_to &to, const X *x, const Y *residual, Y *y) {
    enum { WIDE = sizeof(X) == sizeof(Y) ? 16 / sizeof(Y) : 4 }; /* 16 bytes of the longer one */
    if (cuda_in_groups<WIDE>(to.cols, x) && cuda_in_groups<WIDE>(to.cols, residual) &&
        cuda_in_groups<WIDE>(to.cols, y))
        apply_in<WIDE>(c, to, x, residual, y);
    else
        apply_in<1>(c, to, x, residual, y);
}

} // namespace

void cuda_batchnorm_moments(const struct kctx *c, int n, int rows, int cols, const real *x,
                            real *moments) {
    if (c->halves)
        moments_of(c, n, rows, cols, cuda_halves(x), moments);
    else
        moments_of(c, n, rows, cols, x, moments);
}

void cuda_batchnorm_moments_backward(const struct kctx *c, int n, int rows, int cols, const real *x,
                                     const real *moments, const real *dmoments, real *dx) {
    if (c->halves)
        slope_of(c, n, rows, cols, cuda_halves(x), moments, dmoments, cuda_halves(dx));
    else
        slope_of(c, n, rows, cols, x, moments, dmoments, dx);
}

void cuda_batchnorm_backward(const struct kctx *c, int n, int rows, int cols, const real *x,
                             const real *mean, const real *rstd, const real *gamma, const real *y,
                             real *g, int acc, real *dx, real *sums) {
    enum { X = 1 << 0 | 1 << 6, Y = 1 << 4 | 1 << 5 };
    const sample_rows r = {rows, (size_t)cols};
    if (!c->halves)
        backward_of<real, real>(c, n, r, {x, mean, rstd, gamma, y, g, acc, dx, sums});
    else if (c->halves == X)
        backward_of<bfloat16, real>(
            c, n, r, {cuda_halves(x), mean, rstd, gamma, y, g, acc, cuda_halves(dx), sums});
    else if (c->halves == (X | Y))
        backward_of<bfloat16, bfloat16>(c, n, r,
                                        {cuda_halves(x), mean, rstd, gamma, cuda_halves(y),
                                         cuda_halves(g), acc, cuda_halves(dx), sums});
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
