/* patchify.c -- an image as the sequence of its patches, and back. */
#include "kernels/ref/ref.h"

/* Where pixel (channel,row,column) of an image is in its sequence of patches. */
static size_t place(int channels, int width, int p, int channel, int row, int column) {
    size_t patch = (size_t)(row / p) * (size_t)(width / p) + (size_t)(column / p);
    size_t in_patch = ((size_t)channel * (size_t)p + (size_t)(row % p)) * (size_t)p;
    return patch * (size_t)channels * (size_t)p * (size_t)p + in_patch + (size_t)(column % p);
}

void ref_patchify(const struct kctx *c, int n, int channels, int height, int width, int p,
                  const real *x, real *y) {
    (void)c;
    for (int i = 0; i < n; i++) {
        real *image = y + (size_t)i * (size_t)channels * (size_t)height * (size_t)width;
        for (int ch = 0; ch < channels; ch++)
            for (int row = 0; row < height; row++)
                for (int column = 0; column < width; column++)
                    image[place(channels, width, p, ch, row, column)] = *x++;
    }
}

void ref_unpatchify(const struct kctx *c, int n, int channels, int height, int width, int p,
                    const real *y, int acc, real *x) {
    (void)c;
    for (int i = 0; i < n; i++) {
        const real *image = y + (size_t)i * (size_t)channels * (size_t)height * (size_t)width;
        for (int ch = 0; ch < channels; ch++)
            for (int row = 0; row < height; row++)
                for (int column = 0; column < width; column++, x++)
                    *x = (acc ? *x : 0) + image[place(channels, width, p, ch, row, column)];
    }
}
