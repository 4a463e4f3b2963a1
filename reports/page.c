#include "reports/page.h"

#include "core/file.h"
#include "reports/html_internal.h"
#include "reports/listings.h"
#include "reports/page_internal.h"
#include "reports/text_internal.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_SHOWN = 200 }; /* of a table; its files have them all */

struct page {
    const struct page_input *in;
    const struct summary *s;
    const char *folder;
    struct page_svg *svg;    /* (in->n_figures) */
    struct listing **table;  /* (n_tables), as listing_sources */
    int n_tables, n_figures; /* n_figures: of those that are there */
    struct arena *a;
};

/* ---- files of tables ---- */

static const enum listing_format files[] = {LISTING_CSV, LISTING_JSON, LISTING_MARKDOWN,
                                            LISTING_LATEX};
enum { FILES = sizeof files / sizeof *files };

static int save_tables(const struct page *p, struct error *err) {
    const char *place = arena_printf(p->a, "%s/tables", p->folder);
    int status = make_folders(place, err);
    for (int i = 0; i < p->n_tables && !status; i++)
        for (int f = 0; f < FILES && !status; f++)
            status = listing_save(p->table[i], files[f],
                                  arena_printf(p->a, "%s/%s.%s", place, p->table[i]->name,
                                               listing_format_suffix(files[f])),
                                  err);
    return status;
}

/* ---- parts ---- */

static int n_methods(const struct summary *s) {
    int n = 0;
    for (int r = 0; r < s->n_rows; r++) {
        int earlier = 0;
        for (int k = 0; k < r; k++)
            earlier |= !strcmp(s->row[k].method, s->row[r].method);
        n += !earlier;
    }
    return n;
}

static void put_head(const struct page *p, FILE *out) {
    fputs("<header>\n<h1>", out);
    const int n = n_methods(p->s);
    html_put(arena_printf(p->a, "Comparison of %d method%s", n, n == 1 ? "" : "s"), out);
    if (p->s->n_rows > n)
        html_put(arena_printf(p->a, " in %d variants", p->s->n_rows), out);
    fputs("</h1>\n<p class=\"lead\">", out);
    html_put(arena_printf(p->a,
                          "%d run%s; every number on this page is computed from their run.h5.",
                          p->in->n_runs, p->in->n_runs == 1 ? "" : "s"),
             out);
    fputs("</p>\n", out);
    page_put_facts(p->in, p->s, out);
    fputs("</header>\n", out);
}

static void put_list(const char *title, const char *const *line, int n, FILE *out) {
    if (!n)
        return;
    fputs("<aside class=\"flags\">\n<h2>", out);
    html_put(title, out);
    fputs("</h2>\n<ul>\n", out);
    for (int i = 0; i < n; i++) {
        fputs("<li>", out);
        html_put(line[i], out);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n</aside>\n", out);
}

static void put_contents(const struct page *p, FILE *out) {
    fputs("<nav aria-label=\"Contents\"><ul>\n<li><a href=\"#results\">Results</a></li>\n", out);
    if (p->n_figures)
        fputs("<li><a href=\"#figures\">Figures</a></li>\n", out);
    fputs("<li><a href=\"#settings\">Budgets and settings</a></li>\n"
          "<li><a href=\"#origin\">Where it comes from</a></li>\n</ul></nav>\n",
          out);
}

static void put_links(const char *folder, const char *name, const char *const *suffixes, int n,
                      FILE *out) {
    fputs("<p class=\"links\">", out);
    for (int i = 0; i < n; i++)
        fprintf(out, "%s<a href=\"%s/%s.%s\">%s</a>", i ? " " : "", folder, name, suffixes[i],
                suffixes[i]);
    fputs("</p>\n", out);
}

static void put_figure(const struct page *p, int i, FILE *out) {
    static const char *const suffixes[] = {"svg", "pdf", "png", "gp", "dat"};
    enum { SUFFIXES = sizeof suffixes / sizeof *suffixes };
    const struct page_figure *f = &p->in->figure[i];
    const struct page_svg *svg = &p->svg[i];
    const char *there[SUFFIXES];
    int n = 0;
    for (int k = 0; k < SUFFIXES; k++)
        if (file_exists(arena_printf(p->a, "%s/figures/%s.%s", p->folder, f->name, suffixes[k])))
            there[n++] = suffixes[k];
    fprintf(out, "<figure id=\"figure-%s\"%s>\n<h3>", f->name,
            svg->is_raster ? " class=\"raster\"" : "");
    html_put(f->title, out);
    fputs("</h3>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"", out);
    html_put(f->title, out);
    fprintf(out, "\">%s</div>\n<figcaption>", svg->text);
    html_put(svg->caption, out);
    if (*svg->flags) {
        fputs("<br><strong>", out);
        html_put(svg->flags, out);
        fputs("</strong>", out);
    }
    fputs("</figcaption>\n", out);
    put_links("figures", f->name, there, n, out);
    fputs("</figure>\n", out);
}

static void put_figures(const struct page *p, FILE *out) {
    if (!p->n_figures)
        return;
    fputs("<section id=\"figures\">\n<h2>Figures</h2>\n", out);
    for (int i = 0; i < p->in->n_figures; i++)
        if (p->svg[i].text)
            put_figure(p, i, out);
    fputs("</section>\n", out);
}

/* The first rows of a long table. */
static void put_table(const struct page *p, const struct listing *l, FILE *out) {
    struct listing shown = *l;
    const char *suffixes[FILES];
    for (int f = 0; f < FILES; f++)
        suffixes[f] = listing_format_suffix(files[f]);
    if (!l->n_rows)
        return;
    fprintf(out, "<section class=\"table\" id=\"table-%s\">\n", l->name);
    if (l->n_rows > ROWS_SHOWN) {
        shown.n_rows = ROWS_SHOWN;
        listing_note(&shown,
                     arena_printf(p->a, "The first %d of %d lines: the files have them all.",
                                  ROWS_SHOWN, l->n_rows),
                     p->a);
    }
    listing_write(&shown, LISTING_HTML, out);
    put_links("tables", l->name, suffixes, FILES, out);
    fputs("</section>\n", out);
}

static void put_tables(const struct page *p, enum listing_part part, FILE *out) {
    for (int i = 0; i < p->n_tables; i++)
        if (listing_sources[i].part == part)
            put_table(p, p->table[i], out);
}

static void put_page(const struct page *p, FILE *out) {
    const char *css = "";
    for (int i = 0; i < p->in->n_figures; i++)
        if (p->svg[i].text)
            css = arena_printf(p->a, "%s%s", css, p->svg[i].css);
    html_begin("ssvbench: comparison of methods", css, out);
    put_head(p, out);
    put_list("Read with care", p->in->flag, p->in->n_flags, out);
    put_list("Files that could not be read, and are left out", p->in->unreadable,
             p->in->n_unreadable, out);
    put_contents(p, out);
    fputs("<section id=\"results\">\n<h2>Results</h2>\n", out);
    page_put_results(p->s, out);
    put_tables(p, PART_RESULTS, out);
    fputs("</section>\n", out);
    put_figures(p, out);
    fputs("<section id=\"settings\">\n<h2>Budgets and settings</h2>\n", out);
    put_tables(p, PART_SETTINGS, out);
    fputs("</section>\n<section id=\"origin\">\n<h2>Where it comes from</h2>\n", out);
    put_tables(p, PART_ORIGIN, out);
    page_put_commands(p->in, out, p->a);
    fputs("</section>\n<footer>Written by ssvbench. The figures are drawn from figures/*.dat by "
          "figures/*.gp, which may be edited; the tables are in tables/.</footer>\n",
          out);
    html_end(out);
}

static int save_page(const struct page *p, struct error *err) {
    char *text = NULL;
    size_t bytes = 0;
    const char *path = arena_printf(p->a, "%s/index.html", p->folder);
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return error_set(err, STATUS_MACHINE, "no memory for %s", path);
    put_page(p, out);
    const int failed = ferror(out);
    const int status = fclose(out) || failed
                           ? error_set(err, STATUS_MACHINE, "no memory for %s", path)
                           : file_write_atomic(path, text, bytes, err);
    free(text);
    return status;
}

int report_page(const struct page_input *in, const char *folder, struct error *err) {
    struct arena a = {0};
    int status = 0;
    const struct summary s = summary_of(in->runs, in->n_runs, &a);
    const struct listing_input tables = {in->runs, in->n_runs, &s};
    struct page p = {in,   &s, folder, ARENA_ARRAY(&a, struct page_svg, in->n_figures),
                     NULL, 0,  0,      &a};
    while (listing_sources[p.n_tables].name)
        p.n_tables++;
    p.table = ARENA_ARRAY(&a, struct listing *, p.n_tables);
    for (int i = 0; i < p.n_tables; i++)
        p.table[i] = listing_sources[i].make(&tables, &a);
    for (int i = 0; i < in->n_figures; i++) {
        p.svg[i] = page_svg_read(folder, in->figure[i].name, in->figure[i].title, &a);
        p.n_figures += p.svg[i].text != NULL;
    }
    TRY(save_tables(&p, err));
    TRY(save_page(&p, err));
out:
    arena_free(&a);
    return status;
}
