/* patchify.c -- a patch's row is contiguous on both sides. */
#include "kernels/cpu/cpu.h"

/* Rows of images in the order of x, each cut into pieces of p; piece k of a row is at k * patch. */
struct cut {
    size_t pieces, p, patch, image;
};

static struct cut cut_for(int channels, int height, int width, int p) {
    size_t side = (size_t)p;
    return (struct cut){.pieces = (size_t)(width / p),
                        .p = side,
                        .patch = (size_t)channels * side * side,
                        .image = (size_t)channels * (size_t)height * (size_t)width};
}

static size_t row_start(const struct cut *k, int channel, int row) {
    size_t y = (size_t)row / k->p, inside = (size_t)row % k->p;
    return y * k->pieces * k->patch + ((size_t)channel * k->p + inside) * k->p;
}

void ISA_NAME(patchify)(const struct kctx *c, int n, int channels, int height, int width, int p,
                        const float *x, float *y) {
    (void)c;
    const struct cut k = cut_for(channels, height, width, p);
    for (int i = 0; i < n; i++, y += k.image)
        for (int channel = 0; channel < channels; channel++)
            for (int row = 0; row < height; row++) {
                float *out = y + row_start(&k, channel, row);
                for (size_t piece = 0; piece < k.pieces; piece++, out += k.patch, x += k.p)
                    for (size_t e = 0; e < k.p; e++)
                        out[e] = x[e];
            }
}

void ISA_NAME(unpatchify)(const struct kctx *c, int n, int channels, int height, int width, int p,
                          const float *y, int acc, float *x) {
    (void)c;
    const struct cut k = cut_for(channels, height, width, p);
    for (int i = 0; i < n; i++, y += k.image)
        for (int channel = 0; channel < channels; channel++)
            for (int row = 0; row < height; row++) {
                const float *from = y + row_start(&k, channel, row);
                for (size_t piece = 0; piece < k.pieces; piece++, from += k.patch, x += k.p)
                    for (size_t e = 0; e < k.p; e++)
                        x[e] = acc ? x[e] + from[e] : from[e];
            }
}
