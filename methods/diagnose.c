#include "methods/diagnose.h"

#include "core/arena.h"

#include <math.h>

/* LAPACK: eigenvalues of a symmetric matrix. */
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
            double *work, const int *lwork, int *info);

double feature_std(int rows, int dim, const float *x) {
    CHECK(rows > 0 && dim > 0, "%d rows of %d", rows, dim);
    struct arena a = {0};
    double *sum = ARENA_ARRAY(&a, double, dim), *square = ARENA_ARRAY(&a, double, dim), total = 0;
    for (int i = 0; i < rows; i++) {
        const float *row = x + (size_t)i * (size_t)dim;
        double norm = 0;
        for (int d = 0; d < dim; d++)
            norm += (double)row[d] * (double)row[d];
        norm = norm > 0 ? sqrt(norm) : 1;
        for (int d = 0; d < dim; d++) {
            double v = (double)row[d] / norm;
            sum[d] += v;
            square[d] += v * v;
        }
    }
    for (int d = 0; d < dim; d++) {
        double mean = sum[d] / rows, var = square[d] / rows - mean * mean;
        total += var > 0 ? sqrt(var) : 0;
    }
    arena_free(&a);
    return total / dim * sqrt((double)dim);
}

/* Centred rows' inner products, n x n, whose eigenvalues are the squares of the singular values;
 * NULL when there is nothing left. */
static double *gram_of(int n, int dim, const float *x, struct arena *a) {
    double *mean = ARENA_ARRAY(a, double, dim);
    double *centred = ARENA_ARRAY(a, double, (size_t)n *(size_t)dim);
    double *gram = ARENA_ARRAY(a, double, (size_t)n *(size_t)n);
    for (int i = 0; i < n; i++)
        for (int d = 0; d < dim; d++)
            mean[d] += (double)x[(size_t)i * (size_t)dim + (size_t)d] / n;
    double all = 0, left = 0;
    for (int i = 0; i < n; i++)
        for (int d = 0; d < dim; d++) {
            size_t at = (size_t)i * (size_t)dim + (size_t)d;
            centred[at] = (double)x[at] - mean[d];
            all += (double)x[at] * (double)x[at];
            left += centred[at] * centred[at];
        }
    if (left < 1e-12 * all) /* rounding of rows that are all the same */
        return NULL;
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            const double *p = centred + (size_t)i * (size_t)dim;
            const double *q = centred + (size_t)j * (size_t)dim;
            double dot = 0;
            for (int d = 0; d < dim; d++)
                dot += p[d] * q[d];
            gram[(size_t)i * (size_t)n + (size_t)j] = gram[(size_t)j * (size_t)n + (size_t)i] = dot;
        }
    return gram;
}

double effective_rank(int rows, int dim, const float *x) {
    CHECK(rows > 0 && dim > 0, "%d rows of %d", rows, dim);
    int n = rows < DIAGNOSE_ROWS ? rows : DIAGNOSE_ROWS, work_size = 8 * n, info = 0;
    struct arena a = {0};
    double *gram = gram_of(n, dim, x, &a), *value = ARENA_ARRAY(&a, double, n);
    double *work = ARENA_ARRAY(&a, double, work_size), sum = 0, entropy = 0, rank = NAN;
    if (gram)
        dsyev_("N", "U", &n, gram, &n, value, work, &work_size, &info);
    if (!info) {
        for (int i = 0; i < n && gram; i++)
            sum += value[i] = value[i] > 0 ? sqrt(value[i]) : 0;
        for (int i = 0; i < n && sum > 0; i++)
            if (value[i] > 0)
                entropy -= value[i] / sum * log(value[i] / sum);
        rank = sum > 0 ? exp(entropy) : 0;
    }
    arena_free(&a);
    return rank;
}

static double entropy_of(int n, const double *p) {
    double h = 0;
    for (int i = 0; i < n; i++)
        h -= p[i] > 0 ? p[i] * log(p[i]) : 0;
    return h;
}

void prediction_entropy(int rows, int cols, const float *logits, double *mean, double *of_mean) {
    CHECK(rows > 0 && cols > 0, "%d rows of %d", rows, cols);
    struct arena a = {0};
    double *p = ARENA_ARRAY(&a, double, cols), *average = ARENA_ARRAY(&a, double, cols);
    *mean = 0;
    for (int i = 0; i < rows; i++) {
        const float *x = logits + (size_t)i * (size_t)cols;
        double most = (double)x[0], sum = 0;
        for (int j = 1; j < cols; j++)
            most = fmax(most, (double)x[j]);
        for (int j = 0; j < cols; j++)
            sum += p[j] = exp((double)x[j] - most);
        for (int j = 0; j < cols; j++) {
            p[j] /= sum;
            average[j] += p[j] / rows;
        }
        *mean += entropy_of(cols, p) / rows;
    }
    *of_mean = entropy_of(cols, average);
    arena_free(&a);
}
