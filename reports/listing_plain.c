/* A table for a terminal. */
#include "reports/listing_internal.h"
#include "reports/text_internal.h"

#include <string.h>

enum { WRAPPED = 96 };

struct layout {
    const struct listing *l;
    struct listing_reach *reach; /* (n_columns) */
    int *wide;                   /* (n_columns) */
    int *marks;                  /* (n_columns) does a column have some? */
    struct arena *a;
};

static void pad(int columns, FILE *out) {
    fprintf(out, "%*s", columns > 0 ? columns : 0, "");
}

/* The cell with its number moved so that points stand below each other, "=" before a marked one. */
static char *cell_text(const struct layout *y, int r, int c) {
    const struct listing_cell *cell = listing_at(y->l, r, c);
    const char *text = text_clean(cell->text, y->a);
    const struct listing_lead lead = listing_lead(text);
    const char *mark = !y->marks[c] ? "" : cell->marked ? "=" : " ";
    if (!y->l->column[c].is_number || !lead.length)
        return arena_printf(y->a, "%s%s", mark, text);
    int right = y->reach[c].right - (lead.length - lead.whole);
    return arena_printf(y->a, "%*s%s%.*s%*s%s", y->reach[c].left - lead.whole, "", mark,
                        lead.length, text, right, "", text + lead.length);
}

static struct layout layout_of(const struct listing *l, struct arena *a) {
    struct layout y = {l, ARENA_ARRAY(a, struct listing_reach, l->n_columns),
                       ARENA_ARRAY(a, int, l->n_columns), listing_marks(l, a), a};
    for (int c = 0; c < l->n_columns; c++) {
        y.reach[c] = listing_reach(l, c);
        y.wide[c] = text_width(text_clean(l->column[c].title, a));
        for (int r = 0; r < l->n_rows; r++) {
            int w = text_width(cell_text(&y, r, c));
            y.wide[c] = w > y.wide[c] ? w : y.wide[c];
        }
    }
    return y;
}

/* Row -1 is the head.  Lines have no blanks at their ends. */
static void put_row(const struct layout *y, int r, FILE *out) {
    int owed = 0, n = 0;
    for (int c = 0; c < y->l->n_columns; c++) {
        if (!listing_shows(y->l, c, FOR_PEOPLE))
            continue;
        char *text = r < 0 ? text_clean(y->l->column[c].title, y->a) : cell_text(y, r, c);
        size_t used = strlen(text);
        while (used && text[used - 1] == ' ')
            text[--used] = '\0';
        owed += n++ ? 3 : 0;
        if (used) {
            pad(owed, out);
            fputs(text, out);
            owed = 0;
        }
        owed += y->wide[c] - text_width(text);
    }
    fputc('\n', out);
}

void listing_put_text(const struct listing *l, FILE *out) {
    struct arena a = {0};
    const struct layout y = layout_of(l, &a);
    if (*l->title)
        fprintf(out, "%s\n", text_clean(l->title, &a));
    if (*l->caption)
        fprintf(out, "%s\n", text_wrap(text_clean(l->caption, &a), WRAPPED, &a));
    if (*l->title || *l->caption)
        fputc('\n', out);
    for (int r = -1; r < l->n_rows; r++)
        put_row(&y, r, out);
    int marks = listing_has_marks(l);
    if (marks || l->n_notes)
        fputc('\n', out);
    if (marks)
        fprintf(out, "= %s\n", listing_mark(l));
    for (int i = 0; i < l->n_notes; i++)
        fprintf(out, "%s\n", text_clean(l->note[i], &a));
    arena_free(&a);
}
