/* listing.h -- a table as data: whatever is printed, exported or put on a page is written from one.
 *
 * Everything is owned by the arena that it was made in.  A cell has its text as people read it,
 * and where it is a number the number at full precision, which CSV and JSON take.
 */
#ifndef SSV_REPORTS_LISTING_H
#define SSV_REPORTS_LISTING_H

struct listing_column {
    const char *name;  /* of fields in CSV and JSON: "difference_lo" */
    const char *title; /* for people: "difference to random" */
    int is_number;     /* aligned to the right, sorted by value */
};

struct listing_cell {
    const char *text; /* for people: "+9.6 [+6.4, +12.8]"; "" for none */
    double value;     /* NAN: none */
    int marked;       /* cannot be told from the best of its column */
};

struct listing {
    const char *name;    /* of files: "verdicts" */
    const char *title;   /* for people */
    const char *caption; /* what the numbers and intervals are */
    int n_columns, n_rows, n_notes;
    struct listing_column *column; /* (n_columns) */
    struct listing_cell *cell;     /* (n_rows, n_columns) */
    const char **note;             /* (n_notes) lines below the table */
};

#endif
