/* libcsv takes a quote that is never closed for a field that holds the rest of the file, unless it
 * is told to be strict.  It also passes over blank lines, so lines are counted here: it gets one at
 * a time. */
#include "data/table.h"

#include "core/file.h"
#include "data/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <csv.h>

enum { MOST_COLUMNS = 64 };

struct table_reader {
    struct table *t;
    struct arena *arena, scratch;
    int n_required;
    long room;                  /* rows */
    char *fields[MOST_COLUMNS]; /* of the row that is being read */
    int n_fields;
    int columns; /* of the file */
    int is_tsv;
    long line, row_line; /* where we are; where the row began */
    int in_row;
    int status;
    struct error *err;
};

#define WRONG(r, ...) ((r)->status = wrong(r, arena_printf(&(r)->scratch, __VA_ARGS__)))

static int wrong(const struct table_reader *r, const char *what) {
    return error_set(r->err, STATUS_USAGE, "%s: line %ld: %s", r->t->path, r->row_line, what);
}

/* "image|path" is a column with two names. */
static int is_named(const char *names, const char *name) {
    size_t n = strlen(name);
    for (const char *at = names; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (!strncmp(at, name, n) && (!at[n] || at[n] == '|'))
            return 1;
    return 0;
}

static const char *first_name(struct arena *a, const char *names) {
    char *copy = arena_strdup(a, names);
    copy[strcspn(copy, "|")] = '\0';
    return copy;
}

static void take_header(struct table_reader *r) {
    struct table *t = r->t;
    const char *wanted = "", *missing = NULL;
    r->columns = r->n_fields;
    for (int c = 0; c < t->n_columns; c++) {
        t->at[c] = -1;
        for (int i = 0; i < r->n_fields; i++) {
            if (!is_named(t->columns[c], r->fields[i]))
                continue;
            if (t->at[c] >= 0)
                WRONG(r, "the column \"%s\" is there twice", t->columns[c]);
            t->at[c] = i;
        }
        const char *name = first_name(&r->scratch, t->columns[c]);
        int required = c < r->n_required;
        wanted = arena_printf(&r->scratch, "%s%s%s%s", wanted, c ? ", " : "",
                              required ? "" : "if you like ", name);
        if (required && t->at[c] < 0 && !missing)
            missing = name;
    }
    if (missing)
        WRONG(r, "the columns %s expected; \"%s\" is missing", wanted, missing);
}

/* Twice the room when it is full. */
static void *larger(struct arena *a, const void *old, size_t used, size_t room) {
    void *more = arena_alloc(a, room);
    if (used)
        memcpy(more, old, used);
    return more;
}

static void take_row(struct table_reader *r) {
    struct table *t = r->t;
    size_t cells = (size_t)t->n_columns, n = (size_t)t->n_rows;
    if (r->n_fields != r->columns) {
        WRONG(r, "%d fields expected, found %d%s", r->columns, r->n_fields,
              r->is_tsv ? "" : "; a text with a comma in it needs quotes");
        return;
    }
    if (t->n_rows == r->room) {
        r->room = 2 * (r->room + 256);
        size_t room = (size_t)r->room;
        t->lines = larger(r->arena, t->lines, n * sizeof *t->lines, room * sizeof *t->lines);
        t->cells = larger(r->arena, t->cells, n * cells * sizeof *t->cells,
                          room * cells * sizeof *t->cells);
    }
    for (int c = 0; c < t->n_columns; c++)
        t->cells[n * cells + (size_t)c] =
            t->at[c] < 0 ? "" : arena_strdup(r->arena, r->fields[t->at[c]]);
    t->lines[t->n_rows++] = r->row_line;
}

static void end_field(void *text, size_t bytes, void *self) {
    struct table_reader *r = self;
    if (r->status)
        return;
    if (r->n_fields == MOST_COLUMNS) {
        WRONG(r, "more than %d columns", MOST_COLUMNS);
        return;
    }
    char *copy = arena_alloc(&r->scratch, bytes + 1);
    if (bytes)
        memcpy(copy, text, bytes);
    r->fields[r->n_fields++] = copy;
}

static void end_row(int terminator, void *self) {
    (void)terminator;
    struct table_reader *r = self;
    if (!r->status && !r->columns)
        take_header(r);
    else if (!r->status)
        take_row(r);
    r->n_fields = 0;
    r->in_row = 0;
}

static size_t line_length(const char *line, size_t left) {
    size_t n = 0;
    while (n < left && line[n] != '\n' && line[n] != '\r')
        n++;
    if (n + 1 < left && line[n] == '\r' && line[n + 1] == '\n')
        n++;
    return n < left ? n + 1 : n;
}

static int feed(struct table_reader *r, struct csv_parser *p) {
    const char *at = r->t->text, *end = at + r->t->bytes;
    if (r->t->bytes >= 3 && !memcmp(at, "\xef\xbb\xbf", 3))
        at += 3; /* the byte order mark would stay in the first name */
    while (at < end && !r->status) {
        size_t n = line_length(at, (size_t)(end - at));
        r->line++;
        if (!r->in_row)
            r->row_line = r->line;
        r->in_row |= at[0] != '\n' && at[0] != '\r'; /* a blank line is no row */
        size_t good = utf8_length(at, n);
        if (good < n) {
            r->row_line = r->line;
            return WRONG(r, "byte %zu of the line, 0x%02x, is no UTF-8: convert the file", good + 1,
                         (unsigned char)at[good]);
        }
        if (csv_parse(p, at, n, end_field, end_row, r) != n && !r->status)
            return WRONG(r, "broken quotes: a field with a quote or comma in it is written "
                            "\"so, \"\"so\"\"\"");
        at += n;
    }
    if (!r->status && csv_fini(p, end_field, end_row, r) && !r->status)
        WRONG(r, "a quote begins in this row and is never closed");
    return r->status;
}

int table_is_tsv(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && !strcasecmp(dot, ".tsv");
}

int table_read(struct table *t, const char *path, const char *const *columns, int n_columns,
               int n_required, struct arena *a, struct error *err) {
    CHECK(n_columns <= TABLE_COLUMNS, "%d columns", n_columns);
    *t = (struct table){.path = path, .columns = columns, .n_columns = n_columns};
    struct table_reader r = {
        .t = t, .arena = a, .n_required = n_required, .is_tsv = table_is_tsv(path), .err = err};
    struct csv_parser parser;
    int status = 0;
    TRY(file_read(path, a, &t->text, &t->bytes, err));
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI))
        return error_set(err, STATUS_MACHINE, "%s: no memory to read it", path);
    if (r.is_tsv) {
        csv_set_delim(&parser, '\t');
        csv_set_quote(&parser, '\0'); /* which no text holds: see below */
    }
    const char *zero = memchr(t->text, 0, t->bytes);
    if (zero)
        status = error_set(err, STATUS_USAGE, "%s: offset %ld: a byte of 0 is no text", path,
                           (long)(zero - t->text));
    else
        status = feed(&r, &parser);
    csv_free(&parser);
    if (!status && !t->n_rows) {
        const char *wanted = first_name(&r.scratch, columns[0]);
        for (int c = 1; c < n_required; c++)
            wanted = arena_printf(&r.scratch, "%s,%s", wanted, first_name(&r.scratch, columns[c]));
        status = error_set(err, STATUS_USAGE, "%s: a header with %s and rows below it expected",
                           path, wanted);
    }
out:
    arena_free(&r.scratch);
    return status;
}

const char *table_field(const struct table *t, long row, int column) {
    CHECK(row >= 0 && row < t->n_rows && column >= 0 && column < t->n_columns, "row %ld of %ld",
          row, t->n_rows);
    return t->cells[(size_t)row * (size_t)t->n_columns + (size_t)column];
}

int table_wrong(const struct table *t, long row, struct error *err, const char *format, ...) {
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return error_set(err, STATUS_USAGE, "%s: line %ld: %s", t->path, t->lines[row], what);
}
