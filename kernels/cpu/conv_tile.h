/* conv_tile.h -- the product of windows (conv_window.h) with packed weights. */
#ifndef SSV_KERNELS_CPU_CONV_TILE_H
#define SSV_KERNELS_CPU_CONV_TILE_H

#include "kernels/cpu/conv_window.h"

/* Weights of `n` output channels, each `depth` numbers, are packed in panels of CONV_PANEL channels
 * (depth,CONV_PANEL); the last panel is one vector wide when that is enough. */
enum { CONV_PANEL = 2 * VEC_WIDTH };

static inline int conv_panel_width(int n, int first) {
    return n - first > VEC_WIDTH ? CONV_PANEL : VEC_WIDTH;
}

static inline size_t conv_panels_size(int n, size_t depth) {
    return (size_t)((n + VEC_WIDTH - 1) / VEC_WIDTH * VEC_WIDTH) * depth;
}

/* Where number k of channel j is. */
static inline size_t conv_panel_at(int n, size_t depth, int j, size_t k) {
    int first = j / CONV_PANEL * CONV_PANEL;
    return (size_t)first * depth + k * (size_t)conv_panel_width(n, first) + (size_t)(j - first);
}

/* y = acc y + bias (n, or NULL) + windows times packed.  packed has panels for each phase of rows
 * and, in it, of columns: conv_panels_size(n, taps of either * channels of the source). */
void ISA_NAME(conv_multiply)(const struct conv_plan *plan, const float *packed, const float *bias,
                             int acc, int n, float *y);

#endif
