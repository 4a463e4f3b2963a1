#include "reports/summary_internal.h"

#include "reports/text_internal.h"

#include <string.h>

/* How much a protocol's number is that of a linear classifier on frozen features. */
static int rank_of(const char *protocol) {
    static const char *const order[] = {"linear",  "logistic",         "knn",
                                        "lowshot", "finetune",         "zeroshot",
                                        "segment", "segment_finetune", "retrieval"};
    int i = 0;
    while (i < (int)(sizeof order / sizeof *order) && strcmp(order[i], protocol))
        i++;
    return i;
}

const struct eval *summary_eval(const struct summary *s, const struct run *run,
                                const struct summary_column *column) {
    if (s->same_dataset && strcmp(run->dataset, column->dataset))
        return NULL;
    for (int i = 0; i < run->n_evals; i++) {
        const struct eval *e = &run->evals[i];
        if (!strcmp(column->protocol, e->protocol) && !strcmp(column->dataset, e->dataset) &&
            (!*column->version || !strcmp(column->version, e->protocol_version)))
            return e;
    }
    return NULL;
}

static int row_has(const struct summary *s, int r, int c, int (*has)(const struct eval *e)) {
    const struct summary_cell *cell = summary_at(s, r, c);
    int there = cell->n && !has;
    for (int i = 0; has && i < cell->n && !there; i++)
        there = has(summary_eval(s, cell->run[i], &s->column[c]));
    return there;
}

static int column_has(const struct summary *s, int c, int (*has)(const struct eval *e)) {
    for (int r = 0; r < s->n_rows; r++)
        if (row_has(s, r, c, has))
            return 1;
    return 0;
}

/* Of equal protocols the later version, which stands behind. */
int summary_primary(const struct summary *s, int (*has)(const struct eval *e), int *column) {
    int n = 0;
    for (int c = 0; c < s->n_columns; c++) {
        int k = 0;
        if (!column_has(s, c, has))
            continue;
        while (k < n && strcmp(s->column[column[k]].dataset, s->column[c].dataset))
            k++;
        if (k == n)
            column[n++] = c;
        else if (rank_of(s->column[c].protocol) <= rank_of(s->column[column[k]].protocol))
            column[k] = c;
    }
    return n;
}

int summary_column_of(const struct summary *s, const char *protocol, int column) {
    int found = -1;
    for (int c = 0; c < s->n_columns; c++)
        if (!strcmp(s->column[c].protocol, protocol) &&
            !strcmp(s->column[c].dataset, s->column[column].dataset))
            found = c;
    return found;
}

int summary_best(const struct summary *s, int column, int (*has)(const struct eval *e), int most,
                 int *row, int *left_out) {
    int *there = ARENA_ARRAY(s->a, int, s->n_rows), n = 0;
    *left_out = 0;
    for (int r = 0; r < s->n_rows; r++)
        there[r] = row_has(s, r, column, has);
    for (int r = 0; r < s->n_rows; r++) {
        double mean = summary_at(s, r, column)->level.mean;
        int better = 0;
        for (int q = 0; there[r] && q < s->n_rows; q++) {
            double other = summary_at(s, q, column)->level.mean;
            better += there[q] && (other > mean || (other == mean && q > r));
        }
        if (there[r] && better < most)
            row[n++] = r;
        else
            *left_out += there[r];
    }
    return n;
}

const char *summary_letter(const struct summary *s, const struct summary_row *row) {
    int number = 0, n = 0;
    for (int r = 0; r < s->n_rows; r++)
        if (s->row[r].id == row->id) {
            number = &s->row[r] == row ? n : number;
            n++;
        }
    return n < 2                 ? ""
           : number <= 'z' - 'a' ? arena_printf(s->a, "%c", 'a' + number)
                                 : arena_printf(s->a, "%d", number + 1);
}

const char *summary_lettered_label(const struct summary *s, const struct summary_row *row) {
    const char *letter = summary_letter(s, row), *label = summary_short_label(s, row, -1, -1);
    return *letter ? arena_printf(s->a, "%s: %s", letter, label) : label;
}

const char *summary_short_label(const struct summary *s, const struct summary_row *row, int i,
                                int j) {
    const struct variant *v = row->settings;
    const size_t method = strlen(row->method);
    const char *text = row->method;
    if (s->several_backbones)
        text = arena_printf(s->a, "%s %s", text, row->backbone);
    if (s->several_datasets)
        text = arena_printf(s->a, "%s %s", text, row->dataset);
    for (int k = 0; k < v->n; k++) {
        const char *key = v->key[k];
        if (!strncmp(key, row->method, method) && key[method] == '.')
            key += method + 1;
        if (k != i && k != j)
            text = arena_printf(s->a, "%s %s=%s", text, key, v->value[k]);
    }
    return text_clean(text, s->a);
}

const char *summary_left_out(const struct summary *s, int left_out) {
    return left_out
               ? arena_printf(s->a, " The %d lowest lines of the table are left out.", left_out)
               : "";
}
