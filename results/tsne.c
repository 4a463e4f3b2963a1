/* tsne.c -- exact t-SNE.
 *
 * Departures from the paper, all as in scikit-learn: the first two principal components, with a
 * standard deviation of 1e-4, are where it starts instead of noise (Kobak and Berens 2019), so that
 * nothing is random; early exaggeration is 12 for 250 iterations, not 4 for 50; the rate is
 * max(n / 12 / 4, 50) (Belkina et al. 2019).
 *
 * Pairs are computed in 32 bits, eight at a time, and each row sums its own in one order: threads
 * change nothing.
 */
#include "results/tsne.h"

#include "core/arena.h"
#include "results/pca.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { COMPONENTS = 50, LANES = 8, EARLY = 250, SEARCH = 64 };
enum { ROWS_PER_THREAD = 128 }; /* fewer are done before another thread has begun */
static const double EXAGGERATION = 12, START = 1e-4;

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

/* ---- affinities ---- */

/* Row i of p_j|i with the bandwidth whose perplexity is that, squared distances in d (n). */
static void conditional(const double *d, int n, int i, double perplexity, double *p) {
    double beta = 1, lo = 0, hi = INFINITY, wanted = log(perplexity), nearest = INFINITY;
    for (int j = 0; j < n; j++)
        if (j != i)
            nearest = fmin(nearest, d[j]);
    for (int k = 0; k < SEARCH; k++) {
        double sum = 0, weighted = 0;
        for (int j = 0; j < n; j++) {
            p[j] = j == i ? 0 : exp(-beta * (d[j] - nearest)); /* of the nearest: 1 */
            sum += p[j];
            weighted += p[j] * (d[j] - nearest);
        }
        double entropy = log(fmax(sum, 1)) + beta * weighted / sum;
        for (int j = 0; j < n; j++)
            p[j] /= sum;
        if (fabs(entropy - wanted) < 1e-5)
            break;
        if (entropy > wanted) {
            lo = beta;
            beta = isinf(hi) ? 2 * beta : (beta + hi) / 2;
        } else {
            hi = beta;
            beta = (beta + lo) / 2;
        }
    }
}

void tsne_affinities(const double *x, int n, int dim, double perplexity, int threads, float *p) {
    struct arena a = {0};
    double *one = ARENA_ARRAY(&a, double, (size_t)n *(size_t)n);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int i = 0; i < n; i++) {
        struct arena scratch = {0};
        double *d = ARENA_ARRAY(&scratch, double, n);
        for (int j = 0; j < n; j++)
            for (int k = 0; k < dim; k++) {
                double apart = x[(ptrdiff_t)i * dim + k] - x[(ptrdiff_t)j * dim + k];
                d[j] += apart * apart;
            }
        conditional(d, n, i, perplexity, one + (ptrdiff_t)i * n);
        arena_free(&scratch);
    }
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < n; j++)
            p[i * n + j] = (float)((one[i * n + j] + one[j * n + i]) / (2.0 * n));
    arena_free(&a);
}

/* ---- gradient ---- */

struct forces {
    double attract[2], repel[2], z;
};

struct sums {
    lanes z, attract[2], repel[2];
};

/* Eight pairs: of the row at y0, y1 with those at x0, x1; p (8), `is` 0 where there is none. */
static inline void add_pairs(struct sums *s, const float *p, float y0, float y1, const float *x0,
                             const float *x1, const lanes *is) {
    lanes pj, to0, to1;
    memcpy(&pj, p, sizeof pj);
    memcpy(&to0, x0, sizeof to0);
    memcpy(&to1, x1, sizeof to1);
    lanes d0 = y0 - to0, d1 = y1 - to1;
    lanes q = *is / (1 + d0 * d0 + d1 * d1), pq = pj * q, qq = q * q;
    s->z += q;
    s->attract[0] += pq * d0;
    s->attract[1] += pq * d1;
    s->repel[0] += qq * d0;
    s->repel[1] += qq * d1;
}

static double total(const lanes *x) {
    double sum = 0;
    for (int l = 0; l < LANES; l++)
        sum += (double)(*x)[l];
    return sum;
}

/* What row i gets from all others.  y0, y1 (padded n); p (n) is its row. */
static struct forces forces_on(const float *p, int n, int i, const float *y0, const float *y1) {
    struct sums s = {.z = {0}};
    lanes is = {0};
    float rest[LANES] = {0};
    int j = 0;
    is += 1;
    for (; j + LANES <= n; j += LANES)
        add_pairs(&s, p + j, y0[i], y1[i], y0 + j, y1 + j, &is);
    for (int l = 0; l < LANES; l++) {
        is[l] = j + l < n ? 1 : 0;
        rest[l] = j + l < n ? p[j + l] : 0;
    }
    add_pairs(&s, rest, y0[i], y1[i], y0 + j, y1 + j, &is);
    return (struct forces){{total(&s.attract[0]), total(&s.attract[1])},
                           {total(&s.repel[0]), total(&s.repel[1])},
                           total(&s.z) - 1};
}

static int team_of(int n, int threads) {
    int enough = 1 + n / ROWS_PER_THREAD;
    return threads < enough ? threads : enough;
}

void tsne_gradient(const float *p, int n, const double *y, double exaggeration, int threads,
                   double *gradient) {
    struct arena a = {0};
    float *y0 = ARENA_ARRAY(&a, float, n + LANES), *y1 = ARENA_ARRAY(&a, float, n + LANES);
    struct forces *f = ARENA_ARRAY(&a, struct forces, n);
    double z = 0;
    for (int i = 0; i < n; i++) {
        y0[i] = (float)y[2 * i];
        y1[i] = (float)y[2 * i + 1];
    }
#pragma omp parallel for num_threads(team_of(n, threads)) schedule(static)
    for (int i = 0; i < n; i++)
        f[i] = forces_on(p + (ptrdiff_t)i * n, n, i, y0, y1);
    for (int i = 0; i < n; i++)
        z += f[i].z;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2; k++)
            gradient[2 * i + k] = 4 * (exaggeration * f[i].attract[k] - f[i].repel[k] / z);
    arena_free(&a);
}

double tsne_divergence(const float *p, int n, const double *y) {
    double z = 0, cost = 0, mass = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double d0 = y[2 * i] - y[2 * j], d1 = y[2 * i + 1] - y[2 * j + 1];
            double q = 1 / (1 + d0 * d0 + d1 * d1), pij = (double)p[(ptrdiff_t)i * n + j];
            z += i == j ? 0 : q;
            mass += pij;
            if (i != j && pij > 0)
                cost += pij * log(pij / q);
        }
    return cost + mass * log(fmax(z, DBL_MIN));
}

/* ---- descent ---- */

static void centre(double *y, int n) {
    for (int k = 0; k < 2; k++) {
        double mean = 0;
        for (int i = 0; i < n; i++)
            mean += y[2 * i + k] / n;
        for (int i = 0; i < n; i++)
            y[2 * i + k] -= mean;
    }
}

/* Momentum, and a gain of each coordinate (Jacobs 1988): section 3.4. */
static void descend(const float *p, int n, const struct tsne_options *o, double *y) {
    const double rate = fmax(n / EXAGGERATION / 4, 50), least = 0.01;
    struct arena a = {0};
    double *gradient = ARENA_ARRAY(&a, double, 2 * n), *step = ARENA_ARRAY(&a, double, 2 * n);
    double *gain = ARENA_ARRAY(&a, double, 2 * n);
    for (int i = 0; i < 2 * n; i++)
        gain[i] = 1;
    for (int t = 0; t < o->iterations; t++) {
        int early = t < EARLY;
        tsne_gradient(p, n, y, early ? EXAGGERATION : 1, o->threads, gradient);
        for (int i = 0; i < 2 * n; i++) {
            int against = gradient[i] * step[i] < 0; /* the step goes down */
            gain[i] = fmax(least, against ? gain[i] + 0.2 : gain[i] * 0.8);
            step[i] = (early ? 0.5 : 0.8) * step[i] - rate * gain[i] * gradient[i];
            y[i] += step[i];
        }
    }
    centre(y, n);
    arena_free(&a);
}

int tsne(const float *x, int n, int dim, const struct tsne_options *o, double *y) {
    int k = dim < COMPONENTS ? dim : COMPONENTS;
    if (n < TSNE_LEAST || n > TSNE_MOST || dim < 2)
        return 1;
    k = k < n ? k : n - 1;
    struct arena a = {0};
    double *scores = ARENA_ARRAY(&a, double, (size_t)n *(size_t)k);
    double *explained = ARENA_ARRAY(&a, double, k), squares = 0;
    int bad = pca(x, n, dim, k, scores, explained);
    if (!bad) {
        float *p = ARENA_ARRAY(&a, float, (size_t)n *(size_t)n);
        tsne_affinities(scores, n, k, fmin(o->perplexity, (n - 1) / 3.0), o->threads, p);
        for (int i = 0; i < n; i++)
            squares += scores[(ptrdiff_t)i * k] * scores[(ptrdiff_t)i * k];
        for (int i = 0; i < 2 * n; i++)
            y[i] = scores[(ptrdiff_t)(i / 2) * k + i % 2] * START / sqrt(squares / n);
        descend(p, n, o, y);
    }
    arena_free(&a);
    return bad;
}
