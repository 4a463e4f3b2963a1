/* eigen.c -- Householder's tridiagonalisation and the implicit QL algorithm: Martin, Reinsch and
 * Wilkinson 1968 (Numerische Mathematik 11, 181-195), Bowdler et al. 1968 (same volume, 293-306),
 * as in EISPACK's tred2 and tql2.
 *
 * Departure: reflections go from the first column on, and the eigenvectors lie in rows, so that
 * every inner loop runs through memory in its order.
 */
#include "results/eigen.h"

#include "core/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEPS = 60 };

static double *row(double *a, int n, int i) {
    return a + (ptrdiff_t)i * n;
}

/* Column k below the diagonal becomes (alpha, 0, ..., 0) by H = 1 - beta v v^T, with v in its
 * place; returns alpha. */
static double reflection(double *v, int n, double *beta) {
    double sum = 0;
    for (int i = 1; i < n; i++)
        sum += v[i] * v[i];
    *beta = 0;
    if (sum == 0)
        return v[0];
    double alpha = v[0] > 0 ? -sqrt(sum + v[0] * v[0]) : sqrt(sum + v[0] * v[0]);
    v[0] -= alpha;
    *beta = 2 / (sum + v[0] * v[0]);
    return alpha;
}

/* a := H a H on its last m rows and columns, symmetric; w (m) is scratch. */
static void reflect_both(double *a, int n, int m, const double *v, double beta, double *w) {
    double along = 0;
    for (int i = 0; i < m; i++) {
        const double *r = row(a, n, n - m + i) + n - m;
        w[i] = 0;
        for (int j = 0; j < m; j++)
            w[i] += beta * r[j] * v[j];
        along += w[i] * v[i];
    }
    for (int i = 0; i < m; i++)
        w[i] -= beta / 2 * along * v[i];
    for (int i = 0; i < m; i++) {
        double *r = row(a, n, n - m + i) + n - m;
        for (int j = 0; j < m; j++)
            r[j] -= v[i] * w[j] + w[i] * v[j];
    }
}

/* Diagonal d (n) and what is beside it, e (n - 1), of T = Q^T a Q; the rows of q become Q^T. */
static void tridiagonalise(double *a, int n, double *d, double *e, double *q, struct arena *s) {
    double *v = ARENA_ARRAY(s, double, n *n), *beta = ARENA_ARRAY(s, double, n);
    double *w = ARENA_ARRAY(s, double, n);
    for (int k = 0; k + 1 < n; k++) {
        double *x = row(v, n, k);
        for (int i = k + 1; i < n; i++)
            x[i - k - 1] = row(a, n, i)[k];
        d[k] = row(a, n, k)[k];
        e[k] = reflection(x, n - k - 1, &beta[k]);
        if (beta[k] > 0)
            reflect_both(a, n, n - k - 1, x, beta[k], w);
    }
    d[n - 1] = row(a, n, n - 1)[n - 1];
    for (int i = 0; i < n; i++)
        row(q, n, i)[i] = 1;
    for (int k = n - 2; k >= 0; k--) { /* Q^T := Q^T H_k, from the last one on */
        int m = n - k - 1;
        for (int i = k + 1; i < n && beta[k] > 0; i++) {
            double *r = row(q, n, i) + k + 1, along = 0;
            for (int j = 0; j < m; j++)
                along += r[j] * row(v, n, k)[j];
            for (int j = 0; j < m; j++)
                r[j] -= beta[k] * along * row(v, n, k)[j];
        }
    }
}

/* One implicit QL step on l..m, with the shift that Wilkinson chose. */
static void ql_step(int l, int m, double *d, double *e, double *q, int n) {
    double g = (d[l + 1] - d[l]) / (2 * e[l]), s = 1, c = 1, p = 0;
    g = d[m] - d[l] + e[l] / (g + copysign(hypot(g, 1), g));
    for (int i = m - 1; i >= l; i--) {
        double f = s * e[i], b = c * e[i], r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0) { /* it falls apart earlier */
            d[i + 1] -= p;
            e[m] = 0;
            return;
        }
        s = f / r, c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        double *lower = row(q, n, i), *upper = row(q, n, i + 1);
        for (int k = 0; k < n; k++) {
            double x = upper[k];
            upper[k] = s * lower[k] + c * x;
            lower[k] = c * lower[k] - s * x;
        }
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0;
}

static int diagonalise(int n, double *d, double *e, double *q) {
    e[n - 1] = 0;
    for (int l = 0; l < n; l++)
        for (int sweep = 0;; sweep++) {
            int m = l;
            while (m + 1 < n && fabs(e[m]) > 0x1p-53 * (fabs(d[m]) + fabs(d[m + 1])))
                m++;
            if (m == l)
                break;
            if (sweep == SWEEPS)
                return 1;
            ql_step(l, m, d, e, q, n);
        }
    return 0;
}

struct pair {
    double value;
    int row;
};

static int falling(const void *left, const void *right) {
    const struct pair *a = left, *b = right;
    if (a->value != b->value)
        return a->value < b->value ? 1 : -1;
    return a->row - b->row;
}

int eigen_symmetric(double *a, int n, double *value, double *vector) {
    struct arena s = {0};
    double *d = ARENA_ARRAY(&s, double, n), *e = ARENA_ARRAY(&s, double, n);
    double *q = ARENA_ARRAY(&s, double, n *n);
    struct pair *order = ARENA_ARRAY(&s, struct pair, n);
    int bad = 0;
    for (int i = 0; i < n * n; i++)
        bad |= !isfinite(a[i]);
    if (!bad) {
        tridiagonalise(a, n, d, e, q, &s);
        bad = diagonalise(n, d, e, q);
    }
    for (int i = 0; i < n; i++)
        order[i] = (struct pair){d[i], i};
    qsort(order, (size_t)n, sizeof *order, falling);
    for (int i = 0; i < n && !bad; i++) {
        value[i] = order[i].value;
        memcpy(row(vector, n, i), row(q, n, order[i].row), sizeof *q * (size_t)n);
    }
    arena_free(&s);
    return bad;
}
