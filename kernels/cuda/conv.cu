/* conv.cu -- convolutions, channels last: by cuDNN, or as products with windows that are never
 * written down.  x, y and the prepared weights are stored alike, as T; what they give to the
 * gradient of the weights is summed in float. */
#include "kernels/cuda/dnn.h"
#include "kernels/cuda/half.cuh"
#include "kernels/cuda/tile.cuh"

namespace {

/* A place among images of h x w. */
struct place {
    int i, y, x;
};

__device__ place place_of(int at, int h, int w) {
    return {at / (h * w), at / w % h, at % w};
}

/* What one number k of a window's elements is: a row and column of the kernel, and a channel. */
struct tap {
    int ky, kx, channel;
};

__device__ tap tap_of(int k, int kw, int channels) {
    return {k / channels / kw, k / channels % kw, k % channels};
}

struct windows {
    conv_shape s;
    int oh, ow;
    /* x under tap t of the window at `out`, 0 in the padding */
    template <class T> __device__ float x_at(const T *x, int out, int t) const {
        const place o = place_of(out, oh, ow);
        const tap k = tap_of(t, s.kw, s.in);
        int y = o.y * s.stride + k.ky - s.pad, column = o.x * s.stride + k.kx - s.pad;
        if (y < 0 || y >= s.h || column < 0 || column >= s.w)
            return 0;
        return x[(((size_t)o.i * (size_t)s.h + (size_t)y) * (size_t)s.w + (size_t)column) *
                     (size_t)s.in +
                 (size_t)k.channel];
    }
    /* dy of the window that has this pixel under tap t (of out channels), 0 where there is none */
    template <class T> __device__ float dy_at(const T *dy, int pixel, int t) const {
        const place at = place_of(pixel, s.h, s.w);
        const tap k = tap_of(t, s.kw, s.out);
        int y = at.y + s.pad - k.ky, x = at.x + s.pad - k.kx;
        if (y < 0 || x < 0 || y % s.stride || x % s.stride || y / s.stride >= oh ||
            x / s.stride >= ow)
            return 0;
        return dy[(((size_t)at.i * (size_t)oh + (size_t)(y / s.stride)) * (size_t)ow +
                   (size_t)(x / s.stride)) *
                      (size_t)s.out +
                  (size_t)k.channel];
    }
    /* A weight (out,kh,kw,in) by output channel, tap of input channels. */
    template <class T> __device__ float w_at(const T *w, int out, int t) const {
        return w[(size_t)out * (size_t)(s.kh * s.kw * s.in) + (size_t)t];
    }
};

template <class T> struct forward {
    windows at;
    const T *x, *w;
    const float *bias;
    T *y;
    __device__ float left(int out, int t) const {
        return at.x_at(x, out, t);
    }
    __device__ float right(int t, int co) const {
        return at.w_at(w, co, t);
    }
    __device__ void put(int part, int out, int co, float sum) const {
        (void)part;
        y[(size_t)out * (size_t)at.s.out + (size_t)co] = sum + (bias ? bias[co] : 0);
    }
};

template <class T> struct backward_data {
    windows at;
    const T *dy, *w;
    const float *bias;
    int acc;
    T *dx;
    __device__ float left(int pixel, int t) const {
        return at.dy_at(dy, pixel, t);
    }
    __device__ float right(int t, int ci) const {
        const tap k = tap_of(t, at.s.kw, at.s.out);
        return at.w_at(w, k.channel, (k.ky * at.s.kw + k.kx) * at.s.in + ci);
    }
    __device__ void put(int part, int pixel, int ci, float sum) const {
        T *to = dx + (size_t)pixel * (size_t)at.s.in + (size_t)ci;
        (void)part;
        sum += bias ? bias[ci] : 0;
        *to = acc ? *to + sum : sum;
    }
};

/* (out, taps): over all windows, in parts */
template <class T> struct backward_weight {
    windows at;
    const T *x, *dy;
    size_t taps, weights;
    float *to; /* (parts, out, taps), or dw */
    int adds;
    __device__ float left(int co, int out) const {
        return dy[(size_t)out * (size_t)at.s.out + (size_t)co];
    }
    __device__ float right(int out, int t) const {
        return at.x_at(x, out, t);
    }
    __device__ void put(int part, int co, int t, float sum) const {
        size_t i = (size_t)part * weights + (size_t)co * taps + (size_t)t;
        to[i] = adds ? to[i] + sum : sum;
    }
};

template <class T> struct add_bias {
    size_t channels;
    const float *bias;
    T *y;
    __device__ void operator()(size_t i) const {
        y[i] = y[i] + bias[i % channels];
    }
};

/* What the library left in 16 bits. */
struct add_narrow {
    const bfloat16 *from;
    float *to;
    __device__ void operator()(size_t i) const {
        to[i] += from[i];
    }
};

void bias_onto(const struct kctx *c, size_t places, int channels, const float *bias, float *y,
               FROM_CALLER) {
    size_t n = places * (size_t)channels;
    if (bias && c->halves)
        each(c, n, add_bias<bfloat16>{(size_t)channels, bias, cuda_halves(y)}, where);
    else if (bias)
        each(c, n, add_bias<float>{(size_t)channels, bias, y}, where);
}

windows windows_of(const struct conv_shape *s) {
    return {*s, conv_out_h(s), conv_out_w(s)};
}

size_t taps_of(const struct conv_shape *s) {
    return (size_t)s->kh * (size_t)s->kw * (size_t)s->in;
}

/* Windows are many and weights few: parts of the windows fill the device, and are then added. */
int parts_of(size_t weights, int windows) {
    enum { FEWEST = 256, MOST = 64 };
    size_t parts = (size_t)windows / FEWEST, room = KERNEL_WORKSPACE / (weights ? weights : 1);
    parts = parts < room ? parts : room;
    return parts < 1 ? 1 : parts > MOST ? MOST : (int)parts;
}

template <class T>
void own_weight(const struct kctx *c, int n, const struct conv_shape *s, const T *x, const T *dy,
                float *dw, const char *where) {
    const windows at = windows_of(s);
    const size_t taps = taps_of(s), weights = (size_t)s->out * taps;
    int k = n * at.oh * at.ow, parts = parts_of(weights, k), k_part = (k + parts - 1) / parts;
    float *to = parts > 1 ? c->workspace : dw;
    tiles(c, s->out, (int)taps, k, k_part, parts,
          backward_weight<T>{at, x, dy, taps, weights, to, parts == 1}, where);
    if (parts > 1)
        each(c, weights, add_parts{parts, weights, c->workspace, dw}, where);
}

} // namespace

size_t cuda_conv2d_pack_size(const struct conv_shape *s, int backward) {
    (void)backward;
    return (size_t)s->out * taps_of(s);
}

/* The prepared weights are the weights, for cuDNN and for the kernels here. */
void cuda_conv2d_pack(const struct kctx *c, const struct conv_shape *s, int backward, const real *w,
                      real *packed) {
    cuda_axpby(c, cuda_conv2d_pack_size(s, backward), 1, w, 0, packed);
}

void cuda_conv2d_forward(const struct kctx *c, int n, const struct conv_shape *s, const real *x,
                         const real *packed, const real *bias, real *y) {
    const windows at = windows_of(s);
    struct dnn *dnn = cuda_queue_of(c)->dnn;
    const int k = (int)taps_of(s), m = n * at.oh * at.ow;
    if (dnn && cuda_is_done(c, dnn_conv_forward(dnn, n, s, c->halves != 0, x, packed, y)))
        bias_onto(c, (size_t)m, s->out, bias, y);
    else if (c->halves)
        tiles(c, m, s->out, k, k, 1,
              forward<bfloat16>{at, cuda_halves(x), cuda_halves(packed), bias, cuda_halves(y)});
    else
        tiles(c, m, s->out, k, k, 1, forward<float>{at, x, packed, bias, y});
}

void cuda_conv2d_backward_data(const struct kctx *c, int n, const struct conv_shape *s,
                               const real *dy, const real *packed, const real *bias, int acc,
                               real *dx) {
    const windows at = windows_of(s);
    struct dnn *dnn = cuda_queue_of(c)->dnn;
    const int k = s->kh * s->kw * s->out, m = n * s->h * s->w;
    if (dnn &&
        cuda_is_done(c, dnn_conv_backward_data(dnn, n, s, c->halves != 0, dy, packed, acc, dx)))
        bias_onto(c, (size_t)m, s->in, bias, dx);
    else if (c->halves)
        tiles(c, m, s->in, k, k, 1,
              backward_data<bfloat16>{at, cuda_halves(dy), cuda_halves(packed), bias, acc,
                                      cuda_halves(dx)});
    else
        tiles(c, m, s->in, k, k, 1, backward_data<float>{at, dy, packed, bias, acc, dx});
}

void cuda_conv2d_backward_weight(const struct kctx *c, int n, const struct conv_shape *s,
                                 const real *x, const real *dy, real *dw) {
    struct dnn *dnn = cuda_queue_of(c)->dnn;
    const void *narrow = NULL;
    if (!dnn ||
        !cuda_is_done(c, dnn_conv_backward_weight(dnn, n, s, c->halves != 0, x, dy, dw, &narrow))) {
        if (c->halves)
            own_weight(c, n, s, cuda_halves(x), cuda_halves(dy), dw, __func__);
        else
            own_weight(c, n, s, x, dy, dw, __func__);
    } else if (narrow) {
        each(c, (size_t)s->out * taps_of(s), add_narrow{static_cast<const bfloat16 *>(narrow), dw});
    }
}
