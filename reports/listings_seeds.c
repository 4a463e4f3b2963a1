/* A line for each run, protocol and probe seed: what spreadsheets and other programs start from. */
#include "reports/listings_internal.h"

#include "core/file.h"
#include "reports/report.h"

#include <math.h>
#include <string.h>

enum seed_field {
    S_RUN,
    S_METHOD,
    S_BACKBONE,
    S_DATASET,
    S_SEED,
    S_PROTOCOL,
    S_PROBE_DATASET,
    S_PROBE_SEED,
    S_TOP1,
    S_TOP5,
    S_OUTCOME,
    S_REASON,
    S_STATUS,
    S_FINDING,
    S_METRIC,
    S_VALUE,
    S_BUDGET,
    S_ACHIEVED,
    S_FIELDS = S_ACHIEVED + 4
};

static const struct listing_column columns[S_FIELDS] = {
    [S_RUN] = {"run_id", "run", 0, FOR_ALL},
    [S_METHOD] = {"method", "method", 0, FOR_ALL},
    [S_BACKBONE] = {"backbone", "backbone", 0, FOR_PROGRAMS},
    [S_DATASET] = {"dataset", "pretrained on", 0, FOR_PROGRAMS},
    [S_SEED] = {"pretrain_seed", "seed", 1, FOR_ALL},
    [S_PROTOCOL] = {"protocol", "protocol", 0, FOR_ALL},
    [S_PROBE_DATASET] = {"probe_dataset", "dataset", 0, FOR_ALL},
    [S_PROBE_SEED] = {"probe_seed", "probe seed", 1, FOR_ALL},
    [S_TOP1] = {"top1", "top-1", 1, FOR_ALL},
    [S_TOP5] = {"top5", "top-5", 1, FOR_ALL},
    [S_OUTCOME] = {"outcome", "outcome", 0, FOR_ALL},
    [S_REASON] = {"reason", "reason", 0, FOR_ALL},
    [S_STATUS] = {"run_status", "status", 0, FOR_PROGRAMS},
    [S_FINDING] = {"finding", "finding", 0, FOR_PROGRAMS},
    [S_METRIC] = {"metric", "metric", 0, FOR_ALL},
    [S_VALUE] = {"value", "value", 1, FOR_ALL},
    [S_BUDGET] = {"budget", "budget", 0, FOR_PROGRAMS},
    [S_ACHIEVED] = {"achieved_epochs", "epochs", 1, FOR_PROGRAMS},
    [S_ACHIEVED + 1] = {"achieved_images", "images", 1, FOR_PROGRAMS},
    [S_ACHIEVED + 2] = {"achieved_flops", "FLOPs", 1, FOR_PROGRAMS},
    [S_ACHIEVED + 3] = {"achieved_seconds", "seconds", 1, FOR_PROGRAMS},
};

static const char *fraction(double x, struct arena *a) {
    return isfinite(x) ? arena_printf(a, "%.4f", x) : "";
}

/* seed < 0: an evaluation without a result has a line too, and a metric, NULL for none, its own. */
static void put_line(struct listing *l, int line, const struct run *run, const struct eval *e,
                     int seed, const struct metric_row *metric, struct arena *a) {
    static const char *const outcomes[] = {[OUTCOME_OK] = "ok",
                                           [OUTCOME_SKIPPED] = "skipped",
                                           [OUTCOME_DIVERGED] = "diverged",
                                           [OUTCOME_FAILED] = "failed"};
    const struct {
        enum seed_field field;
        const char *text;
    } texts[] = {{S_RUN, run->run_id},
                 {S_METHOD, run->method},
                 {S_BACKBONE, run->backbone},
                 {S_DATASET, run->dataset},
                 {S_PROTOCOL, e->protocol},
                 {S_PROBE_DATASET, e->dataset},
                 {S_OUTCOME, outcomes[e->outcome]},
                 {S_REASON, e->reason},
                 {S_STATUS, run->status},
                 {S_FINDING, run->finding},
                 {S_METRIC, metric ? metric->name : ""},
                 {S_BUDGET, run->budget}};
    const double top1 = seed >= 0 && e->top1 ? e->top1[seed] : NAN;
    const double top5 = seed >= 0 && e->top5 ? e->top5[seed] : NAN;
    const double value = metric ? metric->value : NAN;
    const double achieved[] = {run->achieved_epochs, run->achieved_images, run->achieved_flops,
                               run->achieved_seconds};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        listing_set_text(l, line, (int)texts[i].field, texts[i].text);
    listing_set_number(l, line, S_SEED, (double)run->seed, NULL, a);
    if (seed >= 0 || metric)
        listing_set_number(l, line, S_PROBE_SEED, (double)(metric ? metric->seed : e->seed[seed]),
                           NULL, a);
    listing_set_number(l, line, S_TOP1, top1, fraction(top1, a), a);
    listing_set_number(l, line, S_TOP5, top5, fraction(top5, a), a);
    listing_set_number(l, line, S_VALUE, value, fraction(value, a), a);
    for (int i = 0; run->budget && i < 4; i++)
        listing_set_number(l, line, S_ACHIEVED + i, achieved[i], NULL, a);
}

static int n_lines(const struct eval *e) {
    const int seeds = e->top1 ? e->n_seeds : 0;
    return seeds + e->n_metrics ? seeds + e->n_metrics : 1;
}

struct listing *listing_seeds(const struct listing_input *in, struct arena *a) {
    int n = 0, line = 0;
    for (int r = 0; r < in->n_runs; r++)
        for (int i = 0; i < in->runs[r]->n_evals; i++)
            n += n_lines(&in->runs[r]->evals[i]);
    struct listing *l = listing_new("seeds", "Every result",
                                    "A line for each run, protocol and probe seed; fractions.",
                                    columns, S_FIELDS, n, a);
    for (int r = 0; r < in->n_runs; r++)
        for (int i = 0; i < in->runs[r]->n_evals; i++) {
            const struct run *run = in->runs[r];
            const struct eval *e = &run->evals[i];
            for (int k = 0; k < e->n_seeds && e->top1; k++)
                put_line(l, line++, run, e, k, NULL, a);
            for (int k = 0; k < e->n_metrics; k++)
                put_line(l, line++, run, e, -1, &e->metrics[k], a);
            if (!(e->top1 && e->n_seeds) && !e->n_metrics)
                put_line(l, line++, run, e, -1, NULL, a);
        }
    listing_hide_empty(l);
    return l;
}

int report_csv(struct run *const *runs, int n_runs, FILE *out, struct error *err) {
    struct arena a = {0};
    listing_write(listing_seeds(&(struct listing_input){runs, n_runs, NULL}, &a), LISTING_CSV, out);
    arena_free(&a);
    return stream_written(out, "the CSV", err);
}
