/* gallery_internal.h -- the samples.h5 of the runs that figures of pictures are about.
 *
 * One run a method (backbone, dataset, variant): the one with the lowest seed that has such a file.
 * Files are read when a figure first asks for them, once; one that cannot be read is a line of
 * warning and left out.
 */
#ifndef SSV_REPORTS_GALLERY_INTERNAL_H
#define SSV_REPORTS_GALLERY_INTERNAL_H

#include "reports/figures_internal.h"
#include "results/samples.h"

#include <stdio.h>

struct gallery_run {
    const char *method;  /* with a '*' where the run is not complete */
    const char *rest;    /* "vit-tiny · epochs=20": what tells rows of a method apart; "" */
    const char *dataset; /* of pretraining */
    int marked;          /* is there a '*'? */
    const struct run *run;
    const struct samples *samples;
};

struct gallery {
    int is_read, n;
    struct gallery_run *run; /* (n) datasets together, in each the order of the summary */
};

/* Whether the run has what a figure draws. */
typedef int gallery_has(const struct samples *s);

/* Those that have it, in the summary's arena; at most GALLERY_MOST, and *left_out says how many
 * more there are. */
enum { GALLERY_MOST = 12 };
const struct gallery_run **gallery_of(const struct report_input *in, gallery_has *has, int *n,
                                      int *left_out);
/* " Pretraining seed 0.", the encoder, what '*' means, how many are left out: the end of a caption.
 */
const char *gallery_remarks(const struct report_input *in, const struct gallery_run *const *run,
                            int n, int left_out);
/* What stands beside or below the method: its rest, with the dataset where the figure has several
 * and they are wanted; or all of it. */
const char *gallery_rest(const struct report_input *in, const struct gallery_run *run,
                         int with_dataset);
const char *gallery_label(const struct report_input *in, const struct gallery_run *run,
                          int with_dataset);
int gallery_n_datasets(const struct gallery_run *const *run, int n);

#endif
