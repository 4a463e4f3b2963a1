/* batchnorm_backward.cu -- what reads and writes as much as x, on the way back. */
#include "kernels/cuda/batchnorm.cuh"

namespace {

/* What a sample's columns gain by way of its moments. */
template <int N> struct sample_slopes {
    float mean[N], a[N], b[N];
    __device__ sample_slopes(const sample_rows &r, size_t sample, int col, const float *moments,
                             const float *dmoments) {
        for (int k = 0; k < N; k++) {
            size_t own = r.pair(sample, col + k);
            mean[k] = moments[own];
            a[k] = dmoments[own];
            b[k] = dmoments[own + r.cols];
        }
    }
    __device__ float added(int k, float x, float to) const {
        return to + a[k] + b[k] * (x - mean[k]);
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
        const sample_slopes<N> of_sample(r, sample, col, moments, dmoments);
        team_batches<team_batch<several<X, N>>>(
            team, r.rows,
            [&](int i) {
                size_t at = r.at(sample, i, col);
                return pixels{take<N>(x + at), take<N>(dx + at)};
            },
            [&](int i, pixels p) {
                for (int k = 0; k < N; k++)
                    p.dx.v[k] = of_sample.added(k, p.x.v[k], p.dx.v[k]);
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

template <class X, class Y, int N> struct norm_pixels {
    several<X, N> x;
    several<Y, N> g;
};

template <class X, class Y, int N> struct batchnorm_sums {
    sample_rows r;
    norm_columns of;
    const X *x;
    const Y *g;
    float *sums;
    __device__ void operator()(size_t sample, int group, const strip_team &team) const {
        const int col = group * N;
        float sum_g[N] = {}, sum_gx[N] = {};
        if (team.rank < r.rows) {
            const norm_column<N> c(of, col);
            team_batches<team_batch<several<Y, N>>>(
                team, r.rows,
                [&](int i) {
                    size_t at = r.at(sample, i, col);
                    return norm_pixels<X, Y, N>{take<N>(x + at), take<N>(g + at)};
                },
                [&](int, const norm_pixels<X, Y, N> &p) {
                    for (int k = 0; k < N; k++) {
                        float own = c.masked(k, p.x.v[k], p.g.v[k]);
                        sum_g[k] += own;
                        sum_gx[k] += own * (p.x.v[k] - c.mean[k]) * c.rstd[k];
                    }
                });
        }
        for (int k = 0; k < N; k++) {
            sum_g[k] = team.total(sum_g[k]);
            sum_gx[k] = team.total(sum_gx[k]);
        }
        for (int k = 0; k < N && !team.rank; k++) {
            sums[r.pair(sample, col + k)] = sum_gx[k];
            sums[r.pair(sample, col + k) + r.cols] = sum_g[k];
        }
    }
};

template <class X, class Y, int N> struct batchnorm_input_slope {
    sample_rows r;
    norm_columns of;
    const X *x;
    const float *moments, *dmoments;
    const Y *g; /* may be dx */
    X *dx;
    __device__ void operator()(size_t sample, int group, const strip_team &team) const {
        const int col = group * N;
        if (team.rank >= r.rows)
            return;
        const norm_column<N> c(of, col);
        const sample_slopes<N> of_sample(r, sample, col, moments, dmoments);
        team_batches<team_batch<several<Y, N>>>(
            team, r.rows,
            [&](int i) {
                size_t at = r.at(sample, i, col);
                return norm_pixels<X, Y, N>{take<N>(x + at), take<N>(g + at)};
            },
            [&](int i, const norm_pixels<X, Y, N> &p) {
                several<X, N> out;
                for (int k = 0; k < N; k++)
                    out.v[k] = of_sample.added(
                        k, p.x.v[k], c.masked(k, p.x.v[k], p.g.v[k]) * c.rstd[k] * c.gamma[k]);
                put<N>(dx + r.at(sample, i, col), out);
            });
    }
};

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

template <class X, class Y>
void sums_of(const struct kctx *c, int n, const sample_rows &r, const norm_columns &of, const X *x,
             const Y *g, float *sums) {
    const char *where = "cuda_batchnorm_sums";
    const int cols = (int)r.cols;
    if constexpr (sizeof(X) < sizeof(float) && sizeof(Y) < sizeof(float))
        if (in_pairs(r.cols, x) && in_pairs(r.cols, g)) {
            samples<PAIR>(c, n, r.rows, cols, batchnorm_sums<X, Y, PAIR>{r, of, x, g, sums}, where);
            return;
        }
    samples<1>(c, n, r.rows, cols, batchnorm_sums<X, Y, 1>{r, of, x, g, sums}, where);
}

/* Of the moments of samples and of the batch's slopes. */
struct sample_moments {
    const float *moments, *dmoments;
};

template <class X, class Y>
void input_of(const struct kctx *c, int n, const sample_rows &r, const norm_columns &of, const X *x,
              const sample_moments &m, const Y *g, X *dx) {
    const char *where = "cuda_batchnorm_input_backward";
    const int cols = (int)r.cols;
    if constexpr (sizeof(X) < sizeof(float) && sizeof(Y) < sizeof(float))
        if (in_pairs(r.cols, x) && in_pairs(r.cols, g) && in_pairs(r.cols, dx)) {
            samples<PAIR>(c, n, r.rows, cols,
                          batchnorm_input_slope<X, Y, PAIR>{r, of, x, m.moments, m.dmoments, g, dx},
                          where);
            return;
        }
    samples<1>(c, n, r.rows, cols,
               batchnorm_input_slope<X, Y, 1>{r, of, x, m.moments, m.dmoments, g, dx}, where);
}

} // namespace

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

void cuda_batchnorm_sums(const struct kctx *c, int n, int rows, int cols, const real *x,
                         const real *mean, const real *rstd, const real *gamma, const real *beta,
                         int relu, const real *g, real *sums) {
    enum { X = 1 << 0, G = 1 << 5 };
    const sample_rows r = {rows, (size_t)cols};
    const norm_columns of = {mean, rstd, gamma, beta, relu};
    if (!c->halves)
        sums_of(c, n, r, of, x, g, sums);
    else if (c->halves == X)
        sums_of(c, n, r, of, cuda_halves(x), g, sums);
    else if (c->halves == (X | G))
        sums_of(c, n, r, of, cuda_halves(x), cuda_halves(g), sums);
    else
        cuda_no_halves(c, __func__);
}

void cuda_batchnorm_input_backward(const struct kctx *c, int n, int rows, int cols, const real *x,
                                   const real *mean, const real *rstd, const real *gamma,
                                   const real *beta, int relu, const real *moments,
                                   const real *dmoments, const real *g, real *dx) {
    enum { X = 1 << 0 | 1 << 8, G = 1 << 7 };
    const sample_rows r = {rows, (size_t)cols};
    const norm_columns of = {mean, rstd, gamma, beta, relu};
    const sample_moments m = {moments, dmoments};
    if (!c->halves)
        input_of(c, n, r, of, x, m, g, dx);
    else if (c->halves == X)
        input_of(c, n, r, of, cuda_halves(x), m, g, cuda_halves(dx));
    else if (c->halves == (X | G))
        input_of(c, n, r, of, cuda_halves(x), m, cuda_halves(g), cuda_halves(dx));
    else
        cuda_no_halves(c, __func__);
}
