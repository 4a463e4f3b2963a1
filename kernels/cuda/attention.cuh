/* attention.cuh -- products of tiles in shared memory, for attention.
 *
 * A block has up to 32 rows of a result: the queries or keys of one head of an image.  A warp has R
 * of them.  Against 32 C rows of the other side each lane computes R x C dots; with weights for
 * these rows each lane sums R x F features of them.  Rows are padded by four floats: then lanes
 * that read float4 from rows of their own meet no other in a bank.
 *
 * S: how qkv, p, y and their gradients are stored, float or in 16 bits; tiles are of floats.  With
 * 16 bits tensor cores multiply (tensor.cuh), weights rounded to 16 bits, too.
 */
#ifndef SSV_KERNELS_CUDA_ATTENTION_CUH
#define SSV_KERNELS_CUDA_ATTENTION_CUH

#include "kernels/cuda/tensor.cuh"

template <int R_, int C_, int F_> struct tiling {
    static constexpr int R = R_, C = C_, F = F_;
    static constexpr int ROWS = 32, COLS = C * CUDA_WARP, WIDE = F * CUDA_WARP;
    static constexpr int THREADS = ROWS / R * CUDA_WARP,
                         RESIDENT = R < 8 || C < 3 ? 4 : 3; /* blocks at once */
    static constexpr bool ALL = R < 8 || C < 3;             /* tokens of an image are in one tile */
    static constexpr int LD = WIDE + 4;                     /* of rows of features */
    static constexpr int ACROSS_LD = COLS + 4; /* of a row's numbers for the other side */
    static constexpr int LEFT = ROWS * LD, RIGHT = COLS * LD, ACROSS = ROWS * ACROSS_LD;

    /* Rows of a block, so that all have about as many and warps are full. */
    static int each(int t) {
        int blocks = (t + ROWS - 1) / ROWS, least = (t + blocks - 1) / blocks;
        return (least + R - 1) / R * R;
    }
};

/* run.template with<G>() with what suits t tokens and d features.  Few tokens: narrow tiles, more
 * warps, unless tensor cores multiply; many: more work for a lane, so that shared memory keeps up.
 */
template <class S, int F, class Run> void with_tokens(int t, const Run &run) {
    constexpr int FEW = sizeof(S) == sizeof(bfloat16) ? TENSOR_ROWS : 4;
    switch ((t + CUDA_WARP - 1) / CUDA_WARP) {
    case 1:
        return run.template with<tiling<FEW, 1, F>>();
    case 2:
        return run.template with<tiling<FEW, 2, F>>();
    case 3:
        return run.template with<tiling<FEW, 3, F>>();
    default:
        return run.template with<tiling<8, 3, F>>();
    }
}

template <class S, class Run> void with_tiling(int t, int d, const Run &run) {
    if (d <= CUDA_WARP)
        with_tokens<S, 1>(t, run);
    else
        with_tokens<S, 2>(t, run);
}

/* One head's rows for the tokens of an image. */
template <class S> struct token_rows {
    const S *x;
    size_t ld;
};

/* qkv (n,t,3,heads,d), y (n,t,heads,d), p (n,heads,t,tp); pair = image * heads + head */
template <class S> struct attention {
    using stored = S;
    int t, heads, d, causal;
    float scale;
    const S *qkv;

    __device__ size_t p_ld() const {
        return (size_t)((t + 7) / 8 * 8);
    }
    __device__ size_t y_ld() const {
        return (size_t)heads * (size_t)d;
    }
    __device__ size_t qkv_ld() const {
        return 3 * y_ld();
    }
    __device__ int head(size_t pair) const {
        return (int)(pair % (size_t)heads);
    }
    /* Token 0 of q, k, v: part 0, 1, 2. */
    __device__ size_t qkv_at(size_t pair, int part) const {
        return pair / (size_t)heads * (size_t)t * qkv_ld() + (size_t)part * y_ld() +
               (size_t)head(pair) * (size_t)d;
    }
    __device__ size_t y_at(size_t pair) const {
        return pair / (size_t)heads * (size_t)t * y_ld() + (size_t)head(pair) * (size_t)d;
    }
    __device__ size_t p_at(size_t pair, int query) const {
        return (pair * (size_t)t + (size_t)query) * p_ld();
    }
    __device__ token_rows<S> part(size_t pair, int which) const {
        return {qkv + qkv_at(pair, which), qkv_ld()};
    }
    __device__ token_rows<S> of_y(const S *y, size_t pair) const {
        return {y + y_at(pair), y_ld()};
    }
};

/* What a block works on, of one head and image: tokens first .. first + rows - 1. */
struct tile_place {
    size_t pair;
    int first, rows;
};

__device__ static inline tile_place place_of_block(int t, int each) {
    unsigned blocks = (unsigned)((t + each - 1) / each);
    int first = (int)(blockIdx.x % blocks) * each;
    return {blockIdx.x / blocks, first, t - first < each ? t - first : each};
}

static inline unsigned blocks_of_pairs(size_t pairs, int t, int each) {
    return (unsigned)(pairs * (size_t)((t + each - 1) / each));
}

enum { UNASKED_SHARED = 48 << 10 }; /* bytes that need no permission */

template <class Kernel>
static void cuda_allow_shared(const struct kctx *c, Kernel *kernel, size_t bytes,
                              const char *where) {
    if (bytes > UNASKED_SHARED)
        cuda_check(
            c,
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
            where);
}

__device__ static inline float4 four(const float *x) {
    return *reinterpret_cast<const float4 *>(x);
}

__device__ static inline int round_to_four(int n) {
    return (n + 3) / 4 * 4;
}

template <int M, int N> __device__ void set_zero(float (&x)[M][N]) {
#pragma unroll
    for (int i = 0; i < M; i++)
#pragma unroll
        for (int j = 0; j < N; j++)
            x[i][j] = 0;
}

/* Features e0 .. of tokens first .. end - 1 by the whole block, zeros beyond. */
template <class G, int ROWS, class S>
__device__ void load_rows(float *tile, const token_rows<S> &from, int first, int end, int e0,
                          int d) {
    constexpr int STEP = G::THREADS / G::WIDE;    /* rows at once */
    constexpr int WAIT = ROWS / STEP % 8 ? 4 : 8; /* for so many loads together */
    const int e = (int)threadIdx.x % G::WIDE, rows = e0 + e < d ? end - first : 0;
    int row = (int)threadIdx.x / G::WIDE;
    const S *x = from.x + (size_t)(first + row) * from.ld + (size_t)(e0 + e);
    float *to = tile + row * G::LD + e;
#pragma unroll 1 /* or the addresses of all take registers */
    for (int k = 0; k < ROWS / STEP; k += WAIT) {
#pragma unroll
        for (int i = 0; i < WAIT; i++, row += STEP, x += STEP * from.ld, to += STEP * G::LD)
            *to = row < rows ? (float)*x : 0;
    }
}

/* Tensor cores multiply what is stored in 16 bits. */
template <class G, class S>
static constexpr bool by_tensor = sizeof(S) == sizeof(bfloat16) && G::R == TENSOR_ROWS;

/* The same as add_dots; right: the first row. */
template <class G>
__device__ void add_dots_by_tensor(const float *left, const float *right,
                                   float (&sum)[G::R][G::C]) {
    const int lane = (int)threadIdx.x % CUDA_WARP, row = lane / TENSOR_LANES,
              at = lane % TENSOR_LANES * 4;
    tensor_sums dots[G::C] = {};
#pragma unroll 1 /* or what is loaded ahead takes registers */
    for (int e = 0; e < G::WIDE; e += TENSOR_K) {
        const float4 l = four(left + row * G::LD + e + at);
        const unsigned b[2] = {tensor_pair(l.x, l.y), tensor_pair(l.z, l.w)};
#pragma unroll
        for (int c = 0; c < G::C; c++) {
            const float *x = right + (c * CUDA_WARP + 4 * row) * G::LD + e + at;
            const float4 a[4] = {four(x), four(x + G::LD), four(x + 2 * G::LD),
                                 four(x + 3 * G::LD)};
            dots[c].add(a, b);
        }
    }
#pragma unroll
    for (int c = 0; c < G::C; c++)
        dots[c].give([&](int r, float x) { sum[r][c] += x; });
}

/* The same as mix_rows; x: the first feature. */
template <class G>
__device__ void mix_rows_by_tensor(const float *weight, int ld, const float *x, int rows,
                                   float (&out)[G::R][G::F]) {
    const int lane = (int)threadIdx.x % CUDA_WARP, row = lane / TENSOR_LANES,
              at = lane % TENSOR_LANES * 4;
    tensor_sums mixed[G::F] = {};
#pragma unroll 1
    for (int j = 0; j < rows; j += TENSOR_K) {
        const float4 w = j + at < rows ? four(weight + row * ld + j + at) : float4{0, 0, 0, 0};
        const unsigned b[2] = {tensor_pair(w.x, w.y), tensor_pair(w.z, w.w)};
#pragma unroll
        for (int f = 0; f < G::F; f++) {
            const float *from = x + (j + at) * G::LD + f * CUDA_WARP + 4 * row;
            const float4 k[4] = {four(from), four(from + G::LD), four(from + 2 * G::LD),
                                 four(from + 3 * G::LD)};
            const float4 a[4] = {{k[0].x, k[1].x, k[2].x, k[3].x},
                                 {k[0].y, k[1].y, k[2].y, k[3].y},
                                 {k[0].z, k[1].z, k[2].z, k[3].z},
                                 {k[0].w, k[1].w, k[2].w, k[3].w}};
            mixed[f].add(a, b);
        }
    }
#pragma unroll
    for (int f = 0; f < G::F; f++)
        mixed[f].give([&](int r, float y) { out[r][f] += y; });
}

/* sum[r][c] += the dot of the warp's row r and the lane's row in group c */
template <class G>
__device__ void add_dots(const float *left, const float *right, float (&sum)[G::R][G::C]) {
#pragma unroll 4
    for (int e = 0; e < G::WIDE; e += 4) {
        float4 b[G::C];
#pragma unroll
        for (int c = 0; c < G::C; c++)
            b[c] = four(right + c * CUDA_WARP * G::LD + e);
#pragma unroll
        for (int r = 0; r < G::R; r++) {
            const float4 a = four(left + r * G::LD + e);
#pragma unroll
            for (int c = 0; c < G::C; c++) {
                sum[r][c] += a.x * b[c].x;
                sum[r][c] += a.y * b[c].y;
                sum[r][c] += a.z * b[c].z;
                sum[r][c] += a.w * b[c].w;
            }
        }
    }
}

/* out[r][f] += sum_j weight[r][j] x[j][the lane's feature f]; rows is a multiple of four */
template <class G>
__device__ void mix_rows(const float *weight, int ld, const float *x, int rows,
                         float (&out)[G::R][G::F]) {
#pragma unroll 2
    for (int j = 0; j < rows; j += 4) {
        float b[4][G::F];
#pragma unroll
        for (int k = 0; k < 4; k++)
#pragma unroll
            for (int f = 0; f < G::F; f++)
                b[k][f] = x[(j + k) * G::LD + f * CUDA_WARP];
#pragma unroll
        for (int r = 0; r < G::R; r++) {
            const float4 a = four(weight + r * ld + j);
#pragma unroll
            for (int f = 0; f < G::F; f++) {
                out[r][f] += a.x * b[0][f];
                out[r][f] += a.y * b[1][f];
                out[r][f] += a.z * b[2][f];
                out[r][f] += a.w * b[3][f];
            }
        }
    }
}

/* The thread's place in a block, and the block's tiles of features. */
template <class G> struct tile_pair {
    float *left, *right;
    int lane, row; /* the warp's first */

    /* dots with the right tile's rows */
    template <class S> __device__ void dots(float (&sum)[G::R][G::C]) const {
        if constexpr (by_tensor<G, S>)
            add_dots_by_tensor<G>(left + row * G::LD, right, sum);
        else
            add_dots<G>(left + row * G::LD, right + lane * G::LD, sum);
    }

    /* `rows` of the right tile, weighted */
    template <class S>
    __device__ void mix(const float *weight, int ld, int rows, float (&out)[G::R][G::F]) const {
        if constexpr (by_tensor<G, S>)
            mix_rows_by_tensor<G>(weight, ld, right, rows, out);
        else
            mix_rows<G>(weight, ld, right + lane, rows, out);
    }

    __device__ explicit tile_pair(float *memory)
        : left(memory), right(memory + G::LEFT), lane((int)threadIdx.x % CUDA_WARP),
          row((int)threadIdx.x / CUDA_WARP * G::R) {}

    /* Another left tile beside the same right one. */
    __device__ tile_pair with_left(float *other) const {
        tile_pair x = *this;
        x.left = other;
        return x;
    }

    /* sum = dots of l's rows from at.first with r's from `first`, up to `end`, when nobody reads
     * the tiles any more.  `again`: left rows of before, where they are still there.  The right
     * tile keeps the last features. */
    template <class S>
    __device__ void multiply(const tile_place &at, const token_rows<S> &l, bool again,
                             const token_rows<S> &r, int first, int end, int d,
                             float (&sum)[G::R][G::C]) const {
        set_zero(sum);
        for (int e0 = 0; e0 < d; e0 += G::WIDE) {
            if (e0)
                __syncthreads(); /* all have read the features before */
            if (!again || d > G::WIDE)
                load_rows<G, G::ROWS>(left, l, at.first, at.first + at.rows, e0, d);
            load_rows<G, G::COLS>(right, r, first, end, e0, d);
            __syncthreads();
            if (row < at.rows)
                dots<S>(sum);
        }
    }

    template <class S>
    __device__ void load_right(const token_rows<S> &r, int first, int end, int e0, int d) const {
        __syncthreads();
        load_rows<G, G::COLS>(right, r, first, end, e0, d);
        __syncthreads();
    }
};

#endif
