/* What each method's pretraining had of data, FLOPs and time: a comparison is of equal budgets or
 * says what was unequal. */
#include "reports/summary_internal.h"
#include "reports/text_internal.h"

#include <stdio.h>
#include <string.h>

struct reached {
    const char *budget; /* "several" where runs differ */
    double epochs, images, flops, seconds;
    int n;
};

static struct reached reached_of(const struct summary_row *row) {
    struct reached sum = {.budget = NULL};
    for (int i = 0; i < row->n_runs; i++) {
        const struct run *r = row->run[i];
        if (!r->budget || r->achieved_images <= 0)
            continue;
        sum.budget = !sum.budget || !strcmp(sum.budget, r->budget) ? r->budget : "several";
        sum.epochs += r->achieved_epochs;
        sum.images += r->achieved_images;
        sum.flops += r->achieved_flops;
        sum.seconds += r->achieved_seconds;
        sum.n++;
    }
    return sum;
}

void print_budgets(const struct summary *s, FILE *out) {
    int label = (int)strlen("method"), budget = (int)strlen("budget"), lines = 0;
    for (int r = 0; r < s->n_rows; r++) {
        const struct reached m = reached_of(&s->row[r]);
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
        const struct reached m = reached_of(&s->row[r]);
        if (!m.n)
            continue;
        const char *name = summary_label(s, &s->row[r], ", ");
        const char *text = text_clean(m.budget, s->a);
        fprintf(out, "%s%*s   %s%*s %9.2f %11.0f %10.3g %9.1f\n", name, label - text_width(name),
                "", text, budget - text_width(text), "", m.epochs / m.n, m.images / m.n,
                m.flops / m.n, m.seconds / m.n);
    }
}
