/* A table as GitHub reads it.  What Markdown or HTML could take for its own is escaped. */
#include "reports/listing_internal.h"
#include "reports/text_internal.h"

#include <string.h>

static void put(const char *text, FILE *out, struct arena *a) {
    for (const char *c = text_clean(text, a); *c; c++) {
        if (strchr("\\`*_{}[]<>|#~$&!", *c))
            fputc('\\', out);
        fputc(*c, out);
    }
}

static void put_row(const struct listing *l, int r, FILE *out, struct arena *a) {
    fputc('|', out);
    for (int c = 0; c < l->n_columns; c++) {
        if (!listing_shows(l, c, FOR_PEOPLE))
            continue;
        const char *bold = r >= 0 && listing_at(l, r, c)->marked ? "**" : "";
        fprintf(out, " %s", bold);
        put(r < 0 ? l->column[c].title : listing_at(l, r, c)->text, out, a);
        fprintf(out, "%s |", bold);
    }
    fputc('\n', out);
}

void listing_put_markdown(const struct listing *l, FILE *out) {
    struct arena a = {0};
    fputs("**", out);
    put(l->title, out, &a);
    fputs(".** ", out);
    put(l->caption, out, &a);
    fputs("\n\n", out);
    put_row(l, -1, out, &a);
    fputc('|', out);
    for (int c = 0; c < l->n_columns; c++)
        if (listing_shows(l, c, FOR_PEOPLE))
            fputs(l->column[c].is_number && !listing_is_wide(l, c) ? " ---: |" : " --- |", out);
    fputc('\n', out);
    for (int r = 0; r < l->n_rows; r++)
        put_row(l, r, out, &a);
    if (listing_has_marks(l))
        fprintf(out, "\nBold: %s.\n", listing_mark(l));
    for (int i = 0; i < l->n_notes; i++) {
        fputc('\n', out);
        put(l->note[i], out, &a);
        fputc('\n', out);
    }
    arena_free(&a);
}
