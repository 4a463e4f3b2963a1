/* bench.h -- what is benched: `ssvbench bench steps`, `views` and `loader`, and what was kept. */
#ifndef SSV_BENCH_BENCH_H
#define SSV_BENCH_BENCH_H

#include "bench/command.h"

/* bench_steps.c: whole training steps. */
int bench_steps(struct invocation *call, const struct bench_flags *o, struct error *err);
/* bench_views.c: views of images on one thread; dataset: also its images, read and augmented; NULL:
 * none. */
int bench_views(struct invocation *call, const struct bench_flags *o, const char *dataset,
                struct error *err);
/* bench_loader.c: batches of each method by loader threads; dataset NULL: `shapes`. */
int bench_loader(struct invocation *call, const struct bench_flags *o, const char *dataset,
                 struct error *err);
/* bench_report.c: table and figure of the files that `bench steps --out` made; csv: a line a step.
 */
int bench_report(const struct invocation *call, int csv, struct error *err);

#endif
