/* command_export.c -- the tables of results for other programs and for papers. */
#include "bench/command.h"

#include "core/file.h"
#include "core/log.h"
#include "reports/listings.h"

#include <errno.h>
#include <string.h>

static const struct option_def flags[] = {
    OPTION_TEXT(struct export_flags, table, "results", NULL,
                "methods, results, budgets, settings, data, environments, runs, seeds; all: every "
                "one, into the folder of --output"),
    OPTION_TEXT(struct export_flags, format, "csv", "csv|json|latex|markdown|html|text",
                "of the table"),
    OPTION_TEXT(struct export_flags, output, "", NULL,
                "-o: the file to write, or the folder for --table all; empty: standard output"),
    OPTION_END};

/* -o is --output. */
static void before_flags(struct invocation *call) {
    static char output[] = "--output";
    for (int i = 1; i < call->argc && strcmp(call->argv[i], "--"); i++)
        if (!strcmp(call->argv[i], "-o"))
            call->argv[i] = output;
}

static int write_one(const struct export_flags *f, enum listing_format format,
                     struct run *const *runs, int n, struct error *err) {
    struct arena a = {0};
    struct listing *l = NULL;
    int status = 0;
    TRY(listing_of_runs(f->table, runs, n, &a, &l, err));
    if (*f->output) {
        TRY(listing_save(l, format, f->output, err));
    } else {
        listing_write(l, format, stdout);
        if (fflush(stdout) || ferror(stdout))
            status = error_set(err, STATUS_MACHINE,
                               "cannot write the table: %s; check the free space of where it goes",
                               strerror(errno));
    }
out:
    arena_free(&a);
    return status;
}

static int run(struct invocation *call, struct error *err) {
    const struct export_flags *f = &call->own.export;
    const enum listing_format format = (enum listing_format)listing_format_find(f->format);
    const char *const by_default[] = {call->settings->machine.out};
    const char *const *folders = call->argc > 1 ? (const char *const *)call->argv + 1 : by_default;
    const int n_folders = call->argc > 1 ? call->argc - 1 : 1, all = !strcmp(f->table, "all");
    struct arena a = {0};
    struct run **runs = NULL;
    int n = 0, bad = 0, status = 0;
    if (all && !*f->output)
        return error_set(err, STATUS_USAGE, "--table all needs a folder to write to: -o FOLDER");
    TRY(runs_scan(folders, n_folders, &a, &runs, &n, &bad, err));
    if (!n) {
        status = error_set(err, STATUS_USAGE, "no run.h5 below %s: `ssvbench run` makes some",
                           folders[0]);
        goto out;
    }
    if (all)
        TRY(listings_save(runs, n, format, f->output, err));
    else
        TRY(write_one(f, format, runs, n, err));
    if (bad)
        status = error_set(err, STATUS_FINDING, "%d file%s could not be read, see above", bad,
                           bad > 1 ? "s" : "");
out:
    for (int i = 0; i < n; i++)
        run_free(runs[i]);
    arena_free(&a);
    return status;
}

const struct command command_export = {
    .name = "export",
    .arguments = "[FOLDER...]",
    .help = "tables of all runs below the folders (default: out), for programs and papers",
    .run = run,
    .flags = flags,
    .flags_alone = 1,
    .before_flags = before_flags};
