/* command_report.c -- report. */
#include "bench/arguments.h"

#include "core/log.h"
#include "reports/flags.h"
#include "reports/page.h"

#include <string.h>

static const struct option_def flags[] = {
    OPTION_TEXT(struct report_options, into, "", NULL,
                "folder that gets figures/; -o for short; default: the first folder of runs"),
    OPTION_TEXT(struct report_options, only, "", NULL, "these figures, with commas; default: all"),
    OPTION_TEXT(struct report_options, format, "svg,png,pdf", NULL, "of figures, with commas"),
    OPTION_TEXT(struct report_options, pair, "", NULL,
                "A,B: methods that the figure `classes` compares; default: the best one and "
                "supervised, or random"),
    OPTION_END};

static void before_flags(struct invocation *call) {
    arguments_short_output(call, "--into");
}

/* Takes the word out of the arguments. */
static int take(struct invocation *call, const char *word) {
    if (call->argc < 2 || strcmp(call->argv[1], word))
        return 0;
    memmove(call->argv + 1, call->argv + 2, sizeof *call->argv * (size_t)(call->argc - 2));
    call->argc--;
    return 1;
}

/* The page shows SVGs, whatever else is wanted of figures. */
static const char *with_svg(const char *formats, struct arena *a) {
    return strstr(formats, "svg") ? formats : arena_printf(a, "svg,%s", formats);
}

/* Table, figures and page of all there is. */
static int report_all(const struct runs_found *found, const char *into,
                      const struct report_options *o, struct arena *a, struct error *err) {
    struct report_options figures = *o;
    struct report_flag *flag;
    int n_figures, status = 0, n_flags = report_flags(found->run, found->n, &flag, a);
    const char **said = ARENA_ARRAY(a, const char *, n_flags + 1);
    figures.format = with_svg(o->format, a);
    for (int i = 0; i < n_flags; i++)
        said[i] = flag[i].text;
    TRY(report_table(found->run, found->n, stdout, err));
    TRY(report_figures(found->run, found->n, into, &figures, err));
    const struct page_figure *list = page_figures(&n_figures, a);
    TRY(report_page(&(struct page_input){.runs = found->run,
                                         .n_runs = found->n,
                                         .figure = list,
                                         .n_figures = n_figures,
                                         .flag = said,
                                         .n_flags = n_flags,
                                         .unreadable = found->bad,
                                         .n_unreadable = found->n_bad},
                    into, err));
    log_message(LOG_INFO, "figures are in %s/figures, the page is %s/index.html", into, into);
out:
    return status;
}

static int run(struct invocation *call, struct error *err) {
    int csv = take(call, "csv");
    const struct report_options *o = &call->own.report;
    const char *into = *o->into ? o->into : arguments_folder(call, 1);
    struct arena a = {0};
    struct runs_found found = {0};
    int status = 0;
    TRY(report_options_check(o, err));
    TRY(arguments_runs(call, 1, &a, &found, err));
    if (csv) {
        TRY(report_csv(found.run, found.n, stdout, err));
    } else if (*o->only) {
        TRY(report_figures(found.run, found.n, into, o, err));
        log_message(LOG_INFO, "figures are in %s/figures", into);
    } else {
        TRY(report_all(&found, into, o, &a, err));
    }
out:
    status = arguments_done(&found, status, err);
    arena_free(&a);
    return status;
}

const struct command command_report = {
    .name = "report",
    .arguments = "[csv] [FOLDER...] [-o DIR]",
    .help = "table and figures of all runs below the folders (default: out); `csv`: one line per "
            "result",
    .run = run,
    .flags = flags,
    .before_flags = before_flags};
