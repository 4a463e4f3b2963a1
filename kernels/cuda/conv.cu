/* conv.cu -- convolutions, channels last: by cuDNN, or as products with windows that are never
 * written down. */
#include "kernels/cuda/dnn.h"
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
    __device__ float x_at(const float *x, int out, int t) const {
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
    __device__ float dy_at(const float *dy, int pixel, int t) const {
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
    __device__ float w_at(const float *w, int out, int t) const {
        return w[(size_t)out * (size_t)(s.kh * s.kw * s.in) + (size_t)t];
    }
};

struct forward {
    windows at;
    const float *x, *w, *bias;
    float *y;
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

struct backward_data {
    windows at;
    const float *dy, *w, *bias;
    int acc;
    float *dx;
    __device__ float left(int pixel, int t) const {
        return at.dy_at(dy, pixel, t);
    }
    __device__ float right(int t, int ci) const {
        const tap k = tap_of(t, at.s.kw, at.s.out);
        return at.w_at(w, k.channel, (k.ky * at.s.kw + k.kx) * at.s.in + ci);
    }
    __device__ void put(int part, int pixel, int ci, float sum) const {
        float *to = dx + (size_t)pixel * (size_t)at.s.in + (size_t)ci;
        (void)part;
        sum += bias ? bias[ci] : 0;
        *to = acc ? *to + sum : sum;
    }
};

/* (out, taps): over all windows, in parts */
struct backward_weight {
    windows at;
    const float *x, *dy;
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

struct add_bias {
    size_t channels;
    const float *bias;
    float *y;
    __device__ void operator()(size_t i) const {
        y[i] += bias[i % channels];
    }
};

/* Whether cuDNN took it; what went wrong there is the queue's error. */
bool is_done(const struct kctx *c, int result, FROM_CALLER) {
    if (result > 0)
        cuda_check(c, (cudaError_t)result, where);
    return result >= 0;
}

void bias_onto(const struct kctx *c, size_t places, int channels, const float *bias, float *y,
               FROM_CALLER) {
    if (bias)
        each(c, places * (size_t)channels, add_bias{(size_t)channels, bias, y}, where);
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
    int k = (int)taps_of(s);
    if (dnn && is_done(c, dnn_conv_forward(dnn, n, s, x, packed, y))) {
        bias_onto(c, (size_t)n * (size_t)at.oh * (size_t)at.ow, s->out, bias, y);
        return;
    }
    tiles(c, n * at.oh * at.ow, s->out, k, k, 1, forward{at, x, packed, bias, y});
}

void cuda_conv2d_backward_data(const struct kctx *c, int n, const struct conv_shape *s,
                               const real *dy, const real *packed, const real *bias, int acc,
                               real *dx) {
    struct dnn *dnn = cuda_queue_of(c)->dnn;
    int k = s->kh * s->kw * s->out;
    if (dnn && is_done(c, dnn_conv_backward_data(dnn, n, s, dy, packed, acc, dx))) {
        bias_onto(c, (size_t)n * (size_t)s->h * (size_t)s->w, s->in, bias, dx);
        return;
    }
    tiles(c, n * s->h * s->w, s->in, k, k, 1,
          backward_data{windows_of(s), dy, packed, bias, acc, dx});
}

void cuda_conv2d_backward_weight(const struct kctx *c, int n, const struct conv_shape *s,
                                 const real *x, const real *dy, real *dw) {
    const windows at = windows_of(s);
    struct dnn *dnn = cuda_queue_of(c)->dnn;
    if (dnn && is_done(c, dnn_conv_backward_weight(dnn, n, s, x, dy, dw)))
        return;
    size_t taps = taps_of(s), weights = (size_t)s->out * taps;
    int k = n * at.oh * at.ow, parts = parts_of(weights, k), k_part = (k + parts - 1) / parts;
    float *to = parts > 1 ? c->workspace : dw;
    tiles(c, s->out, (int)taps, k, k_part, parts,
          backward_weight{at, x, dy, taps, weights, to, parts == 1});
    if (parts > 1)
        each(c, weights, add_parts{parts, weights, c->workspace, dw});
}
