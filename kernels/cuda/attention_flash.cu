/* attention_flash.cu -- the way back of attention from each row's lse: Dao et al. 2022
 * (FlashAttention), algorithm 4; formulas in kernels/ref/attention.c.
 *
 * As Dao 2023 (FlashAttention-2) has it, but in two passes without atomics: a block of queries goes
 * over keys for dq, and a block of keys over queries for dk and dv, so that a number is summed by
 * one thread in one order.  Both make p and dp of a tile again.
 */
#include "kernels/cuda/attention_bias.cuh"
#include "kernels/cuda/dnn.h"

namespace {

template <class S> struct flash {
    attention<S> a;
    const float *bias, *lse;
    const S *dy;
    const float *mean; /* (n,heads,t): dy . y */
    S *dqkv;

    /* p of the dot of a query and a key; 0 where there is none */
    __device__ float weight(size_t pair, int query, int key, float dot) const {
        if (query >= a.t || key >= a.t || (a.causal && key > query))
            return 0;
        size_t t = (size_t)a.t, row = (size_t)a.head(pair) * t + (size_t)query;
        float b = bias ? bias[row * t + (size_t)key] : 0;
        return expf(a.scale * dot + b - lse[pair * t + (size_t)query]);
    }
    /* p into s, which holds the dots, and ds into dp */
    __device__ void slope(size_t pair, int query, int key, float &s, float &dp) const {
        s = weight(pair, query, key, s);
        dp = s * (dp - (query < a.t ? mean[pair * (size_t)a.t + (size_t)query] : 0));
    }
    template <class G>
    __device__ void slopes(const tile_pair<G> &tiles, const tile_place &at, int keys,
                           float (&ds)[G::R][G::C]) const {
        float s[G::R][G::C];
        tiles.multiply(at, a.part(at.pair, 0), false, a.part(at.pair, 1), keys, a.t, a.d, s);
        __syncthreads();
        tiles.multiply(at, a.of_y(dy, at.pair), false, a.part(at.pair, 2), keys, a.t, a.d, ds);
        each_of_tile(tiles, at.first, at.first + at.rows, keys, a.t,
                     [&](int r, int c, int query, int key) {
                         slope(at.pair, query, key, s[r][c], ds[r][c]);
                     });
    }
};

/* A block's rows are queries, or keys; columns are the others. */
template <class G, class S, bool KEYS> struct flash_block {
    const flash<S> &b;
    tile_place at;
    tile_pair<G> of_s, of_dp; /* with q or k, and with dy or v on the left */
    float *across;            /* the weights of a sum */

    __device__ flash_block(const flash<S> &work, int each, float *memory)
        : b(work), at(place_of_block(work.a.t, each)), of_s(memory),
          of_dp(of_s.with_left(memory + G::LEFT + G::RIGHT)),
          across(memory + 2 * G::LEFT + G::RIGHT) {}

    __device__ token_rows<S> part(int which) const {
        return b.a.part(at.pair, which);
    }
    /* out += weights `of` times what is in the right tile */
    __device__ void mix(const float (&of)[G::R][G::C], int rest, float (&out)[G::R][G::F]) const {
        float *weights = across + of_s.row * G::ACROSS_LD;
        if (of_s.row >= at.rows)
            return;
#pragma unroll
        for (int r = 0; r < G::R; r++)
#pragma unroll
            for (int c = 0; c < G::C; c++)
                weights[r * G::ACROSS_LD + c * CUDA_WARP + of_s.lane] = of[r][c];
        __syncwarp();
        rest = round_to_four(rest);
        of_s.template mix<S>(weights, G::ACROSS_LD, rest < G::COLS ? rest : G::COLS, out);
        __syncwarp(); /* every lane has read them */
    }
    __device__ void slopes(int first, float (&s)[G::R][G::C], float (&dp)[G::R][G::C]) const {
#pragma unroll
        for (int r = 0; r < G::R; r++)
#pragma unroll
            for (int c = 0; c < G::C; c++) {
                int row = at.first + of_s.row + r, column = first + c * CUDA_WARP + of_s.lane;
                b.slope(at.pair, KEYS ? column : row, KEYS ? row : column, s[r][c], dp[r][c]);
            }
    }
    /* Keys first .. end - 1 at most: their part of features e0 .. of dq. */
    __device__ void add_keys(int first, int end, int e0, bool again,
                             float (&dq)[G::R][G::F]) const {
        float s[G::R][G::C], dp[G::R][G::C];
        __syncthreads(); /* nobody reads the right tile of before */
        of_dp.multiply(at, b.a.of_y(b.dy, at.pair), again, part(2), first, end, b.a.d, dp);
        __syncthreads();
        of_s.multiply(at, part(0), again, part(1), first, end, b.a.d, s);
        slopes(first, s, dp);
        if (b.a.d > G::WIDE) /* else they are there */
            of_s.load_right(part(1), first, end, e0, b.a.d);
        mix(dp, end - first, dq);
    }
    /* Queries from `first` on: their part of features e0 .. of dk and dv. */
    __device__ void add_queries(int first, int e0, bool again, float (&dk)[G::R][G::F],
                                float (&dv)[G::R][G::F]) const {
        const token_rows<S> dy = b.a.of_y(b.dy, at.pair);
        int t = b.a.t, d = b.a.d;
        float s[G::R][G::C], dp[G::R][G::C];
        __syncthreads();
        of_s.multiply(at, part(1), again, part(0), first, t, d, s);
        __syncthreads();
        of_dp.multiply(at, part(2), again, dy, first, t, d, dp);
        slopes(first, s, dp);
        if (d > G::WIDE)
            of_s.load_right(dy, first, t, e0, d);
        mix(s, t - first, dv);
        of_s.load_right(part(0), first, t, e0, d);
        mix(dp, t - first, dk);
    }
    __device__ void put(int which, int e0, float scale, const float (&out)[G::R][G::F]) const {
        S *to = b.dqkv + b.a.qkv_at(at.pair, which);
#pragma unroll
        for (int r = 0; r < G::R; r++)
#pragma unroll
            for (int f = 0; f < G::F; f++) {
                int row = of_s.row + r, e = e0 + f * CUDA_WARP + of_s.lane;
                if (row < at.rows && e < b.a.d)
                    to[(size_t)(at.first + row) * b.a.qkv_ld() + (size_t)e] = scale * out[r][f];
            }
    }
    __device__ void run() const {
        int begin = KEYS && b.a.causal ? at.first : 0; /* of what meets any of the rows */
        int end = !KEYS && b.a.causal ? at.first + at.rows : b.a.t;
        bool again = false;
        for (int e0 = 0; e0 < b.a.d; e0 += G::WIDE) {
            float one[G::R][G::F], other[G::R][G::F];
            set_zero(one);
            set_zero(other);
            for (int first = begin; first < end; first += G::COLS) {
                if constexpr (KEYS)
                    add_queries(first, e0, again, one, other);
                else
                    add_keys(first, end, e0, again, one);
                again = true;
                if (G::ALL)
                    break;
            }
            put(KEYS ? 1 : 0, e0, b.a.scale, one);
            if constexpr (KEYS)
                put(2, e0, 1, other);
        }
    }
};

template <class G, class S, bool KEYS>
__global__ void __launch_bounds__(G::THREADS, G::RESIDENT) flash_kernel(int each, flash<S> b) {
    DYNAMIC_SHARED(float, memory);
    const flash_block<G, S, KEYS> block(b, each, memory);
    block.run();
}

template <class S, bool KEYS> struct flash_run {
    const struct kctx *c;
    size_t pairs;
    const flash<S> &b;
    const char *where;

    template <class G> void with() const {
        int each = G::each(b.a.t);
        size_t shared = sizeof(float) * (size_t)(2 * G::LEFT + G::RIGHT + G::ACROSS);
        cuda_allow_shared(c, flash_kernel<G, S, KEYS>, shared, where);
        RUN(where, c, (flash_kernel<G, S, KEYS>), blocks_of_pairs(pairs, b.a.t, each), G::THREADS,
            shared, each, b);
    }
};

/* For a `rows`: of a token's head; neighbours in memory are heads. */
template <class S> struct row_means {
    attention<S> a;
    const S *y, *dy;
    float *mean;

    __device__ void operator()(size_t row, int lane) const {
        size_t d = (size_t)a.d, heads = (size_t)a.heads, t = (size_t)a.t;
        size_t token = row / heads, pair = token / t * heads + row % heads;
        float sum = 0;
        for (size_t e = (size_t)lane; e < d; e += CUDA_WARP)
            sum += (float)y[row * d + e] * (float)dy[row * d + e];
        sum = warp_sum(sum);
        if (!lane)
            mean[pair * t + token % t] = sum;
    }
};

/* As many images at a time as have room for a number a query in the workspace.  by_library: all is
 * done but dbias. */
template <class S>
void run_backward(const struct kctx *c, int n, flash<S> b, const S *y, float *dbias,
                  bool by_library, FROM_CALLER) {
    size_t t = (size_t)b.a.t, queries = (size_t)b.a.heads * t, d = (size_t)b.a.d;
    int most = (int)(KERNEL_WORKSPACE / queries);
    b.mean = c->workspace;
    for (int first = 0; first < n; first += most) {
        int some = n - first < most ? n - first : most;
        size_t pairs = (size_t)some * (size_t)b.a.heads, numbers = pairs * t * d;
        rows(c, pairs * t, row_means<S>{b.a, y, b.dy, c->workspace}, where);
        if (!by_library) {
            with_tiling<S>(b.a.t, b.a.d, flash_run<S, false>{c, pairs, b, where});
            with_tiling<S>(b.a.t, b.a.d, flash_run<S, true>{c, pairs, b, where});
        }
        if (dbias)
            with_tiling<S>(b.a.t, b.a.d, bias_run<flash<S>>{c, some, b, dbias, where});
        b.a.qkv += 3 * numbers;
        b.dqkv += 3 * numbers;
        b.dy += numbers;
        y += numbers;
        b.lse += pairs * t;
    }
}

} // namespace

void cuda_attention_flash_backward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                                   int causal, const real *bias, const real *qkv, const real *lse,
                                   const real *y, const real *dy, real *dqkv, real *dbias) {
    struct dnn *dnn = cuda_queue_of(c)->dnn;
    const struct device_attention all = {1,    n,   t,   heads, d,  c->halves != 0, causal,
                                         bias, qkv, lse, y,     dy, dqkv,           dbias};
    if (!t || !heads || !d) /* without features nothing has a gradient */
        return;
    const bool by_library = dnn && cuda_is_done(c, dnn_attention(dnn, &all, scale));
    if (by_library && !dbias)
        return;
    if (c->halves)
        run_backward<bfloat16>(c, n,
                               {{t, heads, d, causal, scale, cuda_halves(qkv)},
                                bias,
                                lse,
                                cuda_halves(dy),
                                NULL,
                                cuda_halves(dqkv)},
                               cuda_halves(y), dbias, by_library, __func__);
    else
        run_backward<float>(c, n, {{t, heads, d, causal, scale, qkv}, bias, lse, dy, NULL, dqkv}, y,
                            dbias, by_library, __func__);
}
