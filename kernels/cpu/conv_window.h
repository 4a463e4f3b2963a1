/* conv_window.h -- a convolution as windows over pictures with zeros around them.
 *
 * With the channels last, a row of a window is one run of memory, so that a product needs no
 * rearranged copy of the windows, only where each of them starts.  A block of images, or of rows of
 * one image, is copied once with its zeros, unless it needs none, and stays in the second-level
 * cache.
 *
 * The gradient of the input is made of such windows too.  x[i] gets w[k] y[o] where i = o stride +
 * k - pad.  Write i + pad = g stride + p and k = t stride + p: then o = g - t.  So each phase p <
 * stride is a convolution of stride 1 of y with every stride-th tap, backwards.
 */
#ifndef SSV_KERNELS_CPU_CONV_WINDOW_H
#define SSV_KERNELS_CPU_CONV_WINDOW_H

#include "kernels/cpu/cpu.h"

/* Rows or columns.  Windows stand at places g = 0, 1, ...; place g sees the numbers from g step to
 * g step + reach of the source with its zeros. */
struct conv_axis {
    int source, margin; /* numbers of the source, zeros before them */
    int step, reach, places;
    int taps;                  /* of all phases together */
    int out, out_step, before; /* results; from place to place; before the first of phase 0 */
};

/* A phase uses the last `taps` numbers that a place sees; the result of place g, first <= g < end,
 * is number g out_step + out of the results. */
struct conv_phase {
    int taps, first, end, out;
};

struct conv_axis ISA_NAME(conv_forward_axis)(int size, int k, int stride, int pad);
struct conv_axis ISA_NAME(conv_backward_axis)(int size, int k, int stride, int pad);
/* p < out_step */
struct conv_phase ISA_NAME(conv_phase)(const struct conv_axis *axis, int p);

struct conv_plan {
    struct conv_axis y, x;
    int n, channels; /* of the source */
    const float *source;
    float *room;      /* for a block */
    int images, rows; /* of a block: of whole images or, of one, rows of places */
    int as_it_is;     /* the source needs no zeros */
};

/* images, and of each the rows of places first..end-1.  The source with its zeros, from the first
 * number that they see: data, with reals from row to row and from image to image. */
struct conv_block {
    int image, images, first, end;
    const float *data;
    size_t row, picture;
};

/* A block takes no more than the first half of the workspace (conv_fits). */
struct conv_plan ISA_NAME(conv_plan)(const struct kctx *c, int n, struct conv_axis y,
                                     struct conv_axis x, int channels, const float *source);
/* The next block, the first when *b is zero; 0 after the last. */
int ISA_NAME(conv_next_block)(const struct conv_plan *plan, struct conv_block *b);

/* Where windows start in a block and where their results go, in reals.  The last window stands in
 * for those that are not there to fill a tile. */
enum { CONV_TILE = 12, CONV_WINDOWS = 43 * CONV_TILE };
struct conv_windows {
    int n;
    size_t from[CONV_WINDOWS], to[CONV_WINDOWS];
    int image, y, x; /* the next one */
};

/* The next windows of a phase in a block, at first where *w is zero; 0 when there are no more. */
int ISA_NAME(conv_next_windows)(const struct conv_plan *plan, const struct conv_block *b,
                                const struct conv_phase *y, const struct conv_phase *x,
                                int out_channels, struct conv_windows *w);

#endif
