/* conv_winograd.c -- Winograd's minimal filtering F(2 x 2, 3 x 3), Lavin and Gray 2016
 * (arXiv:1509.09308), section 4.1.
 *
 * Tiles of 4 x 4 pixels d, each two pixels from the next, give 2 x 2 results of a filter g:
 *
 *     Y = A' [(G g G') * (B' d B)] A         * element by element
 *
 * With channels, each of the 16 elements is a matrix product over them: 16 multiplications for four
 * results instead of 36.  The gradient of d is the same convolution with the filter turned around;
 * that of g is
 *
 *     dg = G' [sum over tiles of (A dY A') * (B' d B)] G
 *
 * Additions of four pixels lose a bit or two to rounding; that is all that these small tiles cost.
 */
#include "kernels/cpu/conv_winograd.h"

#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/gemm_tall.h"
#include "kernels/cpu/transpose.h"

#include <string.h>

enum {
    SIDE = 4,
    STEP = 2,
    ELEMENTS = SIDE * SIDE,
    TAPS = 9,
    FEWEST_CHANNELS = 32, /* fewer leave the products too short */
    FEWEST_TILES = 4,     /* of an image; fewer do not pay for reading 16 weights instead of 9 */
    MOST_TILES = 96,      /* in work at a time, forward: a multiple of every MR */
    SUMMED_TILES = 256,   /* and for the gradient of weights, whose sums are over tiles */
    SUMMED_CHANNELS = 64,
};

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Images (n,h,w,channels) cut into tiles. */
struct tiling {
    int n, h, w, down, across; /* tiles of an image */
};

static struct tiling tiling(int n, const struct conv_shape *s) {
    return (struct tiling){n, s->h, s->w, (s->h + STEP - 1) / STEP, (s->w + STEP - 1) / STEP};
}

static int tiles(const struct tiling *t) {
    return t->n * t->down * t->across;
}

/* How many tiles the workspace holds, for a row of zeros, `beside` reals, and all elements. */
static int room_for(const struct conv_shape *s, int most, size_t beside) {
    size_t channels = (size_t)s->in + (size_t)s->out;
    if (KERNEL_WORKSPACE < beside + channels)
        return 0;
    size_t n = (KERNEL_WORKSPACE - beside - channels) / (ELEMENTS * channels);
    return n < (size_t)most ? (int)n / MR * MR : most;
}

static size_t sums_of(const struct conv_shape *s) {
    return (size_t)ELEMENTS * (size_t)least(s->out, SUMMED_CHANNELS) * (size_t)s->in +
           TALL_ROOM(SUMMED_TILES);
}

/* 16 multiplications a tile against 9 a pixel have to be fewer by a half: at odd sides part of the
 * tiles lies outside of the image, of 3 x 3 pixels 7 of 16. */
static int are_filled(const struct tiling *t) {
    return 2 * TAPS * (double)t->h * t->w >= 3 * ELEMENTS * (double)tiles(t);
}

int ISA_NAME(conv_winograd_pays)(const struct conv_shape *s) {
    struct tiling t = tiling(1, s);
    return s->kh == 3 && s->kw == 3 && s->stride == 1 && s->pad == 1 && s->in >= FEWEST_CHANNELS &&
           s->out >= FEWEST_CHANNELS && s->in % VEC_WIDTH == 0 && s->out % VEC_WIDTH == 0 &&
           tiles(&t) >= FEWEST_TILES && are_filled(&t) && room_for(s, MOST_TILES, 0) >= MR &&
           room_for(s, SUMMED_TILES, sums_of(s)) >= MR;
}

/* Weights. */

/* u = G g G' */
VEC_INLINE void transform_filter(const vec g[TAPS], vec u[ELEMENTS]) {
    vec t[SIDE][3];
#pragma GCC unroll 3
    for (int j = 0; j < 3; j++) {
        vec outer = 0.5f * (g[j] + g[6 + j]), inner = 0.5f * g[3 + j];
        t[0][j] = g[j];
        t[1][j] = outer + inner;
        t[2][j] = outer - inner;
        t[3][j] = g[6 + j];
    }
#pragma GCC unroll 4
    for (int i = 0; i < SIDE; i++) {
        vec outer = 0.5f * (t[i][0] + t[i][2]), inner = 0.5f * t[i][1];
        u[i * SIDE] = t[i][0];
        u[i * SIDE + 1] = outer + inner;
        u[i * SIDE + 2] = outer - inner;
        u[i * SIDE + 3] = t[i][2];
    }
}

/* g = G' u G */
VEC_INLINE void transform_filter_back(const vec u[ELEMENTS], vec g[TAPS]) {
    vec t[3][SIDE];
#pragma GCC unroll 4
    for (int j = 0; j < SIDE; j++) {
        vec a = u[SIDE + j], b = u[2 * SIDE + j];
        t[0][j] = u[j] + 0.5f * (a + b);
        t[1][j] = 0.5f * (a - b);
        t[2][j] = 0.5f * (a + b) + u[3 * SIDE + j];
    }
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        vec a = t[i][1], b = t[i][2];
        g[i * 3] = t[i][0] + 0.5f * (a + b);
        g[i * 3 + 1] = 0.5f * (a - b);
        g[i * 3 + 2] = 0.5f * (a + b) + t[i][3];
    }
}

size_t ISA_NAME(conv_winograd_pack_size)(const struct conv_shape *s, int backward) {
    int n = backward ? s->in : s->out, k = backward ? s->out : s->in;
    return ELEMENTS * ISA_NAME(gemm_pack_size)(n, k);
}

/* The taps of a vector of result channels from j on, and as many source channels from k on:
 * (tap,source,result).  Rows of so many sources are what a line of the cache has of w. */
static void read_filters(const struct conv_shape *s, const float *w, int j, int k,
                         float taps[TAPS][VEC_WIDTH * VEC_WIDTH]) {
    size_t in = (size_t)s->in;
    for (size_t tap = 0; tap < TAPS; tap++)
        transpose(VEC_WIDTH, VEC_WIDTH, w + ((size_t)j * TAPS + tap) * in + k, TAPS * in, taps[tap],
                  VEC_WIDTH);
}

/* For each element a right-hand side as gemm_pack makes it: panels (n / NR, k, NR). */
void ISA_NAME(conv_winograd_pack)(const struct conv_shape *s, int backward, const float *w,
                                  float *packed) {
    int n = backward ? s->in : s->out, depth = backward ? s->out : s->in;
    size_t size = ISA_NAME(gemm_pack_size)(n, depth);
    float taps[TAPS][VEC_WIDTH * VEC_WIDTH] = {{0}};
    for (int j = 0; j < gemm_round_up(n, NR); j += VEC_WIDTH) {
        float *to = packed + (size_t)(j / NR * NR) * (size_t)depth + j % NR;
        for (int k = 0; k < depth; k++, to += NR) {
            vec g[TAPS], u[ELEMENTS] = {{0}};
            if (j < n) {
                const float *turned = w + ((size_t)k * TAPS + TAPS - 1) * (size_t)s->in + j;
                if (!backward && k % VEC_WIDTH == 0)
                    read_filters(s, w, j, k, taps);
                for (int tap = 0; tap < TAPS; tap++)
                    g[tap] = vec_load(backward ? turned - tap * s->in
                                               : taps[tap] + k % VEC_WIDTH * VEC_WIDTH);
                transform_filter(g, u);
            }
            for (size_t e = 0; e < ELEMENTS; e++)
                vec_store(to + e * size, u[e]);
        }
    }
}

/* Pixels. */

/* v = B' d B */
VEC_INLINE void transform_pixels(const vec d[ELEMENTS], vec v[ELEMENTS]) {
    vec t[ELEMENTS];
#pragma GCC unroll 4
    for (int j = 0; j < SIDE; j++) {
        t[j] = d[j] - d[8 + j];
        t[4 + j] = d[4 + j] + d[8 + j];
        t[8 + j] = d[8 + j] - d[4 + j];
        t[12 + j] = d[4 + j] - d[12 + j];
    }
#pragma GCC unroll 4
    for (int i = 0; i < ELEMENTS; i += SIDE) {
        v[i] = t[i] - t[i + 2];
        v[i + 1] = t[i + 1] + t[i + 2];
        v[i + 2] = t[i + 2] - t[i + 1];
        v[i + 3] = t[i + 1] - t[i + 3];
    }
}

/* y = A' m A */
VEC_INLINE void transform_results(const vec m[ELEMENTS], vec y[STEP * STEP]) {
    vec t[STEP][SIDE];
#pragma GCC unroll 4
    for (int j = 0; j < SIDE; j++) {
        t[0][j] = m[j] + m[4 + j] + m[8 + j];
        t[1][j] = m[4 + j] - m[8 + j] - m[12 + j];
    }
#pragma GCC unroll 2
    for (int i = 0; i < STEP; i++) {
        y[i * STEP] = t[i][0] + t[i][1] + t[i][2];
        y[i * STEP + 1] = t[i][1] - t[i][2] - t[i][3];
    }
}

/* m = A y A' */
VEC_INLINE void transform_results_back(const vec y[STEP * STEP], vec m[ELEMENTS]) {
    vec t[SIDE][STEP];
#pragma GCC unroll 2
    for (int j = 0; j < STEP; j++) {
        t[0][j] = y[j];
        t[1][j] = y[j] + y[STEP + j];
        t[2][j] = y[j] - y[STEP + j];
        t[3][j] = -y[STEP + j];
    }
#pragma GCC unroll 4
    for (int i = 0; i < SIDE; i++) {
        m[i * SIDE] = t[i][0];
        m[i * SIDE + 1] = t[i][0] + t[i][1];
        m[i * SIDE + 2] = t[i][0] - t[i][1];
        m[i * SIDE + 3] = -t[i][1];
    }
}

/* Where the pixels of a tile are, side by side from (top,left); outside of the image: `nothing`. */
static void find_pixels(const struct tiling *t, int tile, int side, int margin, int channels,
                        const float *images, const float *nothing, const float **pixel) {
    int image = tile / (t->down * t->across), place = tile % (t->down * t->across);
    int top = place / t->across * STEP - margin, left = place % t->across * STEP - margin;
    for (int i = 0; i < side * side; i++) {
        int y = top + i / side, x = left + i % side;
        int inside = y >= 0 && y < t->h && x >= 0 && x < t->w;
        size_t at = ((size_t)image * (size_t)t->h + (size_t)(inside ? y : 0)) * (size_t)t->w;
        pixel[i] = inside ? images + (at + (size_t)x) * (size_t)channels : nothing;
    }
}

/* Tiles first..first+n-1 of images (..,channels) to v (ELEMENTS,n,channels). */
static void read_tiles(const struct tiling *t, int first, int n, int channels, const float *images,
                       const float *nothing, float *v) {
    size_t element = (size_t)n * (size_t)channels;
    for (int i = 0; i < n; i++, v += channels) {
        const float *pixel[ELEMENTS];
        find_pixels(t, first + i, SIDE, 1, channels, images, nothing, pixel);
        for (int c = 0; c < channels; c += VEC_WIDTH) {
            vec d[ELEMENTS], to[ELEMENTS];
#pragma GCC unroll 16
            for (int e = 0; e < ELEMENTS; e++)
                d[e] = vec_load(pixel[e] + c);
            transform_pixels(d, to);
#pragma GCC unroll 16
            for (size_t e = 0; e < ELEMENTS; e++)
                vec_store(v + e * element + c, to[e]);
        }
    }
}

/* Gradients of results, in the same order. */
static void read_results(const struct tiling *t, int first, int n, int channels,
                         const float *images, const float *nothing, float *m) {
    size_t element = (size_t)n * (size_t)channels;
    for (int i = 0; i < n; i++, m += channels) {
        const float *pixel[STEP * STEP];
        find_pixels(t, first + i, STEP, 0, channels, images, nothing, pixel);
        for (int c = 0; c < channels; c += VEC_WIDTH) {
            vec y[STEP * STEP], to[ELEMENTS];
#pragma GCC unroll 4
            for (int e = 0; e < STEP * STEP; e++)
                y[e] = vec_load(pixel[e] + c);
            transform_results_back(y, to);
#pragma GCC unroll 16
            for (size_t e = 0; e < ELEMENTS; e++)
                vec_store(m + e * element + c, to[e]);
        }
    }
}

/* y = acc y + bias + results of m (ELEMENTS,n,channels) */
static void write_results(const struct tiling *t, int first, int n, int channels, const float *m,
                          const float *bias, int acc, float *images) {
    size_t element = (size_t)n * (size_t)channels;
    for (int i = 0; i < n; i++, m += channels) {
        const float *pixel[STEP * STEP];
        find_pixels(t, first + i, STEP, 0, channels, images, NULL, pixel);
        for (int c = 0; c < channels; c += VEC_WIDTH) {
            vec from[ELEMENTS], y[STEP * STEP];
#pragma GCC unroll 16
            for (size_t e = 0; e < ELEMENTS; e++)
                from[e] = vec_load(m + e * element + c);
            transform_results(from, y);
            for (int e = 0; e < STEP * STEP; e++) {
                if (!pixel[e])
                    continue;
                float *to = images + (pixel[e] - images) + c;
                vec v = bias ? y[e] + vec_load(bias + c) : y[e];
                vec_store(to, acc ? vec_load(to) + v : v);
            }
        }
    }
}

void ISA_NAME(conv_winograd)(const struct kctx *c, int n, const struct conv_shape *s, int backward,
                             const float *from, const float *packed, const float *bias, int acc,
                             float *to) {
    const struct tiling t = tiling(n, s);
    int in = backward ? s->out : s->in, out = backward ? s->in : s->out;
    int all = tiles(&t), most = room_for(s, MOST_TILES, 0);
    size_t size = ISA_NAME(gemm_pack_size)(out, in);
    float *nothing = c->workspace, *v = nothing + in;
    memset(nothing, 0, sizeof *nothing * (size_t)in);
    for (int first = 0; first < all; first += most) {
        int count = least(most, all - first);
        size_t element = (size_t)count * (size_t)in;
        float *m = v + ELEMENTS * element;
        read_tiles(&t, first, count, in, from, nothing, v);
        for (size_t e = 0; e < ELEMENTS; e++)
            ISA_NAME(gemm_packed)
        (c, count, out, in, v + e * element, in, packed + e * size, NULL, ACT_NONE, NULL, NULL,
         m + e * (size_t)count * (size_t)out, out);
        write_results(&t, first, count, out, m, bias, acc, to);
    }
}

/* dw of output channels co..co+rows-1 += G' u G, u (ELEMENTS,rows,in) */
static void add_filters(const struct conv_shape *s, int co, int rows, const float *u, float *dw) {
    size_t in = (size_t)s->in, element = (size_t)rows * in;
    for (int i = 0; i < rows; i++, u += in) {
        float *to = dw + (size_t)(co + i) * TAPS * in;
        for (int c = 0; c < s->in; c += VEC_WIDTH) {
            vec from[ELEMENTS], g[TAPS];
#pragma GCC unroll 16
            for (size_t e = 0; e < ELEMENTS; e++)
                from[e] = vec_load(u + e * element + c);
            transform_filter_back(from, g);
#pragma GCC unroll 9
            for (size_t tap = 0; tap < TAPS; tap++)
                vec_store(to + tap * in + c, vec_load(to + tap * in + c) + g[tap]);
        }
    }
}

void ISA_NAME(conv_winograd_weight)(const struct kctx *c, int n, const struct conv_shape *s,
                                    const float *x, const float *dy, float *dw) {
    const struct tiling t = tiling(n, s);
    size_t in = (size_t)s->in, out = (size_t)s->out, widest = in > out ? in : out;
    int all = tiles(&t), most = room_for(s, SUMMED_TILES, sums_of(s));
    float *room = c->workspace, *nothing = room + TALL_ROOM(SUMMED_TILES), *u = nothing + widest;
    float *v = u + (size_t)ELEMENTS * (size_t)least(s->out, SUMMED_CHANNELS) * in;
    memset(nothing, 0, sizeof *nothing * widest);
    for (int first = 0; first < all; first += most) {
        int count = least(most, all - first);
        float *m = v + ELEMENTS * (size_t)count * in;
        read_tiles(&t, first, count, s->in, x, nothing, v);
        read_results(&t, first, count, s->out, dy, nothing, m);
        for (int co = 0; co < s->out; co += SUMMED_CHANNELS) {
            int rows = least(SUMMED_CHANNELS, s->out - co);
            for (size_t e = 0; e < ELEMENTS; e++) {
                struct tall left = {.data = m + e * (size_t)count * out + co, .ld = out};
                struct tall right = {.data = v + e * (size_t)count * in, .ld = in};
                ISA_NAME(gemm_tall)
                (rows, s->in, count, &left, &right, 0, u + e * (size_t)rows * in, s->in, room);
            }
            add_filters(s, co, rows, u, dw);
        }
    }
}
