/* A table of a page.  Its numbers are padded with blanks as wide as digits, so that points stand
 * below each other whatever follows; data-v is what a column is sorted by. */
#include "core/decimal.h"
#include "reports/html_internal.h"
#include "reports/listing_internal.h"
#include "reports/text_internal.h"

#include <math.h>
#include <string.h>

enum { LONG = 36 }; /* columns of a text that may break */

static void put_number(const char *text, struct listing_lead lead, struct listing_reach reach,
                       FILE *out, struct arena *a) {
    html_put_figure_spaces(reach.left - lead.whole, out);
    html_put_signs(arena_printf(a, "%.*s", lead.length, text), out);
    int right = reach.right - (lead.length - lead.whole);
    if (right && right == reach.right) {
        fputs("\xe2\x80\x88", out); /* a blank as wide as a point */
        right--;
    }
    html_put_figure_spaces(right, out);
    if (text[lead.length]) {
        fputs(" <small>", out);
        const char *rest = text + lead.length;
        rest += *rest == ' ';
        html_put_signs(rest, out);
        fputs("</small>", out);
    }
}

static const char *class_of(const struct listing *l, int c) {
    return !l->column[c].is_number ? ""
           : listing_is_wide(l, c) ? " class=\"n wide\""
                                   : " class=\"n\"";
}

static void put_cell(const struct listing *l, int r, int c, int is_first, const char *class,
                     struct listing_reach reach, FILE *out, struct arena *a) {
    const struct listing_cell *cell = listing_at(l, r, c);
    const char *text = text_clean(cell->text, a), *name = is_first ? "th scope=\"row\"" : "td";
    const struct listing_lead lead = listing_lead(text);
    fprintf(out, "<%s%s", name, class);
    if (l->column[c].is_number && isfinite(cell->value)) {
        char value[DECIMAL];
        decimal(cell->value, value);
        fprintf(out, " data-v=\"%s\"", value);
    }
    if (!l->column[c].is_number && text_width(text) > LONG)
        fputs(" class=\"long\"", out);
    fputs(cell->marked ? "><b>" : ">", out);
    if (l->column[c].is_number && lead.length)
        put_number(text, lead, reach, out, a);
    else
        html_put_signs(text, out);
    fprintf(out, "%s</%.2s>", cell->marked ? "</b>" : "", name);
}

static void put_head(const struct listing *l, const char *const *class, FILE *out) {
    fputs("<thead><tr>", out);
    for (int c = 0; c < l->n_columns; c++)
        if (listing_shows(l, c, FOR_PEOPLE)) {
            fprintf(out, "<th scope=\"col\"%s>", class[c]);
            html_put(l->column[c].title, out);
            fputs("</th>", out);
        }
    fputs("</tr></thead>\n", out);
}

static void put_notes(const struct listing *l, FILE *out) {
    const int marks = listing_has_marks(l);
    if (!marks && !l->n_notes)
        return;
    fputs("<ul class=\"notes\">\n", out);
    if (marks)
        fprintf(out, "<li><b>Bold</b>: %s.</li>\n", listing_mark(l));
    for (int i = 0; i < l->n_notes; i++) {
        fputs("<li>", out);
        html_put(l->note[i], out);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}

void listing_put_html(const struct listing *l, FILE *out) {
    struct arena a = {0};
    struct listing_reach *reach = ARENA_ARRAY(&a, struct listing_reach, l->n_columns);
    const char **class = ARENA_ARRAY(&a, const char *, l->n_columns);
    for (int c = 0; c < l->n_columns; c++) {
        reach[c] = listing_reach(l, c);
        class[c] = class_of(l, c);
    }
    fputs("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"", out);
    html_put(l->title, out);
    fputs("\"><table>\n<caption><span><b>", out);
    html_put(l->title, out);
    fputs("</b> ", out);
    html_put(l->caption, out);
    fputs("</span></caption>\n", out);
    put_head(l, class, out);
    fputs("<tbody>\n", out);
    for (int r = 0; r < l->n_rows; r++) {
        int n = 0;
        fputs("<tr>", out);
        for (int c = 0; c < l->n_columns; c++)
            if (listing_shows(l, c, FOR_PEOPLE))
                put_cell(l, r, c, !n++, class[c], reach[c], out, &a);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
    put_notes(l, out);
    arena_free(&a);
}
