/* swiglu.cu -- formulas in kernels/ref/swiglu.c */
#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/half.cuh"

namespace {

/* Where N neighbours of y, the first of them number i, have their gates. */
__device__ inline size_t gates(size_t i, size_t cols) {
    return i + cuda_quotient(i, cols) * cols;
}

template <class T, int N> struct swiglu {
    size_t cols;
    const T *x;
    T *y;
    __device__ void operator()(size_t group) const {
        const size_t at = gates(group * N, cols);
        const several<T, N> in = take<N>(x + at), b = take<N>(x + at + cols);
        several<T, N> out;
        for (int k = 0; k < N; k++) {
            const float a = in.v[k] < -sigmoid_far ? -sigmoid_far : (float)in.v[k];
            out.v[k] = a * sigmoid(a) * b.v[k];
        }
        put<N>(y + group * N, out);
    }
};

template <class T, int N> struct swiglu_slope {
    size_t cols;
    const T *x, *dy;
    int acc;
    T *dx;
    __device__ void operator()(size_t group) const {
        const size_t at = gates(group * N, cols);
        const several<T, N> in = take<N>(x + at), b = take<N>(x + at + cols);
        const several<T, N> d = take<N>(dy + group * N);
        several<T, N> first = {}, second = {};
        if (acc) {
            first = take<N>(dx + at);
            second = take<N>(dx + at + cols);
        }
        for (int k = 0; k < N; k++) {
            const float a = in.v[k] < -sigmoid_far ? -sigmoid_far : (float)in.v[k];
            const float near = a > sigmoid_far ? sigmoid_far : a, s = sigmoid(near);
            const float da = d.v[k] * b.v[k] * (s + near * sigmoid_slope(near));
            const float db = d.v[k] * (a * s);
            first.v[k] = acc ? first.v[k] + da : da;
            second.v[k] = acc ? second.v[k] + db : db;
        }
        put<N>(dx + at, first);
        put<N>(dx + at + cols, second);
    }
};

template <class T> void run_forward(const struct kctx *c, int rows, int cols, const T *x, T *y) {
    enum { WIDE = cuda_wide<T, T> };
    const char *where = "cuda_swiglu_forward";
    const size_t k = (size_t)cols, all = (size_t)rows * k;
    if (cuda_in_groups<WIDE>(k, x) && cuda_in_groups<WIDE>(k, y))
        each(c, all / WIDE, swiglu<T, WIDE>{k, x, y}, where);
    else
        each(c, all, swiglu<T, 1>{k, x, y}, where);
}

template <class T>
void run_backward(const struct kctx *c, int rows, int cols, const T *x, const T *dy, int acc,
                  T *dx) {
    enum { WIDE = cuda_wide<T, T> };
    const char *where = "cuda_swiglu_backward";
    const size_t k = (size_t)cols, all = (size_t)rows * k;
    if (cuda_in_groups<WIDE>(k, x) && cuda_in_groups<WIDE>(k, dy) && cuda_in_groups<WIDE>(k, dx))
        each(c, all / WIDE, swiglu_slope<T, WIDE>{k, x, dy, acc, dx}, where);
    else
        each(c, all, swiglu_slope<T, 1>{k, x, dy, acc, dx}, where);
}

} // namespace

void cuda_swiglu_forward(const struct kctx *c, int rows, int cols, const real *x, real *y) {
    if (c->halves)
        run_forward(c, rows, cols, cuda_halves(x), cuda_halves(y));
    else
        run_forward(c, rows, cols, x, y);
}

void cuda_swiglu_backward(const struct kctx *c, int rows, int cols, const real *x, const real *dy,
                          int acc, real *dx) {
    if (c->halves)
        run_backward(c, rows, cols, cuda_halves(x), cuda_halves(dy), acc, cuda_halves(dx));
    else
        run_backward(c, rows, cols, x, dy, acc, dx);
}
