/* figures_internal.h -- what the files of the figures share.
 *
 * A figure is a script, NAME.gp, that is the same whatever the data are, and NAME.dat, which holds
 * everything that it draws, in named blocks of tab-separated columns.  So a script that the user
 * has edited goes on working when runs are added.
 */
#ifndef SSV_REPORTS_FIGURES_INTERNAL_H
#define SSV_REPORTS_FIGURES_INTERNAL_H

#include "core/error.h"
#include "reports/summary_internal.h"

#include <stdio.h>

/* scripts_*.c: lines, NULL-terminated. */
extern const char *const script_style[],
    *const script_main[], *const script_loss[], *const script_roofline[], *const script_kernels[];

struct figure {
    const char *name;
    const char *const *script;
    int (*put)(const void *data, FILE *dat); /* its data as text; 0: there is nothing to draw */
};

/* FOLDER/figures/NAME.{dat,gp,svg,png,pdf} of each, and style.gp. */
int figures_draw(const struct figure *list, int n, const void *data, const char *folder,
                 struct error *err);

/* The data of a figure as text; 0 when there is nothing to draw. */
int figure_main(const struct summary *s, FILE *dat);
int figure_loss(const struct summary *s, FILE *dat);

/* A field of a .dat file: clean, without quotes, at most `columns` wide. */
char *figure_text(const char *text, int columns, struct arena *a);
/* Between ticks: 1, 2 or 5 times a power of ten, at most `ticks` of them in the range. */
double figure_step(double range, int ticks);
/* One block of one line of text for each line of a caption of `columns`. */
void figure_caption(const char *text, int columns, FILE *dat, struct arena *a);

/* Runs gnuplot on FOLDER/NAME.gp for svg, png and pdf, each to a temporary name first.  Whatever
 * gnuplot says is an error.  `blame` is the status when it does: the script may be the user's. */
int gnuplot_render(const char *folder, const char *name, int blame, struct error *err);

#endif
