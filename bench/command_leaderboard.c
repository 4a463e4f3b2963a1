/* command_leaderboard.c -- leaderboard: methods in the order of what they reach across tasks. */
#include "bench/arguments.h"

#include "reports/leaderboard.h"

#include <string.h>

static const struct option_def flags[] = {
    OPTION_TEXT(struct leaderboard_flags, resample, "runs", "runs|tasks",
                "what the bootstrap draws: whole runs, or runs of each task by itself"),
    OPTION_END};

static int run(struct invocation *call, struct error *err) {
    struct arena a = {0};
    struct runs_found found = {0};
    int status = 0;
    TRY(arguments_runs(call, 1, &a, &found, err));
    TRY(report_leaderboard(found.run, found.n, !strcmp(call->own.leaderboard.resample, "tasks"),
                           stdout, err));
out:
    status = arguments_done(&found, status, err);
    arena_free(&a);
    return status;
}

const struct command command_leaderboard = {
    .name = "leaderboard",
    .arguments = "[FOLDER...] [--resample runs|tasks]",
    .help = "methods of all runs below the folders, ranked across tasks",
    .run = run,
    .reads_runs = 1,
    .flags = flags,
    .machine = "out quiet"};
