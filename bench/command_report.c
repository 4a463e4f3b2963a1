/* command_report.c -- report. */
#include "bench/arguments.h"

#include "core/file.h"
#include "core/log.h"
#include "reports/flags.h"
#include "reports/page.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

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

static int load(struct invocation *call, struct error *err) {
    const int csv = call->argc > 1 && !strcmp(call->argv[1], "csv");
    return csv ? arguments_no_flags(call, flags, "", "csv", err) : 0;
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

/* Two that replace each other's files would find them gone.  Where folders have no locks there is
 * none. */
static int claim(const char *into, int *lock, struct error *err) {
    int status = make_folders(into, err);
    if (status)
        return status;
    *lock = open(into, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock >= 0 && flock(*lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return error_set(err, STATUS_USAGE,
                         "%s: another report is being written there: wait for it or choose another "
                         "folder, --into",
                         into);
    return 0;
}

/* Table, figures and page of all there is; without some of the figures where a script fails. */
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
    struct error failed = {0};
    const int missing = report_figures(found->run, found->n, into, &figures, &failed);
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
    if (missing)
        *err = failed;
    status = missing;
out:
    return status;
}

static int run(struct invocation *call, struct error *err) {
    int csv = take(call, "csv");
    const struct report_options *o = &call->own.report;
    const char *into = *o->into ? o->into : arguments_folder(call, 1);
    struct arena a = {0};
    struct runs_found found = {0};
    int status = 0, lock = -1;
    signal(SIGINT, SIG_DFL); /* there is nothing to save: each file is replaced whole */
    signal(SIGTERM, SIG_DFL);
    if (signal(SIGHUP, SIG_DFL) == SIG_IGN)
        signal(SIGHUP, SIG_IGN);
    TRY(report_options_check(o, err));
    TRY(arguments_runs(call, 1, &a, &found, err));
    if (!csv)
        TRY(claim(into, &lock, err));
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
    if (lock >= 0)
        close(lock);
    arena_free(&a);
    return status;
}

const struct command command_report = {
    .name = "report",
    .arguments = "[csv] [FOLDER...] [-o DIR]",
    .help = "table and figures of all runs below the folders (default: out); `csv`: one line per "
            "result",
    .run = run,
    .reads_runs = 1,
    .flags = flags,
    .before_flags = before_flags,
    .load = load,
    .machine = "out quiet"};
