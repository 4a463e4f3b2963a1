/* command_report.c -- report. */
#include "bench/command.h"

#include "core/log.h"
#include "reports/report.h"

#include <string.h>

/* Takes --csv and --no-figures out of the arguments. */
static int take(struct invocation *call, const char *word) {
    for (int i = 1; i < call->argc; i++)
        if (!strcmp(call->argv[i], word)) {
            memmove(call->argv + i, call->argv + i + 1,
                    sizeof *call->argv * (size_t)(call->argc - i - 1));
            call->argc--;
            return 1;
        }
    return 0;
}

static int run(struct invocation *call, struct error *err) {
    int csv = take(call, "csv");
    const char *const by_default[] = {call->settings->machine.out};
    const char *const *folders = call->argc > 1 ? (const char *const *)call->argv + 1 : by_default;
    int n_folders = call->argc > 1 ? call->argc - 1 : 1;
    struct arena a = {0};
    struct run **runs = NULL;
    int n = 0, bad = 0, status = 0;
    TRY(runs_scan(folders, n_folders, &a, &runs, &n, &bad, err));
    if (!n) {
        status = error_set(err, STATUS_USAGE, "no run.h5 below %s: `ssvbench run` makes some",
                           folders[0]);
        goto out;
    }
    if (csv) {
        TRY(report_csv(runs, n, stdout, err));
    } else {
        TRY(report_table(runs, n, stdout, err));
        TRY(report_figures(runs, n, folders[0], err));
        log_message(LOG_INFO, "figures are in %s/figures", folders[0]);
    }
    if (bad)
        status = error_set(err, STATUS_FINDING, "%d file%s could not be read, see above", bad,
                           bad > 1 ? "s" : "");
out:
    for (int i = 0; i < n; i++)
        run_free(runs[i]);
    arena_free(&a);
    return status;
}

const struct command command_report = {.name = "report",
                                       .arguments = "[csv] [FOLDER...]",
                                       .help = "table and figures of all runs below the folders "
                                               "(default: out); `csv`: one line per result",
                                       .run = run};
