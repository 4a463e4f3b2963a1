/* A table for papers, with booktabs; the file is for \input and needs UTF-8, LaTeX's default. */
#include "reports/listing_internal.h"
#include "reports/text_internal.h"

#include <string.h>

enum { ROWS_OF_A_PAGE = 45 };

/* Bytes that LaTeX takes for its own, and signs that its fonts have by other names. */
static const struct {
    const char *sign, *latex;
} signs[] = {
    {"\\", "\\textbackslash{}"},
    {"{", "\\{"},
    {"}", "\\}"},
    {"$", "\\$"},
    {"&", "\\&"},
    {"#", "\\#"},
    {"%", "\\%"},
    {"_", "\\_"},
    {"^", "\\textasciicircum{}"},
    {"~", "\\textasciitilde{}"},
    {"<", "\\textless{}"},
    {">", "\\textgreater{}"},
    {"|", "\\textbar{}"},
    {"\"", "''"},
    {"`", "\\textasciigrave{}"},
    {"\xc2\xb1", "$\\pm$"},
    {"\xc3\x97", "$\\times$"},
    {"\xe2\x88\x92", "$-$"},
    {"\xe2\x86\x92", "$\\rightarrow$"},
    {"\xe2\x86\x90", "$\\leftarrow$"},
    {"\xe2\x89\xa4", "$\\leq$"},
    {"\xe2\x89\xa5", "$\\geq$"},
};

static size_t put_sign(const char *text, FILE *out) {
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t n = strlen(signs[i].sign);
        if (!strncmp(text, signs[i].sign, n)) {
            fputs(signs[i].latex, out);
            return n;
        }
    }
    fputc(*text, out);
    return 1;
}

/* Clean text; brackets in braces, since one that follows \\ is an argument. */
static void put_part(const char *text, size_t from, size_t to, FILE *out) {
    for (size_t i = from; i < to;) {
        if (listing_is_minus(text, i)) {
            fputs("$-$", out);
            i++;
        } else if (text[i] == '[' || text[i] == ']') {
            fprintf(out, "{%c}", text[i++]);
        } else if (text[i] == '"' && (!i || strchr(" (", text[i - 1]))) {
            fputs("``", out);
            i++;
        } else if (text[i] == '-' && i && text[i - 1] == '-') {
            fputs("{}-", out); /* two are two, not a dash */
            i++;
        } else {
            i += put_sign(text + i, out);
        }
    }
}

static void put(const char *text, FILE *out, struct arena *a) {
    const char *clean = text_clean(text, a);
    put_part(clean, 0, strlen(clean), out);
}

static void put_phantoms(const char *what, int n, FILE *out) {
    if (n > 0)
        fputs("\\phantom{", out);
    for (int i = 0; i < n; i++)
        fputs(what, out);
    if (n > 0)
        fputc('}', out);
}

/* Numbers of a column end at the same place, whatever follows them. */
static void put_cell(const struct listing *l, int r, int c, struct listing_reach reach, FILE *out,
                     struct arena *a) {
    const struct listing_cell *cell = listing_at(l, r, c);
    const char *text = text_clean(cell->text, a);
    const struct listing_lead lead = listing_lead(text);
    const size_t n = strlen(text), first = (size_t)lead.length;
    if (!l->column[c].is_number || !lead.length) {
        fputs(cell->marked ? "\\textbf{" : "", out);
        put_part(text, 0, n, out);
        fputs(cell->marked ? "}" : "", out);
        return;
    }
    const int right = reach.right - (lead.length - lead.whole);
    put_phantoms("0", reach.left - lead.whole, out);
    fputs(cell->marked ? "\\textbf{" : "", out);
    put_part(text, 0, first, out);
    fputs(cell->marked ? "}" : "", out);
    if (right == reach.right && right)
        put_phantoms(".", 1, out);
    put_phantoms("0", right == reach.right ? right - 1 : right, out);
    if (text[first]) {
        fputs(" {\\small ", out);
        put_part(text, first + (text[first] == ' '), n, out);
        fputc('}', out);
    }
}

static void put_row(const struct listing *l, int r, const struct listing_reach *reach, FILE *out,
                    struct arena *a) {
    int n = 0;
    for (int c = 0; c < l->n_columns; c++) {
        if (!listing_shows(l, c, FOR_PEOPLE))
            continue;
        fputs(n++ ? " & " : "", out);
        if (r < 0)
            put(l->column[c].title, out, a);
        else
            put_cell(l, r, c, reach[c], out, a);
    }
    fputs(" \\\\\n", out);
}

static void put_columns(const struct listing *l, FILE *out) {
    for (int c = 0; c < l->n_columns; c++)
        if (listing_shows(l, c, FOR_PEOPLE))
            fputc(l->column[c].is_number && !listing_is_wide(l, c) ? 'r' : 'l', out);
}

static void put_caption(const struct listing *l, FILE *out, struct arena *a) {
    fputs("\\caption{", out);
    put(l->title, out, a);
    fputs(*l->caption ? ". " : "", out);
    put(l->caption, out, a);
    if (listing_has_marks(l))
        fprintf(out, " Bold: %s.", listing_mark(l));
    fprintf(out, "}\n\\label{tab:%s}\n", l->name);
}

static void put_notes(const struct listing *l, FILE *out, struct arena *a) {
    for (int i = 0; i < l->n_notes; i++) {
        fputs("\n\\par\\smallskip{\\footnotesize ", out);
        put(l->note[i], out, a);
        fputs("\\par}\n", out);
    }
}

void listing_put_latex(const struct listing *l, FILE *out) {
    struct arena a = {0};
    struct listing_reach *reach = ARENA_ARRAY(&a, struct listing_reach, l->n_columns);
    const int is_long = l->n_rows > ROWS_OF_A_PAGE;
    for (int c = 0; c < l->n_columns; c++)
        reach[c] = listing_reach(l, c);
    fprintf(out, "%% \\usepackage{booktabs%s}\n\\begin{%s}", is_long ? ",longtable" : "",
            is_long ? "longtable" : "table");
    if (is_long) {
        fputc('{', out);
        put_columns(l, out);
        fputs("}\n", out);
        put_caption(l, out, &a);
        fputs("\\\\\n", out);
    } else {
        fputs("[tbp]\n\\centering\n", out);
        put_caption(l, out, &a);
        fputs("\\begin{tabular}{", out);
        put_columns(l, out);
        fputs("}\n", out);
    }
    fputs("\\toprule\n", out);
    put_row(l, -1, reach, out, &a);
    fputs(is_long ? "\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n" : "\\midrule\n", out);
    for (int r = 0; r < l->n_rows; r++)
        put_row(l, r, reach, out, &a);
    fputs(is_long ? "\\end{longtable}\n" : "\\bottomrule\n\\end{tabular}\n", out);
    put_notes(l, out, &a);
    fputs(is_long ? "" : "\\end{table}\n", out);
    arena_free(&a);
}
