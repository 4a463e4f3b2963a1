#include "results/speed_verdict.h"

#include "core/arena.h"
#include "results/stats.h"

#include <math.h>

#define LEAST_FLOOR 1.03
#define DISTANCES 1.5
#define SAME_MOST 1.05
#define FALSE_ALARMS 0.01
#define LEVEL 0.95

const char *const speed_names[SPEEDS] = {"same", "slower", "faster", "undecided"};

/* How far apart two launches of one build are, as a median. */
static double own_distance(const struct speed_series *s) {
    double distance[2 * SPEED_PAIRS];
    int n = 0;
    for (int i = 1; i < s->n; i++) {
        distance[n++] = fabs(log(s->ours[i] / s->ours[i - 1]));
        distance[n++] = fabs(log(s->other[i] / s->other[i - 1]));
    }
    return n ? median(distance, n) : 0;
}

static enum speed decide(const struct signed_rank *r, double floor, double p) {
    int sure = p < FALSE_ALARMS;
    if (sure && r->shift > floor)
        return SPEED_SLOWER;
    if (sure && r->shift < -floor)
        return SPEED_FASTER;
    double least = fmin(floor, log(SAME_MOST));
    return r->lo > -least && r->hi < least ? SPEED_SAME : SPEED_UNDECIDED;
}

/* The smallest p of n pairs is 2 / 2^n, and among others that say nothing it counts `series` times
 * as much. */
int speed_least_pairs(int series) {
    int n = 1;
    while (ldexp(2, -n) * series >= FALSE_ALARMS)
        n++;
    return n;
}

void speed_verdicts(const struct speed_series *series, int n, struct speed_verdict *out) {
    struct arena scratch = {0};
    struct signed_rank *rank = ARENA_ARRAY(&scratch, struct signed_rank, n + 1);
    double *p = ARENA_ARRAY(&scratch, double, n + 1),
           *adjusted = ARENA_ARRAY(&scratch, double, n + 1);
    for (int i = 0; i < n; i++) {
        const struct speed_series *s = &series[i];
        double difference[SPEED_PAIRS];
        CHECK(s->n > 0 && s->n <= SPEED_PAIRS, "a series of %d pairs", s->n);
        for (int j = 0; j < s->n; j++)
            difference[j] = log(s->ours[j] / s->other[j]);
        rank[i] = signed_rank(difference, s->n, LEVEL);
        p[i] = rank[i].p;
    }
    adjust_p(p, n, adjusted);
    for (int i = 0; i < n; i++) {
        double floor = fmax(log(LEAST_FLOOR), DISTANCES * own_distance(&series[i]));
        out[i] = (struct speed_verdict){.speed = decide(&rank[i], floor, adjusted[i]),
                                        .ratio = exp(rank[i].shift),
                                        .lo = exp(rank[i].lo),
                                        .hi = exp(rank[i].hi),
                                        .floor = exp(floor),
                                        .p = adjusted[i]};
    }
    arena_free(&scratch);
}
