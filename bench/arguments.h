/* arguments.h -- what the commands about results share: the runs that they are given, and -o.
 *
 *     struct runs_found found = {0};
 *     TRY(arguments_runs(call, 1, &a, &found, err));
 *     ...
 * out:
 *     return arguments_done(&found, status, err);
 */
#ifndef SSV_BENCH_ARGUMENTS_H
#define SSV_BENCH_ARGUMENTS_H

#include "bench/command.h"

/* The first folder of the arguments from `first` on; --out where there is none. */
const char *arguments_folder(const struct invocation *call, int first);
/* The runs below these folders.  Status 2 when there is none, 1 when none can be read. */
int arguments_runs(const struct invocation *call, int first, struct arena *a,
                   struct runs_found *found, struct error *err);
/* The same below folders (n). */
int arguments_runs_below(const char *const *folders, int n, struct arena *a,
                         struct runs_found *found, struct error *err);
/* Frees the runs; of status 0 makes 1 when files could not be read. */
int arguments_done(struct runs_found *found, int status, struct error *err);
/* "-o PATH" and "-oPATH" become FLAG=PATH: the tables of options know no short names. */
void arguments_short_output(struct invocation *call, const char *flag);

/* The folder that a file lies in. */
const char *arguments_folder_of(const char *path, struct arena *a);
/* Of a command that does several things, each with flags of its own: status 2 for a flag in the
 * call that means nothing to `what`; but: the names that do, with blanks.  Where they stand
 * beside flags of a run, before the command is run (`load`). */
int arguments_no_flags(const struct invocation *call, const struct option_def *flags,
                       const char *but, const char *what, struct error *err);

#endif
