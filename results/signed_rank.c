#include "results/signed_rank.h"

#include "core/arena.h"

#include <math.h>
#include <stdlib.h>

enum { WALSH_MOST = SIGNED_RANK_MOST * (SIGNED_RANK_MOST + 1) / 2, SUMS = 2 * WALSH_MOST + 1 };

static int by_size(const void *a, const void *b) {
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Twice the ranks of x (n), sorted by size: halves are shared ranks. */
static void rank(const double *x, int n, int *twice) {
    for (int i = 0; i < n;) {
        int end = i + 1;
        while (end < n && fabs(x[end]) == fabs(x[i]))
            end++;
        for (int j = i; j < end; j++)
            twice[j] = i + 1 + end;
        i = end;
    }
}

/* below[w]: the probability that the sum of the ranks with a random sign is w or less (twice). */
static int distribution(const int *twice, int n, double below[SUMS]) {
    int most = 0;
    for (int w = 0; w < SUMS; w++)
        below[w] = w == 0;
    for (int i = 0; i < n; i++) {
        most += twice[i];
        for (int w = most; w >= 0; w--)
            below[w] = 0.5 * (below[w] + (w >= twice[i] ? below[w - twice[i]] : 0));
    }
    for (int w = 1; w <= most; w++)
        below[w] += below[w - 1];
    return most;
}

static double two_sided(const double *sorted, int n) {
    int twice[SIGNED_RANK_MOST], zeros = 0, sum = 0;
    double below[SUMS];
    while (zeros < n && sorted[zeros] == 0)
        zeros++;
    rank(sorted + zeros, n - zeros, twice);
    for (int i = 0; i < n - zeros; i++)
        sum += sorted[zeros + i] > 0 ? twice[i] : 0;
    int most = distribution(twice, n - zeros, below);
    double low = below[sum], high = sum ? 1 - below[sum - 1] : 1;
    double p = 2 * (low < high ? low : high);
    return most && p < 1 ? p : 1;
}

/* How many of the sorted means of two lie outside of the interval on either side. */
static int cut(int n, double level) {
    int twice[SIGNED_RANK_MOST], w = 0;
    double below[SUMS];
    for (int i = 0; i < n; i++)
        twice[i] = 2 * (i + 1);
    int most = distribution(twice, n, below);
    while (w <= most && below[w] <= (1 - level) / 2)
        w += 2;
    return w / 2;
}

struct signed_rank signed_rank(const double *x, int n, double level) {
    CHECK(n > 0 && n <= SIGNED_RANK_MOST, "signed ranks of %d differences", n);
    struct signed_rank r;
    double sorted[SIGNED_RANK_MOST] = {0}, mean[WALSH_MOST] = {0};
    int m = 0;
    for (int i = 0; i < n; i++) {
        sorted[i] = x[i];
        for (int j = 0; j <= i; j++)
            mean[m++] = 0.5 * (x[i] + x[j]);
    }
    qsort(sorted, (size_t)n, sizeof *sorted, by_size);
    qsort(mean, (size_t)m, sizeof *mean, by_value);
    int outside = cut(n, level);
    r.p = two_sided(sorted, n);
    r.shift = 0.5 * (mean[(m - 1) / 2] + mean[m / 2]);
    r.lo = outside ? mean[outside - 1] : -INFINITY;
    r.hi = outside ? mean[m - outside] : INFINITY;
    return r;
}

/* The i-th smallest of n is multiplied by n / i, and no p may be above a larger one's. */
void adjust_p(const double *p, int n, double *adjusted) {
    for (int i = 0; i < n; i++) {
        double least = 1;
        for (int j = 0; j < n; j++) {
            int rank_of_j = 0;
            for (int k = 0; k < n && p[j] >= p[i]; k++)
                rank_of_j += p[k] <= p[j];
            if (p[j] >= p[i] && p[j] * n / rank_of_j < least)
                least = p[j] * n / rank_of_j;
        }
        adjusted[i] = least;
    }
}
