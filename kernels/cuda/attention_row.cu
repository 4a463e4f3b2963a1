/* attention_row.cu -- attention of one query an image: a block for each head of an image, a key for
 * each of its warps at a time.
 *
 * S: how qkv and its gradient are stored, float or in 16 bits; p and y, which are small, are
 * floats. */
#include "kernels/cuda/attention.cuh"

namespace {

enum {
    ROW_WARPS = CUDA_BLOCK / CUDA_WARP,
    ROW_KEYS = 4, /* of a warp at once, to wait for memory together */
    ROW_WIDE = 64,
    ROW_FEATURES = ROW_WIDE / CUDA_WARP /* of a lane */
};

template <class S> struct row_attention {
    attention<S> a;
    const int32_t *row; /* row[image * row_stride] */
    int row_stride;

    __device__ int token(size_t pair) const {
        return row[pair / (size_t)a.heads * (size_t)row_stride];
    }
};

/* Those that a thread works with. */
struct row_place {
    size_t pair;
    int warp, lane;
};

__device__ row_place row_place_of_thread(void) {
    return {blockIdx.x, (int)threadIdx.x / CUDA_WARP, (int)threadIdx.x % CUDA_WARP};
}

/* Keys warp, warp + 8, ... of a block's warps; from j on, key k of a lot. */
__device__ int key_of_lot(int j, int k) {
    return j + k * ROW_WARPS;
}

enum { ROW_LOT = ROW_KEYS * ROW_WARPS };

/* sum[k] = the dot of x and token key_of_lot(j, k), the last one instead of those behind */
template <class X, class S>
__device__ void dots_of_lot(const X *x, const token_rows<S> &rows, int j, int end, int d, int lane,
                            float (&sum)[ROW_KEYS]) {
#pragma unroll
    for (int k = 0; k < ROW_KEYS; k++)
        sum[k] = 0;
    for (int e = lane; e < d; e += CUDA_WARP) {
#pragma unroll
        for (int k = 0; k < ROW_KEYS; k++) {
            int key = key_of_lot(j, k);
            sum[k] += x[e] * rows.x[(size_t)(key < end ? key : end - 1) * rows.ld + (size_t)e];
        }
    }
#pragma unroll
    for (int k = 0; k < ROW_KEYS; k++)
        sum[k] = warp_sum(sum[k]);
}

/* Of a number that each warp has: the same for the whole block. */
template <class Two>
__device__ float block_of_warps(float x, float *scratch, const row_place &at, const Two &two) {
    if (!at.lane)
        scratch[at.warp] = x;
    __syncthreads();
    x = scratch[0];
    for (int w = 1; w < ROW_WARPS; w++)
        x = two(x, scratch[w]);
    __syncthreads(); /* scratch may be written */
    return x;
}

__device__ float block_sum(float x, float *scratch, const row_place &at) {
    return block_of_warps(x, scratch, at, [](float a, float b) { return a + b; });
}

__device__ float block_max(float x, float *scratch, const row_place &at) {
    return block_of_warps(x, scratch, at, [](float a, float b) { return fmaxf(a, b); });
}

/* to[e0 ..] = scale times the sum of what the warps have for these features */
template <class T>
__device__ void put_sums(const float (&out)[ROW_FEATURES], float *scratch, const row_place &at,
                         int e0, int d, float scale, T *to) {
    int e = (int)threadIdx.x;
#pragma unroll
    for (int f = 0; f < ROW_FEATURES; f++)
        scratch[at.warp * ROW_WIDE + f * CUDA_WARP + at.lane] = out[f];
    __syncthreads();
    if (e < ROW_WIDE && e0 + e < d) {
        float sum = 0;
        for (int w = 0; w < ROW_WARPS; w++)
            sum += scratch[w * ROW_WIDE + e];
        to[e0 + e] = scale * sum;
    }
    __syncthreads(); /* scratch may be written */
}

/* ---- forward ---- */

template <class S> struct row_forward {
    row_attention<S> r;
    const float *bias;
    float *p, *y;

    /* weight[j] = score of key j; their largest */
    __device__ float scores(const row_place &at, int token, int seen, float *weight) const {
        const attention<S> &a = r.a;
        const token_rows<S> keys = a.part(at.pair, 1);
        const S *q = a.qkv + a.qkv_at(at.pair, 0) + (size_t)token * a.qkv_ld();
        const float *b =
            bias ? bias + ((size_t)a.head(at.pair) * (size_t)a.t + (size_t)token) * (size_t)a.t
                 : NULL;
        float most = -INFINITY;
        for (int j = at.warp; j < seen; j += ROW_LOT) {
            float score[ROW_KEYS];
            dots_of_lot(q, keys, j, seen, a.d, at.lane, score);
#pragma unroll
            for (int k = 0; k < ROW_KEYS; k++) {
                int key = key_of_lot(j, k);
                if (key >= seen)
                    break;
                score[k] = a.scale * score[k] + (b ? b[key] : 0);
                most = fmaxf(most, score[k]);
                if (!at.lane)
                    weight[key] = score[k];
            }
        }
        return most;
    }
    /* y = sum_j weight[j] v_j */
    __device__ void mix(const row_place &at, int seen, const float *weight, float *scratch) const {
        const token_rows<S> v = r.a.part(at.pair, 2);
        for (int e0 = 0; e0 < r.a.d; e0 += ROW_WIDE) {
            float out[ROW_FEATURES] = {0};
#pragma unroll 4
            for (int j = at.warp; j < seen; j += ROW_WARPS)
#pragma unroll
                for (int f = 0; f < ROW_FEATURES; f++) {
                    int e = e0 + f * CUDA_WARP + at.lane;
                    if (e < r.a.d)
                        out[f] += weight[j] * v.x[(size_t)j * v.ld + (size_t)e];
                }
            put_sums(out, scratch, at, e0, r.a.d, 1, y + at.pair * (size_t)r.a.d);
        }
    }
    __device__ void run(const row_place &at, float *scratch) const {
        int token = r.token(at.pair), seen = r.a.causal ? token + 1 : r.a.t;
        float *weight = p + at.pair * r.a.p_ld(), sum = 0;
        float most = block_max(scores(at, token, seen, weight), scratch, at);
        for (int j = (int)threadIdx.x; j < seen; j += CUDA_BLOCK) {
            weight[j] = expf(weight[j] - most);
            sum += weight[j];
        }
        sum = block_sum(warp_sum(sum), scratch, at);
        for (int j = (int)threadIdx.x; j < (int)r.a.p_ld(); j += CUDA_BLOCK)
            weight[j] = j < seen ? weight[j] / sum : 0;
        __syncthreads(); /* each thread has written what all read now */
        mix(at, seen, weight, scratch);
    }
};

/* ---- backward ---- */

template <class S> struct row_backward {
    row_attention<S> r;
    const float *p, *dy;
    S *dqkv;
    float *slope; /* (n,heads,t): ds, for dbias; or NULL */

    /* The warp's part of rowsum(p * dp). */
    __device__ float mean(const row_place &at) const {
        const float *weight = p + at.pair * r.a.p_ld();
        float sum = 0;
        for (int j = at.warp; j < r.a.t; j += ROW_LOT) {
            float dp[ROW_KEYS];
            dots_of_lot(dy + at.pair * (size_t)r.a.d, r.a.part(at.pair, 2), j, r.a.t, r.a.d,
                        at.lane, dp);
#pragma unroll
            for (int k = 0; k < ROW_KEYS; k++)
                if (key_of_lot(j, k) < r.a.t)
                    sum += weight[key_of_lot(j, k)] * dp[k];
        }
        return sum;
    }
    /* Features e0 .. of the gradients for a lot of keys; their part of dq. */
    __device__ void put_lot(const row_place &at, int token, int j, int e0, float of_row,
                            float (&dq)[ROW_FEATURES]) const {
        const attention<S> &a = r.a;
        size_t q = a.qkv_at(at.pair, 0), k = a.qkv_at(at.pair, 1), v = a.qkv_at(at.pair, 2);
        const float *g = dy + at.pair * (size_t)a.d;
        float weight[ROW_KEYS], ds[ROW_KEYS];
        dots_of_lot(g, a.part(at.pair, 2), j, a.t, a.d, at.lane, ds);
#pragma unroll
        for (int i = 0; i < ROW_KEYS; i++) {
            int key = key_of_lot(j, i);
            weight[i] = key < a.t ? p[at.pair * a.p_ld() + (size_t)key] : 0;
            ds[i] = weight[i] * (ds[i] - of_row);
            if (slope && !at.lane && key < a.t)
                slope[at.pair * (size_t)a.t + (size_t)key] = ds[i];
        }
        for (int e = e0 + at.lane, f = 0; f < ROW_FEATURES && e < a.d; e += CUDA_WARP, f++) {
            const float of_q = a.scale * a.qkv[q + (size_t)token * a.qkv_ld() + (size_t)e];
            const float of_y = g[e];
            float of_k[ROW_KEYS];
#pragma unroll
            for (int i = 0; i < ROW_KEYS; i++) { /* all read before the first is written */
                int key = key_of_lot(j, i);
                of_k[i] = key < a.t ? (float)a.qkv[k + (size_t)key * a.qkv_ld() + (size_t)e] : 0;
            }
#pragma unroll
            for (int i = 0; i < ROW_KEYS; i++) {
                int key = key_of_lot(j, i);
                size_t to = (size_t)key * a.qkv_ld() + (size_t)e;
                if (key >= a.t)
                    break;
                dq[f] += ds[i] * of_k[i];
                dqkv[k + to] = ds[i] * of_q;
                dqkv[v + to] = weight[i] * of_y;
                if (key != token)
                    dqkv[q + to] = 0;
            }
        }
    }
    __device__ void run(const row_place &at, float *scratch) const {
        int token = r.token(at.pair);
        float of_row = block_sum(mean(at), scratch, at);
        for (int e0 = 0; e0 < r.a.d; e0 += ROW_WIDE) {
            float dq[ROW_FEATURES] = {0};
            for (int j = at.warp; j < r.a.t; j += ROW_LOT)
                put_lot(at, token, j, e0, of_row, dq);
            put_sums(dq, scratch, at, e0, r.a.d, r.a.scale,
                     dqkv + r.a.qkv_at(at.pair, 0) + (size_t)token * r.a.qkv_ld());
        }
    }
};

/* dbias[head, token, key] over the images whose query that is, in order. */
template <class S> struct row_bias {
    row_attention<S> r;
    int n;
    const float *slope;
    float *dbias;

    __device__ void operator()(size_t i) const {
        size_t t = (size_t)r.a.t, key = i % t, head = i / t / t;
        int token = (int)(i / t % t);
        float sum = 0;
        for (int image = 0; image < n; image++) {
            size_t pair = (size_t)image * (size_t)r.a.heads + head;
            if (r.token(pair) == token)
                sum += slope[pair * t + key];
        }
        dbias[i] += sum;
    }
};

template <class W> __global__ void __launch_bounds__(CUDA_BLOCK) row_kernel(W work) {
    SHARED(float, scratch, ROW_WARPS *ROW_WIDE);
    work.run(row_place_of_thread(), scratch);
}

/* As many images at a time as have room for their slopes in the workspace, where they are wanted.
 */
template <class S>
void run_backward(const struct kctx *c, int n, row_backward<S> b, float *dbias, FROM_CALLER) {
    attention<S> &a = b.r.a;
    size_t keys = (size_t)a.heads * (size_t)a.t, token = (size_t)a.heads * (size_t)a.d;
    int most = dbias ? (int)(KERNEL_WORKSPACE / keys) : n;
    for (int first = 0; first < n; first += most) {
        int some = n - first < most ? n - first : most;
        RUN(where, c, row_kernel<row_backward<S>>, (unsigned)((size_t)some * (size_t)a.heads),
            CUDA_BLOCK, 0, b);
        if (dbias)
            each(c, keys * (size_t)a.t, row_bias<S>{b.r, some, b.slope, dbias}, where);
        a.qkv += (size_t)some * (size_t)a.t * 3 * token;
        b.dqkv += (size_t)some * (size_t)a.t * 3 * token;
        b.dy += (size_t)some * token;
        b.p += (size_t)some * (size_t)a.heads * (size_t)attention_stride(a.t);
        b.r.row += (size_t)some * (size_t)b.r.row_stride;
    }
}

template <class S> void run_forward(const struct kctx *c, int n, const row_forward<S> &work) {
    RUN("cuda_attention_row_forward", c, row_kernel<row_forward<S>>,
        (unsigned)((size_t)n * (size_t)work.r.a.heads), CUDA_BLOCK, 0, work);
}

} // namespace

void cuda_attention_row_forward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                                int causal, const real *bias, const real *qkv, const int32_t *row,
                                int row_stride, real *p, real *y) {
    if (!t)
        return;
    if (c->halves)
        run_forward<bfloat16>(
            c, n, {{{t, heads, d, causal, scale, cuda_halves(qkv)}, row, row_stride}, bias, p, y});
    else
        run_forward<float>(c, n,
                           {{{t, heads, d, causal, scale, qkv}, row, row_stride}, bias, p, y});
}

void cuda_attention_row_backward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                                 int causal, const real *qkv, const int32_t *row, int row_stride,
                                 const real *p, const real *dy, real *dqkv, real *dbias) {
    float *slope = dbias ? c->workspace : NULL;
    if (!t || !heads || !d) /* without features nothing has a gradient */
        return;
    if (c->halves)
        run_backward<bfloat16>(c, n,
                               {{{t, heads, d, causal, scale, cuda_halves(qkv)}, row, row_stride},
                                p,
                                dy,
                                cuda_halves(dqkv),
                                slope},
                               dbias, __func__);
    else
        run_backward<float>(
            c, n, {{{t, heads, d, causal, scale, qkv}, row, row_stride}, p, dy, dqkv, slope}, dbias,
            __func__);
}
