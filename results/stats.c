#include "results/stats.h"

#include "core/error.h"
#include "results/distributions.h"

#include <math.h>
#include <stdlib.h>

struct moments {
    double mean, variance; /* of the sample, n - 1 in the denominator */
};

/* Of a, or of a - b.  Around the first value, so that equal values have variance 0 exactly. */
static struct moments moments_of(const double *a, const double *b, int n) {
    struct moments m = {NAN, NAN};
    double first = n > 0 ? a[0] - (b ? b[0] : 0) : NAN, sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] - (b ? b[i] : 0) - first;
    m.mean = first + sum / n;
    for (int i = 0; i < n; i++) {
        double d = a[i] - (b ? b[i] : 0) - m.mean;
        squares += d * d;
    }
    if (n > 1)
        m.variance = squares / (n - 1);
    return m;
}

struct interval estimate_interval(struct estimate e, double level) {
    CHECK(level > 0 && level < 1, "level = %g", level);
    struct interval i = {e.value, NAN, NAN, e.n};
    if (e.df > 0) {
        double half = e.error * student_t_quantile(0.5 + 0.5 * level, e.df);
        i.lo = e.value - half;
        i.hi = e.value + half;
    }
    return i;
}

struct estimate paired_estimate(const double *a, const double *b, int n) {
    struct moments m = moments_of(a, b, n);
    return (struct estimate){m.mean, sqrt(m.variance / n), n - 1, n};
}

struct estimate welch_estimate(const double *a, int na, const double *b, int nb) {
    struct moments ma = moments_of(a, NULL, na), mb = moments_of(b, NULL, nb);
    double va = ma.variance / na, vb = mb.variance / nb, v = va + vb;
    double df = NAN;
    if (na > 1 && nb > 1) /* Welch-Satterthwaite; what spread there may be is then alike in both */
        df = v > 0 ? v * v / (va * va / (na - 1) + vb * vb / (nb - 1)) : na + nb - 2;
    return (struct estimate){ma.mean - mb.mean, sqrt(v), df, na + nb};
}

struct interval mean_interval(const double *x, int n, double level) {
    return estimate_interval(paired_estimate(x, NULL, n), level);
}

struct interval paired_difference(const double *a, const double *b, int n, double level) {
    return estimate_interval(paired_estimate(a, b, n), level);
}

struct interval welch_difference(const double *a, int na, const double *b, int nb, double level) {
    return estimate_interval(welch_estimate(a, na, b, nb), level);
}

struct interval wilson_interval(long k, long n, double level) {
    CHECK(n >= 0 && k >= 0 && k <= n, "%ld of %ld", k, n);
    CHECK(level > 0 && level < 1, "level = %g", level);
    if (!n)
        return (struct interval){NAN, NAN, NAN, 0};
    double p = (double)k / (double)n, q = (double)(n - k) / (double)n, size = (double)n;
    double z = normal_upper(0.5 - 0.5 * level), s = z * z / size;
    double centre = (p + 0.5 * s) / (1 + s);
    double half = z / (1 + s) * sqrt(p * q / size + 0.25 * s / size);
    return (struct interval){
        .mean = p, .lo = k == 0 ? 0 : centre - half, .hi = k == n ? 1 : centre + half, .n = (int)n};
}

double resampled_variance(const double *x, int n, double overlap) {
    CHECK(overlap >= 0 && overlap <= 1, "overlap = %g", overlap);
    if (overlap == 1) /* draws that are all the same say nothing of others */
        return NAN;
    return (1.0 / n + overlap / (1 - overlap)) * moments_of(x, NULL, n).variance;
}

static int by_value_nan_last(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    if (isnan(a) || isnan(b))
        return !!isnan(a) - !!isnan(b);
    return (a > b) - (a < b);
}

double median(double *x, int n) {
    if (n <= 0)
        return NAN;
    qsort(x, (size_t)n, sizeof *x, by_value_nan_last);
    if (isnan(x[n - 1])) /* an unknown value may lie on either side */
        return NAN;
    return n % 2 ? x[n / 2] : 0.5 * x[n / 2 - 1] + 0.5 * x[n / 2];
}
