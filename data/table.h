/* table.h -- CSV and TSV files with a header: the columns that somebody asks for, in any order and
 * among others.
 *
 *     static const char *const columns[] = {"image|path", "caption", "split"};   or its other name
 *     TRY(table_read(&t, path, columns, 3, 2, &arena, err));      split may be missing
 *     for (long i = 0; i < t.n_rows; i++)
 *         if (!table_field(&t, i, 0)[0])
 *             return table_wrong(&t, i, err, "the name of the image is empty");
 *
 * Quotes are as in RFC 4180 and are checked strictly; blank lines are no rows.  In a file whose
 * name ends in .tsv, tabs separate fields and a quote is a character like any other (IANA's
 * text/tab-separated-values).  The text is UTF-8, which is checked, with or without a byte order
 * mark.
 */
#ifndef SSV_DATA_TABLE_H
#define SSV_DATA_TABLE_H

#include "core/arena.h"
#include "core/error.h"

enum { TABLE_COLUMNS = 8 };

struct table {
    const char *path;
    char *text; /* the whole file */
    size_t bytes;
    const char *const *columns; /* (n_columns) as asked for */
    int n_columns;
    int at[TABLE_COLUMNS]; /* place in the file; -1 for one that is not there */
    const char **cells;    /* (n_rows, n_columns) */
    long *lines;           /* (n_rows) where each row begins */
    long n_rows;           /* at least 1 */
};

/* The first n_required columns must be there.  Everything is owned by a.  Status 2 with file and
 * line for what is missing or wrong. */
int table_read(struct table *t, const char *path, const char *const *columns, int n_columns,
               int n_required, struct arena *a, struct error *err);
int table_is_tsv(const char *path);
/* "" in a column that the file does not have. */
const char *table_field(const struct table *t, long row, int column);
/* Status 2: what is wrong with this row, with file and line. */
int table_wrong(const struct table *t, long row, struct error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
