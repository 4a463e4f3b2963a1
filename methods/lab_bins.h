/* lab_bins.h -- the classes of colours that split-brain predicts.
 *
 * a and b: the plane is cut into square cells with centres at whole multiples of `grid` (Zhang et
 * al. 2016, arXiv:1603.08511, section 2.2); a cell is a bin when a colour of 8-bit sRGB lies in it.
 * Those on the surface of the RGB cube, where one of red, green and blue is 0 or 255, are enough:
 * between two of them lies every colour of the same a and b.  grid 10 gives 261 bins; the paper has
 * 313, of a rule that is not published.  L: equal steps of [0, 100].
 */
#ifndef SSV_METHODS_LAB_BINS_H
#define SSV_METHODS_LAB_BINS_H

#include "core/arena.h"

#include <stdint.h>

struct lab_bins {
    double grid;
    int n_ab, n_l;
    float *centre; /* (n_ab,2) a and b, by a, then by b */
    int reach;     /* cells have numbers -reach..reach along a and along b */
    int32_t *bin;  /* (2 reach + 1, 2 reach + 1) the bin that a cell is; -1: none */
};

/* What it points to lies in the arena. */
void lab_bins_make(struct lab_bins *bins, double grid, int n_l, struct arena *arena);
/* The bin with the nearest centre. */
int lab_bins_of_ab(const struct lab_bins *bins, double a, double b);
int lab_bins_of_l(const struct lab_bins *bins, double l); /* clamped to [0, 100] */
double lab_bins_l(const struct lab_bins *bins, int bin);  /* its centre */

#endif
