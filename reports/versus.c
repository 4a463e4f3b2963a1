#include "reports/versus.h"

#include "core/file.h"
#include "core/options.h"
#include "reports/listing.h"
#include "reports/text_internal.h"
#include "reports/versus_internal.h"

#include <string.h>

const struct summary_cell *versus_cell(const struct contestant *c, int column) {
    static const struct summary_cell nothing = {.n = 0};
    return column < 0 ? &nothing : summary_at(c->s, c->row, column);
}

const char *versus_task(const struct versus *v, int i) {
    const struct versus_column *c = &v->column[i];
    return c->a >= 0 ? summary_column_label(v->a.s, &v->a.s->column[c->a], " ")
                     : summary_column_label(v->b.s, &v->b.s->column[c->b], " ");
}

const struct eval *versus_eval(const struct contestant *c, int column, const struct run *run) {
    const struct summary_column *place = &c->s->column[column];
    for (int i = 0; i < run->n_evals; i++)
        if (!strcmp(run->evals[i].protocol, place->protocol) &&
            !strcmp(run->evals[i].dataset, place->dataset) &&
            (!*place->version || !strcmp(run->evals[i].protocol_version, place->version)))
            return &run->evals[i];
    return NULL;
}

/* ---- which rows ---- */

struct rows {
    int n, *row;
};

static struct rows rows_of(const struct summary *s, const char *method) {
    struct rows rows = {0, ARENA_ARRAY(s->a, int, s->n_rows)};
    for (int r = 0; r < s->n_rows; r++)
        if (!method || !strcmp(method, s->row[r].method) ||
            !strcmp(method, summary_label(s, &s->row[r], ", ")))
            rows.row[rows.n++] = r;
    return rows;
}

static int no_method(const struct summary *s, const char *name, struct error *err) {
    const char **names = ARENA_ARRAY(s->a, const char *, s->n_rows), *list = "";
    int n = 0;
    for (int r = 0; r < s->n_rows; r++) {
        const char *label = summary_label(s, &s->row[r], ", ");
        int known = 0;
        for (int i = 0; i < n; i++)
            known |= !strcmp(names[i], s->row[r].method);
        if (!known)
            names[n++] = s->row[r].method;
        list = arena_printf(s->a, "%s%s\"%s\"", list, r ? ", " : "", label);
    }
    const char *near = nearest_name(name, names, n);
    return error_set(err, STATUS_USAGE,
                     "no run of a method \"%s\", and no such file%s%s%s; there are: %.600s", name,
                     near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "", list);
}

static int same_setting(const struct summary_row *a, const struct summary_row *b) {
    return !strcmp(a->backbone, b->backbone) && !strcmp(a->dataset, b->dataset);
}

/* ---- one pair ---- */

/* -1: there is none like it. */
static int column_like(const struct summary_column *c, const struct summary *s) {
    for (int k = 0; k < s->n_columns; k++)
        if (!strcmp(c->protocol, s->column[k].protocol) &&
            !strcmp(c->dataset, s->column[k].dataset) && !strcmp(c->metric, s->column[k].metric) &&
            !strcmp(c->version, s->column[k].version))
            return k;
    return -1;
}

/* Those in which either has a value: A's in their order, then those that B alone has. */
static void find_columns(struct versus *v) {
    const struct summary *a = v->a.s, *b = v->b.s;
    v->column = ARENA_ARRAY(v->arena, struct versus_column, a->n_columns + b->n_columns);
    for (int i = 0; i < a->n_columns; i++) {
        int k = column_like(&a->column[i], b);
        if (versus_cell(&v->a, i)->n || versus_cell(&v->b, k)->n)
            v->column[v->n++] = (struct versus_column){i, k};
    }
    for (int k = 0; k < b->n_columns; k++)
        if (column_like(&b->column[k], a) < 0 && versus_cell(&v->b, k)->n)
            v->column[v->n++] = (struct versus_column){-1, k};
}

static struct versus versus_new(const struct summary *sa, int ra, const struct summary *sb, int rb,
                                double margin) {
    struct versus v = {.a = {sa, ra, summary_label(sa, &sa->row[ra], ", ")},
                       .b = {sb, rb, summary_label(sb, &sb->row[rb], ", ")},
                       .arena = sa->a,
                       .margin = margin};
    find_columns(&v);
    return v;
}

static void print_pair(const struct versus *v, FILE *out) {
    const struct listing seeds = versus_seeds(v), images = versus_images(v);
    listing_write(&seeds, LISTING_TEXT, out);
    fputc('\n', out);
    if (images.n_rows || images.n_notes)
        listing_write(&images, LISTING_TEXT, out);
    else
        fputs("No task has predictions of both for the same images.\n", out);
}

/* Rows of two folders belong together when they say the same, or when there is one of each. */
static int belong(const struct summary *sa, int ra, const struct summary *sb, int rb) {
    const struct summary_row *a = &sa->row[ra], *b = &sb->row[rb];
    if (sa->n_rows == 1 && sb->n_rows == 1)
        return 1;
    return !strcmp(a->method, b->method) && !strcmp(a->backbone, b->backbone) &&
           !strcmp(a->run[0]->dataset, b->run[0]->dataset) && !strcmp(a->variant, b->variant);
}

static int compare_folders(const struct versus_side *a, const struct versus_side *b, double margin,
                           struct arena *arena, FILE *out, struct error *err) {
    const struct summary sa = summary_of(a->runs, a->n_runs, arena);
    const struct summary sb = summary_of(b->runs, b->n_runs, arena);
    int pairs = 0;
    for (int i = 0; i < sa.n_rows; i++)
        for (int k = 0; k < sb.n_rows; k++) {
            if (!belong(&sa, i, &sb, k))
                continue;
            struct versus v = versus_new(&sa, i, &sb, k, margin);
            v.a.label = text_clean(arena_printf(arena, "%s (%s)", v.a.label, a->name), arena);
            v.b.label = text_clean(arena_printf(arena, "%s (%s)", v.b.label, b->name), arena);
            fputs(pairs++ ? "\n\n" : "", out);
            print_pair(&v, out);
        }
    if (!pairs)
        return error_set(err, STATUS_USAGE,
                         "%s and %s have no method with the same backbone, data and settings in "
                         "common: give folders of single runs, or two methods and a folder",
                         a->name, b->name);
    return 0;
}

static int compare_methods(const struct versus_side *a, const struct versus_side *b, double margin,
                           struct arena *arena, FILE *out, struct error *err) {
    const struct summary s = summary_of(a->runs, a->n_runs, arena);
    const struct rows left = rows_of(&s, a->method), right = rows_of(&s, b->method);
    int pairs = 0;
    if (!left.n || !right.n)
        return no_method(&s, left.n ? b->method : a->method, err);
    if (left.n == 1 && right.n == 1 && left.row[0] == right.row[0])
        return error_set(err, STATUS_USAGE, "A and B are the same: %s",
                         summary_label(&s, &s.row[left.row[0]], ", "));
    for (int i = 0; i < left.n; i++)
        for (int k = 0; k < right.n; k++) {
            const struct summary_row *x = &s.row[left.row[i]], *y = &s.row[right.row[k]];
            int named = left.n == 1 && right.n == 1;
            if (x == y || (!named && !same_setting(x, y)))
                continue;
            const struct versus v = versus_new(&s, left.row[i], &s, right.row[k], margin);
            fputs(pairs++ ? "\n\n" : "", out);
            print_pair(&v, out);
        }
    if (!pairs)
        return error_set(err, STATUS_USAGE,
                         "no run of %s has the backbone and data of one of %s: name rows of the "
                         "table, \"method, backbone\"",
                         a->method, b->method);
    return 0;
}

int report_versus(const struct versus_side *a, const struct versus_side *b, double margin,
                  FILE *out, struct error *err) {
    struct arena arena = {0};
    int status = a->method ? compare_methods(a, b, margin, &arena, out, err)
                           : compare_folders(a, b, margin, &arena, out, err);
    arena_free(&arena);
    return status ? status : stream_written(out, "the comparison", err);
}
