/* leaderboard.h -- methods ranked across tasks (results/aggregate.h). */
#ifndef SSV_REPORTS_LEADERBOARD_H
#define SSV_REPORTS_LEADERBOARD_H

#include "core/error.h"
#include "reports/listing.h"
#include "results/run.h"

#include <stdio.h>

struct summary;

/* A line a method, the best first.  Tasks are the columns that at least half of the methods have a
 * value in; a method that lacks one of them has no rank, a seed that does is left out, and the
 * notes say so.  by_task: the bootstrap draws runs within each task, not whole ones. */
struct listing leaderboard_listing(const struct summary *s, int by_task);
int report_leaderboard(struct run *const *runs, int n_runs, int by_task, FILE *out,
                       struct error *err);

#endif
