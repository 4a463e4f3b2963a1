/* report_runs.h -- runs in memory for the tests of reports. */
#ifndef SSV_TESTS_REPORT_RUNS_H
#define SSV_TESTS_REPORT_RUNS_H

#include "core/arena.h"
#include "results/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RUNS_MOST = 64, EVALS_MOST = 8, TEST_IMAGES = 1000, CLASSES = 10 };

struct runs {
    struct arena arena;
    struct run *run[RUNS_MOST];
    int n;
};

static inline struct run *add_run(struct runs *runs, const char *method, int64_t seed) {
    struct run *r = ARENA_NEW(&runs->arena, struct run);
    snprintf(r->run_id, sizeof r->run_id, "%.60s-s%lld", method, (long long)seed);
    snprintf(r->status, sizeof r->status, "complete");
    snprintf(r->method, sizeof r->method, "%s", method);
    snprintf(r->backbone, sizeof r->backbone, "vit-micro/8");
    snprintf(r->dataset, sizeof r->dataset, "shapes");
    r->seed = seed;
    r->config = "";
    r->evals = ARENA_ARRAY(&runs->arena, struct eval, EVALS_MOST);
    return runs->run[runs->n++] = r;
}

static inline struct eval *add_outcome(struct run *r, const char *protocol, const char *dataset,
                                       enum outcome outcome, const char *reason) {
    struct eval *e = &r->evals[r->n_evals++];
    snprintf(e->protocol, sizeof e->protocol, "%s", protocol);
    snprintf(e->dataset, sizeof e->dataset, "%s", dataset);
    snprintf(e->reason, sizeof e->reason, "%s", reason);
    snprintf(e->protocol_version, sizeof e->protocol_version, "1+00000000");
    e->outcome = outcome;
    return e;
}

/* n probe seeds with accuracies top1, fractions. */
static inline struct eval *add_eval(struct runs *runs, struct run *r, const char *protocol,
                                    const char *dataset, const double *top1, int n) {
    struct eval *e = add_outcome(r, protocol, dataset, OUTCOME_OK, "");
    int64_t *seed = ARENA_ARRAY(&runs->arena, int64_t, n);
    e->top1 = ARENA_ARRAY(&runs->arena, double, n);
    e->top5 = ARENA_ARRAY(&runs->arena, double, n);
    for (int i = 0; i < n; i++) {
        seed[i] = i;
        e->top1[i] = top1[i];
        e->top5[i] = NAN;
    }
    e->seed = seed;
    e->n_seeds = n;
    e->n_classes = CLASSES;
    e->n_samples = TEST_IMAGES;
    return e;
}

static inline struct run *add_result(struct runs *runs, const char *method, int64_t seed,
                                     const char *protocol, double top1) {
    struct run *r = add_run(runs, method, seed);
    add_eval(runs, r, protocol, "shapes", &top1, 1);
    return r;
}

/* A loss that falls from 2 towards `end`. */
static inline void add_steps(struct runs *runs, struct run *r, long n, double end) {
    r->steps = ARENA_ARRAY(&runs->arena, struct step_row, n);
    r->n_steps = n;
    for (long i = 0; i < n; i++)
        r->steps[i] = (struct step_row){
            .step = i + 1, .loss = end + (2 - end) * exp(-8.0 * (double)i / (double)n)};
}

#endif
