/* elementwise.cu -- an output element from the same element of the inputs, and what only moves. */
#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/adamw.cuh"
#include "kernels/cuda/half.cuh"

namespace {

/* N neighbours at a time, here and below. */
template <class X, class Y, int N> struct axpby {
    float a, b;
    const X *x;
    Y *y;
    __device__ void operator()(size_t group) const {
        const several<X, N> in = take<N>(x + group * N);
        several<Y, N> out = {};
        if (b != 0)
            out = take<N>(y + group * N);
        for (int k = 0; k < N; k++)
            out.v[k] = b != 0 ? a * in.v[k] + b * out.v[k] : a * in.v[k];
        put<N>(y + group * N, out);
    }
};

struct fill {
    float value, *y;
    __device__ void operator()(size_t i) const {
        y[i] = value;
    }
};

struct copy_rows {
    size_t cols, ldx, ldy;
    const float *x;
    int acc;
    float *y;
    __device__ void operator()(size_t i) const {
        float from = x[i / cols * ldx + i % cols], *to = y + i / cols * ldy + i % cols;
        *to = acc ? *to + from : from;
    }
};

struct copy_index_rows {
    size_t cols, ldx, step;
    const int32_t *x;
    int32_t *y;
    __device__ void operator()(size_t i) const {
        y[i] = x[i / cols * ldx + i % cols * step];
    }
};

struct pick_index {
    size_t rows_out, ldx, ldp;
    const int32_t *x, *places;
    int32_t *y;
    __device__ void operator()(size_t i) const {
        int place = places[i / rows_out * ldp + i % rows_out];
        y[i] = place < 0 ? -1 : x[i / rows_out * ldx + (size_t)place];
    }
};

struct add_broadcast {
    size_t inner;
    const float *x, *b;
    float *y;
    __device__ void operator()(size_t i) const {
        y[i] = x[i] + b[cuda_remainder(i, inner)];
    }
};

template <class T, int N> struct act_forward {
    enum activation act;
    const T *x;
    T *y;
    __device__ void operator()(size_t group) const {
        several<T, N> v = take<N>(x + group * N);
        for_activation(act, [&](enum activation by) {
            for (int k = 0; k < N; k++)
                v.v[k] = activate(by, v.v[k]);
        });
        put<N>(y + group * N, v);
    }
};

template <class T, int N> struct act_backward {
    enum activation act;
    const T *x, *dy;
    int acc;
    T *dx;
    __device__ void operator()(size_t group) const {
        const several<T, N> in = take<N>(x + group * N), g = take<N>(dy + group * N);
        several<T, N> out = {};
        if (acc)
            out = take<N>(dx + group * N);
        for_activation(act, [&](enum activation by) {
            for (int k = 0; k < N; k++) {
                float d = g.v[k] * activation_slope(by, in.v[k]);
                out.v[k] = acc ? out.v[k] + d : d;
            }
        });
        put<N>(dx + group * N, out);
    }
};

struct bce_forward {
    const float *x;
    float target, *loss;
    __device__ void operator()(size_t i) const {
        loss[i] = fmaxf(x[i], 0) - x[i] * target + log1pf(expf(-fabsf(x[i])));
    }
};

struct bce_backward {
    const float *x;
    float target;
    const float *dloss;
    int acc;
    float *dx;
    __device__ void operator()(size_t i) const {
        float d = dloss[i] * (1 / (1 + expf(-x[i])) - target);
        dx[i] = acc ? dx[i] + d : d;
    }
};

struct patches {
    int channels, height, width, p;
    /* Where pixel i of the images is among the patches. */
    __device__ size_t place(size_t i) const {
        int column = (int)cuda_remainder(i, (size_t)width);
        size_t rest = cuda_quotient(i, (size_t)width);
        int row = (int)cuda_remainder(rest, (size_t)height);
        rest = cuda_quotient(rest, (size_t)height);
        int channel = (int)cuda_remainder(rest, (size_t)channels);
        size_t image = cuda_quotient(rest, (size_t)channels);
        size_t patch = (size_t)(row / p) * (size_t)(width / p) + (size_t)(column / p);
        size_t inside = ((size_t)channel * (size_t)p + (size_t)(row % p)) * (size_t)p;
        return image * (size_t)channels * (size_t)height * (size_t)width +
               patch * (size_t)channels * (size_t)p * (size_t)p + inside + (size_t)(column % p);
    }
};

/* N pixels that are neighbours in the image and in a row of a patch. */
template <class T, int N> struct to_patches {
    patches at;
    const float *x;
    T *y;
    __device__ void operator()(size_t group) const {
        const several<float, N> in = take<N>(x + group * N);
        several<T, N> out;
        for (int k = 0; k < N; k++)
            out.v[k] = in.v[k];
        put<N>(y + at.place(group * N), out);
    }
};

template <class T, int N> struct from_patches {
    patches at;
    const T *y;
    int acc;
    float *x;
    __device__ void operator()(size_t group) const {
        const several<T, N> in = take<N>(y + at.place(group * N));
        several<float, N> out = {};
        if (acc)
            out = take<N>(x + group * N);
        for (int k = 0; k < N; k++)
            out.v[k] = acc ? out.v[k] + in.v[k] : (float)in.v[k];
        put<N>(x + group * N, out);
    }
};

/* Lanes as a tree of neighbours, SPAN at a time, as ranks go on with it (nn/ranks.c); lanes that
 * are missing to a power of two are zeros. */
template <int SPAN> struct reduce_lanes {
    enum { LEVELS = 32 };
    int lanes;
    size_t stride;
    const float *others;
    float *first;
    __device__ float lane(int at, size_t i) const {
        return at >= lanes ? 0 : at ? others[(size_t)(at - 1) * stride + i] : first[i];
    }
    __device__ float branch(int from, size_t i) const {
        float v[SPAN];
#pragma unroll
        for (int k = 0; k < SPAN; k++)
            v[k] = lane(from + k, i);
#pragma unroll
        for (int step = 1; step < SPAN; step *= 2)
#pragma unroll
            for (int k = 0; k < SPAN; k += 2 * step)
                v[k] += v[k + step];
        return v[0];
    }
    __device__ void operator()(size_t i) const {
        if (lanes <= SPAN) {
            first[i] = branch(0, i);
            return;
        }
        float open[LEVELS], sum = 0; /* branches that wait for their neighbour */
        int n = 1;
        while (n * SPAN < lanes)
            n *= 2;
        for (int b = 0; b < n; b++) {
            int level = 0;
            sum = branch(b * SPAN, i);
            for (; b >> level & 1; level++)
                sum = open[level] + sum;
            open[level] = sum;
        }
        first[i] = sum;
    }
};

struct sgd {
    float *w, *buf;
    const float *g;
    float gscale, lr, momentum, wd;
    int nesterov, first;
    __device__ void operator()(size_t i) const {
        float gradient = gscale * g[i] + wd * w[i];
        float velocity = first ? gradient : momentum * buf[i] + gradient;
        w[i] -= lr * (nesterov ? gradient + momentum * velocity : velocity);
        buf[i] = velocity;
    }
};

size_t product(int a, int b) {
    return (size_t)a * (size_t)b;
}

template <class X, class Y>
void run_axpby(const struct kctx *c, size_t n, float a, const X *x, float b, Y *y) {
    enum { WIDE = cuda_wide<X, Y> };
    const char *where = "cuda_axpby";
    if (cuda_in_groups<WIDE>(n, x) && cuda_in_groups<WIDE>(n, y))
        each(c, n / WIDE, axpby<X, Y, WIDE>{a, b, x, y}, where);
    else
        each(c, n, axpby<X, Y, 1>{a, b, x, y}, where);
}

template <class T>
void run_act_forward(const struct kctx *c, enum activation act, size_t n, const T *x, T *y) {
    enum { WIDE = cuda_wide<T, T> };
    const char *where = "cuda_act_forward";
    if (cuda_in_groups<WIDE>(n, x) && cuda_in_groups<WIDE>(n, y))
        each(c, n / WIDE, act_forward<T, WIDE>{act, x, y}, where);
    else
        each(c, n, act_forward<T, 1>{act, x, y}, where);
}

template <class T>
void run_act_backward(const struct kctx *c, enum activation act, size_t n, const T *x, const T *dy,
                      int acc, T *dx) {
    enum { WIDE = cuda_wide<T, T> };
    const char *where = "cuda_act_backward";
    if (cuda_in_groups<WIDE>(n, x) && cuda_in_groups<WIDE>(n, dy) && cuda_in_groups<WIDE>(n, dx))
        each(c, n / WIDE, act_backward<T, WIDE>{act, x, dy, acc, dx}, where);
    else
        each(c, n, act_backward<T, 1>{act, x, dy, acc, dx}, where);
}

enum { FOUR = 4 };

/* Patches begin where their first does, times their size. */
template <class T> bool patches_in_fours(const patches &at, const float *x, const T *y) {
    return at.p % FOUR == 0 && cuda_in_groups<FOUR>(FOUR, x) && cuda_in_groups<FOUR>(FOUR, y);
}

template <class T>
void run_to_patches(const struct kctx *c, const patches &at, size_t n, const float *x, T *y) {
    const char *where = "cuda_patchify";
    if (patches_in_fours(at, x, y))
        each(c, n / FOUR, to_patches<T, FOUR>{at, x, y}, where);
    else
        each(c, n, to_patches<T, 1>{at, x, y}, where);
}

template <class T>
void run_from_patches(const struct kctx *c, const patches &at, size_t n, const T *y, int acc,
                      float *x) {
    const char *where = "cuda_unpatchify";
    if (patches_in_fours(at, x, y))
        each(c, n / FOUR, from_patches<T, FOUR>{at, y, acc, x}, where);
    else
        each(c, n, from_patches<T, 1>{at, y, acc, x}, where);
}

} // namespace

void cuda_axpby(const struct kctx *c, size_t n, real a, const real *x, real b, real *y) {
    if (!c->halves)
        run_axpby(c, n, a, x, b, y);
    else if (c->halves == 2)
        run_axpby(c, n, a, x, b, cuda_halves(y));
    else if (c->halves == 1)
        run_axpby(c, n, a, cuda_halves(x), b, y);
    else
        run_axpby(c, n, a, cuda_halves(x), b, cuda_halves(y));
}

void cuda_fill(const struct kctx *c, size_t n, real value, real *y) {
    each(c, n, fill{value, y});
}

void cuda_copy_rows(const struct kctx *c, int rows, int cols, const real *x, int ldx, int acc,
                    real *y, int ldy) {
    each(c, product(rows, cols), copy_rows{(size_t)cols, (size_t)ldx, (size_t)ldy, x, acc, y});
}

void cuda_copy_index_rows(const struct kctx *c, int rows, int cols, const int32_t *x, int ldx,
                          int step, int32_t *y) {
    each(c, product(rows, cols), copy_index_rows{(size_t)cols, (size_t)ldx, (size_t)step, x, y});
}

void cuda_pick_index(const struct kctx *c, int n, int rows_out, const int32_t *x, int ldx,
                     const int32_t *places, int ldp, int32_t *y) {
    each(c, product(n, rows_out),
         pick_index{(size_t)rows_out, (size_t)ldx, (size_t)ldp, x, places, y});
}

void cuda_add_broadcast(const struct kctx *c, int n, int inner, const real *x, const real *b,
                        real *y) {
    each(c, product(n, inner), add_broadcast{(size_t)inner, x, b, y});
}

void cuda_act_forward(const struct kctx *c, enum activation act, size_t n, const real *x, real *y) {
    if (c->halves)
        run_act_forward(c, act, n, cuda_halves(x), cuda_halves(y));
    else
        run_act_forward(c, act, n, x, y);
}

void cuda_act_backward(const struct kctx *c, enum activation act, size_t n, const real *x,
                       const real *dy, int acc, real *dx) {
    if (c->halves)
        run_act_backward(c, act, n, cuda_halves(x), cuda_halves(dy), acc, cuda_halves(dx));
    else
        run_act_backward(c, act, n, x, dy, acc, dx);
}

void cuda_bce_forward(const struct kctx *c, size_t n, const real *x, real target, real *loss) {
    each(c, n, bce_forward{x, target, loss});
}

void cuda_bce_backward(const struct kctx *c, size_t n, const real *x, real target,
                       const real *dloss, int acc, real *dx) {
    each(c, n, bce_backward{x, target, dloss, acc, dx});
}

void cuda_patchify(const struct kctx *c, int n, int channels, int height, int width, int p,
                   const real *x, real *y) {
    const patches at = {channels, height, width, p};
    const size_t all = product(n, channels) * product(height, width);
    if (c->halves)
        run_to_patches(c, at, all, x, cuda_halves(y));
    else
        run_to_patches(c, at, all, x, y);
}

void cuda_unpatchify(const struct kctx *c, int n, int channels, int height, int width, int p,
                     const real *y, int acc, real *x) {
    const patches at = {channels, height, width, p};
    const size_t all = product(n, channels) * product(height, width);
    if (c->halves)
        run_from_patches(c, at, all, cuda_halves(y), acc, x);
    else
        run_from_patches(c, at, all, y, acc, x);
}

void cuda_reduce_lanes(const struct kctx *c, int lanes, size_t n, size_t stride, const real *others,
                       real *first) {
    if (lanes < 2)
        return;
    if (lanes == 2)
        each(c, n, reduce_lanes<2>{lanes, stride, others, first});
    else if (lanes <= 4)
        each(c, n, reduce_lanes<4>{lanes, stride, others, first});
    else if (lanes <= 8)
        each(c, n, reduce_lanes<8>{lanes, stride, others, first});
    else
        each(c, n, reduce_lanes<16>{lanes, stride, others, first});
}

void cuda_adamw(const struct kctx *c, size_t n, real *w, const real *g, real *m, real *v,
                real gscale, real lr, real b1, real b2, real eps, real wd, real c1, real c2) {
    each(c, n, adamw{w, m, v, g, gscale, lr, b1, b2, eps, wd, c1, c2});
}

void cuda_sgd(const struct kctx *c, size_t n, real *w, const real *g, real *buf, real gscale,
              real lr, real momentum, real wd, int nesterov, int first) {
    each(c, n, sgd{w, buf, g, gscale, lr, momentum, wd, nesterov, first});
}
