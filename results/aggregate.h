/* aggregate.h -- one number for a method across tasks, and how sure it is.
 *
 * Agarwal et al. 2021 ("Deep reinforcement learning at the edge of the statistical precipice",
 * NeurIPS): the interquartile mean of all runs and tasks is not moved by a task on which a method
 * is lucky, as a mean is, nor does it look at one task alone, as a median does.
 */
#ifndef SSV_RESULTS_AGGREGATE_H
#define SSV_RESULTS_AGGREGATE_H

#include "results/stats.h"

#include <stdint.h>

/* x (n_runs, n_tasks): a run is a seed of pretraining; NAN: no value. */
struct scores {
    int n_runs, n_tasks;
    const double *x;
};

/* The mean of what is left of x (n) without floor(n / 4) at either end; NAN when n is 0. */
double interquartile_mean(const double *x, int n);
/* Of all values there are. */
double scores_iqm(const struct scores *s);
/* The same of each run that has a value for every task: per_run (n_runs); returns how many. */
int scores_run_iqm(const struct scores *s, double *per_run);
/* The chance that a run of a is better than one of b on a task drawn at random, ties counting half:
 * the mean over tasks of the Mann-Whitney statistic.  NAN when no task has values of both. */
double improvement(const struct scores *a, const struct scores *b);
/* mean_rank (n): of each method over the tasks, 1 the best by the mean of its runs; equal ones
 * share.  All have the same tasks; a task that one has no value of counts for nobody. */
void mean_ranks(const struct scores *const *methods, int n, double *mean_rank);

/* What is drawn with replacement: values within each task, as in the paper, where every task has
 * runs of its own; or whole runs, when the tasks are evaluations of the same networks, whose
 * values are correlated. */
enum resampling { RESAMPLE_TASKS, RESAMPLE_RUNS };
enum { BOOTSTRAP_DRAWS = 10000 };

/* Percentile intervals; `mean` is the statistic itself, lo and hi NAN when there are fewer than two
 * runs.  Draws are keyed by `stream` and their number alone.  With few runs such an interval covers
 * less than it says (docs/statistics.md). */
struct interval iqm_bootstrap(const struct scores *s, enum resampling how, int draws, double level,
                              uint64_t stream);
struct interval improvement_bootstrap(const struct scores *a, const struct scores *b,
                                      enum resampling how, int draws, double level,
                                      uint64_t stream);

#endif
