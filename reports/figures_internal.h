/* figures_internal.h -- what the files of the figures share.
 *
 * A figure is a script, NAME.gp, that is the same whatever the data are, and NAME.dat, which holds
 * everything that it draws, in named blocks of tab-separated columns.  So a script that the user
 * has edited goes on working when runs are added.
 *
 * A figure of runs is a line in figure_list.c, figure_NAME.c with its data and a script.  Most are
 * panels of points and curves (reports/panels_internal.h), whose scripts share their lines.
 */
#ifndef SSV_REPORTS_FIGURES_INTERNAL_H
#define SSV_REPORTS_FIGURES_INTERNAL_H

#include "core/error.h"
#include "reports/flags.h"
#include "reports/report.h"
#include "reports/summary_internal.h"

#include <stdio.h>

/* scripts_*.c: lines, NULL-terminated. */
extern const char *const script_style[],
    *const script_main[],
        *const script_roofline[],
            *const script_kernels[],
                *const script_loss[],
                    *const script_gradients[],
                        *const script_collapse[],
                            *const script_budget[],
                                *const script_layers[],
                                    *const script_lowshot[],
                                        *const script_transfer[],
                                            *const script_zeroshot[],
                                                *const script_variants[],
                                                    *const script_confusion[],
                                                        *const script_pairs[],
                                                            *const script_classes[],
                                                                *const script_reconstructions[],
                                                                    *const script_attention[],
                                                                        *const script_segmentation[],
                                                                            *const script_similarity[],
                                                                                *const script_pca[],
                                                                                    *const
                                                                                        script_tsne
                                                                                            [];

struct figure {
    const char *name;
    const char *title; /* a sentence for the page */
    const char *const *script;
    int (*put)(const void *data, FILE *dat); /* its data as text; 0: there is nothing to draw */
    const char *needs;                       /* what has to be there for it */
};

/* What a figure of runs is made from: the `data` of its put function. */
struct report_input {
    struct run *const *runs; /* (n_runs) */
    int n_runs;
    const struct summary *summary;        /* its arena is for whatever a figure needs */
    const struct report_options *options; /* no member is NULL */
    const struct report_flag *flag;       /* (n_flags) */
    int n_flags;
    struct gallery *gallery; /* the runs' samples.h5, read when a figure asks for them */
};

/* figure_list.c: every figure of runs; the last one's name is NULL. */
extern const struct figure figure_list[];
/* The number of listed figures, of which wanted (FIGURES_MOST) are those that `only` names, or all
 * where it names none.  Status 2 with the nearest and all names. */
enum { FIGURES_MOST = 64 };
int figures_choose(const char *only, int *wanted, int *n, struct error *err);

/* "svg,pdf", or "" for all, as names of formats; status 2: there is no such format. */
enum { FIGURE_FORMATS = 3 };
int figure_formats(const char *text, const char *formats[FIGURE_FORMATS], int *n,
                   struct error *err);

struct drawing {
    const char *folder; /* figures go into FOLDER/figures */
    const char *format; /* "svg,png,pdf"; "": these */
    const int *wanted;  /* (n); NULL: all */
    int named;          /* whoever wants them named them: nothing to draw is status 1 */
};

/* FOLDER/figures/NAME.{dat,gp,svg,png,pdf} of each, and style.gp. */
int figures_draw(const struct figure *list, int n, const void *data, const struct drawing *d,
                 struct error *err);

/* figure_NAME.c; input: struct report_input. */
int figure_main(const void *input, FILE *dat);
int figure_loss(const void *input, FILE *dat);
int figure_gradients(const void *input, FILE *dat);
int figure_collapse(const void *input, FILE *dat);
int figure_budget(const void *input, FILE *dat);
int figure_layers(const void *input, FILE *dat);
int figure_lowshot(const void *input, FILE *dat);
int figure_transfer(const void *input, FILE *dat);
int figure_zeroshot(const void *input, FILE *dat);
int figure_variants(const void *input, FILE *dat);
int figure_pairs(const void *input, FILE *dat);
int figure_confusion(const void *input, FILE *dat);
int figure_classes(const void *input, FILE *dat);
/* The same, from the runs' samples.h5 (reports/gallery_internal.h). */
int figure_reconstructions(const void *input, FILE *dat);
int figure_attention(const void *input, FILE *dat);
int figure_segmentation(const void *input, FILE *dat);
int figure_similarity(const void *input, FILE *dat);
int figure_pca(const void *input, FILE *dat);
int figure_tsne(const void *input, FILE *dat);
/* Whether `pair` names two methods that there are: status 2 with the nearest and all of them. */
int figure_classes_check(const struct summary *s, const char *pair, struct error *err);

/* A field of a .dat file: clean, without quotes, at most `columns` wide. */
char *figure_text(const char *text, int columns, struct arena *a);
/* Between ticks: 1, 2 or 5 times a power of ten, at most `ticks` of them in the range. */
double figure_step(double range, int ticks);
/* One block of one line of text for each line of a caption of `columns`. */
void figure_caption(const char *text, int columns, FILE *dat, struct arena *a);
/* The same of a figure of runs; behind the text stand the flags of which the kind is among `kinds`,
 * on lines whose third column is 1. */
void figure_caption_flagged(const struct report_input *in, const char *text, unsigned kinds,
                            FILE *dat);
/* The first lines of a .dat file. */
void figure_head(const char *name, FILE *dat);

/* gnuplot.c: an image that is to be drawn. */
struct rendering {
    const char *name, *format;
    int blame; /* the status when gnuplot complains: the script may be the user's */
};

/* Runs gnuplot on FOLDER/NAME.gp of each, as many at a time as there are processors, each to a
 * temporary name first.  Whatever gnuplot says is an error; the first one is *err, others are
 * logged, and what can be drawn is.  done (n): whether it was. */
int gnuplot_render(const char *folder, const struct rendering *list, int n, int *done,
                   struct error *err);

/* fresh.c: which images are those of the present data and scripts, by the hashes that
 * FOLDER/.rendered keeps. */
struct fresh {
    struct arena arena;
    const char *folder;
    struct fresh_image *image;
    int n, room;
};
/* What is not there or not readable is drawn again. */
void fresh_open(struct fresh *f, const char *folder);
int fresh_is(const struct fresh *f, const char *name, const char *format);
void fresh_add(struct fresh *f, const char *name, const char *format);
int fresh_close(struct fresh *f, struct error *err); /* writes the file when something was added */

#endif
