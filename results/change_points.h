/* change_points.h -- where a series of measurements changed its level.
 *
 * Matteson and James 2014 ("A nonparametric approach for multiple change point analysis of
 * multivariate data", JASA 109), E-divisive with alpha = 1: a segment is split where the energy
 * distance of its two parts, eq. (4) to (6), is largest, when that is more than in all but 1 % of
 * random orders of the segment; then its parts are looked at in the same way.  Orders are drawn
 * from a fixed key, so equal series have equal change points.
 */
#ifndef SSV_RESULTS_CHANGE_POINTS_H
#define SSV_RESULTS_CHANGE_POINTS_H

enum { CHANGE_LEAST = 3 }; /* points of a segment, at least */

/* at (n / CHANGE_LEAST): the first index of every segment but the first, growing.  Returns how
 * many. */
int change_points(const double *x, int n, int *at);

#endif
