/* attention_strip.cuh -- weights for all that a block's queries see, in a strip of shared memory:
 * made of dots (strip = left right'), then the weights of a sum (out = strip mixed).  A strip that
 * is too short for all keys is filled twice: to see every row, and to sum.
 *
 * work.left(pair), work.right(pair), work.mixed(pair): rows of tokens.
 * work.score<G>(rows, j0, count): what to make of the dots for keys j0 .. j0 + count - 1.
 * work.see<G>(rows, j0, count, state): a part of the row has this effect on its two numbers.
 * work.weigh<G>(rows, j0, count, state): the weights, from scores.
 * work.put(pair, query, e, sum): a result.
 */
#ifndef SSV_KERNELS_CUDA_ATTENTION_STRIP_CUH
#define SSV_KERNELS_CUDA_ATTENTION_STRIP_CUH

#include "kernels/cuda/attention.cuh"

enum { STRIP_MOST = 480 };

/* A warp's part of the strip: queries first .. first + rows - 1, which end before key `seen`.
 * Those behind the last compute what it does, for nothing. */
struct strip_rows {
    float *x;
    int ld, lane;
    size_t pair;
    int first, rows, seen;

    __device__ int query(int r) const {
        return first + (r < rows ? r : rows - 1);
    }
};

/* work(row, key) for the warp's R rows and keys lane, lane + 32, ... */
template <class G, class Work>
__device__ void each_of_strip(const strip_rows &s, int count, const Work &work) {
#pragma unroll 1 /* R at once are enough, and more take registers */
    for (int j = s.lane; j < count; j += CUDA_WARP)
#pragma unroll
        for (int r = 0; r < G::R; r++)
            work(r, j);
}

template <class G, class W> struct strip_block {
    const W &work;
    tile_place at;
    tile_pair<G> tiles;
    strip_rows mine;
    bool begun;

    __device__ strip_block(const W &w, int each, int room, float *memory)
        : work(w), at(place_of_block(w.a.t, each)), tiles(memory), begun(false) {
        int end = at.first + at.rows;
        mine.x = memory + G::LEFT + G::RIGHT + tiles.row * room;
        mine.ld = room;
        mine.lane = tiles.lane;
        mine.pair = at.pair;
        mine.first = at.first + tiles.row;
        mine.rows = at.rows - tiles.row;
        mine.seen = w.a.causal ? end : w.a.t;
    }
    __device__ int count(int j0) const {
        return mine.seen - j0 < mine.ld ? mine.seen - j0 : mine.ld;
    }
    __device__ void keep(int j, int end, const float (&sum)[G::R][G::C]) const {
#pragma unroll
        for (int r = 0; r < G::R; r++)
#pragma unroll
            for (int c = 0; c < G::C; c++) {
                int to = j + c * CUDA_WARP + mine.lane;
                if (to < end && mine.rows > 0)
                    mine.x[r * mine.ld + to] = sum[r][c];
            }
    }
    __device__ void fill(int j0) {
        for (int j = 0; j < count(j0); j += G::COLS) {
            float sum[G::R][G::C];
            __syncthreads();
            tiles.multiply(at, work.left(at.pair), begun, work.right(at.pair), j0 + j, mine.seen,
                           work.a.d, sum);
            begun = true;
            keep(j, count(j0), sum);
            if (G::ALL)
                break;
        }
        if (mine.rows > 0) /* each lane reads what it wrote: those of its own keys */
            work.template score<G>(mine, j0, count(j0));
    }
    __device__ void mix(int j0, int e0, float (&out)[G::R][G::F]) {
        for (int j = 0; j < count(j0); j += G::COLS) {
            int rest = round_to_four(count(j0) - j);
            tiles.load_right(work.mixed(at.pair), j0 + j, mine.seen, e0, work.a.d);
            if (mine.rows > 0)
                tiles.template mix<typename decltype(W::a)::stored>(
                    mine.x + j, mine.ld, rest < G::COLS ? rest : G::COLS, out);
            if (G::ALL)
                break;
        }
    }
    __device__ void put(int e0, const float (&out)[G::R][G::F]) const {
#pragma unroll
        for (int r = 0; r < G::R; r++)
#pragma unroll
            for (int f = 0; f < G::F; f++) {
                int e = e0 + f * CUDA_WARP + mine.lane;
                if (r < mine.rows && e < work.a.d)
                    work.put(at.pair, mine.first + r, e, out[r][f]);
            }
    }
    __device__ void run() {
        float state[G::R][2], out[G::R][G::F];
        bool refill = !G::ALL && mine.seen > mine.ld;
        work.template begin<G>(state);
        for (int j0 = 0; j0 < mine.seen; j0 += mine.ld) {
            fill(j0);
            if (mine.rows > 0)
                work.template see<G>(mine, j0, count(j0), state);
            if (G::ALL)
                break;
        }
        int e0 = 0;
        do { /* once without any features too, for the weights */
            set_zero(out);
            for (int j0 = 0; j0 < mine.seen; j0 += mine.ld) {
                if (refill)
                    fill(j0);
                if ((refill || !e0) && mine.rows > 0)
                    work.template weigh<G>(mine, j0, count(j0), state);
                mix(j0, e0, out);
                if (G::ALL)
                    break;
            }
            put(e0, out);
            e0 += G::WIDE;
        } while (e0 < work.a.d);
    }
};

template <class G, class W>
__global__ void __launch_bounds__(G::THREADS, G::RESIDENT)
    strip_kernel(int each, int room, W work) {
    DYNAMIC_SHARED(float, memory);
    strip_block<G, W> block(work, each, room, memory);
    block.run();
}

template <class W> struct strip_run {
    const struct kctx *c;
    size_t pairs;
    const W &work;
    const char *where;

    template <class G> void with() const {
        int t = work.a.t, each = G::each(t), padded = (t + 3) / 4 * 4;
        int room = padded < STRIP_MOST ? padded : STRIP_MOST;
        size_t shared = sizeof(float) * (size_t)(G::LEFT + G::RIGHT + G::ROWS * room);
        cuda_allow_shared(c, strip_kernel<G, W>, shared, where);
        RUN(where, c, (strip_kernel<G, W>), blocks_of_pairs(pairs, t, each), G::THREADS, shared,
            each, room, work);
    }
};

template <class W>
static void strips(const struct kctx *c, size_t pairs, const W &work, FROM_CALLER) {
    if (work.a.t && pairs)
        with_tiling<typename decltype(W::a)::stored>(work.a.t, work.a.d,
                                                     strip_run<W>{c, pairs, work, where});
}

#endif
