#include "results/distributions.h"

#include "core/error.h"

#include <math.h>

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

/* The z with that tail above it; centre = 1/2 - tail.  Abramowitz & Stegun 26.2.23 (4.5e-4), then
 * Newton. */
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

double normal_upper(double tail) {
    CHECK(tail > 0 && tail <= 0.5, "tail = %g", tail);
    return normal_root(tail, 0.5 - tail);
}

double student_t_two_sided(double t, double df) {
    CHECK(df > 0, "df = %g", df);
    if (isnan(t) || isinf(t))
        return isnan(t) ? NAN : 0;
    if (t == 0)
        return 1;
    if (df < LARGEST_DF)
        return t_tails(2 * log(fabs(t)) - log(df), df).outside;
    /* The normal value with the same tail (the inverse of 26.7.5) */
    double s = t * t;
    double z = fabs(t) * (1 - (s + 1) / (4 * df) + ((13 * s + 8) * s + 3) / (96 * df * df));
    return erfc(z * sqrt(0.5));
}

double student_t_above(double t, double df) {
    double half = 0.5 * student_t_two_sided(t, df);
    return t < 0 ? 1 - half : half;
}

/* ---- binomial with 1/2 ---- */

/* log n! - log(sqrt(2 pi n) (n / e)^n): what is left has all its digits where lgamma, a large
 * number, has lost them (Loader 2000, "Fast and accurate computation of binomial probabilities").
 */
static double stirling_rest(double n) {
    if (n < 16)
        return lgamma(n + 1) - (n + 0.5) * log(n) + n - 0.5 * log(2 * acos(-1.0));
    double s = 1 / (n * n);
    return (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s / 1188)))) / n;
}

/* P(X = k) */
static double fair_point(double k, double n) {
    if (k == 0 || k == n)
        return exp(-n * log(2.0));
    double d = (n - 2 * k) / n;
    double deviance = 0.5 * n * ((1 - d) * log1p(-d) + (1 + d) * log1p(d));
    double rest = stirling_rest(n) - stirling_rest(k) - stirling_rest(n - k);
    return exp(rest - deviance) * sqrt(n / (2 * acos(-1.0) * k * (n - k)));
}

/* Down from k, where each term is smaller than the last. */
double fair_binomial_below(long k, long n) {
    CHECK(n >= 0 && k <= n, "%ld of %ld", k, n);
    if (k < 0)
        return 0;
    if (k > n / 2 || 2 * k == n) {
        double above = fair_binomial_below(n - k - 1, n);
        return 1 - above;
    }
    double sum = 0, term = 1;
    for (long i = k; i >= 0 && term > 1e-18 * sum; i--) {
        sum += term;
        term *= (double)i / (double)(n - i + 1);
    }
    return sum * fair_point((double)k, (double)n);
}

double fair_binomial_point(long k, long n) {
    CHECK(n >= 0 && k >= 0 && k <= n, "%ld of %ld", k, n);
    return n ? fair_point((double)k, (double)n) : 1;
}

/* ---- noncentral t ---- */

enum { MASS_POINTS = 400, SMOOTH_PANELS = 16, EDGE_PANELS = 24, SHIFT_STEPS = 80 };

/* log of u's density around its peak at 0, where exp(u) is the square root of chi-squared / df */
static double log_density(double u, double df) {
    return df * (u - 0.5 * expm1(2 * u));
}

/* Where it has fallen to exp(-40), on one side of 0. */
static double density_end(double df, double side) {
    double lo = 0, hi = side;
    while (log_density(hi, df) > -40)
        hi *= 2;
    for (int i = 0; i < 60; i++) {
        double mid = 0.5 * (lo + hi);
        if (log_density(mid, df) > -40)
            lo = mid;
        else
            hi = mid;
    }
    return hi;
}

/* The trapezoid rule: on a function that falls so fast at both ends its error is below rounding. */
static double density_mass(double df, double from, double to) {
    double step = (to - from) / MASS_POINTS, sum = 0;
    for (int i = 0; i <= MASS_POINTS; i++)
        sum += exp(log_density(from + i * step, df));
    return step * sum;
}

/* The integral of the density times P(|Z + shift| > critical exp(u)), Gauss-Legendre of ten points
 * on each of n panels. */
static double density_beyond(double shift, double critical, double df, double from, double to,
                             int n) {
    static const double node[] = {0.1488743389816312109, 0.4333953941292471908,
                                  0.6794095682990244062, 0.8650633666889845107,
                                  0.9739065285171717201};
    static const double weight[] = {0.2955242247147528701, 0.2692667193099963551,
                                    0.2190863625159820440, 0.1494513491505805931,
                                    0.0666713443086881376};
    double half = 0.5 * (to - from) / n, sum = 0;
    for (int i = 0; i < n && half > 0; i++)
        for (int k = 0; k < 10; k++) {
            double u = from + half * (2 * i + 1 + (k % 2 ? node[k / 2] : -node[k / 2]));
            double t = critical * exp(u);
            double beyond = erfc((t - shift) * sqrt(0.5)) + erfc((t + shift) * sqrt(0.5));
            sum += weight[k / 2] * exp(log_density(u, df)) * 0.5 * beyond;
        }
    return half * sum;
}

/* T is (Z + shift) / exp(u).  What there is to integrate changes fast around t = shift only. */
double student_t_power(double shift, double critical, double df) {
    CHECK(df > 0 && critical > 0 && shift >= 0, "df = %g, critical = %g, shift = %g", df, critical,
          shift);
    const double reach = 9, least = 0.05;
    double from = density_end(df, -1), to = density_end(df, 1);
    double near = fmin(to, fmax(from, log(fmax(least, shift - reach) / critical)));
    double far = fmin(to, fmax(from, log((shift + reach) / critical)));
    return (density_beyond(shift, critical, df, from, near, SMOOTH_PANELS) +
            density_beyond(shift, critical, df, near, far, EDGE_PANELS)) /
           density_mass(df, from, to);
}

/* False position with a bisection where it would leave the bracket or creeps. */
double student_t_shift(double power, double level, double df) {
    CHECK(power > 1 - level && power < 1, "power = %g, level = %g", power, level);
    double critical = student_t_quantile(0.5 + 0.5 * level, df);
    double lo = 0, hi = critical, at_lo = 1 - level - power, at_hi;
    while ((at_hi = student_t_power(hi, critical, df) - power) < 0) {
        lo = hi, at_lo = at_hi;
        hi *= 2;
    }
    for (int i = 0; i < SHIFT_STEPS && hi - lo > 1e-13 * hi; i++) {
        double next = i % 3 == 2 ? 0.5 * (lo + hi) : lo - at_lo * (hi - lo) / (at_hi - at_lo);
        if (!(next > lo && next < hi))
            next = 0.5 * (lo + hi);
        double at = student_t_power(next, critical, df) - power;
        if (at < 0)
            lo = next, at_lo = at;
        else
            hi = next, at_hi = at;
    }
    return 0.5 * (lo + hi);
}
