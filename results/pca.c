/* pca.c -- from the eigenvectors of the smaller of X^T X and X X^T, X being the centred rows. */
#include "results/pca.h"

#include "core/arena.h"
#include "results/eigen.h"

#include <math.h>

static double dot(const double *a, const double *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The rows of x less their mean; turned, (dim,n). */
static double *centre(const float *x, int n, int dim, int turned, struct arena *a) {
    double *c = ARENA_ARRAY(a, double, (size_t)n *(size_t)dim);
    for (int d = 0; d < dim; d++) {
        double mean = 0;
        for (int i = 0; i < n; i++)
            mean += (double)x[(ptrdiff_t)i * dim + d] / n;
        for (int i = 0; i < n; i++)
            c[turned ? (ptrdiff_t)d * n + i : (ptrdiff_t)i * dim + d] =
                (double)x[(ptrdiff_t)i * dim + d] - mean;
    }
    return c;
}

/* c c^T of c (m,length). */
static double *gram(const double *c, int m, int length, struct arena *a) {
    double *g = ARENA_ARRAY(a, double, (size_t)m *(size_t)m);
    for (int i = 0; i < m; i++)
        for (int j = 0; j <= i; j++)
            g[(ptrdiff_t)i * m + j] = g[(ptrdiff_t)j * m + i] =
                dot(c + (ptrdiff_t)i * length, c + (ptrdiff_t)j * length, length);
    return g;
}

static void fix_sign(double *scores, int n, int k, int component) {
    double most = 0;
    for (int i = 0; i < n; i++)
        if (fabs(scores[i * k + component]) > fabs(most))
            most = scores[i * k + component];
    for (int i = 0; i < n && most < 0; i++)
        scores[i * k + component] *= -1;
}

int pca(const float *x, int n, int dim, int k, double *scores, double *explained) {
    struct arena a = {0};
    int by_feature = dim < n, m = by_feature ? dim : n, length = by_feature ? n : dim;
    double total = 0, *value = ARENA_ARRAY(&a, double, m);
    double *vector = ARENA_ARRAY(&a, double, (size_t)m *(size_t)m);
    const double *c = centre(x, n, dim, by_feature, &a);
    double *g = gram(c, m, length, &a);
    for (int i = 0; i < m; i++)
        total += g[(ptrdiff_t)i * m + i];
    int bad = !(total > 0) || !isfinite(total) || eigen_symmetric(g, m, value, vector);
    for (int j = 0; j < k && !bad; j++) {
        const double *v = vector + (ptrdiff_t)j * m;
        double deviation = sqrt(fmax(0, value[j]));
        explained[j] = fmax(0, value[j]) / total;
        for (int i = 0; i < n; i++)
            scores[i * k + j] = by_feature ? 0 : v[i] * deviation;
        for (int d = 0; d < m && by_feature; d++)
            for (int i = 0; i < n; i++)
                scores[i * k + j] += c[(ptrdiff_t)d * n + i] * v[d];
        fix_sign(scores, n, k, j);
    }
    arena_free(&a);
    return bad;
}
