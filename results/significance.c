#include "results/significance.h"

#include "core/error.h"
#include "results/distributions.h"

#include <math.h>

static int has_spread(struct estimate e) {
    return e.df > 0 && e.error > 0;
}

double difference_p(struct estimate e) {
    return has_spread(e) ? student_t_two_sided(e.value / e.error, e.df) : NAN;
}

double equivalence_p(struct estimate e, double margin) {
    CHECK(margin >= 0, "margin = %g", margin);
    if (!has_spread(e))
        return NAN;
    return student_t_above((margin - fabs(e.value)) / e.error, e.df);
}

double smallest_detectable(struct estimate e, double level, double power) {
    return has_spread(e) ? e.error * student_t_shift(power, level, e.df) : NAN;
}

/* How many tests are left when that of i is made: those of a larger p, and of an equal one that
 * comes later. */
static int tests_left(const double *p, int n, int i) {
    int left = 1;
    for (int j = 0; j < n; j++)
        left += p[j] > p[i] || (j > i && p[j] == p[i]);
    return left;
}

void holm(const double *p, int n, double *adjusted) {
    for (int i = 0; i < n; i++) {
        double most = p[i];
        for (int j = 0; j < n; j++)
            if (p[j] <= p[i])
                most = fmax(most, fmin(1, tests_left(p, n, j) * p[j]));
        adjusted[i] = most;
    }
}

void holm_levels(const double *p, int n, double alpha, double *level) {
    int stopped = 0; /* tests left at the first that was not called */
    for (int i = 0; i < n; i++) {
        int left = isnan(p[i]) ? 0 : tests_left(p, n, i);
        if (left > stopped && p[i] * left > alpha)
            stopped = left;
    }
    for (int i = 0; i < n; i++) {
        int left = isnan(p[i]) ? 1 : tests_left(p, n, i);
        level[i] = 1 - alpha / (left > stopped ? left : stopped);
    }
}

struct mcnemar mcnemar(long only_a, long only_b) {
    CHECK(only_a >= 0 && only_b >= 0, "%ld and %ld images", only_a, only_b);
    long n = only_a + only_b, fewer = only_a < only_b ? only_a : only_b;
    if (only_a == only_b) /* as far from the middle as this is this alone, otherwise two */
        return (struct mcnemar){1, n ? 1 - 0.5 * fair_binomial_point(fewer, n) : 1};
    double below = fair_binomial_below(fewer, n);
    return (struct mcnemar){fmin(1, 2 * below), fmin(1, 2 * below - fair_binomial_point(fewer, n))};
}
