#include "kernels/cpu/conv_scatter.h"

#include "kernels/cpu/conv_tile.h"

enum {
    PRODUCT_REALS = 1 << 15, /* about as many results of the product at a time, */
    SUMS_REALS = 1 << 16,    /* and of sums with their margins */
    HALF = KERNEL_WORKSPACE / 2,
    PAST = VEC_WIDTH, /* what is read and written beyond the last */
};

/* to[o step - pad + k] += w[k] from[o], in rows and in columns; for a forward convolution of
 * stride 1 the taps are the weights backwards. */
struct scatter {
    int from_h, from_w, from_channels;
    int h, w, channels;
    int kh, kw, step, pad_y, pad_x;
    int run, columns;            /* columns of the product for a row of taps; all of them */
    size_t stride;               /* of the product: columns in whole vectors */
    size_t sums_w, row, picture; /* sums before the margins are cut off: pixels, then reals */
    int apart;                   /* pixels whose sums have no vector in common */
};

static struct scatter describe(const struct conv_shape *s, int backward) {
    int oh = conv_out_h(s), ow = conv_out_w(s);
    struct scatter d = {.kh = s->kh, .kw = s->kw, .step = s->stride};
    if (backward) {
        d.from_h = oh, d.from_w = ow, d.from_channels = s->out;
        d.h = s->h, d.w = s->w, d.channels = s->in;
        d.pad_y = d.pad_x = s->pad;
    } else {
        d.from_h = s->h, d.from_w = s->w, d.from_channels = s->in;
        d.h = oh, d.w = ow, d.channels = s->out;
        d.pad_y = s->kh - 1 - s->pad, d.pad_x = s->kw - 1 - s->pad;
    }
    d.run = s->kw * d.channels;
    d.columns = s->kh * d.run;
    d.stride = conv_panels_size(d.columns, 1);
    d.sums_w = (size_t)(d.from_w - 1) * (size_t)d.step + (size_t)s->kw;
    d.row = d.sums_w * (size_t)d.channels;
    d.picture = ((size_t)(d.from_h - 1) * (size_t)d.step + (size_t)s->kh) * d.row;
    d.apart = (int)(conv_panels_size(d.run, 1) / (size_t)(d.step * d.channels) + 1);
    return d;
}

int ISA_NAME(conv_scatter_pays)(const struct conv_shape *s, int backward) {
    int empty = !s->in || !s->out || !s->h || !s->w || !conv_out_h(s) || !conv_out_w(s);
    if (empty || (!backward && s->stride != 1))
        return 0;
    struct scatter d = describe(s, backward);
    if (d.picture + PAST > HALF || (size_t)d.stride * CONV_TILE + PAST > HALF)
        return 0;
    /* Multiply-adds, vectors being whole; to store, load and add a number of the product costs as
     * much as SPREAD of them. */
    enum { SPREAD = 6 };
    double places = (double)d.h * d.w * s->kh * s->kw / (s->stride * s->stride);
    double windows = places * d.from_channels * (double)conv_panels_size(d.channels, 1);
    double spread = SPREAD * s->kh * (double)conv_panels_size(d.run, 1);
    double scatter = (double)d.stride * d.from_channels + spread;
    return scatter * d.from_h * d.from_w < 0.75 * windows;
}

size_t ISA_NAME(conv_scatter_pack_size)(const struct conv_shape *s, int backward) {
    struct scatter d = describe(s, backward);
    return conv_panels_size((int)d.stride, (size_t)d.from_channels);
}

void ISA_NAME(conv_scatter_pack)(const struct conv_shape *s, int backward, const float *w,
                                 float *packed) {
    struct scatter d = describe(s, backward);
    size_t depth = (size_t)d.from_channels;
    memset(packed, 0, ISA_NAME(conv_scatter_pack_size)(s, backward) * sizeof *packed);
    for (int co = 0; co < s->out; co++)
        for (int ky = 0; ky < s->kh; ky++)
            for (int kx = 0; kx < s->kw; kx++)
                for (int ci = 0; ci < s->in; ci++, w++) {
                    int row = backward ? ky : s->kh - 1 - ky, tap = backward ? kx : s->kw - 1 - kx;
                    int column = row * d.run + tap * d.channels + (backward ? ci : co);
                    packed[conv_panel_at((int)d.stride, depth, column,
                                         (size_t)(backward ? co : ci))] = *w;
                }
}

/* A mask of the first n lanes. */
static uvec lanes_before(size_t n) {
    uint32_t lane[VEC_WIDTH];
    uvec mask;
    for (size_t i = 0; i < VEC_WIDTH; i++)
        lane[i] = i < n ? UINT32_MAX : 0;
    memcpy(&mask, lane, sizeof mask);
    return mask;
}

/* The row of pixels `row`, counted over images, or a part of it. */
static void spread(const struct scatter *d, size_t row, int first, int end, const float *product,
                   float *sums) {
    size_t y = row % (size_t)d->from_h, run = (size_t)d->run;
    float *line = sums + row / (size_t)d->from_h * d->picture + y * (size_t)d->step * d->row;
    uvec last = lanes_before(run - (run - 1) / VEC_WIDTH * VEC_WIDTH);
    /* Neighbours share sums; what was just stored is slow to load, so they do not follow each
     * other. */
    for (int turn = 0; turn < d->apart; turn++)
        for (int x = first + turn; x < end; x += d->apart)
            for (int ky = 0; ky < d->kh; ky++) {
                const float *from = product + (size_t)(x - first) * d->stride + (size_t)ky * run;
                float *to = line + (size_t)ky * d->row + (size_t)(x * d->step * d->channels);
                size_t j = 0;
                for (; j + VEC_WIDTH < run; j += VEC_WIDTH)
                    vec_store(to + j, vec_load(to + j) + vec_load(from + j));
                vec v = (vec)((uvec)vec_load(from + j) & last);
                vec_store(to + j, vec_load(to + j) + v);
            }
}

/* Row y of a result, from the sums of its image without their margins; there may be less of them
 * than of the result. */
static void finish_row(const struct scatter *d, const float *sums, int y, const float *bias,
                       int acc, float *to) {
    size_t channels = (size_t)d->channels, row = (size_t)(y + d->pad_y);
    int inside = y + d->pad_y >= 0 && row * d->row < d->picture;
    for (int x = 0; x < d->w; x++, to += channels) {
        size_t column = (size_t)(x + d->pad_x);
        const float *from = sums + row * d->row + column * channels;
        int there = inside && x + d->pad_x >= 0 && column < d->sums_w;
        for (size_t e = 0; e < channels; e++) {
            float v = (there ? from[e] : 0) + (bias ? bias[e] : 0);
            to[e] = acc ? v + to[e] : v;
        }
    }
}

/* sums of `images` images */
static void sum_up(const struct kctx *c, const struct scatter *d, size_t images, const float *from,
                   const float *packed, float *sums, float *product) {
    size_t across = (size_t)d->from_w, pixels = images * (size_t)d->from_h * across;
    size_t depth = (size_t)d->from_channels, at_once = PRODUCT_REALS / d->stride;
    at_once = at_once < CONV_TILE ? CONV_TILE : at_once / CONV_TILE * CONV_TILE;
    memset(sums, 0, (images * d->picture + PAST) * sizeof *sums);
    for (size_t p = 0; p < pixels; p += at_once) {
        size_t n = pixels - p < at_once ? pixels - p : at_once;
        struct conv_plan plan = ISA_NAME(conv_plan)(c, 1, ISA_NAME(conv_forward_axis)(1, 1, 1, 0),
                                                    ISA_NAME(conv_forward_axis)((int)n, 1, 1, 0),
                                                    (int)depth, from + p * depth);
        ISA_NAME(conv_multiply)(&plan, packed, NULL, 0, (int)d->stride, product);
        for (size_t done = 0, part; done < n; done += part) {
            size_t x = (p + done) % across;
            part = across - x < n - done ? across - x : n - done;
            spread(d, (p + done) / across, (int)x, (int)(x + part), product + done * d->stride,
                   sums);
        }
    }
}

void ISA_NAME(conv_scatter)(const struct kctx *c, int n, const struct conv_shape *s, int backward,
                            const float *from, const float *packed, const float *bias, int acc,
                            float *to) {
    struct scatter d = describe(s, backward);
    size_t source = (size_t)d.from_h * (size_t)d.from_w * (size_t)d.from_channels;
    size_t images = SUMS_REALS / d.picture, row = (size_t)d.w * (size_t)d.channels;
    float *sums = c->workspace, *product = c->workspace + HALF;
    images = images ? images : 1;
    for (size_t i = 0; i < (size_t)n; i += images) {
        size_t group = (size_t)n - i < images ? (size_t)n - i : images;
        sum_up(c, &d, group, from + i * source, packed, sums, product);
        for (size_t image = 0; image < group; image++)
            for (int y = 0; y < d.h; y++, to += row)
                finish_row(&d, sums + image * d.picture, y, bias, acc, to);
    }
}
