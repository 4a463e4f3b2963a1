#include "results/stats.h"

#include "core/error.h"

#include <math.h>
#include <stdlib.h>

/* ---- Student's t ----
 *
 * With x = df / (df + t^2) and y = 1 - x, the two-sided tail is P(|T| > t) = I_x(df/2, 1/2)
 * (Abramowitz & Stegun 26.7.1).  The unknown is w = log(t^2 / df) = log(y / x): neither x nor y
 * loses digits at either end. */

enum { FRACTION_STEPS = 100000, ROOT_STEPS = 400 };
static const double LARGEST_DF = 1e7; /* from here on the normal expansion has all digits */

/* log of Gamma(a) / Gamma(a + 1/2).  The series is the difference of two Stirling series: for a
 * large a the difference of two lgamma would lose what they have in common. */
static double log_gamma_step(double a) {
    if (a < 20)
        return lgamma(a) - lgamma(a + 0.5);
    double i = 1 / a, s = i * i;
    return -0.5 * log(a) +
           i * (1.0 / 8 - s * (1.0 / 192 - s * (1.0 / 640 - s * (17.0 / 14336 - s * 31 / 18432))));
}

/* The continued fraction of I_x(a,b) (Abramowitz & Stegun 26.5.8) by Lentz's method. */
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m < FRACTION_STEPS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        const double terms[] = {even, odd};
        double change = 1;
        for (int i = 0; i < 2; i++) {
            d = 1 + terms[i] * d;
            c = 1 + terms[i] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            change = c * d;
            f *= change;
        }
        if (fabs(change - 1) < 1e-16)
            break;
    }
    return f;
}

struct tails {
    double inside, outside; /* P(|T| < t), P(|T| > t) */
    double slope;           /* d inside / dw */
};

/* Of the two only the smaller one is computed, the other is its complement. */
static struct tails t_tails(double w, double df) {
    double a = 0.5 * df, more = log1p(exp(-fabs(w)));
    double log_x = -(w > 0 ? w + more : more), log_y = w > 0 ? -more : w - more;
    double log_beta = log_gamma_step(a) + 0.5 * log(acos(-1.0));
    double front = exp(a * log_x + 0.5 * log_y - log_beta);
    struct tails t = {.slope = front};
    if (exp(log_y) < 1.5 / (a + 2.5)) {
        t.inside = front / 0.5 * beta_fraction(0.5, a, exp(log_y));
        t.outside = 1 - t.inside;
    } else {
        t.outside = front / a * beta_fraction(a, 0.5, exp(log_x));
        t.inside = 1 - t.outside;
    }
    return t;
}

/* w for which P(|T| > t) = 2 tail; centre = 1/2 - tail, given apart because near the middle it has
 * more digits.  Newton on the logarithm of the smaller side, kept inside a bracket. */
static double t_root(double tail, double centre, double df) {
    double lo = -1500, hi = 1500, w = 0;
    for (int i = 0; i < ROOT_STEPS; i++) {
        struct tails t = t_tails(w, df);
        int by_tail = tail < 0.25;
        double side = by_tail ? t.outside : t.inside;
        double miss = log(side) - log(by_tail ? 2 * tail : 2 * centre);
        if ((miss > 0) == by_tail)
            lo = w;
        else
            hi = w;
        double step = miss * side / (by_tail ? t.slope : -t.slope);
        double next = w + step;
        if (!(next > lo && next < hi))
            next = 0.5 * (lo + hi);
        double moved = fabs(next - w);
        w = next;
        if (moved < 1e-15 * fmax(1, fabs(w)))
            break;
    }
    return w;
}

/* Abramowitz & Stegun 26.2.23 (4.5e-4), then Newton. */
static double normal_root(double tail, double centre) {
    double u = sqrt(-2 * log(tail));
    double z = u - (2.515517 + u * (0.802853 + u * 0.010328)) /
                       (1 + u * (1.432788 + u * (0.189269 + u * 0.001308)));
    for (int i = 0; i < 5; i++) {
        double density = exp(-0.5 * z * z) / sqrt(2 * acos(-1.0));
        z += tail < 0.25 ? (0.5 * erfc(z * sqrt(0.5)) - tail) / density
                         : (centre - 0.5 * erf(z * sqrt(0.5))) / density;
    }
    return z;
}

double student_t_quantile(double p, double df) {
    CHECK(p > 0 && p < 1 && df > 0, "p = %g, df = %g", p, df);
    double tail = fmin(p, 1 - p), centre = fabs(p - 0.5), t;
    if (centre == 0)
        return 0;
    if (df < LARGEST_DF) {
        double w = t_root(tail, centre, df);
        t = exp(0.5 * (w + log(df)));
    } else { /* Abramowitz & Stegun 26.7.5 */
        double z = normal_root(tail, centre), s = z * z;
        t = z * (1 + (s + 1) / (4 * df) + ((5 * s + 16) * s + 3) / (96 * df * df));
    }
    return p < 0.5 ? -t : t;
}

/* ---- intervals ---- */

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

static struct interval t_interval(double mean, double error, double df, int n, double level) {
    CHECK(level > 0 && level < 1, "level = %g", level);
    struct interval i = {mean, NAN, NAN, n};
    if (df > 0) {
        double half = error * student_t_quantile(0.5 + 0.5 * level, df);
        i.lo = mean - half;
        i.hi = mean + half;
    }
    return i;
}

struct interval mean_interval(const double *x, int n, double level) {
    struct moments m = moments_of(x, NULL, n);
    return t_interval(m.mean, sqrt(m.variance / n), n - 1, n, level);
}

struct interval paired_difference(const double *a, const double *b, int n, double level) {
    struct moments m = moments_of(a, b, n);
    return t_interval(m.mean, sqrt(m.variance / n), n - 1, n, level);
}

struct interval welch_difference(const double *a, int na, const double *b, int nb, double level) {
    struct moments ma = moments_of(a, NULL, na), mb = moments_of(b, NULL, nb);
    double va = ma.variance / na, vb = mb.variance / nb, v = va + vb;
    double df = NAN;
    if (na > 1 && nb > 1) /* Welch-Satterthwaite; without any spread every df gives the same */
        df = v > 0 ? v * v / (va * va / (na - 1) + vb * vb / (nb - 1)) : 1;
    return t_interval(ma.mean - mb.mean, sqrt(v), df, na + nb, level);
}

struct interval wilson_interval(long k, long n, double level) {
    CHECK(n >= 0 && k >= 0 && k <= n, "%ld of %ld", k, n);
    CHECK(level > 0 && level < 1, "level = %g", level);
    if (!n)
        return (struct interval){NAN, NAN, NAN, 0};
    double p = (double)k / (double)n, q = (double)(n - k) / (double)n, size = (double)n;
    double z = normal_root(0.5 - 0.5 * level, 0.5 * level), s = z * z / size;
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
