/* listing.h -- a table as data: whatever is printed, exported or put on a page is written from one.
 *
 *     struct listing *l = listing_new("verdicts", "Verdicts", "what ...", columns, 3, n, &a);
 *     listing_set_text(l, row, 0, "mae");
 *     listing_set_number(l, row, 1, 9.6, "+9.6 [+6.4, +12.8]");
 *     listing_write(l, LISTING_CSV, stdout);
 *
 * Everything is owned by the arena that it was made in.  A cell has its text as people read it,
 * and where it is a number the number at full precision, which CSV and JSON take.
 */
#ifndef SSV_REPORTS_LISTING_H
#define SSV_REPORTS_LISTING_H

#include "core/arena.h"
#include "core/error.h"

#include <stdio.h>

/* CSV and JSON are for programs, the other formats for people. */
enum listing_audience { FOR_ALL, FOR_PEOPLE, FOR_PROGRAMS };

struct listing_column {
    const char *name;  /* of fields in CSV and JSON: "difference_lo" */
    const char *title; /* for people: "difference to random" */
    int is_number;     /* aligned to the right, sorted by value */
    enum listing_audience audience;
};

struct listing_cell {
    const char *text; /* for people: "+9.6 [+6.4, +12.8]"; "" for none */
    double value;     /* NAN: none */
    int marked;       /* cannot be told from the best of its column */
};

struct listing {
    const char *name;    /* of files: "verdicts" */
    const char *title;   /* for people; NULL: none */
    const char *caption; /* what the numbers and intervals are; NULL: nothing is said */
    int n_columns, n_rows, n_notes;
    struct listing_column *column; /* (n_columns) */
    struct listing_cell *cell;     /* (n_rows, n_columns) */
    const char **note;             /* (n_notes) lines below the table */
    const char *mark; /* what marked cells are; NULL: they cannot be told from the best */
};

enum listing_format {
    LISTING_TEXT,     /* for a terminal: columns padded with blanks; marked cells have a '=' */
    LISTING_CSV,      /* RFC 4180, a header line; a column NAME_marked where cells are marked */
    LISTING_JSON,     /* one object: name, title, caption, notes, columns, rows (objects by name) */
    LISTING_MARKDOWN, /* a table as GitHub reads it; marked cells are bold */
    LISTING_LATEX,    /* a table environment for booktabs, or a longtable of many rows */
    LISTING_HTML,     /* a table element in a div that scrolls, without a page around it */
    LISTING_FORMATS
};

/* Empty cells; the texts are not copied, the columns are. */
struct listing *listing_new(const char *name, const char *title, const char *caption,
                            const struct listing_column *columns, int n_columns, int n_rows,
                            struct arena *a);
struct listing_cell *listing_at(const struct listing *l, int row, int column);
void listing_set_text(struct listing *l, int row, int column, const char *text);
/* text NULL: the shortest that reads back the same; "" for NAN. */
void listing_set_number(struct listing *l, int row, int column, double value, const char *text,
                        struct arena *a);
/* A line below the table, once however often it is said. */
void listing_note(struct listing *l, const char *text, struct arena *a);

/* What a marked cell is: "cannot be told from the best of its column". */
const char *listing_mark(const struct listing *l);
/* Columns without a text are no longer for people. */
void listing_hide_empty(struct listing *l);

const char *listing_format_name(enum listing_format f);   /* "markdown" */
const char *listing_format_suffix(enum listing_format f); /* "md" */
/* Of a name or a suffix; -1: there is no such format. */
int listing_format_find(const char *name);

/* Errors of the stream are its own (ferror). */
void listing_write(const struct listing *l, enum listing_format f, FILE *out);
/* Into a file, atomically; LISTING_HTML with a page around it. */
int listing_save(const struct listing *l, enum listing_format f, const char *path,
                 struct error *err);

#endif
