/* bench_report.c -- what `bench steps --out` kept: `bench report` and `bench csv` of files. */
#include "bench/arguments.h"
#include "bench/bench.h"
#include "core/log.h"
#include "reports/steps.h"

#include <stdio.h>

/* One that cannot be read is said and counted. */
static int read_all(const struct invocation *call, struct step_files *f) {
    int bad = 0;
    for (int i = 2; i < call->argc; i++) {
        struct error why;
        if (!step_times_read(&f->file[f->n], call->argv[i], &why)) {
            f->n++;
            continue;
        }
        log_message(LOG_ERROR, "%s", why.message);
        bad++;
    }
    return bad;
}

int bench_report(const struct invocation *call, int csv, struct error *err) {
    struct arena a = {0};
    struct step_files f = {.file = ARENA_ARRAY(&a, struct step_times, call->argc)};
    int bad = read_all(call, &f), status = 0;
    if (!f.n) {
        status = error_set(err, STATUS_USAGE,
                           "no times of steps in what was named: `ssvbench bench steps --out "
                           "FILE.h5` makes some");
        goto out;
    }
    if (csv) {
        TRY(steps_csv(&f, stdout, err));
    } else {
        const char *folder = arguments_folder_of(call->argv[2], &a);
        TRY(steps_table(&f, stdout, err));
        TRY(steps_figures(&f, folder, err));
        log_message(LOG_INFO, "the figure is %s/figures/throughput", folder);
    }
    if (bad)
        status = error_set(err, STATUS_FINDING, "%d file%s could not be read, see above", bad,
                           bad > 1 ? "s" : "");
out:
    for (int i = 0; i < f.n; i++)
        step_times_free(&f.file[i]);
    arena_free(&a);
    return status;
}
