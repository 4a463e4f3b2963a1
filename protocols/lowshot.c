/* lowshot.c -- logistic regression on few labelled images (Chen et al. 2020, SimCLR, section 6, for
 * 1 % and 10 %; k per class as in Goyal et al. 2019, arXiv:1905.01235).
 *
 * A draw is an order of the training images of every class; a setting takes the first few of each:
 * a share of the class, one at least, or k.  So a draw's smaller settings lie within its larger
 * ones.  The encoder has seen all training images, but no label outside the setting's is looked at:
 *
 *   - features are standardised by all training images, which needs no labels;
 *   - representation and C are chosen by cross-validation inside the labelled images: the i-th of a
 *     class is in fold i modulo the number of folds, and a candidate's score is the share of right
 *     answers in all folds.  There are `folds` of them, or as many as the smallest class has
 * images;
 *   - with `plenty` labelled images in the smallest class the first fold alone is held out;
 *   - with fewer than two there is nothing to choose by: C is fixed_c, and the representation the
 *     last of the list, which of a ViT is CLS and mean of the last layer together.
 *
 * The chosen candidate is fitted on all labelled images and tested on the whole test split.
 *
 * Draws have images in common, so the standard error of their mean is corrected (stats.h): the
 * overlap of two draws is what they share on average, sum_c m_c^2 / n_c over sum_c m_c for m_c of
 * n_c images of class c.  Like every interval here it is for these test images: Nadeau and Bengio's
 * n_test / n_train would be about test images drawn anew, and with 10 labelled and 10,000 test
 * images it is no correction any more.
 */
#include "core/log.h"
#include "core/rng.h"
#include "core/sha256.h"
#include "protocols/representations.h"
#include "results/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct lowshot {
    int draws, folds, plenty, max_iterations;
    double fixed_c, tolerance;
    const char *shares, *shots, *c, *representations;
};

static const struct option_def options[] = {
    OPTION_REALS(struct lowshot, shares, "0.01 0.1", 1e-6, 1, "labelled shares of every class"),
    OPTION_INTS(struct lowshot, shots, "1 5 10", 1, 1000000, "labelled images of every class"),
    OPTION_INT(struct lowshot, draws, 5, 1, 64, "draws of labelled images"),
    OPTION_TEXT(struct lowshot, representations, "final", REPRESENTATION_CHOICES,
                REPRESENTATION_HELP),
    OPTION_REALS(struct lowshot, c, "0.0001 0.001 0.01 0.1 1 10", 1e-12, 1e12,
                 "C: the objective is the sum of losses + |W|^2 / (2 C)"),
    OPTION_REAL(struct lowshot, fixed_c, 0.1, 1e-12, 1e12,
                "C where a class has one labelled image and nothing can be held out"),
    OPTION_INT(struct lowshot, folds, 5, 2, 100, "of the cross-validation in the labelled images"),
    OPTION_INT(struct lowshot, plenty, 50, 2, 1000000,
               "labelled images of the smallest class from which one fold is enough"),
    OPTION_INT(struct lowshot, max_iterations, 1000, 1, 1000000, "of L-BFGS, for each fit"),
    OPTION_REAL(struct lowshot, tolerance, 1e-5, 1e-8, 1,
                "largest derivative of the mean objective where a fit ends"),
    OPTION_END};

enum { SETTINGS = 2 * OPTION_LIST };

struct setting {
    char name[24]; /* "10pct", "5shot" */
    double share;  /* of every class, or */
    int shots;     /* if there is none */
};

struct scale { /* of one representation, by all training images */
    float *mean, *rstd;
};

struct study { /* everything the jobs share; nothing of it changes while they run */
    const struct lowshot *o;
    const struct protocol_input *in;
    struct setting setting[SETTINGS];
    struct representation *what;
    struct scale *scale; /* (n_what) */
    double c[OPTION_LIST];
    int n_settings, n_what, n_c;
    int *members;    /* (classes) images of each */
    int *first;      /* (classes) where a class begins in an order */
    int32_t **order; /* (draws) of (train.n): class after class, each as drawn */
};

struct job { /* one setting of one draw; what comes of it */
    int setting, draw;
    int n_candidates, chosen; /* all, or the one that is fixed */
    int *right, held_out;     /* (n_candidates) of how many */
    int lost, converged;      /* fits of the search that did not converge; whether the last did */
    float *scores;            /* (test.n, classes) */
    int status;
    struct error err;
    struct arena arena;
};

static void list_settings(struct study *s) {
    double number[OPTION_LIST];
    int n = options_numbers(s->o->shares, number);
    for (int i = 0; i < n; i++) {
        struct setting *t = &s->setting[s->n_settings++];
        t->share = number[i];
        snprintf(t->name, sizeof t->name, "%gpct", 100 * number[i]);
    }
    n = options_numbers(s->o->shots, number);
    for (int i = 0; i < n; i++) {
        struct setting *t = &s->setting[s->n_settings++];
        t->shots = (int)number[i];
        snprintf(t->name, sizeof t->name, "%dshot", t->shots);
    }
}

/* How many of a class a setting takes. */
static int taken(const struct setting *t, int members) {
    int n = t->share > 0 ? (int)lround(t->share * members) : t->shots;
    n = n < 1 ? 1 : n;
    return n < members ? n : members;
}

/* The orders of all draws; their hash into e. */
static void draw_orders(struct study *s, struct eval *e) {
    const struct feature_set *f = s->in->features;
    struct arena *a = s->in->arena;
    size_t n = (size_t)f->train.n, classes = (size_t)f->classes;
    int32_t *all = ARENA_ARRAY(a, int32_t, n * (size_t)s->o->draws);
    int32_t *class = ARENA_ARRAY(a, int32_t, n), *permutation = ARENA_ARRAY(a, int32_t, n);
    s->members = ARENA_ARRAY(a, int, classes);
    s->first = ARENA_ARRAY(a, int, classes);
    s->order = ARENA_ARRAY(a, int32_t *, s->o->draws);
    for (size_t c = 0, at = 0; c < classes; c++) {
        s->first[c] = (int)at;
        for (size_t i = 0; i < n; i++)
            if (f->train.label[i] == (int32_t)c)
                class[at++] = (int32_t)i;
        s->members[c] = (int)at - s->first[c];
    }
    for (int d = 0; d < s->o->draws; d++) {
        s->order[d] = all + (size_t)d * n;
        for (size_t c = 0; c < classes; c++) {
            struct rng r =
                rng_at((struct rng_key){s->in->split_seed, RNG_LOWSHOT}, (uint32_t)d, (uint32_t)c);
            rng_permutation(&r, permutation, (uint32_t)s->members[c]);
            for (int i = 0; i < s->members[c]; i++)
                s->order[d][s->first[c] + i] = class[s->first[c] + permutation[i]];
        }
    }
    sha256_hex(all, sizeof *all * n * (size_t)s->o->draws, e->split_sha256);
}

static int measure(struct study *s, struct error *err) {
    const struct feature_set *f = s->in->features;
    s->scale = ARENA_ARRAY(s->in->arena, struct scale, s->n_what);
    for (int r = 0; r < s->n_what; r++) {
        struct rows rows;
        int status = rows_open(&rows, f, &f->train, &s->what[r], NULL, 0, err);
        if (status)
            return status;
        s->scale[r].mean = ARENA_ARRAY(s->in->arena, float, s->what[r].dim);
        s->scale[r].rstd = ARENA_ARRAY(s->in->arena, float, s->what[r].dim);
        features_measure(&rows.features, LOGISTIC_EPS, s->scale[r].mean, s->scale[r].rstd);
        rows_close(&rows);
    }
    return 0;
}

static struct logistic_options fit_options(const struct study *s, int what) {
    return (struct logistic_options){.mean = s->scale[what].mean,
                                     .rstd = s->scale[what].rstd,
                                     .max_iterations = s->o->max_iterations,
                                     .threads = 1, /* jobs run side by side */
                                     .tolerance = s->o->tolerance};
}

/* Images of the smallest class that has any. */
static int smallest_class(const struct study *s, const struct setting *t) {
    int smallest = s->in->features->train.n;
    for (int c = 0; c < s->in->features->classes; c++)
        if (s->members[c] && taken(t, s->members[c]) < smallest)
            smallest = taken(t, s->members[c]);
    return smallest;
}

/* The labelled images of a job that are in `fold` of `folds` (inside) or in the others; all of them
 * for one fold and inside. */
static int labelled(const struct study *s, const struct job *j, int fold, int folds, int inside,
                    int32_t *index) {
    int n = 0;
    for (int c = 0; c < s->in->features->classes; c++)
        for (int i = 0; s->members[c] && i < taken(&s->setting[j->setting], s->members[c]); i++)
            if ((i % folds == fold) == inside)
                index[n++] = s->order[j->draw][s->first[c] + i];
    return n;
}

/* One fold of one representation: adds to the job's right. */
static int score_fold(const struct study *s, struct job *j, int what, int fold, int folds,
                      int32_t *index) {
    const struct feature_set *f = s->in->features;
    const struct logistic_options o = fit_options(s, what);
    struct rows fit = {.slab = {0}}, val = {.slab = {0}};
    int right[OPTION_LIST] = {0}, status = 0;
    int n = labelled(s, j, fold, folds, 0, index);
    TRY(rows_open(&fit, f, &f->train, &s->what[what], index, n, &j->err));
    n = labelled(s, j, fold, folds, 1, index);
    TRY(rows_open(&val, f, &f->train, &s->what[what], index, n, &j->err));
    TRY(logistic_sweep(&fit.features, &val.features, &o, s->c, s->n_c, right, &j->lost, &j->err));
    for (int i = 0; i < s->n_c; i++)
        j->right[what * s->n_c + i] += right[i];
    j->held_out += what == 0 ? n : 0;
out:
    rows_close(&fit);
    rows_close(&val);
    return status;
}

/* Chooses representation and C without a look outside the labelled images. */
static int choose(const struct study *s, struct job *j, int32_t *index) {
    int smallest = smallest_class(s, &s->setting[j->setting]), status = 0;
    if (smallest < 2) {
        j->n_candidates = 1;
        return 0;
    }
    int folds = s->o->folds < smallest ? s->o->folds : smallest;
    int scored = smallest >= s->o->plenty ? 1 : folds;
    j->n_candidates = s->n_what * s->n_c;
    j->right = ARENA_ARRAY(&j->arena, int, j->n_candidates);
    for (int r = 0; r < s->n_what; r++)
        for (int fold = 0; fold < scored; fold++)
            TRY(score_fold(s, j, r, fold, folds, index));
    for (int i = 1; i < j->n_candidates; i++)
        j->chosen = j->right[i] > j->right[j->chosen] ? i : j->chosen;
out:
    return status;
}

/* Which candidate a row of a job is. */
static void candidate(const struct study *s, const struct job *j, int i, int *what, double *c) {
    int fixed = !j->right;
    *what = fixed ? s->n_what - 1 : i / s->n_c;
    *c = fixed ? s->o->fixed_c : s->c[i % s->n_c];
}

static int run_job(const struct study *s, struct job *j) {
    const struct feature_set *f = s->in->features;
    int32_t *index = ARENA_ARRAY(&j->arena, int32_t, f->train.n);
    struct rows fit = {.slab = {0}}, test = {.slab = {0}};
    struct logistic_result result;
    double c = 0;
    int what = 0, status = 0;
    TRY(choose(s, j, index));
    candidate(s, j, j->chosen, &what, &c);
    const struct logistic_options o = fit_options(s, what);
    TRY(rows_open(&fit, f, &f->train, &s->what[what], index, labelled(s, j, 0, 1, 1, index),
                  &j->err));
    TRY(rows_open(&test, f, &f->test, &s->what[what], NULL, 0, &j->err));
    TRY(features_check(&test.features, "test", 0, &j->err));
    double *w = ARENA_ARRAY(&j->arena, double, logistic_size(&fit.features));
    TRY(logistic_fit(&fit.features, &o, c, w, &result, &j->err));
    j->converged = result.converged;
    j->scores = ARENA_ARRAY(&j->arena, float, (size_t)f->test.n *(size_t)f->classes);
    logistic_logits(&test.features, &o, w, j->scores);
out:
    rows_close(&fit);
    rows_close(&test);
    return status;
}

/* ---- the result ---- */

static double overlap(const struct study *s, const struct setting *t) {
    double common = 0, all = 0;
    for (int c = 0; c < s->in->features->classes; c++) {
        double m = s->members[c] ? taken(t, s->members[c]) : 0;
        common += m > 0 ? m * m / s->members[c] : 0;
        all += m;
    }
    return common / all;
}

static void add_metric(struct eval *e, const char *setting, const char *what, int64_t seed,
                       double value) {
    struct metric_row *row = &e->metrics[e->n_metrics++];
    *row = (struct metric_row){.seed = seed, .value = value};
    snprintf(row->name, sizeof row->name, "top1_%s%s", setting, what);
}

static void add_grid(const struct study *s, const struct job *j, struct eval *e) {
    for (int i = 0; i < j->n_candidates; i++) {
        int what;
        double c;
        candidate(s, j, i, &what, &c);
        struct grid_row *row = &e->grid[e->n_grid++];
        *row = (struct grid_row){.head = "lbfgs",
                                 .lr = NAN,
                                 .weight_decay = 1 / c,
                                 .k = NAN,
                                 .temperature = NAN,
                                 .val_top1 = j->right ? (double)j->right[i] / j->held_out : NAN,
                                 .chosen = i == j->chosen};
        snprintf(row->search, sizeof row->search, "%.11s/%d", s->setting[j->setting].name, j->draw);
        snprintf(row->representation, sizeof row->representation, "%s", s->what[what].name);
    }
}

/* Metrics and grid; of the first setting also what is of classes and images. */
static void report(const struct study *s, const struct job *jobs, struct eval *e) {
    const struct feature_set *f = s->in->features;
    int draws = s->o->draws, n_jobs = s->n_settings * draws, rows = 0, lost = 0;
    double top1[64];
    eval_reserve(e, s->in, draws);
    int64_t *seed = ARENA_ARRAY(s->in->arena, int64_t, draws);
    for (int d = 0; d < draws; d++)
        seed[d] = d;
    e->seed = seed;
    for (int i = 0; i < n_jobs; i++)
        rows += jobs[i].n_candidates;
    e->grid = ARENA_ARRAY(s->in->arena, struct grid_row, rows);
    e->metrics = ARENA_ARRAY(s->in->arena, struct metric_row, n_jobs + s->n_settings);
    for (int t = 0; t < s->n_settings; t++) {
        const struct setting *setting = &s->setting[t];
        for (int d = 0; d < draws; d++) {
            const struct job *j = &jobs[t * draws + d];
            score_predictions(j->scores, f->test.label, f->test.n, f->classes, NULL, &top1[d], NULL,
                              NULL, NULL);
            if (t == 0)
                eval_fill(e, d, f, j->scores);
            add_metric(e, setting->name, "", d, top1[d]);
            add_grid(s, j, e);
            lost += j->lost + !j->converged;
        }
        double sd = sqrt(resampled_variance(top1, draws, overlap(s, setting)));
        add_metric(e, setting->name, ".sd_corrected", 0, sd <= 1 ? sd : NAN);
    }
    e->top1 = e->top5 = NULL; /* there is one for every setting */
    snprintf(e->selected_on, sizeof e->selected_on, "labelled");
    if (lost)
        log_message(LOG_WARN,
                    "lowshot: %d fits did not converge in %d iterations: raise "
                    "lowshot.max_iterations",
                    lost, s->o->max_iterations);
}

static int run(const void *self, const struct protocol_input *in, struct eval *e,
               struct error *err) {
    struct study s = {.o = self, .in = in};
    struct arena scratch = {0};
    int n_jobs = 0, status = 0;
    struct job *jobs = NULL;
    list_settings(&s);
    s.n_c = options_numbers(s.o->c, s.c);
    s.n_what = representations_list(in->features, s.o->representations, in->arena, &s.what);
    draw_orders(&s, e);
    TRY(measure(&s, err));
    jobs = ARENA_ARRAY(&scratch, struct job, s.n_settings * s.o->draws);
    for (; n_jobs < s.n_settings * s.o->draws; n_jobs++)
        jobs[n_jobs] = (struct job){.setting = n_jobs / s.o->draws, .draw = n_jobs % s.o->draws};
#pragma omp parallel for num_threads(in->threads) schedule(dynamic, 1)
    for (int i = 0; i < n_jobs; i++)
        jobs[i].status = run_job(&s, &jobs[i]);
    for (int i = 0; i < n_jobs; i++)
        if (jobs[i].status)
            TRY(error_set(err, jobs[i].status, "%s", jobs[i].err.message));
    report(&s, jobs, e);
out:
    for (int i = 0; i < n_jobs; i++)
        arena_free(&jobs[i].arena);
    arena_free(&scratch);
    return status;
}

static int wants(const void *self, const struct feature_set *f, char *wanted) {
    const struct lowshot *o = self;
    return representations_want(f, o->representations, wanted);
}

const struct protocol protocol_lowshot = {.name = "lowshot",
                                          .title = "Few labelled images",
                                          .version = "1.0",
                                          .uses_labels = 1,
                                          .wants = wants,
                                          .options = options,
                                          .state_size = sizeof(struct lowshot),
                                          .run = run};
