/* suite_verify.c -- whether a folder of results holds what its suites ask for. */
#include "core/file.h"
#include "core/log.h"
#include "nn/checkpoint.h"
#include "protocols/suite.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verification {
    const char *out;
    struct run **runs;
    int n_runs;
    char *wanted; /* (n_runs) some suite asks for it */
    struct arena arena;
    FILE *report;
    int findings, cells;
};

static void finding(struct verification *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void finding(struct verification *v, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(v->report, "! ");
    vfprintf(v->report, format, arguments);
    fputc('\n', v->report);
    va_end(arguments);
    v->findings++;
}

/* ---- one run, by itself ---- */

/* Top-1 accuracy once more, from the stored predictions. */
static void check_predictions(struct verification *v, const struct run *r, const struct eval *e) {
    for (int s = 0; s < e->n_seeds && e->top1 && e->pred && e->label && e->n_samples; s++) {
        long right = 0;
        for (int i = 0; i < e->n_samples; i++)
            right += e->pred[(size_t)s * (size_t)e->n_samples + (size_t)i] == e->label[i];
        if (fabs((double)right / e->n_samples - e->top1[s]) > 1e-9)
            finding(v, "%s: %s says %.4f, its own predictions say %.4f", r->run_id, e->protocol,
                    e->top1[s], (double)right / e->n_samples);
    }
}

/* The weights, where they were kept. */
static void check_weights(struct verification *v, const struct run *r) {
    struct st_file *f = NULL;
    struct error why;
    if (!r->folder)
        return;
    const char *path = arena_printf(&v->arena, "%s/checkpoint.safetensors", r->folder);
    if (!file_exists(path))
        return;
    if (st_open(&f, path, &why) || st_check(f, &why) ||
        checkpoint_check_run(path, r->config_sha256, &why))
        finding(v, "%s", why.message);
    st_close(f);
}

static void check_run(struct verification *v, const struct run *r, const char *path) {
    if (!r->has_checksum)
        finding(v, "%s: no checksum: it was changed by another program", path);
    check_weights(v, r);
    for (int i = 0; i < r->n_evals; i++)
        check_predictions(v, r, &r->evals[i]);
}

/* ---- one cell ---- */

static void check_row(struct verification *v, const struct cell *c, int protocol,
                      const struct dataset *data, const struct run *r) {
    const char *name = protocols[protocol]->name;
    const struct eval *e = run_find_eval(r, name, data->name);
    const struct run_data_source *of = run_find_data(r, data->name);
    char version[CELL_VERSION];
    cell_protocol_version(&c->settings, protocol, version);
    if (!e)
        finding(v, "%s: %s on %s is missing", c->id, name, data->name);
    else if (strcmp(e->protocol_version, version))
        finding(v, "%s: %s is of version %s, the suite asks for %s", c->id, name,
                e->protocol_version, version);
    else if (e->outcome == OUTCOME_FAILED)
        finding(v, "%s: %s failed: %s", c->id, name, e->reason);
    else if (!of || strcmp(of->root_hash, data->root_hash))
        finding(v, "%s: the content of %s is not what %s was made from", c->id, data->name, name);
}

static void check_held(struct verification *v, const struct cell *c, const struct suite_cell *one,
                       const struct suite_lists *l, const struct run *r) {
    const struct run_data_source *of = run_find_data(r, c->data->name);
    if (strcmp(r->config_sha256, c->hash) || !r->settings_sha256 ||
        strcmp(r->settings_sha256, c->settings_hash))
        finding(v, "%s: its settings hash to another value than the suite's", c->id);
    if (r->seed != (int64_t)c->seed)
        finding(v, "%s: its seed is %lld, the suite's is %llu", c->id, (long long)r->seed,
                (unsigned long long)c->seed);
    if (!of || strcmp(of->root_hash, c->data->root_hash))
        finding(v, "%s: the content of %s is not what it was made from", c->id, c->data->name);
    if (!run_is_whole(r) && strcmp(r->status, "skipped"))
        finding(v, "%s: its status is \"%s\"", c->id, r->status);
    for (int i = 0; i < suite_rows(one, l); i++) {
        const struct suite_row row = suite_row(one, l, i);
        check_row(v, c, row.protocol, row.data, r);
    }
}

static void look_up(struct verification *v, const struct cell *c, const struct suite_cell *one,
                    const struct suite_lists *l, const char *suite) {
    int found = 0;
    v->cells++;
    for (int i = 0; i < v->n_runs; i++) {
        const struct run *r = v->runs[i];
        if (strcmp(r->run_id, c->id))
            continue;
        v->wanted[i] = 1;
        if (found++)
            finding(v, "%s: there is more than one of it", c->id);
        else
            check_held(v, c, one, l, r);
    }
    if (!found)
        finding(v, "%s: missing, %s asks for it", c->id, suite);
}

static int check_cell(struct verification *v, const struct suite_cell *one,
                      const struct suite_lists *l, const struct context *context, const char *suite,
                      struct error *err) {
    struct cell c;
    int status =
        one->why
            ? cell_build_skipped(&c, one->settings, one->method, one->data, one->seed, context, err)
            : cell_build(&c, one->settings, one->method, one->data, one->seed, context, 0, err);
    if (status)
        return status;
    cell_name(&c);
    look_up(v, &c, one, l, suite);
    cell_close(&c);
    return 0;
}

/* ---- one suite ---- */

static int check_suite(struct verification *v, const char *path, const struct context *context,
                       struct error *err) {
    struct settings *s = ARENA_NEW(&v->arena, struct settings);
    struct suite u;
    int status = 0, opened = 0;
    settings_init(s);
    TRY(settings_load_suite(s, path, err));
    s->machine = *context->machine;
    s->machine.out = v->out;
    struct context here = *context;
    here.machine = &s->machine;
    TRY(suite_open(&u, s, &here, err));
    opened = 1;
    for (int i = 0; i < suite_cells(&u); i++) {
        const struct suite_cell one = suite_cell(&u, i);
        status = check_cell(v, &one, &u.lists, &here, path, err);
        if (status == STATUS_MACHINE || status == STATUS_INTERRUPTED)
            goto out;
        if (status) /* the others can be right */
            finding(v, "%s on %s, seed %llu: %s", one.method->name, one.data->name,
                    (unsigned long long)one.seed, err->message);
        status = 0;
    }
out:
    if (opened)
        suite_close(&u);
    settings_free(s);
    return status;
}

static int by_name(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The stored suites, sorted. */
static const char **suites_in(const char *out, struct arena *a, int *n) {
    const char *folder = arena_printf(a, "%s/suites", out);
    const char **paths = NULL;
    int room = 0;
    DIR *d = opendir(folder);
    *n = 0;
    for (const struct dirent *entry; d && (entry = readdir(d));) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 4, ".ini") || *entry->d_name == '.')
            continue;
        if (*n == room) {
            room = 2 * room + 8;
            const char **more = ARENA_ARRAY(a, const char *, room);
            if (*n)
                memcpy(more, paths, sizeof *more * (size_t)*n);
            paths = more;
        }
        paths[(*n)++] = arena_printf(a, "%s/%s", folder, entry->d_name);
    }
    if (d)
        closedir(d);
    if (*n)
        qsort(paths, (size_t)*n, sizeof *paths, by_name);
    return paths;
}

/* The same method, data, settings and seed twice would count as two seeds. */
static void check_duplicates(struct verification *v) {
    for (int i = 0; i < v->n_runs; i++)
        for (int j = 0; j < i; j++) {
            const struct run *a = v->runs[i], *b = v->runs[j];
            if (a->settings_sha256 && b->settings_sha256 && a->seed == b->seed &&
                !strcmp(a->method, b->method) && !strcmp(a->settings_sha256, b->settings_sha256) &&
                strcmp(a->run_id, b->run_id))
                finding(v, "%s and %s have the same settings and seed", b->run_id, a->run_id);
        }
}

int suite_verify(const char *out, const struct context *context, FILE *report, int *n,
                 struct error *err) {
    struct verification v = {.out = out, .report = report};
    int status = 0, bad = 0, n_suites = 0, strangers = 0;
    TRY(runs_scan(&out, 1, &v.arena, &v.runs, &v.n_runs, &bad, err));
    v.findings += bad;
    v.wanted = arena_alloc(&v.arena, (size_t)v.n_runs + 1);
    const char **suites = suites_in(out, &v.arena, &n_suites);
    for (int i = 0; i < v.n_runs; i++)
        check_run(&v, v.runs[i], v.runs[i]->run_id);
    check_duplicates(&v);
    if (!n_suites)
        finding(&v, "%s: no suite is stored in it, so nobody knows what is missing", out);
    for (int i = 0; i < n_suites; i++) {
        struct error why;
        status = check_suite(&v, suites[i], context, &why);
        if (status == STATUS_MACHINE || status == STATUS_INTERRUPTED) {
            *err = why;
            goto out;
        }
        if (status)
            finding(&v, "%s: %s", suites[i], why.message);
        status = 0;
    }
    for (int i = 0; i < v.n_runs; i++)
        strangers += !v.wanted[i];
    fprintf(report, "%s: %d suite%s, %d cells, %d run%s", out, n_suites, n_suites == 1 ? "" : "s",
            v.cells, v.n_runs, v.n_runs == 1 ? "" : "s");
    if (strangers && n_suites)
        fprintf(report, " (%d of no suite)", strangers);
    fprintf(report, ", %d finding%s\n", v.findings, v.findings == 1 ? "" : "s");
out:
    *n = v.findings;
    for (int i = 0; i < v.n_runs; i++)
        run_free(v.runs[i]);
    arena_free(&v.arena);
    return status;
}
