/* journal_internal.h -- what run.h5 takes from the journal. */
#ifndef SSV_RESULTS_JOURNAL_INTERNAL_H
#define SSV_RESULTS_JOURNAL_INTERNAL_H

#include "core/arena.h"
#include "results/journal.h"

/* The step rows of a journal that may be growing: a last line without its end is left out, as is a
 * row that a later one with the same or a lower step repeats.  A missing file has no rows.
 * Status 2 names the line that is not JSON. */
int journal_read(const char *path, struct arena *a, struct step_row **rows, long *n_rows,
                 struct error *err);

#endif
