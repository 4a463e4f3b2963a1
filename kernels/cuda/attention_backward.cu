/* attention_backward.cu -- dq by queries, dk and dv by keys, dbias by both; formulas in
 * kernels/ref/attention.c.  dp is computed anew by each of them. */
#include "kernels/cuda/attention_bias.cuh"
#include "kernels/cuda/attention_strip.cuh"

namespace {

template <class S> struct backward {
    attention<S> a;
    const S *p, *dy;
    float *mean; /* (n,heads,t): rowsum(p * dp) */
    S *dqkv;

    /* ds of queries at.first .. and keys `keys` .. of a head, by a block */
    template <class G>
    __device__ void slopes(const tile_pair<G> &tiles, const tile_place &at, int keys,
                           float (&ds)[G::R][G::C]) const {
        tiles.multiply(at, a.of_y(dy, at.pair), false, a.part(at.pair, 2), keys, a.t, a.d, ds);
        each_of_tile(tiles, at.first, at.first + at.rows, keys, a.t,
                     [&](int r, int c, int query, int key) {
                         ds[r][c] = p[a.p_at(at.pair, query) + (size_t)key] *
                                    (ds[r][c] - mean[at.pair * (size_t)a.t + (size_t)query]);
                     });
    }
};

/* ---- by queries: the mean, then dq ---- */

template <class S> struct by_queries : backward<S> {
    using backward<S>::a;
    using backward<S>::p;
    using backward<S>::dy;
    using backward<S>::mean;
    using backward<S>::dqkv;

    __device__ token_rows<S> left(size_t pair) const {
        return a.of_y(dy, pair);
    }
    __device__ token_rows<S> right(size_t pair) const {
        return a.part(pair, 2);
    }
    __device__ token_rows<S> mixed(size_t pair) const {
        return a.part(pair, 1);
    }
    /* The mean, and nothing. */
    template <class G> __device__ void begin(float (&state)[G::R][2]) const {
        set_zero(state);
    }
    template <class G> __device__ void score(const strip_rows &, int, int) const {}
    template <class G>
    __device__ void see(const strip_rows &s, int j0, int count, float (&state)[G::R][2]) const {
        float sum[G::R];
#pragma unroll
        for (int r = 0; r < G::R; r++)
            sum[r] = 0;
        each_of_strip<G>(s, count, [&](int r, int j) {
            sum[r] += p[a.p_at(s.pair, s.query(r)) + (size_t)(j0 + j)] * s.x[r * s.ld + j];
        });
#pragma unroll
        for (int r = 0; r < G::R; r++)
            state[r][0] += warp_sum(sum[r]);
    }
    template <class G>
    __device__ void weigh(const strip_rows &s, int j0, int count,
                          const float (&state)[G::R][2]) const {
#pragma unroll
        for (int r = 0; r < G::R; r++)
            if (!s.lane && r < s.rows)
                mean[s.pair * (size_t)a.t + (size_t)(s.first + r)] = state[r][0];
        each_of_strip<G>(s, round_to_four(count), [&](int r, int j) {
            float *x = s.x + r * s.ld + j;
            *x = j < count ? p[a.p_at(s.pair, s.query(r)) + (size_t)(j0 + j)] * (*x - state[r][0])
                           : 0;
        });
    }
    __device__ void put(size_t pair, int query, int e, float sum) const {
        dqkv[a.qkv_at(pair, 0) + (size_t)query * a.qkv_ld() + (size_t)e] = a.scale * sum;
    }
};

/* ---- by keys: dk and dv ---- */

/* The tile of p: its keys are rows, its queries columns.  Eight keys of four queries a warp: whole
 * sectors of memory, and every bank once. */
template <class G, class S>
__device__ void load_p(float *tile, const attention<S> &a, const S *p, const tile_place &at,
                       int first) {
#pragma unroll 4
    for (int k = 0; k < G::ROWS * G::COLS / G::THREADS; k++) {
        int i = k * G::THREADS + (int)threadIdx.x;
        int key = i % 8 + i / 32 % 4 * 8, query = i / 8 % 4 + i / 128 * 4;
        tile[key * G::ACROSS_LD + query] =
            key < at.rows && first + query < a.t
                ? (float)p[a.p_at(at.pair, first + query) + (size_t)(at.first + key)]
                : 0;
    }
}

template <class G, class S> struct key_block {
    const backward<S> &b;
    tile_place at;
    tile_pair<G> tiles;
    float *across; /* p, then ds: a row for each key */

    __device__ key_block(const backward<S> &work, int each, float *memory)
        : b(work), at(place_of_block(work.a.t, each)), tiles(memory),
          across(memory + G::LEFT + G::RIGHT) {}

    __device__ bool works() const {
        return tiles.row < at.rows;
    }
    __device__ float *weights() const {
        return across + tiles.row * G::ACROSS_LD;
    }
    /* ds for the warp's keys, from p and dp */
    __device__ void slopes(int first, const float (&dp)[G::R][G::C]) const {
        const float *mean = b.mean + at.pair * (size_t)b.a.t;
#pragma unroll
        for (int c = 0; c < G::C; c++) {
            int to = c * CUDA_WARP + tiles.lane;
            float of_query = first + to < b.a.t ? mean[first + to] : 0;
#pragma unroll
            for (int r = 0; r < G::R; r++)
                weights()[r * G::ACROSS_LD + to] *= dp[r][c] - of_query;
        }
    }
    __device__ void mix(int first, float (&out)[G::R][G::F]) const {
        int rest = round_to_four(b.a.t - first);
        if (works())
            tiles.template mix<S>(weights(), G::ACROSS_LD, rest < G::COLS ? rest : G::COLS, out);
    }
    /* Queries from `first` on: their part of features e0 .. of dk and dv. */
    __device__ void add(int first, int e0, bool again, float (&dk)[G::R][G::F],
                        float (&dv)[G::R][G::F]) const {
        const token_rows<S> dy = b.a.of_y(b.dy, at.pair);
        int t = b.a.t, d = b.a.d;
        float dp[G::R][G::C];
        __syncthreads(); /* nobody reads the tile of p of before */
        load_p<G>(across, b.a, b.p, at, first);
        tiles.multiply(at, b.a.part(at.pair, 2), again, dy, first, t, d, dp);
        if (d > G::WIDE) /* else it is there */
            tiles.load_right(dy, first, t, e0, d);
        mix(first, dv);
        if (works()) {
            __syncwarp(); /* every lane has read p */
            slopes(first, dp);
        }
        tiles.load_right(b.a.part(at.pair, 0), first, t, e0, d);
        mix(first, dk);
    }
    __device__ void put(int part, int e0, float scale, const float (&out)[G::R][G::F]) const {
        S *to = b.dqkv + b.a.qkv_at(at.pair, part);
#pragma unroll
        for (int r = 0; r < G::R; r++)
#pragma unroll
            for (int f = 0; f < G::F; f++) {
                int row = tiles.row + r, e = e0 + f * CUDA_WARP + tiles.lane;
                if (row < at.rows && e < b.a.d)
                    to[(size_t)(at.first + row) * b.a.qkv_ld() + (size_t)e] = scale * out[r][f];
            }
    }
    __device__ void run() const {
        int begin = b.a.causal ? at.first : 0; /* of the queries that see any of the keys */
        bool again = false;
        for (int e0 = 0; e0 < b.a.d; e0 += G::WIDE) {
            float dk[G::R][G::F], dv[G::R][G::F];
            set_zero(dk);
            set_zero(dv);
            for (int first = begin; first < b.a.t; first += G::COLS) {
                add(first, e0, again, dk, dv);
                again = true;
                if (G::ALL)
                    break;
            }
            put(1, e0, b.a.scale, dk);
            put(2, e0, 1, dv);
        }
    }
};

template <class G, class S>
__global__ void __launch_bounds__(G::THREADS, G::RESIDENT) key_kernel(int each, backward<S> b) {
    DYNAMIC_SHARED(float, memory);
    const key_block<G, S> block(b, each, memory);
    block.run();
}

template <class S> struct by_keys {
    const struct kctx *c;
    size_t pairs;
    const backward<S> &b;
    const char *where;

    template <class G> void with() const {
        int each = G::each(b.a.t);
        size_t shared = sizeof(float) * (size_t)(G::LEFT + G::RIGHT + G::ACROSS);
        RUN(where, c, (key_kernel<G, S>), blocks_of_pairs(pairs, b.a.t, each), G::THREADS, shared,
            each, b);
    }
};

/* As many images at a time as have room for a number a query in the workspace. */
template <class S>
void run_backward(const struct kctx *c, int n, backward<S> b, float *dbias, FROM_CALLER) {
    int t = b.a.t, d = b.a.d;
    size_t queries = (size_t)b.a.heads * (size_t)t, token = (size_t)b.a.heads * (size_t)d;
    int most = (int)(KERNEL_WORKSPACE / queries);
    for (int first = 0; first < n; first += most) {
        int some = n - first < most ? n - first : most;
        size_t pairs = (size_t)some * (size_t)b.a.heads;
        strips(c, pairs, by_queries<S>{b}, where);
        with_tiling<S>(t, d, by_keys<S>{c, pairs, b, where});
        if (dbias)
            with_tiling<S>(t, d, bias_run<backward<S>>{c, some, b, dbias, where});
        b.a.qkv += (size_t)some * (size_t)t * 3 * token;
        b.dqkv += (size_t)some * (size_t)t * 3 * token;
        b.dy += (size_t)some * (size_t)t * token;
        b.p += (size_t)some * queries * (size_t)attention_stride(t);
    }
}

} // namespace

void cuda_attention_backward(const struct kctx *c, int n, int t, int heads, int d, real scale,
                             int causal, const real *qkv, const real *p, const real *dy, real *dqkv,
                             real *dbias) {
    if (!t || !heads || !d) /* without features nothing has a gradient */
        return;
    if (c->halves)
        run_backward<bfloat16>(c, n,
                               {{t, heads, d, causal, scale, cuda_halves(qkv)},
                                cuda_halves(p),
                                cuda_halves(dy),
                                c->workspace,
                                cuda_halves(dqkv)},
                               dbias, __func__);
    else
        run_backward<float>(c, n, {{t, heads, d, causal, scale, qkv}, p, dy, c->workspace, dqkv},
                            dbias, __func__);
}
