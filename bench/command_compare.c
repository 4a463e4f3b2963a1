/* command_compare.c -- compare: two methods, or two folders of runs. */
#include "bench/command.h"

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

struct scanned {
    struct run **runs;
    int n, bad;
};

static int scan(const char *const *folders, int n_folders, struct arena *a, struct scanned *to,
                struct error *err) {
    int status = runs_scan(folders, n_folders, a, &to->runs, &to->n, &to->bad, err);
    if (!status && !to->n && !to->bad)
        status = error_set(err, STATUS_USAGE, "no run.h5 below %s: `ssvbench run` makes some",
                           folders[0]);
    return status;
}

/* Two names that exist, and nothing behind them, are folders or files; otherwise they are methods
 * of the runs below the folders that follow. */
static int run(struct invocation *call, struct error *err) {
    const char *const by_default[] = {call->settings->machine.out};
    struct scanned side[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    struct versus_side versus[2];
    struct arena a = {0};
    int status = 0;
    if (call->argc < 3) {
        status = error_set(err, STATUS_USAGE,
                           "compare needs two methods, or two folders of runs, such as `ssvbench "
                           "compare mae simclr %s`",
                           by_default[0]);
        goto out;
    }
    const char *const *names = (const char *const *)call->argv + 1;
    const int by_folder = call->argc == 3 && is_there(names[0]) && is_there(names[1]);
    if (by_folder) {
        TRY(scan(names, 1, &a, &side[0], err));
        TRY(scan(names + 1, 1, &a, &side[1], err));
    } else {
        const char *const *folders = call->argc > 3 ? names + 2 : by_default;
        TRY(scan(folders, call->argc > 3 ? call->argc - 3 : 1, &a, &side[0], err));
    }
    for (int i = 0; i < 2; i++) {
        const struct scanned *from = &side[by_folder ? i : 0];
        versus[i] =
            (struct versus_side){names[i], by_folder ? NULL : names[i], from->runs, from->n};
    }
    int bad = side[0].bad + side[1].bad;
    TRY(report_versus(&versus[0], &versus[1], call->own.compare.margin, stdout, err));
    if (bad)
        status = error_set(err, STATUS_FINDING, "%d file%s could not be read, see above", bad,
                           bad > 1 ? "s" : "");
out:
    for (int i = 0; i < 2; i++)
        for (int r = 0; r < side[i].n; r++)
            run_free(side[i].runs[r]);
    arena_free(&a);
    return status;
}

const struct command command_compare = {
    .name = "compare",
    .arguments = "A B [FOLDER...] [--margin POINTS]",
    .help = "which of two methods is better, or of two folders of runs, and how sure that is",
    .run = run,
    .flags = flags};
