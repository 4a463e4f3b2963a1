#include "reports/report.h"

#include "reports/text_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* seed < 0: an evaluation without a result has a line too, and a metric, NULL for none, its own. */
static void put_line(FILE *out, const struct run *run, const struct eval *e, int seed,
                     const struct metric_row *metric) {
    static const char *const outcomes[] = {[OUTCOME_OK] = "ok",
                                           [OUTCOME_SKIPPED] = "skipped",
                                           [OUTCOME_DIVERGED] = "diverged",
                                           [OUTCOME_FAILED] = "failed"};
    const char *const names[] = {run->run_id, run->method, run->backbone, run->dataset};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        csv_put_text(out, names[i]);
        fputc(',', out);
    }
    fprintf(out, "%" PRId64 ",", run->seed);
    csv_put_text(out, e->protocol);
    fputc(',', out);
    csv_put_text(out, e->dataset);
    fputc(',', out);
    if (seed >= 0 || metric)
        fprintf(out, "%" PRId64, metric ? metric->seed : e->seed[seed]);
    fputc(',', out);
    csv_put_number(out, seed >= 0 && e->top1 ? e->top1[seed] : NAN);
    fputc(',', out);
    csv_put_number(out, seed >= 0 && e->top5 ? e->top5[seed] : NAN);
    fprintf(out, ",%s,", outcomes[e->outcome]);
    csv_put_text(out, e->reason);
    fputc(',', out);
    csv_put_text(out, run->status);
    fputc(',', out);
    csv_put_text(out, run->finding ? run->finding : "");
    fputc(',', out);
    csv_put_text(out, metric ? metric->name : "");
    fputc(',', out);
    csv_put_number(out, metric ? metric->value : NAN);
    fputc(',', out);
    csv_put_text(out, run->budget ? run->budget : "");
    const double achieved[] = {run->achieved_epochs, run->achieved_images, run->achieved_flops,
                               run->achieved_seconds};
    for (size_t i = 0; i < sizeof achieved / sizeof *achieved; i++) {
        fputc(',', out);
        csv_put_number(out, run->budget ? achieved[i] : NAN);
    }
    fputs("\r\n", out);
}

int report_csv(struct run *const *runs, int n_runs, FILE *out, struct error *err) {
    fputs(
        "run_id,method,backbone,dataset,pretrain_seed,protocol,probe_dataset,probe_seed,top1,top5,"
        "outcome,reason,run_status,finding,metric,value,"
        "budget,achieved_epochs,achieved_images,achieved_flops,achieved_seconds\r\n",
        out);
    for (int r = 0; r < n_runs; r++)
        for (int i = 0; i < runs[r]->n_evals; i++) {
            const struct eval *e = &runs[r]->evals[i];
            for (int k = 0; k < e->n_seeds && e->top1; k++)
                put_line(out, runs[r], e, k, NULL);
            for (int k = 0; k < e->n_metrics; k++)
                put_line(out, runs[r], e, -1, &e->metrics[k]);
            if (!(e->top1 && e->n_seeds) && !e->n_metrics)
                put_line(out, runs[r], e, -1, NULL);
        }
    if (fflush(out) || ferror(out))
        return error_set(err, STATUS_MACHINE,
                         "cannot write the CSV: %s; check the free space of where it goes",
                         strerror(errno));
    return 0;
}
