/* views.cu -- views of images in two passes.
 *
 * The first gives a block 32 x 8 pixels of a view, a warp to each row.  The filter is separable: a
 * warp adds up the rows of the image that its row is made of, into shared memory, four bytes a
 * lane, then each lane filters its pixel from there and changes its colours, up to the contrast,
 * which needs the mean of the whole view.  Of that the block leaves its part.  What has neither
 * contrast nor blur is done then.
 *
 * The second takes 32 x 32 pixels and, where there is a blur, those around them; finishes their
 * colours; blurs in shared memory, along rows in place, then down; and writes what is left.
 */
#include "kernels/cuda/team.cuh"
#include "kernels/view_taps.h"

namespace {

enum {
    ACROSS = VIEW_TILE_ACROSS,
    DOWN = VIEW_TILE_DOWN,
    SUMS = 512,  /* of a row: source pixels times channels, at a time */
    SQUARE = 32, /* of the second pass */
    AROUND = SQUARE + 2 * VIEW_BLUR,
    COLOURS = 3,
    BYTES = 4, /* of a word */
    LISTED = ACROSS + DOWN
};
static_assert((int)ACROSS == (int)CUDA_WARP && ACROSS * DOWN == (int)CUDA_BLOCK,
              "a warp has a row");
static_assert(VIEW_TAPS * VIEW_CHANNELS + BYTES <= SUMS, "what one pixel is made of fits");

struct making {
    struct view_shape s;
    size_t views, reals, plane; /* of the call; of a view; of a channel */
    int tiles, squares;         /* of a view; along a side */
    const int32_t *pixels, *tasks;
    const float *norm;
    float *image, *part; /* (views,channels,side,side) between the passes; (views,tiles) */
    float *y;
    __device__ const struct view_task *task(size_t view) const {
        return reinterpret_cast<const struct view_task *>(tasks + view * VIEW_WORDS);
    }
    __device__ const int32_t *pixels_of(size_t view) const {
        return pixels + view / (size_t)s.views * (size_t)s.words;
    }
};

__device__ inline float clip(float x) {
    return fminf(fmaxf(x, 0), 1);
}

__device__ inline bool needs_mean(const struct view_task *t) {
    return t->jitter;
}

__device__ inline bool has_second_pass(const struct view_task *t) {
    return t->ready < 0 && (needs_mean(t) || t->sigma > 0);
}

/* ---- colours of one pixel ---- */

/* The number of channels C is known to the compiler, so that they stay in registers. */
template <int C> struct pixel {
    float v[C];
    __device__ float grey() const {
        if (C == COLOURS)
            return 0.299f * v[0] + 0.587f * v[1 % C] + 0.114f * v[2 % C];
        float sum = 0;
#pragma unroll
        for (int c = 0; c < C; c++)
            sum += v[c];
        return sum / (float)C;
    }
    __device__ void scale(float factor, float add) {
#pragma unroll
        for (int c = 0; c < C; c++)
            v[c] = clip(factor * v[c] + add);
    }
    /* Smith 1978, as in data/view_color.c. */
    __device__ void turn_hue(float sixths) {
        const float r = v[0], g = v[1 % C], b = v[2 % C];
        const float most = fmaxf(r, fmaxf(g, b)), least = fminf(r, fminf(g, b));
        const float chroma = most - least, inverse = 1 / (chroma > 0 ? chroma : 1);
        float hue = most == r   ? (g - b) * inverse
                    : most == g ? 2 + (b - r) * inverse
                                : 4 + (r - g) * inverse;
        hue += sixths;
        hue = hue < 0 ? hue + 6 : hue;
        hue = hue < 6 ? hue : hue - 6;
        v[0] = least + chroma * clip(fabsf(hue - 3) - 1);
        v[1 % C] = least + chroma * clip(2 - fabsf(hue - 2));
        v[2 % C] = least + chroma * clip(2 - fabsf(hue - 4));
    }
    __device__ void operate(const struct view_task *t, int operation, float mean) {
        const float factor = t->factor[operation];
        if (operation == VIEW_BRIGHTNESS)
            scale(factor, 0);
        else if (operation == VIEW_CONTRAST)
            scale(factor, (1 - factor) * mean);
        else if (operation == VIEW_SATURATION && C == COLOURS)
            scale(factor, (1 - factor) * grey());
        else if (operation == VIEW_HUE && C == COLOURS && factor != 0)
            turn_hue(6 * factor);
    }
    /* The jitter's operations in front of the contrast. */
    __device__ void begin(const struct view_task *t) {
        for (int i = 0; t->jitter && i < VIEW_OPERATIONS && t->order[i] != VIEW_CONTRAST; i++)
            operate(t, t->order[i], 0);
    }
    /* The others, and what is grey. */
    __device__ void finish(const struct view_task *t, float mean) {
        bool behind = false;
        for (int i = 0; t->jitter && i < VIEW_OPERATIONS; i++) {
            behind = behind || t->order[i] == VIEW_CONTRAST;
            if (behind)
                operate(t, t->order[i], mean);
        }
        if (t->grey && C == COLOURS)
            scale(0, grey());
    }
};

/* What follows the blur, of channel c. */
template <int C>
__device__ inline float finished(const making &m, const struct view_task *t, int c, float x) {
    const float solarize_from = 0.5f;
    x = t->solarize && x >= solarize_from ? 1 - x : x;
    return (x - m.norm[c]) * m.norm[C + c];
}

/* ---- first pass ---- */

struct tap_list { /* of the rows and columns of a tile */
    int *first, *n;
    float *cover, *weight; /* weight (VIEW_TAPS,LISTED): neighbours are those of neighbours */
    __device__ void find(const struct view_axis &axis, int i, int at) const {
        view_taps(&axis, i, &first[at], &n[at], &cover[at], weight + at, LISTED);
    }
};

/* The end of columns a.. of a tile whose source pixels, *lo..*hi-1, fit into a row of sums: all of
 * them or, as often halved as it takes, fewer.  Source pixels of a mirrored view fall. */
template <int C>
__device__ inline int fitting(const tap_list &over, int a, int end, int *lo, int *hi) {
    for (;; end = a + (end - a) / 2) {
        const int one = over.first[a], other = over.first[end - 1];
        const int behind_one = one + over.n[a], behind_other = other + over.n[end - 1];
        *lo = one < other ? one : other;
        *hi = behind_one > behind_other ? behind_one : behind_other;
        if ((*hi - *lo) * C + BYTES <= SUMS || end == a + 1)
            return end;
    }
}

/* sums (words): n rows of bytes, row_words apart, times their weights */
__device__ inline void add_rows(const int32_t *from, int row_words, int n, const float *weight,
                                int words, int lane, float4 *sums) {
    for (int word = lane; word < words; word += CUDA_WARP) {
        float sum[BYTES] = {0, 0, 0, 0};
        for (int k = 0; k < n; k++) {
            const uint32_t four = (uint32_t)from[(ptrdiff_t)k * row_words + word];
#pragma unroll
            for (int b = 0; b < BYTES; b++)
                sum[b] += weight[k * LISTED] * (float)((four >> (8 * b)) & 255);
        }
        sums[word] = float4{sum[0], sum[1], sum[2], sum[3]};
    }
}

/* Pixel `lane` of a row, of a tile with `columns` columns. */
template <int C>
__device__ inline pixel<C> filter(const struct view_task *t, const int32_t *pixels,
                                  const tap_list &down, const tap_list &over, int row, int columns,
                                  int lane, float4 *sums) {
    pixel<C> p;
#pragma unroll
    for (int c = 0; c < C; c++)
        p.v[c] = 0;
    for (int a = 0, end; a < columns; a = end) {
        int lo, hi;
        end = fitting<C>(over, a, columns, &lo, &hi);
        /* in bytes from the first that is there; sums begin with a whole word */
        const int begin = (lo - t->first_column) * C / BYTES * BYTES;
        const int words = ((hi - t->first_column) * C - begin + BYTES - 1) / BYTES;
        const ptrdiff_t top = (ptrdiff_t)(down.first[row] - t->first_row) * t->row_words;
        add_rows(pixels + top + begin / BYTES, t->row_words, down.n[row], down.weight + row,
                 hi > lo ? words : 0, lane, sums);
        __syncwarp();
        if (lane >= a && lane < end) {
            const float *from =
                reinterpret_cast<float *>(sums) + (over.first[lane] - t->first_column) * C - begin;
            const float *weight = over.weight + lane;
            for (int k = 0; k < over.n[lane]; k++)
#pragma unroll
                for (int c = 0; c < C; c++)
                    p.v[c] += weight[k * LISTED] * from[k * C + c];
        }
        __syncwarp(); /* sums are written again */
    }
    return p;
}

/* Every thread of the block calls. */
template <int C>
__device__ inline void leave_part(const making &m, size_t tile, bool inside, const pixel<C> &p) {
    const block_team team = {(int)threadIdx.x, CUDA_BLOCK};
    const float sum = (float)team.sum(inside ? (double)p.grey() : 0.0);
    if (!team.rank)
        m.part[tile] = sum;
}

template <int C> __global__ void __launch_bounds__(CUDA_BLOCK) resize_kernel(making m) {
    SHARED(int, first, LISTED);
    SHARED(int, count, LISTED);
    SHARED(float, cover, LISTED);
    SHARED(float, weight, LISTED *VIEW_TAPS);
    SHARED(float4, sums, DOWN * SUMS / BYTES);
    const tap_list over = {first, count, cover, weight};
    const tap_list down = {first + ACROSS, count + ACROSS, cover + ACROSS, weight + ACROSS};
    const int side = m.s.side, me = (int)threadIdx.x;
    const int lane = me % CUDA_WARP, row = me / CUDA_WARP, wide = (side + ACROSS - 1) / ACROSS;
    const size_t view = blockIdx.x / (unsigned)m.tiles;
    const int tile = (int)(blockIdx.x % (unsigned)m.tiles);
    const int x0 = tile % wide * ACROSS, y0 = tile / wide * DOWN, x = x0 + lane, y = y0 + row;
    const int columns = side - x0 < ACROSS ? side - x0 : (int)ACROSS;
    const bool inside = x < side && y < side;
    const struct view_task *t = m.task(view);
    const size_t at = view * m.reals + (size_t)y * (size_t)side + (size_t)x;
    if (t->ready >= 0) {
        const float *made = reinterpret_cast<const float *>(m.pixels_of(view) + t->ready);
        for (int c = 0; inside && c < C; c++)
            m.y[at + (size_t)c * m.plane] = made[at - view * m.reals + (size_t)c * m.plane];
        return;
    }
    if (me < columns)
        over.find(view_columns(t, side), t->flip ? side - 1 - x : x, me);
    else if (me >= ACROSS && me < ACROSS + DOWN && y0 + me - ACROSS < side)
        down.find(view_rows(t, side), y0 + me - ACROSS, me - ACROSS);
    __syncthreads();
    pixel<C> p = {};
    if (y < side) /* the whole warp */
        p = filter<C>(t, m.pixels_of(view), down, over, row, columns, lane,
                      sums + row * (SUMS / BYTES));
#pragma unroll
    for (int c = 0; c < C; c++)
        if (inside)
            p.v[c] =
                clip(p.v[c] * (1 / 255.0f) + m.norm[c] * (1 - down.cover[row] * over.cover[lane]));
    p.begin(t);
    if (needs_mean(t))
        leave_part(m, blockIdx.x, inside, p);
    if (!inside)
        return;
    const bool goes_on = has_second_pass(t);
    if (!goes_on)
        p.finish(t, 0);
    float *to = goes_on ? m.image : m.y;
#pragma unroll
    for (int c = 0; c < C; c++)
        to[at + (size_t)c * m.plane] = goes_on ? p.v[c] : finished<C>(m, t, c, p.v[c]);
}

/* ---- second pass ---- */

/* Of all threads of a block: the mean over the view, from its parts. */
__device__ inline float mean_of(const making &m, size_t view) {
    const block_team team = {(int)threadIdx.x, CUDA_BLOCK};
    double sum = 0;
    TEAM_EACH(i, team, m.tiles) {
        sum += m.part[view * (size_t)m.tiles + (size_t)i];
    }
    return (float)(team.sum(sum) / (double)m.plane);
}

/* Pixel (y,x) of the view with all its colours. */
template <int C>
__device__ inline pixel<C> load(const making &m, const struct view_task *t, size_t view, int y,
                                int x, float mean) {
    const float *from = m.image + view * m.reals + (size_t)y * (size_t)m.s.side + (size_t)x;
    pixel<C> p;
#pragma unroll
    for (int c = 0; c < C; c++)
        p.v[c] = from[(size_t)c * m.plane];
    p.finish(t, mean);
    return p;
}

__device__ inline int mirrored(int i, int n) {
    i = i < 0 ? -i : i;
    return i < n ? i : 2 * (n - 1) - i;
}

/* weight (radius + 1): half of a normalised Gaussian */
__device__ inline void find_weights(const struct view_task *t, float *weight) {
    const int me = (int)threadIdx.x, radius = t->radius;
    const double sigma = (double)t->sigma;
    if (me > radius)
        return;
    double total = 1;
    for (int i = 1; i <= radius; i++)
        total += 2 * exp(-0.5 * (i / sigma) * (i / sigma));
    weight[me] = (float)(exp(-0.5 * (me / sigma) * (me / sigma)) / total);
}

__device__ inline float blurred(const float *x, int stride, int radius, const float *weight) {
    float sum = weight[0] * x[0];
    for (int i = 1; i <= radius; i++)
        sum += weight[i] * (x[-i * stride] + x[i * stride]);
    return sum;
}

/* Channels c0..c0+MANY-1 of the pixels from y0, x0 on and around them, into shared memory. */
template <int C, int MANY>
__device__ inline void load_around(const making &m, const struct view_task *t, size_t view, int y0,
                                   int x0, float mean, int c0, float *around) {
    const int lane = (int)threadIdx.x % CUDA_WARP, side = m.s.side, radius = t->radius;
    for (int row = (int)threadIdx.x / CUDA_WARP; row < SQUARE + 2 * radius; row += DOWN)
        for (int column = lane; column < SQUARE + 2 * radius; column += CUDA_WARP) {
            const int y = y0 - radius + row, x = x0 - radius + column;
            if (y >= side + radius || x >= side + radius)
                continue;
            const pixel<C> p = load<C>(m, t, view, mirrored(y, side), mirrored(x, side), mean);
#pragma unroll
            for (int c = 0; c < C; c++)
                if (c >= c0 && c < c0 + MANY)
                    around[((c - c0) * AROUND + row) * AROUND + column] = p.v[c];
        }
}

/* Along rows, in place: what was column radius becomes column 0. */
__device__ inline void blur_rows(int rows, int radius, const float *weight, float *around) {
    const int lane = (int)threadIdx.x % CUDA_WARP;
    for (int row = (int)threadIdx.x / CUDA_WARP; row < rows; row += DOWN) {
        const float x = blurred(around + row * AROUND + radius + lane, 1, radius, weight);
        __syncwarp(); /* every lane has read */
        around[row * AROUND + lane] = x;
    }
}

/* Every thread of the block calls. */
template <int C, int MANY>
__device__ inline void blur_square(const making &m, const struct view_task *t, size_t view, int y0,
                                   int x0, float mean, int c0, const float *weight, float *around) {
    const int lane = (int)threadIdx.x % CUDA_WARP, side = m.s.side, radius = t->radius;
    load_around<C, MANY>(m, t, view, y0, x0, mean, c0, around);
    __syncthreads();
    for (int k = 0; k < MANY; k++)
        blur_rows(SQUARE + 2 * radius, radius, weight, around + k * AROUND * AROUND);
    __syncthreads();
    for (int row = (int)threadIdx.x / CUDA_WARP; row < SQUARE; row += DOWN)
        for (int k = 0; k < MANY && y0 + row < side && x0 + lane < side; k++) {
            const float *middle = around + (k * AROUND + row + radius) * AROUND + lane;
            m.y[view * m.reals + (size_t)(c0 + k) * m.plane + (size_t)(y0 + row) * (size_t)side +
                (size_t)(x0 + lane)] =
                finished<C>(m, t, c0 + k, clip(blurred(middle, AROUND, radius, weight)));
        }
    __syncthreads(); /* another channel follows */
}

template <int C> __global__ void __launch_bounds__(CUDA_BLOCK) finish_kernel(making m) {
    /* Colours are changed together, other channels one after the other. */
    constexpr int many = C == COLOURS ? C : 1;
    SHARED(float, around, many *AROUND *AROUND);
    SHARED(float, weight, VIEW_BLUR + 1);
    const int side = m.s.side, lane = (int)threadIdx.x % CUDA_WARP;
    const unsigned squares = (unsigned)m.squares;
    const size_t view = blockIdx.x / (squares * squares);
    const unsigned square = blockIdx.x % (squares * squares);
    const int x0 = (int)(square % squares) * SQUARE, y0 = (int)(square / squares) * SQUARE;
    const struct view_task *t = m.task(view);
    if (!has_second_pass(t))
        return;
    const float mean = needs_mean(t) ? mean_of(m, view) : 0;
    if (t->sigma > 0) {
        find_weights(t, weight);
        for (int c = 0; c < C; c += many)
            blur_square<C, many>(m, t, view, y0, x0, mean, c, weight, around);
        return;
    }
    for (int row = (int)threadIdx.x / CUDA_WARP; row < SQUARE; row += DOWN) {
        const int y = y0 + row, x = x0 + lane;
        if (y >= side || x >= side)
            continue;
        const pixel<C> p = load<C>(m, t, view, y, x, mean);
        float *to = m.y + view * m.reals + (size_t)y * (size_t)side + (size_t)x;
#pragma unroll
        for (int c = 0; c < C; c++)
            to[(size_t)c * m.plane] = finished<C>(m, t, c, p.v[c]);
    }
}

template <int C> void render(const struct kctx *c, const making &m, const char *where) {
    const size_t squares = (size_t)m.squares * (size_t)m.squares;
    RUN(where, c, resize_kernel<C>, dim3((unsigned)(m.views * (size_t)m.tiles)), CUDA_BLOCK, 0, m);
    RUN(where, c, finish_kernel<C>, dim3((unsigned)(m.views * squares)), CUDA_BLOCK, 0, m);
}

} // namespace

void cuda_render_views(const struct kctx *c, int n, const struct view_shape *s,
                       const int32_t *pixels, const int32_t *tasks, const real *norm, real *scratch,
                       real *y) {
    making m;
    m.s = *s;
    m.views = (size_t)n * (size_t)s->views;
    m.reals = view_reals(s);
    m.plane = (size_t)s->side * (size_t)s->side;
    m.tiles = view_tiles(s->side);
    m.squares = (s->side + SQUARE - 1) / SQUARE;
    m.pixels = pixels;
    m.tasks = tasks;
    m.norm = norm;
    m.image = scratch;
    m.part = scratch + m.views * m.reals;
    m.y = y;
    static void (*const of_channels[])(const struct kctx *, const making &,
                                       const char *) = {render<1>, render<2>, render<3>, render<4>};
    if (s->channels)
        of_channels[s->channels - 1](c, m, __func__);
}
