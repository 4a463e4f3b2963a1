#include "results/change_points.h"

#include "core/arena.h"
#include "core/rng.h"

#include <math.h>
#include <string.h>

enum { ORDERS = 199, SEED = 1 };
#define CHANCE 0.01

/* Sums of distances: within x[0..k-1] and, from behind, within x[k..n-1]. */
static void sum_within(const double *x, int n, double *left, double *right) {
    left[0] = right[n] = 0;
    for (int k = 0; k < n; k++) {
        double sum = 0;
        for (int i = 0; i < k; i++)
            sum += fabs(x[k] - x[i]);
        left[k + 1] = left[k] + sum;
    }
    for (int k = n - 1; k >= 0; k--) {
        double sum = 0;
        for (int i = k + 1; i < n; i++)
            sum += fabs(x[k] - x[i]);
        right[k] = right[k + 1] + sum;
    }
}

/* The largest statistic over all places to split, and the place. */
static double best_split(const double *x, int n, double *left, double *right, int *place) {
    double best = -INFINITY;
    sum_within(x, n, left, right);
    for (int k = CHANGE_LEAST; k <= n - CHANGE_LEAST; k++) {
        double a = k, b = n - k, between = left[n] - left[k] - right[k];
        double energy =
            2 * between / (a * b) - 2 * left[k] / (a * (a - 1)) - 2 * right[k] / (b * (b - 1));
        double q = a * b / (a + b) * energy;
        if (q > best) {
            best = q;
            *place = k;
        }
    }
    return best;
}

/* Whether a split this good is rare among random orders of the same numbers. */
static int is_rare(const double *x, int first, int n, double found, struct arena *a) {
    double *shuffled = ARENA_ARRAY(a, double, n), *left = ARENA_ARRAY(a, double, n + 1);
    double *right = ARENA_ARRAY(a, double, n + 1);
    int32_t *order = ARENA_ARRAY(a, int32_t, n);
    int as_good = 0, place;
    for (int i = 0; i < ORDERS; i++) {
        struct rng r = rng_at((struct rng_key){SEED, RNG_ORDER}, (uint32_t)i, (uint32_t)first);
        rng_permutation(&r, order, (uint32_t)n);
        for (int k = 0; k < n; k++)
            shuffled[k] = x[order[k]];
        as_good += best_split(shuffled, n, left, right, &place) >= found;
    }
    return (1.0 + as_good) / (1 + ORDERS) <= CHANCE;
}

static int split(const double *x, int first, int n, int *at, int count) {
    if (n < 2 * CHANGE_LEAST)
        return count;
    struct arena scratch = {0};
    int place = 0;
    double found = best_split(x, n, ARENA_ARRAY(&scratch, double, n + 1),
                              ARENA_ARRAY(&scratch, double, n + 1), &place);
    int rare = found > 0 && is_rare(x, first, n, found, &scratch);
    arena_free(&scratch);
    if (!rare)
        return count;
    count = split(x, first, place, at, count);
    at[count++] = first + place;
    return split(x + place, first + place, n - place, at, count);
}

int change_points(const double *x, int n, int *at) {
    return split(x, 0, n, at, 0);
}
