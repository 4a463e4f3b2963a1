/* collapse.h -- whether a pretraining has stopped telling images apart. */
#ifndef SSV_PROTOCOLS_COLLAPSE_H
#define SSV_PROTOCOLS_COLLAPSE_H

#include "methods/trainer.h"
#include "results/journal.h"

/* Whether step 1.. of so many is looked at: each `every` of them, and the last. */
int collapse_due(int every, long step, long steps);
/* Fills what the watched tensors of the last step tell; NaN for what is not watched, and for
 * features of fewer than COLLAPSE_LEAST rows: two rows lie on a line, and one has no spread,
 * whatever they are. */
void collapse_look(const struct trainer *t, int n, struct step_row *row);
/* The step since which all rows that were looked at, at least COLLAPSE_ROWS of them, show a
 * collapse; 0 when the run is well.  A collapse is an effective rank below 1.5, a feature_std below
 * 0.01, or a loss within one thousandth of the method's uniform loss.  uniform 0: no such number.
 */
long collapse_since(const struct step_row *rows, long n, double uniform);
enum { COLLAPSE_ROWS = 5, COLLAPSE_LEAST = 4 };
/* What a run of so many steps says of it, in `a`; "" when it is well. */
const char *collapse_finding(const struct step_row *rows, long n, double uniform, long steps,
                             struct arena *a);

#endif
