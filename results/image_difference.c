#include "results/image_difference.h"

#include "core/error.h"

#include <complex.h>
#include <math.h>
#include <string.h>

/* Beyond so many standard deviations there is less than a double can add to 1. */
static const double WINDOW = 12;
enum { SHORTEST_WINDOW = 4096 };

/* The values that occur and how often: n images have `value`, a multiple of a common step. */
struct histogram {
    int n;
    double *value, *count;
};

/* A distribution on whole numbers: P(X = first + i) = mass[i]. */
struct lattice {
    long first;
    int n;
    double *mass;
};

static struct histogram histogram_of(const int32_t *scaled, long n, int32_t scale, int absolute,
                                     struct arena *a) {
    const int32_t least = absolute ? 0 : -scale;
    const int room = scale - least + 1;
    double *count = ARENA_ARRAY(a, double, room);
    struct histogram h = {0, ARENA_ARRAY(a, double, room), ARENA_ARRAY(a, double, room)};
    for (long i = 0; i < n; i++)
        count[(absolute && scaled[i] < 0 ? -scaled[i] : scaled[i]) - least]++;
    for (int i = 0; i < room; i++)
        if (count[i] > 0) {
            h.value[h.n] = least + i;
            h.count[h.n++] = count[i];
        }
    return h;
}

/* In place; n a power of two; the sign of the exponent is the inverse transform's. */
static void fourier(double complex *x, int n) {
    for (int i = 1, j = 0; i < n; i++) {
        int bit = n >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            double complex moved = x[i];
            x[i] = x[j];
            x[j] = moved;
        }
    }
    for (int half = 1; half < n; half *= 2)
        for (int k = 0; k < half; k++) {
            double complex turn = cexp(-I * acos(-1.0) * k / half);
            for (int i = k; i < n; i += 2 * half) {
                double complex other = turn * x[i + half];
                x[i + half] = x[i] - other;
                x[i] += other;
            }
        }
}

/* The characteristic function of the centred sum at theta. */
typedef double complex characteristic(const struct histogram *h, double n, double theta);

/* Of n draws with replacement. */
static double complex of_draws(const struct histogram *h, double n, double theta) {
    double complex one = 0;
    for (int i = 0; i < h->n; i++)
        one += h->count[i] / n * cexp(I * theta * h->value[i]);
    return cpow(one, n);
}

/* Of the sum of all values, each with a sign that a coin decides. */
static double complex of_signs(const struct histogram *h, double n, double theta) {
    double product = 1;
    (void)n;
    for (int i = 0; i < h->n; i++)
        product *= pow(cos(theta * h->value[i]), h->count[i]);
    return product;
}

/* Every number of [least, most], or a window around the mean that all of the mass is in. */
static struct lattice lattice_of(characteristic *f, const struct histogram *h, double n,
                                 double least, double most, double mean, double deviation,
                                 struct arena *a) {
    double range = most - least + 1;
    double wanted = fmin(range, fmax(SHORTEST_WINDOW, 2 * WINDOW * deviation));
    struct lattice l = {.n = 1};
    while (l.n < wanted)
        l.n *= 2;
    l.first = lround(l.n >= range ? least : floor(mean) - 0.5 * l.n);
    double complex *x = ARENA_ARRAY(a, double complex, l.n);
    for (int j = 0; j <= l.n / 2; j++) {
        long turns = l.first * j % l.n; /* whole ones left out: they cost digits */
        x[j] = f(h, n, 2 * acos(-1.0) * j / l.n) * cexp(-2 * acos(-1.0) * I * turns / l.n);
        if (j)
            x[l.n - j] = conj(x[j]);
    }
    fourier(x, l.n);
    l.mass = ARENA_ARRAY(a, double, l.n);
    for (int i = 0; i < l.n; i++)
        l.mass[i] = fmax(0, creal(x[i]) / l.n);
    return l;
}

/* The least number with that probability at or below it. */
static double lattice_quantile(const struct lattice *l, double p) {
    double below = 0;
    for (int i = 0; i < l->n; i++) {
        below += l->mass[i];
        if (below >= p)
            return (double)(l->first + i);
    }
    return (double)(l->first + l->n - 1);
}

/* P(|X| >= |at|) of a distribution around 0. */
static double lattice_beyond(const struct lattice *l, double at) {
    double p = 0;
    for (int i = 0; i < l->n; i++)
        if (fabs((double)(l->first + i)) >= fabs(at))
            p += l->mass[i];
    return fmin(1, p);
}

struct image_difference image_difference(const int32_t *scaled, long n, int32_t scale,
                                         double level) {
    CHECK(n > 0 && scale > 0 && level > 0 && level < 1, "%ld images, scale %d, level %g", n, scale,
          level);
    struct arena a = {0};
    double sum = 0, squares = 0;
    for (long i = 0; i < n; i++) {
        CHECK(scaled[i] >= -scale && scaled[i] <= scale, "%d of %d", scaled[i], scale);
        sum += scaled[i];
        squares += (double)scaled[i] * scaled[i];
    }
    const double size = (double)n, unit = size * scale;
    struct image_difference d = {sum / unit, sum / unit, sum / unit, 1, n};
    const struct histogram all = histogram_of(scaled, n, scale, 0, &a);
    if (all.n > 1) {
        double variance = squares - sum * sum / size;
        struct lattice drawn =
            lattice_of(of_draws, &all, size, size * all.value[0], size * all.value[all.n - 1], sum,
                       sqrt(fmax(0, variance)), &a);
        d.lo = lattice_quantile(&drawn, 0.5 - 0.5 * level) / unit;
        d.hi = lattice_quantile(&drawn, 0.5 + 0.5 * level) / unit;
    }
    if (squares > 0) {
        const struct histogram sizes = histogram_of(scaled, n, scale, 1, &a);
        double most = 0;
        for (int i = 0; i < sizes.n; i++)
            most += sizes.value[i] * sizes.count[i];
        struct lattice flipped =
            lattice_of(of_signs, &sizes, size, -most, most, 0, sqrt(squares), &a);
        d.p = lattice_beyond(&flipped, sum);
    }
    arena_free(&a);
    return d;
}

void count_right(const int16_t *pred, int n_predictions, const int16_t *label, long n,
                 int32_t *right) {
    for (int p = 0; p < n_predictions; p++)
        for (long i = 0; i < n; i++)
            right[i] += pred[(long)p * n + i] == label[i];
}
