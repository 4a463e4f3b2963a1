#include "protocols/probe.h"

#include "core/arena.h"

#include <math.h>
#include <string.h>

enum { TOP = 5 };

int features_check(const struct features *f, const char *what, int labels, struct error *err) {
    if (f->n < 1 || f->dim < 1)
        return error_set(err, STATUS_USAGE,
                         "the %s set has %d samples of %d features: use more data", what, f->n,
                         f->dim);
    if (f->classes < 1 || f->classes > MOST_CLASSES)
        return error_set(err, STATUS_USAGE, "the %s set has %d classes, not 1 to %d", what,
                         f->classes, MOST_CLASSES);
    for (int i = 0; labels && i < f->n; i++)
        if (f->label[i] < 0 || f->label[i] >= f->classes)
            return error_set(err, STATUS_USAGE,
                             "the %s set: sample %d has label %d, not 0 to %d: check the dataset",
                             what, i, f->label[i], f->classes - 1);
    for (size_t i = 0; i < (size_t)f->n * (size_t)f->dim; i++)
        if (!isfinite(f->x[i]))
            return error_set(err, STATUS_USAGE,
                             "the %s set: feature %zu of sample %zu is %g: the encoder diverged",
                             what, i % (size_t)f->dim, i / (size_t)f->dim, (double)f->x[i]);
    return 0;
}

void features_measure(const struct features *f, double eps, float *mean, float *rstd) {
    struct arena a = {0};
    size_t dim = (size_t)f->dim;
    double *sum = ARENA_ARRAY(&a, double, dim), *squares = ARENA_ARRAY(&a, double, dim);
    for (int i = 0; i < f->n; i++)
        for (size_t d = 0; d < dim; d++)
            sum[d] += (double)f->x[(size_t)i * dim + d];
    for (int i = 0; i < f->n; i++)
        for (size_t d = 0; d < dim; d++) {
            double x = (double)f->x[(size_t)i * dim + d] - sum[d] / f->n;
            squares[d] += x * x;
        }
    for (size_t d = 0; d < dim; d++) {
        mean[d] = (float)(sum[d] / f->n);
        rstd[d] = (float)(1 / sqrt(squares[d] / f->n + eps));
    }
    arena_free(&a);
}

/* Index of the largest of scores (classes), the lower one among equals; -1 when one is NaN. */
static int best_class(const float *scores, int classes) {
    int best = 0;
    for (int c = 0; c < classes; c++) {
        if (isnan(scores[c]))
            return -1;
        if (scores[c] > scores[best])
            best = c;
    }
    return best;
}

/* How many classes come before `label`, equal scores in the order of the classes. */
static int rank_of(const float *scores, int classes, int label) {
    int rank = 0;
    for (int c = 0; c < classes; c++)
        rank += scores[c] > scores[label] || (c < label && scores[c] == scores[label]);
    return rank;
}

void score_predictions(const float *scores, const int32_t *label, int n, int classes, int16_t *pred,
                       double *top1, double *top5, double *top1_per_class, int32_t *confusion) {
    CHECK(n > 0 && classes > 0 && classes <= MOST_CLASSES, "%d samples, %d classes", n, classes);
    struct arena a = {0};
    int *members = ARENA_ARRAY(&a, int, classes), *right = ARENA_ARRAY(&a, int, classes);
    long n_right = 0, n_near = 0;
    if (confusion)
        memset(confusion, 0, sizeof *confusion * (size_t)classes * (size_t)classes);
    for (int i = 0; i < n; i++) {
        const float *row = scores + (size_t)i * (size_t)classes;
        int truth = label[i];
        CHECK(truth >= 0 && truth < classes, "sample %d has label %d of %d", i, truth, classes);
        int best = best_class(row, classes);
        if (pred)
            pred[i] = (int16_t)best;
        members[truth]++;
        if (best < 0)
            continue;
        right[truth] += best == truth;
        n_right += best == truth;
        n_near += rank_of(row, classes, truth) < TOP;
        if (confusion)
            confusion[(size_t)truth * (size_t)classes + (size_t)best]++;
    }
    if (top1)
        *top1 = (double)n_right / n;
    if (top5)
        *top5 = (double)n_near / n;
    for (int c = 0; top1_per_class && c < classes; c++)
        top1_per_class[c] = members[c] ? (double)right[c] / members[c] : (double)NAN;
    arena_free(&a);
}

static int validation_count(int members, double share) {
    int count = (int)lround(share * members);
    if (members < 2 || share <= 0 || share >= 1)
        return count;
    return count < 1 ? 1 : count > members - 1 ? members - 1 : count;
}

void stratified_split(const int32_t *label, int n, int classes, double val_share, uint64_t seed,
                      uint8_t *is_val) {
    CHECK(n >= 0 && classes > 0 && val_share >= 0 && val_share <= 1,
          "%d samples, %d classes, share %g", n, classes, val_share);
    struct arena a = {0};
    int *members = ARENA_ARRAY(&a, int, classes), *wanted = ARENA_ARRAY(&a, int, classes);
    for (int i = 0; i < n; i++) {
        CHECK(label[i] >= 0 && label[i] < classes, "sample %d has label %d of %d", i, label[i],
              classes);
        members[label[i]]++;
    }
    for (int c = 0; c < classes; c++)
        wanted[c] = validation_count(members[c], val_share);
    /* Knuth's selection sampling (The Art of Computer Programming 2, algorithm 3.4.2 S), one class
     * interleaved with the others: every subset of the wanted size is equally likely. */
    for (int i = 0; i < n; i++) {
        int c = label[i];
        struct rng r = rng_at((struct rng_key){seed, RNG_SPLIT}, 0, (uint32_t)i);
        is_val[i] = (int)rng_below(&r, (uint32_t)members[c]) < wanted[c];
        members[c]--;
        wanted[c] -= is_val[i];
    }
    arena_free(&a);
}
