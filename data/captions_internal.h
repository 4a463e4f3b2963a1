/* captions_internal.h -- what the files of the caption dataset share. */
#ifndef SSV_DATA_CAPTIONS_INTERNAL_H
#define SSV_DATA_CAPTIONS_INTERNAL_H

#include "data/dataset_internal.h"
#include "data/table.h"

/* One image of captions.csv, in the order of first appearance. */
struct captioned {
    const char *image;           /* as in the table */
    const char *split;           /* "train"; "" when the table has no such column */
    long line;                   /* where it first appears */
    const char *const *captions; /* (n_captions), in the order of the table */
    int n_captions;
};

struct caption_table {
    struct table table;
    struct captioned *images; /* (n_images) */
    long n_images;
    int has_split; /* the column is there */
};

/* Everything is owned by a.  Status 2 with file and line for what is missing or wrong. */
int caption_table_read(struct caption_table *t, const char *path, struct arena *a,
                       struct error *err);

#endif
