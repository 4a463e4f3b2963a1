#include "reports/listing_internal.h"

#include "core/decimal.h"
#include "core/file.h"
#include "reports/html_internal.h"
#include "reports/text_internal.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *suffix;
    void (*put)(const struct listing *l, FILE *out);
} formats[LISTING_FORMATS] = {
    [LISTING_TEXT] = {"text", "txt", listing_put_text},
    [LISTING_CSV] = {"csv", "csv", listing_put_csv},
    [LISTING_JSON] = {"json", "json", listing_put_json},
    [LISTING_MARKDOWN] = {"markdown", "md", listing_put_markdown},
    [LISTING_LATEX] = {"latex", "tex", listing_put_latex},
    [LISTING_HTML] = {"html", "html", listing_put_html},
};

const char *listing_format_name(enum listing_format f) {
    return formats[f].name;
}

const char *listing_format_suffix(enum listing_format f) {
    return formats[f].suffix;
}

int listing_format_find(const char *name) {
    for (int f = 0; f < LISTING_FORMATS; f++)
        if (!strcmp(name, formats[f].name) || !strcmp(name, formats[f].suffix))
            return f;
    return -1;
}

/* ---- making one ---- */

struct listing *listing_new(const char *name, const char *title, const char *caption,
                            const struct listing_column *columns, int n_columns, int n_rows,
                            struct arena *a) {
    struct listing *l = ARENA_NEW(a, struct listing);
    *l = (struct listing){.name = name,
                          .title = title,
                          .caption = caption,
                          .n_columns = n_columns,
                          .n_rows = n_rows,
                          .column = ARENA_ARRAY(a, struct listing_column, n_columns),
                          .cell = ARENA_ARRAY(a, struct listing_cell, n_rows * n_columns)};
    memcpy(l->column, columns, sizeof *columns * (size_t)n_columns);
    for (int i = 0; i < n_rows * n_columns; i++)
        l->cell[i] = (struct listing_cell){"", NAN, 0};
    return l;
}

const char *listing_mark(const struct listing *l) {
    return l->mark ? l->mark : "cannot be told from the best of its column";
}

struct listing_cell *listing_at(const struct listing *l, int row, int column) {
    CHECK(row >= 0 && row < l->n_rows && column >= 0 && column < l->n_columns,
          "table %s has no cell %d, %d", l->name, row, column);
    return &l->cell[row * l->n_columns + column];
}

void listing_set_text(struct listing *l, int row, int column, const char *text) {
    listing_at(l, row, column)->text = text ? text : "";
}

void listing_set_number(struct listing *l, int row, int column, double value, const char *text,
                        struct arena *a) {
    char shortest[DECIMAL] = "";
    if (!text && isfinite(value))
        decimal(value, shortest);
    *listing_at(l, row, column) =
        (struct listing_cell){text ? text : arena_strdup(a, shortest), value, 0};
}

void listing_note(struct listing *l, const char *text, struct arena *a) {
    for (int i = 0; i < l->n_notes; i++)
        if (!strcmp(l->note[i], text))
            return;
    const char **more = ARENA_ARRAY(a, const char *, l->n_notes + 1);
    if (l->n_notes)
        memcpy(more, l->note, sizeof *more * (size_t)l->n_notes);
    more[l->n_notes++] = text;
    l->note = more;
}

void listing_hide_empty(struct listing *l) {
    for (int c = 1; c < l->n_columns; c++) {
        int r = 0;
        while (r < l->n_rows && !*listing_at(l, r, c)->text)
            r++;
        if (r == l->n_rows && l->column[c].audience == FOR_ALL)
            l->column[c].audience = FOR_PROGRAMS;
    }
}

/* ---- what the formats share ---- */

int listing_shows(const struct listing *l, int column, enum listing_audience reader) {
    return l->column[column].audience == FOR_ALL || l->column[column].audience == reader;
}

int *listing_marks(const struct listing *l, struct arena *a) {
    int *marks = ARENA_ARRAY(a, int, l->n_columns);
    for (int i = 0; i < l->n_rows * l->n_columns; i++)
        marks[i % l->n_columns] |= l->cell[i].marked;
    return marks;
}

int listing_has_marks(const struct listing *l) {
    for (int i = 0; i < l->n_rows * l->n_columns; i++)
        if (l->cell[i].marked && listing_shows(l, i % l->n_columns, FOR_PEOPLE))
            return 1;
    return 0;
}

struct listing_lead listing_lead(const char *text) {
    const char *c = text + (*text == '+' || *text == '-');
    struct listing_lead lead = {0, 0};
    if (!isdigit((unsigned char)*c))
        return lead;
    c += strspn(c, "0123456789");
    lead.whole = (int)(c - text);
    if (*c == '.')
        c += 1 + strspn(c + 1, "0123456789");
    if ((*c == 'e' || *c == 'E') && isdigit((unsigned char)c[1 + (c[1] == '+' || c[1] == '-')]))
        c += 2 + strspn(c + 2, "0123456789");
    if (*c && *c != ' ' && *c != '*' && *c != '%')
        return (struct listing_lead){0, 0}; /* "12abc" is a name */
    lead.length = (int)(c - text);
    return lead;
}

struct listing_reach listing_reach(const struct listing *l, int column) {
    struct listing_reach reach = {0, 0};
    for (int r = 0; l->column[column].is_number && r < l->n_rows; r++) {
        const struct listing_lead lead = listing_lead(listing_at(l, r, column)->text);
        if (lead.whole > reach.left)
            reach.left = lead.whole;
        if (lead.length - lead.whole > reach.right)
            reach.right = lead.length - lead.whole;
    }
    return reach;
}

int listing_is_wide(const struct listing *l, int column) {
    for (int r = 0; l->column[column].is_number && r < l->n_rows; r++) {
        const char *text = listing_at(l, r, column)->text;
        const int length = listing_lead(text).length;
        if (length && text[length])
            return 1;
    }
    return 0;
}

int listing_is_minus(const char *text, size_t i) {
    return text[i] == '-' && isdigit((unsigned char)text[i + 1]) &&
           (!i || strchr(" [(,", text[i - 1]));
}

/* ---- writing ---- */

void listing_write(const struct listing *l, enum listing_format f, FILE *out) {
    struct listing whole = *l;
    whole.title = l->title ? l->title : "";
    whole.caption = l->caption ? l->caption : "";
    formats[f].put(&whole, out);
}

int listing_save(const struct listing *l, enum listing_format f, const char *path,
                 struct error *err) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return error_set(err, STATUS_MACHINE, "no memory for %s", path);
    if (f == LISTING_HTML)
        html_begin(l->title, NULL, out);
    listing_write(l, f, out);
    if (f == LISTING_HTML)
        html_end(out);
    int failed = ferror(out);
    int status = fclose(out) || failed ? error_set(err, STATUS_MACHINE, "no memory for %s", path)
                                       : file_write_atomic(path, text, bytes, err);
    free(text);
    return status;
}
