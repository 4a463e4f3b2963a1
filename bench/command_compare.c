/* command_compare.c -- compare: two methods, or two folders of runs. */
#include "bench/arguments.h"

#include "reports/versus.h"

#include <sys/stat.h>

static const struct option_def flags[] = {
    OPTION_REAL(struct compare_flags, margin, 1, 0, 100,
                "points within which two methods are as good as each other"),
    OPTION_END};

static int is_there(const char *path) {
    struct stat info;
    return *path && !stat(path, &info);
}

/* Two names that exist, and nothing behind them, are folders or files; otherwise they are methods
 * of the runs below the folders that follow. */
static int run(struct invocation *call, struct error *err) {
    struct runs_found side[2] = {{.n = 0}, {.n = 0}};
    struct versus_side versus[2];
    struct arena a = {0};
    int status = 0;
    if (call->argc < 3)
        return error_set(err, STATUS_USAGE,
                         "compare needs two methods, or two folders of runs, such as `ssvbench "
                         "compare mae simclr %s`",
                         call->settings->machine.out);
    const char *const *names = (const char *const *)call->argv + 1;
    const int by_folder = call->argc == 3 && is_there(names[0]) && is_there(names[1]);
    if (by_folder) {
        TRY(arguments_runs_below(names, 1, &a, &side[0], err));
        TRY(arguments_runs_below(names + 1, 1, &a, &side[1], err));
    } else {
        TRY(arguments_runs(call, 3, &a, &side[0], err));
    }
    for (int i = 0; i < 2; i++) {
        const struct runs_found *from = &side[by_folder ? i : 0];
        versus[i] = (struct versus_side){names[i], by_folder ? NULL : names[i], from->run, from->n};
    }
    TRY(report_versus(&versus[0], &versus[1], call->own.compare.margin, stdout, err));
out:
    for (int i = 0; i < 2; i++)
        status = arguments_done(&side[i], status, err);
    arena_free(&a);
    return status;
}

const struct command command_compare = {
    .name = "compare",
    .arguments = "A B [FOLDER...] [--margin POINTS]",
    .help = "which of two methods is better, or of two folders of runs, and how sure that is",
    .run = run,
    .reads_runs = 1,
    .flags = flags,
    .machine = "out quiet"};
