/* speed_verdict.h -- did code become slower, from the times of two builds launched in turns.
 *
 * One number a launch: its fastest sample, since whatever disturbs a sample makes it longer.  What
 * differs between launches (where memory came to lie, what the machine did) is then between
 * numbers, not inside of one, and turns make it the same for both builds.  Ratios are looked at as
 * logarithms.
 */
#ifndef SSV_RESULTS_SPEED_VERDICT_H
#define SSV_RESULTS_SPEED_VERDICT_H

#include "results/signed_rank.h"

enum { SPEED_PAIRS = 32 };

/* With fewer pairs not one of so many series could be called slower or faster, were it alone. */
int speed_least_pairs(int series);

struct speed_series {
    int n;                                        /* pairs */
    double ours[SPEED_PAIRS], other[SPEED_PAIRS]; /* seconds, in the order of the launches */
};

enum speed { SPEED_SAME, SPEED_SLOWER, SPEED_FASTER, SPEED_UNDECIDED, SPEEDS };
extern const char *const speed_names[SPEEDS];

struct speed_verdict {
    enum speed speed;
    double ratio, lo, hi; /* ours / other: Hodges-Lehmann, 95 % */
    double floor;         /* ratios from 1 / floor to floor do not count */
    double p;             /* adjusted for all that were tested together */
};

/* Slower or faster: p below 0.01 after Benjamini and Hochberg's adjustment, and the ratio beyond a
 * floor of 3 %, or of one and a half times the median distance of launches of the same build that
 * followed each other, where that is more.  The same: the interval is inside the floor, and inside
 * of 5 % where that is less.  Everything else is undecided. */
void speed_verdicts(const struct speed_series *series, int n, struct speed_verdict *out);

#endif
