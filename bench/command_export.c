/* command_export.c -- the tables of results for other programs and for papers. */
#include "bench/arguments.h"

#include "core/file.h"
#include "core/log.h"
#include "reports/listings.h"

#include <string.h>

static const struct option_def flags[] = {
    OPTION_TEXT(struct export_flags, table, "results", NULL,
                "methods, results, verdicts, pairs, leaderboard, budgets, settings, data, "
                "environments, runs, seeds; all: every one, into the folder of --output"),
    OPTION_TEXT(struct export_flags, format, "csv", "csv|json|latex|markdown|html|text",
                "of the table"),
    OPTION_TEXT(struct export_flags, output, "", NULL,
                "-o: the file to write, or the folder for --table all; empty: standard output"),
    OPTION_END};

static void before_flags(struct invocation *call) {
    arguments_short_output(call, "--output");
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
        status = stream_written(stdout, "the table", err);
    }
out:
    arena_free(&a);
    return status;
}

static int run(struct invocation *call, struct error *err) {
    const struct export_flags *f = &call->own.export;
    const enum listing_format format = (enum listing_format)listing_format_find(f->format);
    const int all = !strcmp(f->table, "all");
    struct arena a = {0};
    struct runs_found found = {0};
    int status = 0;
    if (all && !*f->output)
        return error_set(err, STATUS_USAGE, "--table all needs a folder to write to: -o FOLDER");
    TRY(arguments_runs(call, 1, &a, &found, err));
    if (all)
        TRY(listings_save(found.run, found.n, format, f->output, err));
    else
        TRY(write_one(f, format, found.run, found.n, err));
out:
    status = arguments_done(&found, status, err);
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
