/* captions_table.c -- captions.csv or .tsv: image, caption and maybe split, a row for every
 * caption. */
#include "data/captions_internal.h"
#include "data/intern.h"

#include <string.h>

enum column { IMAGE, CAPTION, SPLIT, COLUMNS };

static const char *const columns[COLUMNS] = {"image|path", "caption", "split"};

/* *number becomes that of the row's image, old or new. */
static int take_image(struct caption_table *t, struct intern *names, long row, int32_t *number,
                      struct error *err) {
    const char *name = table_field(&t->table, row, IMAGE);
    const char *split = table_field(&t->table, row, SPLIT);
    if (!name[0] || !table_field(&t->table, row, CAPTION)[0])
        return table_wrong(&t->table, row, err, "the %s is empty",
                           name[0] ? "caption" : "name of the image");
    *number = intern_add(names, name, strlen(name));
    struct captioned *image = &t->images[*number];
    if (*number == t->n_images) {
        *image = (struct captioned){.image = name, .split = split, .line = t->table.lines[row]};
        t->n_images++;
    }
    image->n_captions++;
    if (strcmp(image->split, split) != 0)
        return table_wrong(&t->table, row, err,
                           "this image is in the split \"%s\", but in \"%s\" in line %ld", split,
                           image->split, image->line);
    return 0;
}

/* The captions of an image become neighbours. */
static void group(struct caption_table *t, const int32_t *image_of, struct arena *a) {
    struct arena scratch = {0};
    const char **all = ARENA_ARRAY(a, const char *, t->table.n_rows);
    long *next = ARENA_ARRAY(&scratch, long, t->n_images), first = 0;
    for (long i = 0; i < t->n_images; i++) {
        t->images[i].captions = all + first;
        next[i] = first;
        first += t->images[i].n_captions;
    }
    for (long i = 0; i < t->table.n_rows; i++)
        all[next[image_of[i]]++] = table_field(&t->table, i, CAPTION);
    arena_free(&scratch);
}

int caption_table_read(struct caption_table *t, const char *path, struct arena *a,
                       struct error *err) {
    struct arena scratch = {0};
    struct intern names = {.arena = &scratch};
    int status = 0;
    *t = (struct caption_table){0};
    TRY(table_read(&t->table, path, columns, COLUMNS, SPLIT, a, err));
    t->has_split = t->table.at[SPLIT] >= 0;
    t->images = ARENA_ARRAY(a, struct captioned, t->table.n_rows);
    int32_t *image_of = ARENA_ARRAY(&scratch, int32_t, t->table.n_rows);
    for (long i = 0; i < t->table.n_rows; i++)
        TRY(take_image(t, &names, i, &image_of[i], err));
    group(t, image_of, a);
out:
    arena_free(&scratch);
    return status;
}
