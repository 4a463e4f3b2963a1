#include "data/sheet.h"

#include <string.h>

enum { NOTES = 16 };
enum { NARROWEST = 420 };        /* head and notes need room for words */
enum { GAP = SHEET_GUTTER / 2 }; /* between a tile and its words */

struct cell {
    struct canvas tile; /* width 0: none */
    const char *caption;
};

struct sheet_table {
    struct sheet_table *next;
    int rows, columns;
    const char *heading; /* NULL: none */
    char **titles;
    struct cell *cells; /* (rows,columns) */
    int *width;         /* (columns) */
    int *height;        /* (rows), captions included */
};

void sheet_free(struct sheet *s) {
    arena_free(&s->arena);
    *s = (struct sheet){0};
}

void sheet_head(struct sheet *s, const char *text) {
    s->head = arena_strdup(&s->arena, text);
}

void sheet_heading(struct sheet *s, const char *text) {
    s->heading = arena_strdup(&s->arena, text);
}

void sheet_note(struct sheet *s, const char *text) {
    if (!s->notes)
        s->notes = ARENA_ARRAY(&s->arena, char *, NOTES);
    CHECK(s->n_notes < NOTES, "more than %d notes", NOTES);
    s->notes[s->n_notes++] = arena_strdup(&s->arena, text);
}

void sheet_table(struct sheet *s, int rows, int columns, const char *const *titles) {
    CHECK(rows > 0 && columns > 0, "a table of %d rows and %d columns", rows, columns);
    struct sheet_table *t = ARENA_NEW(&s->arena, struct sheet_table);
    *t = (struct sheet_table){.rows = rows,
                              .columns = columns,
                              .heading = s->heading,
                              .cells = ARENA_ARRAY(&s->arena, struct cell, rows * columns),
                              .width = ARENA_ARRAY(&s->arena, int, columns),
                              .height = ARENA_ARRAY(&s->arena, int, rows)};
    if (titles)
        t->titles = ARENA_ARRAY(&s->arena, char *, columns);
    for (int i = 0; titles && i < columns; i++)
        t->titles[i] = arena_strdup(&s->arena, titles[i]);
    s->heading = NULL;
    if (s->last)
        s->last->next = t;
    else
        s->first = t;
    s->last = t;
}

void sheet_put(struct sheet *s, int row, int column, struct canvas tile, const char *caption) {
    struct sheet_table *t = s->last;
    CHECK(t && row >= 0 && row < t->rows && column >= 0 && column < t->columns,
          "no row %d, column %d", row, column);
    t->cells[row * t->columns + column] =
        (struct cell){tile, arena_strdup(&s->arena, caption ? caption : "")};
}

/* Height of wrapped text, with a gutter where there is any. */
static int text_height(const char *text, int width) {
    struct arena scratch = {0};
    char **lines;
    int n = text && *text ? canvas_wrap(text, width, SHEET_SCALE, &scratch, &lines) : 0;
    arena_free(&scratch);
    return n * TEXT_HEIGHT * SHEET_SCALE;
}

static void draw_text(struct canvas *c, int x, int y, int width, const char *text) {
    struct arena scratch = {0};
    if (text && *text) {
        struct canvas p = canvas_paragraph(&scratch, width, SHEET_SCALE, BLACK, text);
        canvas_paste(c, x, y, &p);
    }
    arena_free(&scratch);
}

/* A column fits its tiles; where it has none, its title. */
static void measure(struct sheet_table *t) {
    for (int j = 0; j < t->columns; j++) {
        for (int i = 0; i < t->rows; i++) {
            int width = t->cells[i * t->columns + j].tile.width;
            t->width[j] = width > t->width[j] ? width : t->width[j];
        }
        if (!t->width[j])
            t->width[j] = t->titles ? canvas_text_width(t->titles[j], SHEET_SCALE) : 1;
    }
    for (int i = 0; i < t->rows; i++)
        for (int j = 0; j < t->columns; j++) {
            const struct cell *c = &t->cells[i * t->columns + j];
            int height = c->tile.height + text_height(c->caption, t->width[j]);
            if (c->caption && *c->caption)
                height += GAP;
            t->height[i] = height > t->height[i] ? height : t->height[i];
        }
}

/* With the gap below; 0 without titles. */
static int title_height(const struct sheet_table *t) {
    int most = 0;
    for (int j = 0; t->titles && j < t->columns; j++) {
        int height = text_height(t->titles[j], t->width[j]);
        most = height > most ? height : most;
    }
    return most ? most + GAP : 0;
}

static int heading_height(const struct sheet_table *t) {
    return t->heading ? TEXT_HEIGHT * SHEET_SCALE + SHEET_GUTTER : 0;
}

static int table_width(const struct sheet_table *t) {
    int width = SHEET_GUTTER * (t->columns - 1);
    for (int j = 0; j < t->columns; j++)
        width += t->width[j];
    return width;
}

/* Returns the place below it. */
static int draw_table(struct canvas *c, const struct sheet_table *t, int y) {
    int titles = title_height(t), x = SHEET_GUTTER;
    if (t->heading)
        canvas_text(c, x, y, SHEET_SCALE, BLACK, t->heading);
    y += heading_height(t);
    for (int j = 0; titles && j < t->columns; x += t->width[j++] + SHEET_GUTTER)
        draw_text(c, x, y + titles - GAP - text_height(t->titles[j], t->width[j]), t->width[j],
                  t->titles[j]);
    y += titles;
    for (int i = 0; i < t->rows; y += t->height[i++] + SHEET_GUTTER) {
        x = SHEET_GUTTER;
        for (int j = 0; j < t->columns; x += t->width[j++] + SHEET_GUTTER) {
            const struct cell *cell = &t->cells[i * t->columns + j];
            if (!cell->tile.width)
                continue;
            canvas_paste(c, x, y, &cell->tile);
            draw_text(c, x, y + cell->tile.height + GAP, t->width[j], cell->caption);
        }
    }
    return y + SHEET_GUTTER;
}

static int table_height(const struct sheet_table *t) {
    int height = heading_height(t) + title_height(t) + SHEET_GUTTER;
    for (int i = 0; i < t->rows; i++)
        height += t->height[i] + SHEET_GUTTER;
    return height;
}

struct canvas sheet_draw(struct sheet *s, struct arena *a) {
    int width = NARROWEST, height = 2 * SHEET_GUTTER;
    for (struct sheet_table *t = s->first; t; t = t->next) {
        measure(t);
        int w = table_width(t);
        width = w > width ? w : width;
        height += table_height(t);
    }
    height += text_height(s->head, width) + SHEET_GUTTER;
    for (int i = 0; i < s->n_notes; i++)
        height += text_height(s->notes[i], width);
    struct canvas c = canvas_make(a, width + 2 * SHEET_GUTTER, height, WHITE);
    int y = SHEET_GUTTER;
    draw_text(&c, SHEET_GUTTER, y, width, s->head);
    y += text_height(s->head, width) + SHEET_GUTTER;
    for (const struct sheet_table *t = s->first; t; t = t->next)
        y = draw_table(&c, t, y);
    for (int i = 0; i < s->n_notes; i++) {
        draw_text(&c, SHEET_GUTTER, y, width, s->notes[i]);
        y += text_height(s->notes[i], width);
    }
    return c;
}
