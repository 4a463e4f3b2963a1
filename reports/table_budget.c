/* What each method's pretraining had of data, FLOPs and time: a comparison is of equal budgets or
 * says what was unequal. */
#include "reports/difference_internal.h"
#include "reports/summary_internal.h"
#include "reports/text_internal.h"

#include <stdio.h>
#include <string.h>

struct summary_budget summary_budget(const struct summary_row *row) {
    struct summary_budget mean = {.budget = NULL};
    for (int i = 0; i < row->n_runs; i++) {
        const struct run *r = row->run[i];
        if (!r->budget || r->achieved_images <= 0)
            continue;
        mean.budget = !mean.budget || !strcmp(mean.budget, r->budget) ? r->budget : "several";
        mean.epochs += r->achieved_epochs;
        mean.images += r->achieved_images;
        mean.flops += r->achieved_flops;
        mean.seconds += r->achieved_seconds;
        mean.n++;
    }
    double *const sums[] = {&mean.epochs, &mean.images, &mean.flops, &mean.seconds};
    for (size_t i = 0; mean.n && i < sizeof sums / sizeof *sums; i++)
        *sums[i] /= mean.n;
    return mean;
}

void print_budgets(const struct summary *s, FILE *out) {
    int label = (int)strlen("method"), budget = (int)strlen("budget"), lines = 0;
    for (int r = 0; r < s->n_rows; r++) {
        const struct summary_budget m = summary_budget(&s->row[r]);
        if (!m.n)
            continue;
        const int l = text_width(summary_label(s, &s->row[r], ", "));
        const int b = text_width(text_clean(m.budget, s->a));
        label = l > label ? l : label;
        budget = b > budget ? b : budget;
        lines++;
    }
    if (!lines)
        return;
    fprintf(out,
            "\nPretraining: the budget, and what was reached of it (mean of the runs)\n\n"
            "%-*s   %-*s %9s %11s %10s %9s\n",
            label, "method", budget, "budget", "epochs", "images", "FLOPs", "seconds");
    for (int r = 0; r < s->n_rows; r++) {
        const struct summary_budget m = summary_budget(&s->row[r]);
        if (!m.n)
            continue;
        const char *name = summary_label(s, &s->row[r], ", ");
        const char *text = text_clean(m.budget, s->a);
        fprintf(out, "%s%*s   %s%*s %9.2f %11.0f %10.3g %9.1f\n", name, label - text_width(name),
                "", text, budget - text_width(text), "", m.epochs, m.images, m.flops, m.seconds);
    }
}
