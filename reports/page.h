/* page.h -- FOLDER/index.html: one page that says what was compared, what came out of it, how
 * certain it is and where it comes from.
 *
 * The page is self-contained: figures are inline SVG, style and script are in it, nothing is asked
 * of a network.  Beside it lie FOLDER/tables/NAME.{csv,json,md,tex} of every table of
 * reports/listings.h, and FOLDER/figures, which must have been drawn before.
 */
#ifndef SSV_REPORTS_PAGE_H
#define SSV_REPORTS_PAGE_H

#include "core/arena.h"
#include "core/error.h"
#include "results/run.h"

struct page_figure {
    const char *name, *title; /* of FOLDER/figures/NAME.svg; a sentence about it */
};

struct page_input {
    struct run *const *runs; /* (n_runs), at least one */
    int n_runs;
    const struct page_figure *figure; /* (n_figures) in their order; without an SVG: left out */
    int n_figures;
    const char *const *flag; /* (n_flags) what keeps this from being one fair comparison */
    int n_flags;
    const char *const *unreadable; /* (n_unreadable) files that could not be read, and why */
    int n_unreadable;
};

/* Of every figure of runs, in the order of figure_list.c. */
const struct page_figure *page_figures(int *n, struct arena *a);
/* Every file is written atomically, the page last. */
int report_page(const struct page_input *in, const char *folder, struct error *err);

#endif
