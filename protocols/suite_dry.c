/* suite_dry.c -- what a suite would run, and what that takes. */
#include "core/file.h"
#include "protocols/cell_internal.h"
#include "protocols/suite.h"
#include "results/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of the most that the machine can do, what training reaches where nothing better is known. */
#define USUAL_SHARE 0.3

enum source { SOURCE_NONE, SOURCE_RUNS, SOURCE_RATE, SOURCE_BUDGET };
static const char *const sources[] = {[SOURCE_NONE] = "-",
                                      [SOURCE_RUNS] = "runs",
                                      [SOURCE_RATE] = "flops",
                                      [SOURCE_BUDGET] = "budget"};

/* What one cell needs; the same for all seeds. */
struct needs {
    long parameters;
    double memory, disk, seconds; /* bytes; of pretraining */
    enum source source;
};

struct dry {
    const struct suite *u;
    const struct context *context;
    unsigned stages;
    double machine_flops;
    struct run **runs; /* earlier ones in the folder */
    int n_runs;
    struct arena arena;
    FILE *out;
    double seconds, disk, memory; /* of what is to do: sums, the largest */
    double eval_seconds;          /* of the rows that earlier runs have an example of */
    int rows, unknown_rows;       /* with and without one */
    int counts[4], by_source[4];
};

enum state { STATE_DONE, STATE_PARTIAL, STATE_TODO, STATE_SKIPPED };
static const char *const states[] = {"done", "begun", "to do", "skipped"};

static int same_backbone(const struct run *r, const struct cell *c) {
    const char *name = c->settings.plan.backbone;
    size_t n = strlen(name);
    return !strncmp(r->backbone, name, n) && (!r->backbone[n] || r->backbone[n] == '/');
}

/* Images a second of an earlier run of the same method and backbone; 0 when there is none. */
static double known_rate(struct dry *d, const struct cell *c) {
    for (int i = 0; i < d->n_runs; i++) {
        const struct run *r = d->runs[i];
        if (strcmp(r->method, c->method->name) || !same_backbone(r, c) || !r->n_steps ||
            strcmp(r->dataset, c->data->name))
            continue;
        double *rates = ARENA_ARRAY(&d->arena, double, r->n_steps);
        for (long s = 0; s < r->n_steps; s++)
            rates[s] = r->steps[s].img_per_s;
        return median(rates, (int)r->n_steps);
    }
    return 0;
}

static double flops_of(const struct cell *c) {
    double sum = 0;
    for (int i = 0; i < c->method->n_stages; i++)
        sum += (double)c->stages[i].steps * c->stages[i].step_flops;
    return sum;
}

static void estimate_time(struct dry *d, const struct cell *c, struct needs *n) {
    double rate = known_rate(d, c);
    double images = (double)c->steps * c->settings.plan.batch;
    if (!c->method->trains) {
        n->source = SOURCE_NONE;
    } else if (c->budget.kind == BUDGET_SECONDS) {
        n->seconds = c->budget.amount;
        n->source = SOURCE_BUDGET;
    } else if (rate > 0) {
        n->seconds = images / rate;
        n->source = SOURCE_RUNS;
    } else {
        n->seconds = flops_of(c) / (USUAL_SHARE * d->machine_flops);
        n->source = SOURCE_RATE;
    }
}

/* What such a row took in earlier runs, whatever the method; 0 when there is none. */
static double known_evaluation(struct dry *d, const struct cell *c, int protocol,
                               const struct dataset *data) {
    double *took = ARENA_ARRAY(&d->arena, double, d->n_runs + 1);
    int n = 0;
    for (int i = 0; i < d->n_runs; i++) {
        const struct eval *e = run_find_eval(d->runs[i], protocols[protocol]->name, data->name);
        if (same_backbone(d->runs[i], c) && e && e->outcome == OUTCOME_OK && e->wall_s > 0)
            took[n++] = e->wall_s;
    }
    return n ? median(took, n) : 0;
}

/* The rows that a cell still lacks. */
static void estimate_evaluation(struct dry *d, const struct suite_cell *one, const struct cell *c) {
    const struct suite_lists *l = &d->u->lists;
    const struct run *there = NULL;
    for (int i = 0; i < d->n_runs; i++)
        if (!strcmp(d->runs[i]->run_id, c->id))
            there = d->runs[i];
    for (int i = 0; i < suite_rows(one, l) && d->stages & SUITE_EVALUATE; i++) {
        const struct suite_row row = suite_row(one, l, i);
        if (there && cell_has_row(c, there, row.protocol, row.data))
            continue;
        double seconds = known_evaluation(d, c, row.protocol, row.data);
        d->eval_seconds += seconds;
        d->rows += seconds > 0;
        d->unknown_rows += seconds <= 0;
    }
}

/* Bytes of an image: its features, as far as the rows on these data read them, with its label; and
 * the most that one of the rows has of a training image a second time. */
struct feature_bytes {
    double kept, again;
};

static struct feature_bytes feature_bytes(const struct dry *d, const struct suite_cell *one,
                                          const struct cell *c, const struct dataset *data) {
    const struct suite_lists *l = &d->u->lists;
    char wanted[MAX_REPRESENTATIONS] = {0};
    double reals = 0, widest = 0;
    for (int i = 0; i < suite_rows(one, l) && d->stages & SUITE_EVALUATE; i++) {
        const struct suite_row row = suite_row(one, l, i);
        const struct protocol *p = protocols[row.protocol];
        if (row.data == data && !p->no_features && p->wants)
            widest =
                fmax(widest, p->wants(c->settings.protocol[row.protocol], &c->features, wanted));
    }
    for (int r = 0; r < c->features.n_representations; r++)
        reals += wanted[r] ? c->features.dim[r] : 0;
    return reals ? (struct feature_bytes){(reals + 1) * sizeof(float), widest * sizeof(float)}
                 : (struct feature_bytes){0, 0};
}

/* Weights and optimizer state twice (a checkpoint is written beside the old one), the journal and
 * the table of steps, features of both splits where they are kept; and the memory that these take
 * with a probe on them, one dataset after the other. */
static void measure_files(const struct dry *d, const struct suite_cell *one, const struct cell *c,
                          struct needs *n) {
    const double per_step = 400, most = (double)c->context->machine->cache_mib * (1 << 20);
    n->disk = 2.0 * (double)c->model.slab.bytes + per_step * (double)c->steps;
    for (int k = 0; k < one->n_judged; k++) {
        const struct dataset *data = &one->judged[k];
        const struct feature_bytes each = feature_bytes(d, one, c, data);
        double all = (double)data->count[SPLIT_TRAIN] * each.again;
        for (int s = 0; s < SPLITS; s++) {
            double split = (double)data->count[s] * each.kept;
            n->disk += split <= most ? split : 0;
            all += split;
        }
        if (!c->context->device)
            n->memory = fmax(n->memory, all + (double)c->model.slab.bytes);
    }
}

static int measure(struct dry *d, const struct suite_cell *one, struct cell *c, struct needs *n,
                   struct error *err) {
    struct trainer_needs needs;
    cell_share_moments(c);
    int status = cell_needs(c, &needs, err);
    n->parameters = (long)model_parameters(&c->model);
    n->memory = (double)needs.bytes;
    measure_files(d, one, c, n);
    estimate_time(d, c, n);
    return status;
}

/* ---- what is there ---- */

static enum state state_of(const struct dry *d, const struct suite_cell *one,
                           const struct cell *c) {
    const char *path = c->folder;
    struct arena a = {0};
    struct run r = {0};
    struct error ignored;
    const struct suite_lists *l = &d->u->lists;
    const char *h5 = arena_printf(&a, "%s/run.h5", path);
    enum state state = STATE_TODO;
    if (file_exists(h5) && !run_read(&r, h5, &ignored)) {
        int over = run_is_whole(&r) || !strcmp(r.status, "failed") || !strcmp(r.status, "skipped");
        for (int i = 0; i < suite_rows(one, l) && d->stages & SUITE_EVALUATE; i++) {
            const struct suite_row row = suite_row(one, l, i);
            over &= cell_has_row(c, &r, row.protocol, row.data);
        }
        state = over ? STATE_DONE : STATE_PARTIAL;
    }
    run_free(&r);
    arena_free(&a);
    return one->why && state != STATE_DONE ? STATE_SKIPPED : state;
}

/* ---- printing ---- */

static char *duration(double seconds, struct arena *a) {
    if (seconds < 100)
        return arena_printf(a, "%.0f s", seconds);
    if (seconds < 100 * 60)
        return arena_printf(a, "%.0f min", seconds / 60);
    return arena_printf(a, "%.1f h", seconds / 3600);
}

static char *size(double bytes, struct arena *a) {
    const double mib = 1 << 20;
    return bytes < 1024 * mib ? arena_printf(a, "%.1f MiB", bytes / mib)
                              : arena_printf(a, "%.1f GiB", bytes / mib / 1024);
}

static void print_cell(struct dry *d, const struct suite_cell *one, const struct cell *c,
                       enum state state, const struct needs *n) {
    d->counts[state]++;
    if (state == STATE_SKIPPED || one->why) {
        fprintf(d->out, "%-56s %-8s %s\n", c->id, states[state], one->why);
        return;
    }
    const char *steps = c->budget.kind == BUDGET_SECONDS && c->method->trains
                            ? "measured"
                            : arena_printf(&d->arena, "%ld", c->steps);
    fprintf(d->out, "%-56s %-8s %10ld %10s %10s %8s %9s  %s%s%s\n", c->id, states[state],
            n->parameters, size(n->memory, &d->arena), size(n->disk, &d->arena), steps,
            n->source ? duration(n->seconds, &d->arena) : "-", sources[n->source],
            *one->label ? "  " : "", one->label);
    if (state == STATE_DONE)
        return;
    estimate_evaluation(d, one, c);
    d->by_source[n->source]++;
    d->seconds += n->seconds;
    d->disk += n->disk;
    d->memory = fmax(d->memory, n->memory);
}

static void print_sum(struct dry *d) {
    fprintf(d->out, "\n%d cells: %d done, %d begun, %d to do, %d skipped\n", suite_cells(d->u),
            d->counts[STATE_DONE], d->counts[STATE_PARTIAL], d->counts[STATE_TODO],
            d->counts[STATE_SKIPPED]);
    fprintf(d->out,
            "what is not done takes about %s of pretraining, %s of disk, and at most %s of memory "
            "at a time\n",
            duration(d->seconds, &d->arena), size(d->disk, &d->arena), size(d->memory, &d->arena));
    if (d->by_source[SOURCE_RUNS])
        fprintf(d->out, "runs: from the speed of an earlier run in %s\n", d->context->machine->out);
    if (d->by_source[SOURCE_RATE])
        fprintf(d->out,
                "flops: from the FLOPs of the steps at %.0f %% of what this machine was measured "
                "to do, %.1f GFLOP/s with %d threads\n",
                100 * USUAL_SHARE, d->machine_flops * 1e-9, d->context->threads);
    if (d->by_source[SOURCE_BUDGET])
        fprintf(d->out, "budget: it says so; the steps are measured when the cell begins\n");
    if (d->rows)
        fprintf(d->out, "evaluation takes about %s for %d rows, as earlier runs in %s took\n",
                duration(d->eval_seconds, &d->arena), d->rows, d->context->machine->out);
    if (d->unknown_rows)
        fprintf(d->out, "evaluation of %d rows is not in the estimate: no earlier run has such\n",
                d->unknown_rows);
}

static int show_cell(struct dry *d, const struct suite_cell *one, struct needs *needs,
                     struct error *err) {
    struct cell c;
    int status = one->why ? cell_build_skipped(&c, one->settings, one->method, one->data, one->seed,
                                               d->context, err)
                          : cell_build(&c, one->settings, one->method, one->data, one->seed,
                                       d->context, 0, err);
    if (status)
        return status;
    cell_name(&c);
    if (!one->why && !needs->parameters)
        status = measure(d, one, &c, needs, err);
    if (!status)
        print_cell(d, one, &c, state_of(d, one, &c), needs);
    cell_close(&c);
    return status;
}

int suite_dry_run(const struct settings *s, const struct context *context, unsigned stages,
                  double machine_flops, FILE *out, struct error *err) {
    struct suite u;
    struct dry d = {
        .u = &u, .context = context, .stages = stages, .machine_flops = machine_flops, .out = out};
    int status = suite_open(&u, s, context, err), bad, refused = 0;
    if (status)
        return status;
    const char *folder = context->machine->out;
    struct needs needs = {.parameters = 0};
    struct error ignored; /* no folder yet */
    runs_scan(&folder, 1, &d.arena, &d.runs, &d.n_runs, &bad, &ignored);
    fprintf(out, "%-56s %-8s %10s %10s %10s %8s %9s  %s\n", "cell", "state", "parameters", "memory",
            "disk", "steps", "time", "from");
    for (int i = 0, pair = -1; i < suite_cells(&u) && !status; i++) {
        const struct suite_cell one = suite_cell(&u, i);
        if (one.pair != pair)
            needs = (struct needs){.parameters = 0};
        pair = one.pair;
        status = show_cell(&d, &one, &needs, err);
        if (status == STATUS_USAGE) { /* as in a run the others go on */
            fprintf(out, "%s on %s, seed %llu: %s\n", one.method->name, one.data->name,
                    (unsigned long long)one.seed, err->message);
            refused++;
            status = 0;
        }
    }
    if (!status)
        print_sum(&d);
    if (!status && refused)
        status = error_set(err, STATUS_USAGE, "%d of %d cells are refused, see above", refused,
                           suite_cells(&u));
    for (int i = 0; i < d.n_runs; i++)
        run_free(d.runs[i]);
    suite_close(&u);
    arena_free(&d.arena);
    return status;
}
