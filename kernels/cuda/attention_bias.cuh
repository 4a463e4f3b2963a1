/* attention_bias.cuh -- dbias: ds summed over images, in parts of them where there is room for
 * that.
 *
 * b.a, b.template slopes<G>(tiles, at, keys, ds): ds of a tile's queries and keys, of one image and
 * head; what lies outside them may be anything.
 */
#ifndef SSV_KERNELS_CUDA_ATTENTION_BIAS_CUH
#define SSV_KERNELS_CUDA_ATTENTION_BIAS_CUH

#include "kernels/cuda/attention.cuh"

struct bias_parts {
    int images, each;       /* of a part */
    float *partial, *dbias; /* (parts,heads,t,t), or NULL: one part */
};

/* work(r, c, row, column) for the thread's numbers of rows first .. end - 1 against columns from
 * `other` on that are below `most`. */
template <class G, class Work>
__device__ void each_of_tile(const tile_pair<G> &tiles, int first, int end, int other, int most,
                             const Work &work) {
#pragma unroll
    for (int r = 0; r < G::R; r++)
#pragma unroll
        for (int c = 0; c < G::C; c++) {
            int row = first + tiles.row + r, column = other + c * CUDA_WARP + tiles.lane;
            if (row < end && column < most)
                work(r, c, row, column);
        }
}

template <class G, class B> struct bias_block {
    const B &b;
    const bias_parts &to;
    tile_pair<G> tiles;
    int head, part, first, end, keys; /* queries first .. end - 1, keys from `keys` on */
    float sum[G::R][G::C];

    __device__ bias_block(const B &work, const bias_parts &parts, int each, float *memory)
        : b(work), to(parts), tiles(memory), head((int)blockIdx.y), part((int)blockIdx.z) {
        int across = (b.a.t + G::COLS - 1) / G::COLS;
        first = (int)blockIdx.x / across * each;
        end = b.a.t - first < each ? b.a.t : first + each;
        keys = (int)blockIdx.x % across * G::COLS;
        set_zero(sum);
    }
    __device__ void add(int image) {
        size_t pair = (size_t)image * (size_t)b.a.heads + (size_t)head;
        float ds[G::R][G::C];
        __syncthreads();
        b.slopes(tiles, {pair, first, end - first}, keys, ds);
        each_of_tile(tiles, first, end, keys, b.a.t,
                     [&](int r, int c, int, int) { sum[r][c] += ds[r][c]; });
    }
    __device__ void put() const {
        size_t t = (size_t)b.a.t, size = (size_t)b.a.heads * t * t;
        each_of_tile(tiles, first, end, keys, b.a.t, [&](int r, int c, int query, int key) {
            size_t at = ((size_t)head * t + (size_t)query) * t + (size_t)key;
            if (to.partial)
                to.partial[(size_t)part * size + at] = sum[r][c];
            else
                to.dbias[at] += sum[r][c];
        });
    }
};

template <class G, class B>
__global__ void __launch_bounds__(G::THREADS, G::RESIDENT)
    bias_kernel(int each, B b, bias_parts to) {
    DYNAMIC_SHARED(float, memory);
    bias_block<G, B> block(b, to, each, memory);
    int image = block.part * to.each, end = image + to.each;
    for (; image < end && image < to.images; image++)
        block.add(image);
    block.put();
}

/* The first numbers of the workspace, one a query, are taken. */
template <class B> struct bias_run {
    const struct kctx *c;
    int images;
    const B &b;
    float *dbias;
    const char *where;

    template <class G> void with() const {
        enum { BLOCKS = 512 }; /* enough for any device */
        int t = b.a.t, each = G::each(t);
        size_t size = (size_t)b.a.heads * (size_t)t * (size_t)t;
        size_t used = (size_t)images * (size_t)b.a.heads * (size_t)t;
        int tiles = (t + each - 1) / each * ((t + G::COLS - 1) / G::COLS);
        int most = (int)cuda_least((KERNEL_WORKSPACE - used) / size, (size_t)images);
        int parts = BLOCKS / (tiles * b.a.heads) < most ? BLOCKS / (tiles * b.a.heads) : most;
        int of_part = parts > 1 ? (images + parts - 1) / parts : images;
        parts = (images + of_part - 1) / of_part;
        float *partial = parts > 1 ? c->workspace + used : NULL;
        const dim3 grid((unsigned)tiles, (unsigned)b.a.heads, (unsigned)parts);
        RUN(where, c, (bias_kernel<G, B>), grid, G::THREADS,
            sizeof(float) * (size_t)(G::LEFT + G::RIGHT), each, b,
            bias_parts{images, of_part, partial, dbias});
        if (partial)
            ::each(c, size, add_parts{parts, size, partial, dbias}, where);
    }
};

#endif
