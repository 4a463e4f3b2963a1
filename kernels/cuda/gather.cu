/* gather.cu -- rows picked by index, the maximum of windows, a matrix for each channel. */
#include "kernels/cuda/product.cuh"
#include "kernels/cuda/team.cuh"

namespace {

struct gather {
    size_t rows_in, rows_out, cols, index_stride;
    const float *x;
    const int32_t *index;
    const float *fill;
    float *y;
    __device__ void operator()(size_t i) const {
        size_t row = i / cols, image = row / rows_out, e = i % cols;
        int from = index[image * index_stride + row % rows_out];
        y[i] = from < 0 ? (fill ? fill[e] : 0) : x[(image * rows_in + (size_t)from) * cols + e];
    }
};

/* What rows gain that were picked, in the order of the picks: dx[row] += weight * dy[pick / taps].
 * A warp looks for the picks of one row, and adds a stretch of its columns in registers. */
struct scatter {
    enum { EACH = 4, STRETCH = EACH * CUDA_WARP }; /* of picks as of columns */
    size_t rows_in, picks, taps, cols, index_stride;
    const int32_t *index;
    const float *weight; /* NULL: 1 */
    const float *dy;
    int acc;
    float *dx;
    __device__ void operator()(size_t item, int lane) const {
        size_t parts = (cols + STRETCH - 1) / STRETCH, row = item / parts, image = row / rows_in;
        const int32_t *picked = index + image * index_stride;
        const int to = (int)(row % rows_in), first = (int)(item % parts) * STRETCH + lane;
        float sum[EACH] = {0};
        bool any = !acc; /* something to write */
        for (size_t k0 = 0; k0 < picks; k0 += STRETCH) {
            int there[EACH];
#pragma unroll
            for (int q = 0; q < EACH; q++) {
                size_t k = k0 + (size_t)(q * CUDA_WARP + lane);
                there[q] = k < picks ? picked[k] : -1;
            }
#pragma unroll
            for (int q = 0; q < EACH; q++) {
                unsigned same = __ballot_sync(cuda_all_lanes, there[q] == to);
                any |= same != 0;
                for (; same; same &= same - 1)
                    add(image, k0 + (size_t)(q * CUDA_WARP + __ffs((int)same) - 1), first, sum);
            }
        }
        for (int q = 0, e = first; any && q < EACH && e < (int)cols; q++, e += CUDA_WARP) {
            float *own = dx + row * cols + (size_t)e;
            *own = acc ? *own + sum[q] : sum[q];
        }
    }
    __device__ void add(size_t image, size_t pick, int first, float *sum) const {
        const float *from = dy + (image * picks + pick) / taps * cols;
        float w = weight ? weight[pick] : 1;
#pragma unroll
        for (int q = 0; q < EACH; q++)
            if (first + q * CUDA_WARP < (int)cols)
                sum[q] += w * from[first + q * CUDA_WARP];
    }
};

struct fill_gradient {
    size_t rows_out, cols, index_stride;
    const float *dy;
    const int32_t *index;
    float *dfill;
    __device__ void operator()(size_t row, int col, float *v) const {
        if (index[row / rows_out * index_stride + row % rows_out] < 0)
            v[0] += dy[row * cols + (size_t)col];
    }
    __device__ void finish(int col, const float *v) const {
        dfill[col] += v[0];
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

struct maxpool {
    pooling p;
    const float *x;
    float *y;
    int32_t *arg;
    __device__ void operator()(size_t at) const {
        int e = (int)(at % (size_t)p.ch), ox = (int)(at / (size_t)p.ch % (size_t)p.ow);
        size_t row = at / (size_t)p.ch / (size_t)p.ow, image = row / (size_t)p.oh;
        int top = (int)(row % (size_t)p.oh) * p.stride - p.pad, left = ox * p.stride - p.pad;
        float best = -INFINITY;
        int where = -1;
        for (int iy = top < 0 ? 0 : top; iy < top + p.k && iy < p.h; iy++)
            for (int ix = left < 0 ? 0 : left; ix < left + p.k && ix < p.w; ix++) {
                float v = x[((image * (size_t)p.h + (size_t)iy) * (size_t)p.w + (size_t)ix) *
                                (size_t)p.ch +
                            (size_t)e];
                if (where < 0 || v > best || v != v) {
                    best = v;
                    where = iy * p.w + ix;
                }
            }
        y[at] = best;
        arg[at] = where;
    }
};

/* Each pixel looks at the windows that have it. */
struct maxpool_slope {
    pooling p;
    const float *dy;
    const int32_t *arg;
    int acc;
    float *dx;
    __device__ void operator()(size_t at) const {
        int e = (int)(at % (size_t)p.ch), ix = (int)(at / (size_t)p.ch % (size_t)p.w);
        size_t row = at / (size_t)p.ch / (size_t)p.w, image = row / (size_t)p.h;
        int iy = (int)(row % (size_t)p.h);
        float sum = acc ? dx[at] : 0;
        for (int oy = first(iy); oy < p.oh && oy * p.stride <= iy + p.pad; oy++)
            for (int ox = first(ix); ox < p.ow && ox * p.stride <= ix + p.pad; ox++) {
                size_t out = ((image * (size_t)p.oh + (size_t)oy) * (size_t)p.ow + (size_t)ox) *
                                 (size_t)p.ch +
                             (size_t)e;
                if (arg[out] == iy * p.w + ix)
                    sum += dy[out];
            }
        dx[at] = sum;
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

pooling pooling_of(int h, int w, int ch, int k, int stride, int pad) {
    return {
        h, w, ch, k, stride, pad, window_count(h, k, stride, pad), window_count(w, k, stride, pad)};
}

size_t product(int a, int b, int c, int d) {
    return (size_t)a * (size_t)b * (size_t)c * (size_t)d;
}

void scatter_all(const struct kctx *c, size_t images, const scatter &s, FROM_CALLER) {
    rows(c, images * s.rows_in * ((s.cols + scatter::STRETCH - 1) / scatter::STRETCH), s, where);
}

} // namespace

void cuda_gather_forward(const struct kctx *c, int n, int rows_in, int rows_out, int cols,
                         const real *x, const int32_t *index, int index_stride, const real *fill,
                         real *y) {
    each(c, product(n, rows_out, cols, 1),
         gather{(size_t)rows_in, (size_t)rows_out, (size_t)cols, (size_t)index_stride, x, index,
                fill, y});
}

void cuda_gather_backward(const struct kctx *c, int n, int rows_in, int rows_out, int cols,
                          const real *dy, const int32_t *index, int index_stride, int acc, real *dx,
                          real *dfill) {
    const scatter work = {(size_t)rows_in,
                          (size_t)rows_out,
                          1,
                          (size_t)cols,
                          (size_t)index_stride,
                          index,
                          NULL,
                          dy,
                          acc,
                          dx};
    if (dx)
        scatter_all(c, (size_t)n, work);
    if (dfill)
        columns<1>(
            c, n * rows_out, cols, 0,
            fill_gradient{(size_t)rows_out, (size_t)cols, (size_t)index_stride, dy, index, dfill});
}

void cuda_combine_rows_forward(const struct kctx *c, int n, int taps, int cols, const int32_t *row,
                               const real *weight, const real *x, real *y) {
    each(c, product(n, cols, 1, 1), combine_rows{(size_t)taps, (size_t)cols, row, weight, x, y});
}

void cuda_combine_rows_backward(const struct kctx *c, int n, int taps, int rows, int cols,
                                const int32_t *row, const real *weight, const real *dy, real *dx) {
    scatter_all(c, 1,
                scatter{(size_t)rows, (size_t)n * (size_t)taps, (size_t)taps, (size_t)cols, 0, row,
                        weight, dy, 1, dx});
}

void cuda_maxpool_forward(const struct kctx *c, int n, int h, int w, int ch, int k, int stride,
                          int pad, const real *x, real *y, int32_t *arg) {
    const pooling p = pooling_of(h, w, ch, k, stride, pad);
    each(c, product(n, p.oh, p.ow, ch), maxpool{p, x, y, arg});
}

void cuda_maxpool_backward(const struct kctx *c, int n, int h, int w, int ch, int k, int stride,
                           int pad, const real *dy, const int32_t *arg, int acc, real *dx) {
    each(c, product(n, h, w, ch),
         maxpool_slope{pooling_of(h, w, ch, k, stride, pad), dy, arg, acc, dx});
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
