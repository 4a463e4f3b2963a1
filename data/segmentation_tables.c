/* segmentation_tables.c -- classes.csv and index.csv. */
#include "data/intern.h"
#include "data/segmentation_internal.h"

#include <stdlib.h>
#include <string.h>

enum { FEWEST_CLASSES = 2 };
enum column { ID, NAME, IGNORE, RED, GREEN, BLUE, COLUMNS };

static const char *const class_columns[COLUMNS] = {"id", "name", "ignore", "red", "green", "blue"};
static const char *const index_columns[INDEX_COLUMNS] = {"image", "mask", "split"};

/* Without the column the name tells. */
static int is_ignored(const struct table *t, long row, int *ignored, struct error *err) {
    const char *name = table_field(t, row, NAME), *mark = table_field(t, row, IGNORE);
    *ignored =
        t->at[IGNORE] < 0 ? !strcmp(name, "void") || !strcmp(name, "ignore") : mark[0] == '1';
    if (t->at[IGNORE] >= 0 && strcmp(mark, "0") != 0 && strcmp(mark, "1") != 0)
        return table_wrong(t, row, err, "ignore is 0 or 1, not \"%s\"", mark);
    return 0;
}

static int parse_byte(const struct table *t, long row, int column, int *value, struct error *err) {
    static const char *const names[COLUMNS] = {
        [ID] = "id", [RED] = "red", [GREEN] = "green", [BLUE] = "blue"};
    const char *text = table_field(t, row, column);
    size_t digits = strspn(text, "0123456789");
    *value = 0;
    for (size_t i = 0; i < digits && *value < MASK_VALUES; i++)
        *value = 10 * *value + text[i] - '0';
    if (!digits || text[digits] || *value >= MASK_VALUES)
        return table_wrong(t, row, err, "the %s \"%s\" is no number from 0 to %d", names[column],
                           text, MASK_VALUES - 1);
    return 0;
}

/* The row of each id into row_of, -1 where there is none. */
static int take_rows(const struct table *t, struct intern *names, long row_of[MASK_VALUES],
                     struct error *err) {
    int status = 0, id;
    for (int i = 0; i < MASK_VALUES; i++)
        row_of[i] = -1;
    for (long row = 0; row < t->n_rows; row++) {
        const char *name = table_field(t, row, NAME);
        TRY(parse_byte(t, row, ID, &id, err));
        if (!name[0])
            return table_wrong(t, row, err, "the name of the class is empty");
        if (row_of[id] >= 0)
            return table_wrong(t, row, err, "the id %d is there already, in line %ld", id,
                               t->lines[row_of[id]]);
        if (intern_add(names, name, strlen(name)) != row)
            return table_wrong(t, row, err, "there is a class \"%s\" already", name);
        row_of[id] = row;
    }
out:
    return status;
}

static int by_colour(const void *a, const void *b) {
    const struct mask_colour *x = a, *y = b;
    return (x->rgb > y->rgb) - (x->rgb < y->rgb);
}

uint8_t mask_class_of_colour(const struct mask_classes *m, uint32_t rgb) {
    const struct mask_colour key = {.rgb = rgb}, *found = NULL;
    if (m->n_colours)
        found = bsearch(&key, m->colours, (size_t)m->n_colours, sizeof key, by_colour);
    return found ? found->class : MASK_IGNORE;
}

/* All three columns or none; class_of is there. */
static int take_colours(struct mask_classes *m, struct arena *a, struct error *err) {
    const struct table *t = &m->table;
    int status = 0, there = 0;
    for (int c = RED; c <= BLUE; c++)
        there += t->at[c] >= 0;
    if (!there)
        return 0;
    if (there != 3)
        return error_set(err, STATUS_USAGE, "%s: of the columns red, green, blue it has %d",
                         t->path, there);
    m->colours = ARENA_ARRAY(a, struct mask_colour, t->n_rows);
    for (long row = 0; row < t->n_rows; row++) {
        int id, rgb[3];
        TRY(parse_byte(t, row, ID, &id, err));
        for (int c = 0; c < 3; c++)
            TRY(parse_byte(t, row, RED + c, &rgb[c], err));
        m->colours[m->n_colours++] = (struct mask_colour){
            (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | (uint32_t)rgb[2], m->class_of[id]};
    }
    qsort(m->colours, (size_t)m->n_colours, sizeof *m->colours, by_colour);
    for (int i = 1; i < m->n_colours; i++)
        if (m->colours[i].rgb == m->colours[i - 1].rgb)
            return error_set(err, STATUS_USAGE, "%s: the colour %u, %u, %u is there twice", t->path,
                             m->colours[i].rgb >> 16, m->colours[i].rgb >> 8 & 255,
                             m->colours[i].rgb & 255);
out:
    return status;
}

int mask_classes_read(struct mask_classes *m, const char *path, struct arena *a,
                      struct error *err) {
    struct intern names = {.arena = a};
    long row_of[MASK_VALUES];
    int status = 0;
    *m = (struct mask_classes){.names = ARENA_ARRAY(a, const char *, MASK_VALUES)};
    memset(m->class_of, MASK_IGNORE, sizeof m->class_of);
    TRY(table_read(&m->table, path, class_columns, COLUMNS, IGNORE, a, err));
    TRY(take_rows(&m->table, &names, row_of, err));
    for (int id = 0; id < MASK_VALUES; id++) {
        int ignored = 1;
        if (row_of[id] >= 0)
            TRY(is_ignored(&m->table, row_of[id], &ignored, err));
        if (ignored)
            continue;
        if (m->n == MASK_IGNORE)
            return table_wrong(&m->table, row_of[id], err, "more than %d classes", MASK_IGNORE);
        m->class_of[id] = (uint8_t)m->n;
        m->names[m->n++] = table_field(&m->table, row_of[id], NAME);
    }
    TRY(take_colours(m, a, err));
    if (m->n < FEWEST_CLASSES)
        status = error_set(err, STATUS_USAGE, "%s: at least %d classes expected that count", path,
                           FEWEST_CLASSES);
out:
    return status;
}

int mask_index_read(struct table *t, const char *path, struct arena *a, struct error *err) {
    struct arena scratch = {0};
    struct intern images = {.arena = &scratch};
    int status = 0;
    TRY(table_read(t, path, index_columns, INDEX_COLUMNS, INDEX_COLUMNS, a, err));
    for (long row = 0; row < t->n_rows; row++) {
        const char *image = table_field(t, row, INDEX_IMAGE);
        for (int c = 0; c < INDEX_COLUMNS; c++)
            if (!table_field(t, row, c)[0])
                TRY(table_wrong(t, row, err, "the %s is empty", index_columns[c]));
        long first = intern_add(&images, image, strlen(image));
        if (first != row)
            TRY(table_wrong(t, row, err, "the image %s is there already, in line %ld", image,
                            t->lines[first]));
    }
out:
    arena_free(&scratch);
    return status;
}
