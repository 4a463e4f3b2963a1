/* attention.cu -- y = p v, p = softmax(scale q k' + bias); formulas in kernels/ref/attention.c.
 * What is kept for the way back is p, or the logarithm of each row's denominator. */
#include "kernels/cuda/attention_strip.cuh"
#include "kernels/cuda/dnn.h"

namespace {

/* ---- what is kept: all of p with zeros behind a row, or a number a row ---- */

template <class S> struct keep_weights {
    S *p;

    __device__ void weight(const attention<S> &a, const strip_rows &s, int r, int j,
                           float x) const {
        p[a.p_at(s.pair, s.first + r) + (size_t)j] = x;
    }
    template <class G>
    __device__ void end(const attention<S> &a, const strip_rows &s,
                        const float (&)[G::R][2]) const {
        each_of_strip<G>(s, (int)a.p_ld() - s.seen, [&](int r, int j) {
            if (r < s.rows)
                weight(a, s, r, s.seen + j, 0);
        });
    }
};

template <class S> struct keep_lse {
    float *lse;

    __device__ void weight(const attention<S> &, const strip_rows &, int, int, float) const {}
    template <class G>
    __device__ void end(const attention<S> &a, const strip_rows &s,
                        const float (&state)[G::R][2]) const {
#pragma unroll
        for (int r = 0; r < G::R; r++)
            if (!s.lane && r < s.rows)
                lse[s.pair * (size_t)a.t + (size_t)(s.first + r)] = state[r][0] + logf(state[r][1]);
    }
};

template <class S, class K> struct forward {
    attention<S> a;
    const float *bias;
    K kept;
    S *y;

    __device__ token_rows<S> left(size_t pair) const {
        return a.part(pair, 0);
    }
    __device__ token_rows<S> right(size_t pair) const {
        return a.part(pair, 1);
    }
    __device__ token_rows<S> mixed(size_t pair) const {
        return a.part(pair, 2);
    }
    /* The largest score so far, and the sum of exp(score - largest). */
    template <class G> __device__ void begin(float (&state)[G::R][2]) const {
#pragma unroll
        for (int r = 0; r < G::R; r++)
            state[r][0] = -INFINITY, state[r][1] = 0;
    }
    template <class G> __device__ void score(const strip_rows &s, int j0, int count) const {
        const float *b = bias ? bias + (size_t)a.head(s.pair) * (size_t)a.t * (size_t)a.t : NULL;
        each_of_strip<G>(s, count, [&](int r, int j) {
            float *x = s.x + r * s.ld + j;
            int i = s.query(r);
            *x = a.scale * *x + (b ? b[(size_t)i * (size_t)a.t + (size_t)(j0 + j)] : 0);
            if (a.causal && j0 + j > i)
                *x = -INFINITY;
        });
    }
    template <class G>
    __device__ void see(const strip_rows &s, int j0, int count, float (&state)[G::R][2]) const {
        float most[G::R], sum[G::R];
        (void)j0;
#pragma unroll
        for (int r = 0; r < G::R; r++)
            most[r] = state[r][0], sum[r] = 0;
        each_of_strip<G>(s, count,
                         [&](int r, int j) { most[r] = fmaxf(most[r], s.x[r * s.ld + j]); });
#pragma unroll
        for (int r = 0; r < G::R; r++)
            most[r] = warp_max(most[r]);
        each_of_strip<G>(s, count,
                         [&](int r, int j) { sum[r] += expf(s.x[r * s.ld + j] - most[r]); });
#pragma unroll
        for (int r = 0; r < G::R; r++) {
            state[r][1] = state[r][1] * expf(state[r][0] - most[r]) + warp_sum(sum[r]);
            state[r][0] = most[r];
        }
    }
    template <class G>
    __device__ void weigh(const strip_rows &s, int j0, int count,
                          const float (&state)[G::R][2]) const {
        each_of_strip<G>(s, round_to_four(count), [&](int r, int j) {
            float *x = s.x + r * s.ld + j;
            *x = j < count ? expf(*x - state[r][0]) / state[r][1] : 0;
            if (r < s.rows && j < count)
                kept.weight(a, s, r, j0 + j, *x);
        });
        if (j0 + count >= s.seen)
            kept.template end<G>(a, s, state);
    }
    __device__ void put(size_t pair, int query, int e, float sum) const {
        y[a.y_at(pair) + (size_t)query * a.y_ld() + (size_t)e] = sum;
    }
};

} // namespace

void cuda_attention_forward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                            int causal, const real *bias, const real *qkv, real *p, real *y) {
    size_t pairs = (size_t)n * (size_t)heads;
    if (c->halves)
        strips(c, pairs,
               forward<bfloat16, keep_weights<bfloat16>>{
                   {t, heads, d, causal, scale, cuda_halves(qkv)},
                   bias,
                   {cuda_halves(p)},
                   cuda_halves(y)});
    else
        strips(
            c, pairs,
            forward<float, keep_weights<float>>{{t, heads, d, causal, scale, qkv}, bias, {p}, y});
}

void cuda_attention_flash_forward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                                  int causal, const real *bias, const real *qkv, real *lse,
                                  real *y) {
    size_t pairs = (size_t)n * (size_t)heads;
    struct dnn *dnn = cuda_queue_of(c)->dnn;
    const struct device_attention all = {0,    n,   t,   heads, d,    c->halves != 0, causal,
                                         bias, qkv, lse, y,     NULL, NULL,           NULL};
    if (dnn && cuda_is_done(c, dnn_attention(dnn, &all, scale)))
        return;
    if (c->halves)
        strips(c, pairs,
               forward<bfloat16, keep_lse<bfloat16>>{
                   {t, heads, d, causal, scale, cuda_halves(qkv)}, bias, {lse}, cuda_halves(y)});
    else
        strips(c, pairs,
               forward<float, keep_lse<float>>{{t, heads, d, causal, scale, qkv}, bias, {lse}, y});
}
