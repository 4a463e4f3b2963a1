/* watch.h -- runs while they run: a line each with where it stands and the curve of its loss.
 *
 * Reads journal.jsonl, which grows with every step, and run.h5 where there is one.
 */
#ifndef SSV_REPORTS_WATCH_H
#define SSV_REPORTS_WATCH_H

#include "core/error.h"

#include <stdio.h>

enum watch_look { WATCH_ASCII = 0, WATCH_BLOCKS = 1, WATCH_COLOUR = 2 };

/* One look at all runs in the folder; `width` columns. */
int watch_print(const char *folder, int width, unsigned look, FILE *out, struct error *err);
/* The means of `bins` equal parts of x (n), as heights 0..7 between the least and the largest;
 * -1 for a part without a finite value. */
void watch_curve(const double *x, long n, int bins, int *height);

#endif
