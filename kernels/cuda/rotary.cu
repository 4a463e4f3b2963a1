/* rotary.cu -- formulas in kernels/ref/rotary.c */
#include "kernels/cuda/half.cuh"

namespace {

/* N neighbours of the first half of a head, and their partners. */
template <class T, int N> struct rotary {
    size_t rows, heads, groups, half; /* groups: of a head's first half */
    const float *table;
    float sign;
    const T *x;
    int acc;
    T *y;
    __device__ void operator()(size_t i) const {
        const size_t in_row = 3 * heads * groups, row = cuda_quotient(i, in_row);
        const size_t rest = cuda_remainder(i, in_row), head = cuda_quotient(rest, groups);
        const size_t j = cuda_remainder(rest, groups) * N;
        const size_t at = (row * 3 * heads + head) * 2 * half + j;
        const bool turns = head < 2 * heads; /* v does not */
        const float *cosine = table + cuda_remainder(row, rows) * 2 * half + j;
        const several<T, N> a = take<N>(x + at), b = take<N>(x + at + half);
        several<T, N> first = {}, second = {};
        several<float, N> c = {}, s = {};
        if (acc) {
            first = take<N>(y + at);
            second = take<N>(y + at + half);
        }
        if (turns) {
            c = take<N>(cosine);
            s = take<N>(cosine + half);
        }
        for (int k = 0; k < N; k++) {
            const float cos = turns ? c.v[k] : 1, sin = sign * s.v[k];
            const float one = a.v[k] * cos - b.v[k] * sin, two = b.v[k] * cos + a.v[k] * sin;
            first.v[k] = acc ? first.v[k] + one : one;
            second.v[k] = acc ? second.v[k] + two : two;
        }
        put<N>(y + at, first);
        put<N>(y + at + half, second);
    }
};

enum { FOUR = 4 };

template <class T>
void run(const struct kctx *c, int n, int rows, int heads, int half, const float *table, int back,
         const T *x, int acc, T *y) {
    const size_t wide = (size_t)half, all = (size_t)n * (size_t)rows * 3 * (size_t)heads * wide;
    const float sign = back ? -1 : 1;
    if (cuda_in_groups<FOUR>(wide, x) && cuda_in_groups<FOUR>(wide, y) &&
        cuda_in_groups<FOUR>(wide, table))
        each(
            c, all / FOUR,
            rotary<T, FOUR>{(size_t)rows, (size_t)heads, wide / FOUR, wide, table, sign, x, acc, y},
            "cuda_rotary");
    else
        each(c, all, rotary<T, 1>{(size_t)rows, (size_t)heads, wide, wide, table, sign, x, acc, y},
             "cuda_rotary");
}

} // namespace

void cuda_rotary(const struct kctx *c, int n, int rows, int heads, int half, const real *table,
                 int back, const real *x, int acc, real *y) {
    if (c->halves)
        run(c, n, rows, heads, half, table, back, cuda_halves(x), acc, cuda_halves(y));
    else
        run(c, n, rows, heads, half, table, back, x, acc, y);
}
