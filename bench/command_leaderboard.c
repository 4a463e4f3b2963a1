/* command_leaderboard.c -- leaderboard: methods in the order of what they reach across tasks. */
#include "bench/command.h"

#include "reports/leaderboard.h"

#include <string.h>

static const struct option_def flags[] = {
    OPTION_TEXT(struct leaderboard_flags, resample, "runs", "runs|tasks",
                "what the bootstrap draws: whole runs, or runs of each task by itself"),
    OPTION_END};

static int run(struct invocation *call, struct error *err) {
    const char *const by_default[] = {call->settings->machine.out};
    const char *const *folders = call->argc > 1 ? (const char *const *)call->argv + 1 : by_default;
    struct arena a = {0};
    struct run **runs = NULL;
    int n = 0, bad = 0, status = 0;
    TRY(runs_scan(folders, call->argc > 1 ? call->argc - 1 : 1, &a, &runs, &n, &bad, err));
    if (!n && !bad) {
        status = error_set(err, STATUS_USAGE, "no run.h5 below %s: `ssvbench run` makes some",
                           folders[0]);
        goto out;
    }
    if (n)
        TRY(report_leaderboard(runs, n, !strcmp(call->own.leaderboard.resample, "tasks"), stdout,
                               err));
    if (bad)
        status = error_set(err, STATUS_FINDING, "%d file%s could not be read, see above", bad,
                           bad > 1 ? "s" : "");
out:
    for (int i = 0; i < n; i++)
        run_free(runs[i]);
    arena_free(&a);
    return status;
}

const struct command command_leaderboard = {
    .name = "leaderboard",
    .arguments = "[FOLDER...] [--resample runs|tasks]",
    .help = "methods of all runs below the folders, ranked across tasks",
    .run = run,
    .flags = flags};
