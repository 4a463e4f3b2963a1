#include "results/aggregate.h"

#include "core/arena.h"
#include "core/error.h"
#include "core/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Sorts x. */
static double iqm_in_place(double *x, int n) {
    double sum = 0;
    int cut = n / 4;
    if (!n)
        return NAN;
    qsort(x, (size_t)n, sizeof *x, by_value);
    for (int i = cut; i < n - cut; i++)
        sum += x[i];
    return sum / (n - 2 * cut);
}

double interquartile_mean(const double *x, int n) {
    struct arena a = {0};
    double *copy = ARENA_ARRAY(&a, double, n);
    if (n)
        memcpy(copy, x, sizeof *x * (size_t)n);
    double mean = iqm_in_place(copy, n);
    arena_free(&a);
    return mean;
}

/* room (n_runs, n_tasks) */
static double iqm_of(const struct scores *s, double *room) {
    int n = 0;
    for (int i = 0; i < s->n_runs * s->n_tasks; i++)
        if (!isnan(s->x[i]))
            room[n++] = s->x[i];
    return iqm_in_place(room, n);
}

double scores_iqm(const struct scores *s) {
    struct arena a = {0};
    double mean = iqm_of(s, ARENA_ARRAY(&a, double, s->n_runs * s->n_tasks));
    arena_free(&a);
    return mean;
}

int scores_run_iqm(const struct scores *s, double *per_run) {
    int n = 0;
    for (int r = 0; r < s->n_runs; r++) {
        const double *x = s->x + r * s->n_tasks;
        int whole = s->n_tasks > 0;
        for (int t = 0; t < s->n_tasks; t++)
            whole &= !isnan(x[t]);
        if (whole)
            per_run[n++] = interquartile_mean(x, s->n_tasks);
    }
    return n;
}

/* The share of pairs of runs in which a is above b, ties half; NAN without a pair. */
static double improvement_on(const struct scores *a, const struct scores *b, int task) {
    double above = 0;
    int pairs = 0;
    for (int i = 0; i < a->n_runs; i++)
        for (int j = 0; j < b->n_runs; j++) {
            double x = a->x[i * a->n_tasks + task], y = b->x[j * b->n_tasks + task];
            if (isnan(x) || isnan(y))
                continue;
            above += x > y ? 1 : x == y ? 0.5 : 0;
            pairs++;
        }
    return pairs ? above / pairs : NAN;
}

double improvement(const struct scores *a, const struct scores *b) {
    CHECK(a->n_tasks == b->n_tasks, "%d and %d tasks", a->n_tasks, b->n_tasks);
    double sum = 0;
    int tasks = 0;
    for (int t = 0; t < a->n_tasks; t++) {
        double p = improvement_on(a, b, t);
        if (!isnan(p)) {
            sum += p;
            tasks++;
        }
    }
    return tasks ? sum / tasks : NAN;
}

static double task_mean(const struct scores *s, int task) {
    double sum = 0;
    int n = 0;
    for (int r = 0; r < s->n_runs; r++)
        if (!isnan(s->x[r * s->n_tasks + task])) {
            sum += s->x[r * s->n_tasks + task];
            n++;
        }
    return n ? sum / n : NAN;
}

void mean_ranks(const struct scores *const *methods, int n, double *mean_rank) {
    struct arena a = {0};
    double *mean = ARENA_ARRAY(&a, double, n);
    int tasks = 0;
    for (int i = 0; i < n; i++)
        mean_rank[i] = 0;
    for (int t = 0; n && t < methods[0]->n_tasks; t++) {
        int whole = 1;
        for (int i = 0; i < n; i++) {
            mean[i] = task_mean(methods[i], t);
            whole &= !isnan(mean[i]);
        }
        for (int i = 0; whole && i < n; i++) {
            mean_rank[i] += 0.5;
            for (int j = 0; j < n; j++)
                mean_rank[i] += mean[j] > mean[i] ? 1 : mean[j] == mean[i] ? 0.5 : 0;
        }
        tasks += whole;
    }
    for (int i = 0; i < n; i++)
        mean_rank[i] = tasks ? mean_rank[i] / tasks : NAN;
    arena_free(&a);
}

/* ---- bootstrap ---- */

/* x (n_runs, n_tasks) of a draw; gaps stay where they are, values come from values. */
static void resample(const struct scores *s, enum resampling how, struct rng *rng, double *x) {
    int n = s->n_runs, tasks = s->n_tasks;
    if (how == RESAMPLE_RUNS) {
        for (int r = 0; r < n; r++) {
            const double *from = s->x + (int)rng_below(rng, (uint32_t)n) * tasks;
            memcpy(x + r * tasks, from, sizeof *x * (size_t)tasks);
        }
        return;
    }
    for (int t = 0; t < tasks; t++) {
        int have = 0;
        for (int r = 0; r < n; r++)
            have += !isnan(s->x[r * tasks + t]);
        for (int r = 0; r < n; r++) {
            x[r * tasks + t] = NAN;
            if (isnan(s->x[r * tasks + t]))
                continue;
            int pick = (int)rng_below(rng, (uint32_t)have), from = 0;
            while (isnan(s->x[from * tasks + t]) || pick-- > 0)
                from++;
            x[r * tasks + t] = s->x[from * tasks + t];
        }
    }
}

/* numpy's: linear between order statistics. */
static double percentile(const double *sorted, int n, double p) {
    double at = p * (n - 1);
    int below = (int)at;
    return below + 1 < n ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below])
                         : sorted[n - 1];
}

/* b NULL: the interquartile mean of a, otherwise the improvement of a over b. */
static struct interval bootstrap(const struct scores *a, const struct scores *b,
                                 enum resampling how, int draws, double level, uint64_t stream) {
    CHECK(draws > 0 && level > 0 && level < 1, "%d draws, level %g", draws, level);
    struct arena arena = {0};
    struct interval i = {b ? improvement(a, b) : scores_iqm(a), NAN, NAN, a->n_runs};
    double *value = ARENA_ARRAY(&arena, double, draws);
    double *x = ARENA_ARRAY(&arena, double, a->n_runs * a->n_tasks);
    double *y = b ? ARENA_ARRAY(&arena, double, b->n_runs * b->n_tasks) : NULL;
    double *room = ARENA_ARRAY(&arena, double, a->n_runs * a->n_tasks);
    const struct scores drawn = {a->n_runs, a->n_tasks, x};
    const struct scores other = {b ? b->n_runs : 0, a->n_tasks, y};
    int n = 0;
    for (int d = 0; d < draws && a->n_runs > 1 && (!b || b->n_runs > 1); d++) {
        struct rng rng =
            rng_at((struct rng_key){stream, RNG_BOOTSTRAP}, (uint32_t)d, (uint32_t)how);
        resample(a, how, &rng, x);
        if (b)
            resample(b, how, &rng, y);
        value[n] = b ? improvement(&drawn, &other) : iqm_of(&drawn, room);
        n += !isnan(value[n]);
    }
    if (n) {
        qsort(value, (size_t)n, sizeof *value, by_value);
        i.lo = percentile(value, n, 0.5 - 0.5 * level);
        i.hi = percentile(value, n, 0.5 + 0.5 * level);
    }
    arena_free(&arena);
    return i;
}

struct interval iqm_bootstrap(const struct scores *s, enum resampling how, int draws, double level,
                              uint64_t stream) {
    return bootstrap(s, NULL, how, draws, level, stream);
}

struct interval improvement_bootstrap(const struct scores *a, const struct scores *b,
                                      enum resampling how, int draws, double level,
                                      uint64_t stream) {
    return bootstrap(a, b, how, draws, level, stream);
}
