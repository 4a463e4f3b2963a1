/* gather.cu -- rows picked by index, the maximum of windows, a matrix for each channel. */
#include "kernels/cuda/half.cuh"
#include "kernels/cuda/product.cuh"

namespace {

/* X, Y: how x and y are stored; N neighbouring columns at a time. */
template <class X, class Y, int N> struct gather {
    size_t rows_in, rows_out, cols, index_stride;
    const X *x;
    const int32_t *index;
    const float *fill;
    Y *y;
    __device__ void operator()(size_t group) const {
        const size_t row = cuda_quotient(group, cols / N), first = (group - row * (cols / N)) * N;
        const size_t image = cuda_quotient(row, rows_out);
        const int from = index[image * index_stride + row - image * rows_out];
        several<X, N> in = {};
        several<Y, N> out;
        if (from >= 0)
            in = take<N>(x + (image * rows_in + (size_t)from) * cols + first);
        for (int k = 0; k < N; k++)
            out.v[k] = from >= 0 ? (float)in.v[k] : fill ? fill[first + (size_t)k] : 0;
        put<N>(y + group * N, out);
    }
};

struct combine_rows {
    size_t taps, cols;
    const int32_t *row;
    const float *weight, *x;
    float *y;
    __device__ void operator()(size_t i) const {
        size_t at = i / cols * taps;
        float sum = 0;
        for (size_t t = 0; t < taps; t++)
            sum += weight[at + t] * x[(size_t)row[at + t] * cols + i % cols];
        y[i] = sum;
    }
};

struct pooling {
    int h, w, ch, k, stride, pad, oh, ow;
};

/* Where a group of neighbouring channels is in images of so many rows and places. */
struct place {
    size_t image, e; /* e: its first channel */
    int row, col;
    __device__ place(size_t at, size_t channels, int height, int width) {
        size_t rest = cuda_quotient(at, channels);
        e = at - rest * channels;
        col = (int)cuda_remainder(rest, (size_t)width);
        rest = cuda_quotient(rest, (size_t)width);
        row = (int)cuda_remainder(rest, (size_t)height);
        image = cuda_quotient(rest, (size_t)height);
    }
};

/* N neighbouring channels of a thread. */
template <class T, int N> struct maxpool {
    pooling p;
    const T *x;
    T *y;
    int32_t *arg;
    __device__ void operator()(size_t group) const {
        const place out(group * N, (size_t)p.ch, p.oh, p.ow);
        const int top = out.row * p.stride - p.pad, left = out.col * p.stride - p.pad;
        several<T, N> best;
        several<int32_t, N> where;
        for (int k = 0; k < N; k++) {
            best.v[k] = -INFINITY;
            where.v[k] = -1;
        }
        for (int iy = top < 0 ? 0 : top; iy < top + p.k && iy < p.h; iy++)
            for (int ix = left < 0 ? 0 : left; ix < left + p.k && ix < p.w; ix++) {
                const several<T, N> v =
                    take<N>(x +
                            ((out.image * (size_t)p.h + (size_t)iy) * (size_t)p.w + (size_t)ix) *
                                (size_t)p.ch +
                            out.e);
                for (int k = 0; k < N; k++)
                    if (where.v[k] < 0 || v.v[k] > best.v[k] || v.v[k] != v.v[k]) {
                        best.v[k] = v.v[k];
                        where.v[k] = iy * p.w + ix;
                    }
            }
        put<N>(y + group * N, best);
        put<N>(arg + group * N, where);
    }
};

/* Each pixel looks at the windows that have it. */
template <class T, int N> struct maxpool_slope {
    pooling p;
    const T *dy;
    const int32_t *arg;
    int acc;
    T *dx;
    __device__ void operator()(size_t group) const {
        const place in(group * N, (size_t)p.ch, p.h, p.w);
        const int ix = in.col, iy = in.row;
        several<T, N> to = {};
        float sum[N];
        if (acc)
            to = take<N>(dx + group * N);
        for (int k = 0; k < N; k++)
            sum[k] = acc ? (float)to.v[k] : 0;
        for (int oy = first(iy); oy < p.oh && oy * p.stride <= iy + p.pad; oy++)
            for (int ox = first(ix); ox < p.ow && ox * p.stride <= ix + p.pad; ox++) {
                const size_t out =
                    ((in.image * (size_t)p.oh + (size_t)oy) * (size_t)p.ow + (size_t)ox) *
                        (size_t)p.ch +
                    in.e;
                const several<int32_t, N> from = take<N>(arg + out);
                const several<T, N> g = take<N>(dy + out);
                for (int k = 0; k < N; k++)
                    if (from.v[k] == iy * p.w + ix)
                        sum[k] += g.v[k];
            }
        for (int k = 0; k < N; k++)
            to.v[k] = sum[k];
        put<N>(dx + group * N, to);
    }
    /* The first window that reaches pixel i. */
    __device__ int first(int i) const {
        int behind = i + p.pad - p.k + 1;
        return behind <= 0 ? 0 : (behind + p.stride - 1) / p.stride;
    }
};

/* Of channelwise_fc: x (n,q,ch), w (ch,p,q), y (n,p,ch). */
struct channels {
    size_t n, p, q, ch;
    __device__ size_t in(int image, int b, size_t e) const {
        return ((size_t)image * q + (size_t)b) * ch + e;
    }
    __device__ size_t out(int image, int a, size_t e) const {
        return ((size_t)image * p + (size_t)a) * ch + e;
    }
    __device__ size_t weight(size_t e, int a, int b) const {
        return (e * p + (size_t)a) * q + (size_t)b;
    }
};

/* y[image,a,e] = sum over b of w[e,a,b] x[image,b,e], for each e */
struct channelwise {
    typedef float part;
    enum { LEFT_ALONG_K = 1, RIGHT_ALONG_K = 1 };
    channels s;
    const float *x, *w, *bias;
    float *y;
    __device__ float left(size_t e, int a, int b) const {
        return w[s.weight(e, a, b)];
    }
    __device__ float right(size_t e, int b, int image) const {
        return x[s.in(image, b, e)];
    }
    __device__ void put(size_t e, int a, int image, double sum) const {
        float more = bias ? bias[e * s.p + (size_t)a] : 0;
        y[s.out(image, a, e)] = (float)sum + more;
    }
};

struct channelwise_slope {
    typedef float part;
    enum { LEFT_ALONG_K = 0, RIGHT_ALONG_K = 1 };
    channels s;
    const float *w, *dy;
    int acc;
    float *dx;
    __device__ float left(size_t e, int b, int a) const {
        return w[s.weight(e, a, b)];
    }
    __device__ float right(size_t e, int a, int image) const {
        return dy[s.out(image, a, e)];
    }
    __device__ void put(size_t e, int b, int image, double sum) const {
        float *to = dx + s.in(image, b, e);
        *to = acc ? *to + (float)sum : (float)sum;
    }
};

struct channelwise_weight {
    typedef float part;
    enum { LEFT_ALONG_K = 0, RIGHT_ALONG_K = 0 };
    channels s;
    const float *x, *dy;
    float *dw;
    __device__ float left(size_t e, int a, int image) const {
        return dy[s.out(image, a, e)];
    }
    __device__ float right(size_t e, int image, int b) const {
        return x[s.in(image, b, e)];
    }
    __device__ void put(size_t e, int a, int b, double sum) const {
        dw[s.weight(e, a, b)] += (float)sum;
    }
};

struct channelwise_bias {
    channels s;
    const float *dy;
    float *dbias;
    __device__ void operator()(size_t i) const {
        size_t a = i % s.p, e = i / s.p;
        float sum = 0;
        for (size_t image = 0; image < s.n; image++)
            sum += dy[(image * s.p + a) * s.ch + e];
        dbias[i] += sum;
    }
};

template <class X, class Y>
void run_gather(const struct kctx *c, int n, const gather<X, Y, 1> &all, FROM_CALLER) {
    enum { WIDE = cuda_wide<X, Y> };
    const size_t numbers = (size_t)n * all.rows_out * all.cols;
    if (cuda_in_groups<WIDE>(all.cols, all.x) && cuda_in_groups<WIDE>(all.cols, all.y))
        each(c, numbers / WIDE,
             gather<X, Y, WIDE>{all.rows_in, all.rows_out, all.cols, all.index_stride, all.x,
                                all.index, all.fill, all.y},
             where);
    else
        each(c, numbers, all, where);
}

pooling pooling_of(int h, int w, int ch, int k, int stride, int pad) {
    return {
        h, w, ch, k, stride, pad, window_count(h, k, stride, pad), window_count(w, k, stride, pad)};
}

size_t product(int a, int b, int c, int d) {
    return (size_t)a * (size_t)b * (size_t)c * (size_t)d;
}

enum { FOUR = 4 };

template <class T>
void run_maxpool(const struct kctx *c, size_t n, const pooling &p, const T *x, T *y, int32_t *arg) {
    const char *where = "cuda_maxpool_forward";
    const size_t channels = (size_t)p.ch, all = n * (size_t)p.oh * (size_t)p.ow * channels;
    if (cuda_in_groups<FOUR>(channels, x) && cuda_in_groups<FOUR>(channels, y) &&
        cuda_in_groups<FOUR>(channels, arg))
        each(c, all / FOUR, maxpool<T, FOUR>{p, x, y, arg}, where);
    else
        each(c, all, maxpool<T, 1>{p, x, y, arg}, where);
}

template <class T>
void run_maxpool_slope(const struct kctx *c, size_t n, const pooling &p, const T *dy,
                       const int32_t *arg, int acc, T *dx) {
    const char *where = "cuda_maxpool_backward";
    const size_t channels = (size_t)p.ch, all = n * (size_t)p.h * (size_t)p.w * channels;
    if (cuda_in_groups<FOUR>(channels, dy) && cuda_in_groups<FOUR>(channels, dx) &&
        cuda_in_groups<FOUR>(channels, arg))
        each(c, all / FOUR, maxpool_slope<T, FOUR>{p, dy, arg, acc, dx}, where);
    else
        each(c, all, maxpool_slope<T, 1>{p, dy, arg, acc, dx}, where);
}

} // namespace

void cuda_gather_forward(const struct kctx *c, int n, int rows_in, int rows_out, int cols,
                         const real *x, const int32_t *index, int index_stride, const real *fill,
                         real *y) {
    enum { X = 1 << 0, Y = 1 << 3 };
    const size_t in = (size_t)rows_in, out = (size_t)rows_out, width = (size_t)cols;
    const size_t stride = (size_t)index_stride;
    if (!c->halves)
        run_gather<float, float>(c, n, {in, out, width, stride, x, index, fill, y}, __func__);
    else if (c->halves == X)
        run_gather<bfloat16, float>(c, n, {in, out, width, stride, cuda_halves(x), index, fill, y},
                                    __func__);
    else if (c->halves == (X | Y))
        run_gather<bfloat16, bfloat16>(
            c, n, {in, out, width, stride, cuda_halves(x), index, fill, cuda_halves(y)}, __func__);
    else
        cuda_no_halves(c, __func__);
}

void cuda_combine_rows_forward(const struct kctx *c, int n, int taps, int cols, const int32_t *row,
                               const real *weight, const real *x, real *y) {
    each(c, product(n, cols, 1, 1), combine_rows{(size_t)taps, (size_t)cols, row, weight, x, y});
}

void cuda_maxpool_forward(const struct kctx *c, int n, int h, int w, int ch, int k, int stride,
                          int pad, const real *x, real *y, int32_t *arg) {
    const pooling p = pooling_of(h, w, ch, k, stride, pad);
    if (c->halves)
        run_maxpool(c, (size_t)n, p, cuda_halves(x), cuda_halves(y), arg);
    else
        run_maxpool(c, (size_t)n, p, x, y, arg);
}

void cuda_maxpool_backward(const struct kctx *c, int n, int h, int w, int ch, int k, int stride,
                           int pad, const real *dy, const int32_t *arg, int acc, real *dx) {
    const pooling p = pooling_of(h, w, ch, k, stride, pad);
    if (c->halves)
        run_maxpool_slope(c, (size_t)n, p, cuda_halves(dy), arg, acc, cuda_halves(dx));
    else
        run_maxpool_slope(c, (size_t)n, p, dy, arg, acc, dx);
}

void cuda_channelwise_fc_forward(const struct kctx *c, int n, int p, int q, int ch, const real *x,
                                 const real *w, const real *bias, real *y) {
    const channels s = {(size_t)n, (size_t)p, (size_t)q, (size_t)ch};
    products(c, ch, p, n, q, channelwise{s, x, w, bias, y});
}

void cuda_channelwise_fc_backward(const struct kctx *c, int n, int p, int q, int ch, const real *x,
                                  const real *w, const real *dy, int acc, real *dx, real *dw,
                                  real *dbias) {
    const channels s = {(size_t)n, (size_t)p, (size_t)q, (size_t)ch};
    if (dx)
        products(c, ch, q, n, p, channelwise_slope{s, w, dy, acc, dx});
    products(c, ch, p, q, n, channelwise_weight{s, x, dy, dw});
    if (dbias)
        each(c, product(ch, p, 1, 1), channelwise_bias{s, dy, dbias});
}
