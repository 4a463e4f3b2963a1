/* page_internal.h -- what the files of the page share. */
#ifndef SSV_REPORTS_PAGE_INTERNAL_H
#define SSV_REPORTS_PAGE_INTERNAL_H

#include "core/arena.h"
#include "reports/page.h"
#include "reports/summary_internal.h"

#include <stdint.h>
#include <stdio.h>

/* ---- page_svg.c: gnuplot's SVG as a part of a page ---- */

struct page_svg {
    const char *text;    /* an svg element: names unique, colours by variables; NULL: unusable */
    const char *css;     /* its colours, in the light and in the dark scheme */
    const char *caption; /* what stood below the figure, for the page to say; "" */
    const char *flags;   /* the same of what must be read with care; "" */
    int is_raster;       /* has images, and keeps its white paper */
};

/* FOLDER/figures/NAME.svg with the caption of NAME.dat; `label` is for those who do not see it. */
struct page_svg page_svg_read(const char *folder, const char *name, const char *label,
                              struct arena *a);

/* ---- page_colour.c ---- */

/* 0xRRGGBB of "rgb( 34, 34, 34)", "#222222" and the few names that gnuplot writes; -1: another. */
int32_t colour_parse(const char *text, size_t n);
/* The same in the dark scheme: black and white change places, hues stay.  of_marks: of points and
 * lines, which must stand out; otherwise of areas, where lighter must stay on one side of darker.
 */
uint32_t colour_dark(uint32_t colour, int of_marks);

/* ---- page_facts.c ---- */

/* What was compared, on what, with which budget and seeds. */
void page_put_facts(const struct page_input *in, const struct summary *s, FILE *out);
/* What was typed, as a shell takes it. */
void page_put_commands(const struct page_input *in, FILE *out, struct arena *a);

/* ---- page_results.c ---- */

/* "Results": a sentence for each protocol about the best method, from its interval and that of its
 * difference to random. */
void page_put_results(const struct summary *s, FILE *out);

#endif
