/* view_taps.h -- which pixels a pixel of a resized box is made of, and their weights, in one of the
 * two directions; for render_views on processors and devices. */
#ifndef SSV_KERNELS_VIEW_TAPS_H
#define SSV_KERNELS_VIEW_TAPS_H

#include "kernels/kernels.h"
#include "kernels/views.h"

#include <math.h>

struct view_axis {
    double begin, step, inverse, radius; /* in pixels of the image; inverse of the filter's scale */
    int cubic, most;                     /* taps, at most */
    int first, last, limit;              /* pixels of the box; of the image */
};

KERNEL_FUNCTION struct view_axis view_axis_of(int cubic, double begin, double extent, int side,
                                              int limit) {
    struct view_axis a;
    double scale;
    a.begin = begin;
    a.step = extent / side;
    scale = a.step < 1 ? 1 : a.step > VIEW_SHRINKING ? (double)VIEW_SHRINKING : a.step;
    a.inverse = 1 / scale;
    a.radius = (cubic ? 2 : 1) * scale;
    a.cubic = cubic;
    a.most = (int)ceil(2 * a.radius);
    a.first = (int)floor(begin);
    a.last = (int)ceil(begin + extent) - 1;
    a.limit = limit;
    return a;
}

KERNEL_FUNCTION struct view_axis view_rows(const struct view_task *t, int side) {
    return view_axis_of(t->cubic, (double)t->top, (double)t->height, side, t->image_height);
}

KERNEL_FUNCTION struct view_axis view_columns(const struct view_task *t, int side) {
    return view_axis_of(t->cubic, (double)t->left, (double)t->width, side, t->image_width);
}

/* Keys 1981 with a = -1/2, or the triangle, x >= 0 in steps of the wider of the two grids. */
KERNEL_FUNCTION double view_filter(int cubic, double x) {
    if (!cubic)
        return x < 1 ? 1 - x : 0;
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/* Of output i: *n weights (VIEW_TAPS at most), `stride` apart, of pixels from *first on.  Pixels of
 * the box that lie outside the image have no weight here, but count in the sum that all are divided
 * by: *cover is the sum of those that are left.  Both *first and *first + *n never fall with i. */
KERNEL_FUNCTION void view_taps(const struct view_axis *a, int i, int *first, int *n, float *cover,
                               float *weight, int stride) {
    double centre = a->begin + (i + 0.5) * a->step - 0.5, total = 0, kept = 0;
    int lo = (int)floor(centre - a->radius) + 1, hi = lo + a->most - 1;
    int from, to, s;
    lo = lo < a->first ? a->first : lo;
    hi = hi > a->last ? a->last : hi;
    from = lo < 0 ? 0 : lo;
    to = hi < a->limit ? hi : a->limit - 1;
    for (s = lo; s <= hi; s++) {
        double w = view_filter(a->cubic, fabs(s - centre) * a->inverse);
        total += w;
        kept += s >= from && s <= to ? w : 0;
    }
    for (s = from; s <= to; s++)
        weight[(s - from) * stride] =
            (float)(view_filter(a->cubic, fabs(s - centre) * a->inverse) / total);
    *first = from < a->limit ? from : a->limit;
    *n = to < from ? 0 : to - from + 1;
    *cover = (float)(kept / total);
}

#endif
