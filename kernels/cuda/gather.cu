/* gather.cu -- rows picked by index, the maximum of windows, a matrix for each channel. */
#include "kernels/cuda/device.cuh"

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

/* A warp for each row that was picked: the first pick of a row adds all picks of it, in order. */
struct scatter {
    size_t rows_in, rows_out, cols, index_stride;
    const float *dy;
    const int32_t *index;
    float *dx;
    __device__ void operator()(size_t row, int lane) const {
        size_t image = row / rows_out, j = row % rows_out;
        const int32_t *picks = index + image * index_stride;
        int to = picks[j], earlier = 0;
        for (size_t k = (size_t)lane; k < j; k += CUDA_WARP)
            earlier |= picks[k] == to;
        if (to < 0 || __ballot_sync(cuda_all_lanes, earlier))
            return;
        for (size_t k0 = j; k0 < rows_out; k0 += CUDA_WARP) {
            size_t k = k0 + (size_t)lane;
            unsigned same = __ballot_sync(cuda_all_lanes, k < rows_out && picks[k] == to);
            for (; same; same &= same - 1)
                add(image, k0 + (size_t)(__ffs((int)same) - 1), to, lane);
        }
    }
    __device__ void add(size_t image, size_t from, int to, int lane) const {
        const float *x = dy + (image * rows_out + from) * cols;
        float *y = dx + (image * rows_in + (size_t)to) * cols;
        for (size_t e = (size_t)lane; e < cols; e += CUDA_WARP)
            y[e] += x[e];
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

/* Each row of dx looks for its taps. */
struct combine_rows_slope {
    size_t n, taps, cols;
    const int32_t *row;
    const float *weight, *dy;
    float *dx;
    __device__ void operator()(size_t i) const {
        int own = (int)(i / cols);
        float sum = 0;
        for (size_t t = 0; t < n * taps; t++)
            if (row[t] == own)
                sum += weight[t] * dy[t / taps * cols + i % cols];
        dx[i] += sum;
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
};

struct channelwise {
    channels s;
    const float *x, *w, *bias;
    float *y;
    __device__ void operator()(size_t i) const {
        size_t e = i % s.ch, a = i / s.ch % s.p, image = i / s.ch / s.p;
        const float *row = w + (e * s.p + a) * s.q;
        float sum = bias ? bias[e * s.p + a] : 0;
        for (size_t b = 0; b < s.q; b++)
            sum += row[b] * x[(image * s.q + b) * s.ch + e];
        y[i] = sum;
    }
};

struct channelwise_slope {
    channels s;
    const float *w, *dy;
    int acc;
    float *dx;
    __device__ void operator()(size_t i) const {
        size_t e = i % s.ch, b = i / s.ch % s.q, image = i / s.ch / s.q;
        float sum = acc ? dx[i] : 0;
        for (size_t a = 0; a < s.p; a++)
            sum += w[(e * s.p + a) * s.q + b] * dy[(image * s.p + a) * s.ch + e];
        dx[i] = sum;
    }
};

struct channelwise_weight {
    channels s;
    const float *x, *dy;
    float *dw;
    __device__ void operator()(size_t i) const {
        size_t b = i % s.q, a = i / s.q % s.p, e = i / s.q / s.p;
        float sum = 0;
        for (size_t image = 0; image < s.n; image++)
            sum += dy[(image * s.p + a) * s.ch + e] * x[(image * s.q + b) * s.ch + e];
        dw[i] += sum;
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
    if (dx && !acc)
        cuda_fill(c, product(n, rows_in, cols, 1), 0, dx);
    if (dx)
        rows(c, product(n, rows_out, 1, 1),
             scatter{(size_t)rows_in, (size_t)rows_out, (size_t)cols, (size_t)index_stride, dy,
                     index, dx});
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
    each(c, product(rows, cols, 1, 1),
         combine_rows_slope{(size_t)n, (size_t)taps, (size_t)cols, row, weight, dy, dx});
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
    each(c, product(n, p, ch, 1), channelwise{s, x, w, bias, y});
}

void cuda_channelwise_fc_backward(const struct kctx *c, int n, int p, int q, int ch, const real *x,
                                  const real *w, const real *dy, int acc, real *dx, real *dw,
                                  real *dbias) {
    const channels s = {(size_t)n, (size_t)p, (size_t)q, (size_t)ch};
    if (dx)
        each(c, product(n, q, ch, 1), channelwise_slope{s, w, dy, acc, dx});
    each(c, product(ch, p, q, 1), channelwise_weight{s, x, dy, dw});
    if (dbias)
        each(c, product(ch, p, 1, 1), channelwise_bias{s, dy, dbias});
}
