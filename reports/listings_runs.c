/* What results come from: budgets, runs, machines and versions. */
#include "reports/difference_internal.h"
#include "reports/listings_internal.h"
#include "reports/summary_internal.h"
#include "reports/text_internal.h"

#include <math.h>
#include <string.h>

enum { COMMIT_SHOWN = 10 };

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const char *number(const char *format, double x, struct arena *a)
    __attribute__((format(printf, 1, 0)));
static const char *number(const char *format, double x, struct arena *a) {
    return isfinite(x) ? arena_printf(a, format, x) : "";
}

/* ---- budgets ---- */

struct listing *listing_budgets(const struct listing_input *in, struct arena *a) {
    static const struct listing_column columns[] = {{"label", "method", 0, FOR_PEOPLE},
                                                    {"method", "method", 0, FOR_PROGRAMS},
                                                    {"backbone", "backbone", 0, FOR_PROGRAMS},
                                                    {"settings", "settings", 0, FOR_PROGRAMS},
                                                    {"budget", "budget", 0, FOR_ALL},
                                                    {"runs", "runs", 1, FOR_ALL},
                                                    {"epochs", "epochs", 1, FOR_ALL},
                                                    {"images", "images", 1, FOR_ALL},
                                                    {"flops", "FLOPs", 1, FOR_ALL},
                                                    {"seconds", "seconds", 1, FOR_ALL},
                                                    {"parameters", "parameters", 1, FOR_ALL}};
    const struct summary *s = in->summary;
    int n = 0;
    for (int r = 0; r < s->n_rows; r++)
        n += summary_budget(&s->row[r]).n > 0;
    struct listing *l =
        listing_new("budgets", "Budgets",
                    "What pretraining was given, and what it reached of it; means of runs.",
                    columns, COUNT(columns), n, a);
    for (int r = 0, line = 0; r < s->n_rows; r++) {
        const struct summary_row *row = &s->row[r];
        const struct summary_budget b = summary_budget(row);
        if (!b.n)
            continue;
        const char *const texts[] = {summary_label(s, row, ", "), row->method, row->backbone,
                                     row->variant, b.budget};
        const char *const numbers[] = {NULL,
                                       number("%.2f", b.epochs, a),
                                       number("%.0f", b.images, a),
                                       number("%.3g", b.flops, a),
                                       number("%.1f", b.seconds, a),
                                       NULL};
        const double values[] = {b.n,     b.epochs,  b.images,
                                 b.flops, b.seconds, (double)row->run[0]->parameters};
        for (int i = 0; i < COUNT(texts); i++)
            listing_set_text(l, line, i, texts[i]);
        for (int i = 0; i < COUNT(values); i++)
            listing_set_number(l, line, COUNT(texts) + i, values[i], numbers[i], a);
        line++;
    }
    return l;
}

/* ---- runs ---- */

static int evaluated(const struct run *r) {
    int n = 0;
    for (int i = 0; i < r->n_evals; i++)
        n += r->evals[i].outcome == OUTCOME_OK;
    return n;
}

/* "5b4ba7ec96 with changes" */
static const char *code_of(const struct run *r, struct arena *a) {
    const char *commit = r->code_commit ? r->code_commit : "";
    return arena_printf(a, "%.*s%s", COMMIT_SHOWN, commit,
                        r->code_dirty ? *commit ? " with changes" : "with changes" : "");
}

struct listing *listing_runs(const struct listing_input *in, struct arena *a) {
    static const struct listing_column texts[] = {
        {"run_id", "run", 0, FOR_ALL},
        {"method", "method", 0, FOR_PROGRAMS},
        {"backbone", "backbone", 0, FOR_PROGRAMS},
        {"dataset", "dataset", 0, FOR_PROGRAMS},
        {"status", "status", 0, FOR_ALL},
        {"finding", "finding", 0, FOR_ALL},
        {"suite", "suite", 0, FOR_ALL},
        {"budget", "budget", 0, FOR_ALL},
        {"created_utc", "created", 0, FOR_ALL},
        {"code", "code", 0, FOR_PEOPLE},
        {"code_commit", "commit", 0, FOR_PROGRAMS},
        {"versions", "versions", 0, FOR_ALL},
        {"cpu", "cpu", 0, FOR_PROGRAMS},
        {"device", "device", 0, FOR_PROGRAMS},
        {"settings_sha256", "settings", 0, FOR_PROGRAMS},
        {"config_sha256", "configuration", 0, FOR_PROGRAMS}};
    static const struct listing_column numbers[] = {
        {"code_dirty", "dirty", 1, FOR_PROGRAMS},
        {"seed", "seed", 1, FOR_PROGRAMS},
        {"evaluations", "evaluations", 1, FOR_ALL},
        {"parameters", "parameters", 1, FOR_PROGRAMS},
        {"achieved_epochs", "epochs", 1, FOR_PROGRAMS},
        {"achieved_images", "images", 1, FOR_PROGRAMS},
        {"achieved_flops", "FLOPs", 1, FOR_PROGRAMS},
        {"achieved_seconds", "seconds", 1, FOR_ALL},
        {"waited_seconds", "waited for data, seconds", 1, FOR_PROGRAMS},
        {"step_gflops", "GFLOPs of a step", 1, FOR_PROGRAMS},
        {"step_peak_bytes", "bytes of a step", 1, FOR_PROGRAMS}};
    struct listing_column columns[COUNT(texts) + COUNT(numbers)];
    memcpy(columns, texts, sizeof texts);
    memcpy(columns + COUNT(texts), numbers, sizeof numbers);
    struct listing *l = listing_new("runs", "Runs", "Every run that was read.", columns,
                                    COUNT(columns), in->n_runs, a);
    for (int r = 0; r < in->n_runs; r++) {
        const struct run *run = in->runs[r];
        const char *const words[COUNT(texts)] = {
            run->run_id,      run->method,     run->backbone,        run->dataset,
            run->status,      run->finding,    run->suite,           run->budget,
            run->created_utc, code_of(run, a), run->code_commit,     run->versions,
            run->env_cpu,     run->env_device, run->settings_sha256, run->config_sha256};
        const double values[COUNT(numbers)] = {
            run->code_dirty,         (double)run->seed,     evaluated(run),
            (double)run->parameters, run->achieved_epochs,  run->achieved_images,
            run->achieved_flops,     run->achieved_seconds, run->waited_seconds,
            run->step_gflops,        run->step_peak_bytes};
        for (int i = 0; i < COUNT(texts); i++)
            listing_set_text(l, r, i, words[i]);
        for (int i = 0; i < COUNT(numbers); i++)
            listing_set_number(l, r, COUNT(texts) + i, values[i],
                               numbers[i].audience == FOR_ALL && values[i] != floor(values[i])
                                   ? number("%.1f", values[i], a)
                                   : NULL,
                               a);
    }
    listing_hide_empty(l);
    return l;
}

/* ---- environments ---- */

enum { PROPERTIES = 12 };

struct environment {
    const char *text[PROPERTIES];
    int n; /* runs */
};

static struct environment environment_of(const struct run *r, struct arena *a) {
    return (struct environment){{r->env_cpu, arena_printf(a, "%d", r->env_cores), r->env_isa,
                                 r->env_device, r->env_mem, r->env_kernel, r->env_compiler,
                                 r->env_cflags, r->env_libs, r->env_blas, r->code_commit,
                                 r->code_dirty ? "yes" : "no"},
                                1};
}

static int same_environment(const struct environment *a, const struct environment *b) {
    for (int i = 0; i < PROPERTIES; i++)
        if (strcmp(a->text[i] ? a->text[i] : "", b->text[i] ? b->text[i] : ""))
            return 0;
    return 1;
}

static int find_environments(const struct listing_input *in, struct environment *list,
                             struct arena *a) {
    int n = 0;
    for (int r = 0; r < in->n_runs; r++) {
        const struct environment e = environment_of(in->runs[r], a);
        int i = 0;
        while (i < n && !same_environment(&list[i], &e))
            i++;
        if (i == n)
            list[n++] = e;
        else
            list[i].n++;
    }
    return n;
}

/* A line a property, a column an environment: few of them, and long texts. */
struct listing *listing_environments(const struct listing_input *in, struct arena *a) {
    static const char *const names[PROPERTIES] = {
        "processor", "processors", "instruction set",    "device",
        "memory",    "kernel",     "compiler",           "compiler flags",
        "libraries", "BLAS",       "commit of the code", "local changes"};
    enum { MOST = 8 };
    struct environment *list = ARENA_ARRAY(a, struct environment, in->n_runs);
    const int all = find_environments(in, list, a), n = all < MOST ? all : MOST;
    struct listing_column *columns = ARENA_ARRAY(a, struct listing_column, n + 1);
    columns[0] = (struct listing_column){"property", "property", 0, FOR_ALL};
    for (int i = 0; i < n; i++)
        columns[i + 1] = (struct listing_column){
            arena_printf(a, "environment_%d", i + 1),
            arena_printf(a, "%d run%s", list[i].n, list[i].n == 1 ? "" : "s"), 0, FOR_ALL};
    struct listing *l = listing_new("environments", "Environments",
                                    "The machines and the code that results come from.", columns,
                                    n + 1, PROPERTIES, a);
    for (int p = 0; p < PROPERTIES; p++) {
        listing_set_text(l, p, 0, names[p]);
        for (int i = 0; i < n; i++)
            listing_set_text(l, p, i + 1, list[i].text[p]);
    }
    if (all > n)
        listing_note(l, arena_printf(a, "%d more: the table runs has them.", all - n), a);
    return l;
}
