/* captions_table.c -- captions.csv: a header with image, caption and maybe split, in any order and
 * among other columns, then a row for every caption.
 *
 * Quotes are as in RFC 4180 and are checked strictly: libcsv otherwise takes a quote that is never
 * closed for a field that holds the rest of the file.  It also passes over blank lines, so lines
 * are counted here: it gets one at a time.
 */
#include "core/file.h"
#include "data/captions_internal.h"
#include "data/intern.h"

#include <string.h>

#include <csv.h>

enum { MOST_COLUMNS = 64 };
enum column { IMAGE, CAPTION, SPLIT, COLUMNS };

static const char *const column_names[COLUMNS] = {"image", "caption", "split"};

struct row {
    int image;
    const char *caption;
};

struct table_reader {
    struct caption_table *t;
    const char *path;
    struct arena *arena, scratch;
    struct intern names; /* of images */
    struct row *rows;    /* (n_rows) of room */
    long n_rows, room, images_room;
    char *fields[MOST_COLUMNS]; /* of the row that is being read */
    int n_fields;
    int columns, at[COLUMNS]; /* of the table; -1 for one that is not there */
    long line, row_line;      /* where we are; where the row began */
    int in_row;
    int status;
    struct error *err;
};

#define WRONG(r, ...) ((r)->status = wrong(r, arena_printf(&(r)->scratch, __VA_ARGS__)))

static int wrong(const struct table_reader *r, const char *what) {
    return error_set(r->err, STATUS_USAGE, "%s: line %ld: %s", r->path, r->row_line, what);
}

/* Twice the room of an array when it is full. */
static void *larger(struct arena *a, void *old, long n, long *room, size_t one) {
    if (n < *room)
        return old;
    void *more = arena_alloc(a, 2 * (size_t)(*room + 512) * one);
    if (n)
        memcpy(more, old, (size_t)n * one);
    *room = 2 * (*room + 512);
    return more;
}

static void take_header(struct table_reader *r) {
    r->columns = r->n_fields;
    for (int c = 0; c < COLUMNS; c++) {
        r->at[c] = -1;
        for (int i = 0; i < r->n_fields; i++) {
            if (strcmp(r->fields[i], column_names[c]) != 0)
                continue;
            if (r->at[c] >= 0)
                WRONG(r, "the column \"%s\" is there twice", column_names[c]);
            r->at[c] = i;
        }
    }
    r->t->has_split = r->at[SPLIT] >= 0;
    if (r->at[IMAGE] < 0 || r->at[CAPTION] < 0)
        WRONG(r, "the columns image, caption and, if you like, split expected; \"%s\" is missing",
              column_names[r->at[IMAGE] < 0 ? IMAGE : CAPTION]);
}

/* The number of the row's image, old or new. */
static int take_image(struct table_reader *r, const char *name, const char *split) {
    struct caption_table *t = r->t;
    int image = intern_add(&r->names, name, strlen(name));
    if (image < t->n_images) {
        if (strcmp(t->images[image].split, split) != 0)
            WRONG(r, "this image is in the split \"%s\", but in \"%s\" in line %ld", split,
                  t->images[image].split, t->images[image].line);
        return image;
    }
    t->images = larger(r->arena, t->images, t->n_images, &r->images_room, sizeof *t->images);
    t->images[t->n_images++] = (struct captioned){.image = r->names.entries[image].bytes,
                                                  .split = arena_strdup(r->arena, split),
                                                  .line = r->row_line};
    return image;
}

static void take_row(struct table_reader *r) {
    if (r->n_fields != r->columns) {
        WRONG(r, "%d fields expected, found %d; a text with a comma in it needs quotes", r->columns,
              r->n_fields);
        return;
    }
    const char *name = r->fields[r->at[IMAGE]], *caption = r->fields[r->at[CAPTION]];
    if (!name[0] || !caption[0]) {
        WRONG(r, "the %s is empty", name[0] ? "caption" : "name of the image");
        return;
    }
    int image = take_image(r, name, r->t->has_split ? r->fields[r->at[SPLIT]] : "");
    r->rows = larger(&r->scratch, r->rows, r->n_rows, &r->room, sizeof *r->rows);
    r->rows[r->n_rows++] = (struct row){image, arena_strdup(r->arena, caption)};
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
        if (csv_parse(p, at, n, end_field, end_row, r) != n && !r->status)
            return WRONG(r, "broken quotes: a field with a quote or comma in it is written "
                            "\"so, \"\"so\"\"\"");
        at += n;
    }
    if (!r->status && csv_fini(p, end_field, end_row, r) && !r->status)
        WRONG(r, "a quote begins in this row and is never closed");
    return r->status;
}

/* The captions of an image become neighbours. */
static void group(struct table_reader *r) {
    struct caption_table *t = r->t;
    const char **all = ARENA_ARRAY(r->arena, const char *, r->n_rows);
    long *next = ARENA_ARRAY(&r->scratch, long, t->n_images), first = 0;
    for (long i = 0; i < r->n_rows; i++)
        t->images[r->rows[i].image].n_captions++;
    for (long i = 0; i < t->n_images; i++) {
        t->images[i].captions = all + first;
        next[i] = first;
        first += t->images[i].n_captions;
    }
    for (long i = 0; i < r->n_rows; i++)
        all[next[r->rows[i].image]++] = r->rows[i].caption;
}

int caption_table_read(struct caption_table *t, const char *path, struct arena *a,
                       struct error *err) {
    struct table_reader r = {.t = t, .path = path, .arena = a, .names.arena = a, .err = err};
    struct csv_parser parser;
    int status = 0;
    *t = (struct caption_table){0};
    TRY(file_read(path, a, &t->text, &t->bytes, err));
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI))
        return error_set(err, STATUS_MACHINE, "%s: no memory to read it", path);
    const char *zero = memchr(t->text, 0, t->bytes);
    if (zero)
        status = error_set(err, STATUS_USAGE, "%s: offset %ld: a byte of 0 is no text", path,
                           (long)(zero - t->text));
    else
        status = feed(&r, &parser);
    csv_free(&parser);
    if (!status && !r.n_rows)
        status = error_set(err, STATUS_USAGE,
                           "%s: a header with image,caption and rows below it expected", path);
    if (!status)
        group(&r);
out:
    arena_free(&r.scratch);
    return status;
}
