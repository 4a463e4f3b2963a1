#include "data/contact_sheet.h"

#include "data/sheet.h"

#include <string.h>

enum { COLUMNS = 8, TILE = 96, CAPTION = 28 };

/* As high as a tile, in its own shape; a small image by a whole multiple. */
static struct canvas fit(struct arena *a, const struct canvas *c) {
    int times = TILE / c->height;
    if (times > 1)
        return canvas_resize(a, c, c->width * times, c->height * times);
    int width = (int)((long)c->width * TILE / c->height);
    return c->height == TILE ? *c : canvas_resize(a, c, width > 0 ? width : 1, TILE);
}

static struct canvas picture(struct arena *a, const struct record *r) {
    struct canvas c = canvas_make(a, r->width, r->height, WHITE);
    size_t n = (size_t)r->height * (size_t)r->width, channels = (size_t)r->channels;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 3; k++)
            c.pixels[3 * i + k] = r->pixels[channels * i + (channels >= 3 ? k : 0)];
    return fit(a, &c);
}

static struct canvas mask(struct arena *a, const struct record *r, int classes) {
    struct canvas c = canvas_make(a, r->mask_width, r->mask_height, WHITE);
    for (int i = 0; i < r->mask_height * r->mask_width; i++) {
        if (r->mask[i] == MASK_IGNORE)
            continue;
        struct color color = color_scale((double)r->mask[i] / (classes > 1 ? classes - 1 : 1));
        memcpy(c.pixels + 3 * (ptrdiff_t)i, (const uint8_t[]){color.r, color.g, color.b}, 3);
    }
    return fit(a, &c);
}

static const char *text_of(struct arena *a, const struct dataset *d, const struct record *r) {
    const char *text = r->label >= 0 ? d->class_names[r->label] : r->caption;
    return canvas_cut(text, CAPTION, a);
}

static int put_split(struct sheet *s, const struct dataset *d, enum split split, int images,
                     struct error *err) {
    static const char *const names[SPLITS] = {"training", "test"};
    int each = d->has_mask ? 2 : 1, across = COLUMNS / each, status = 0;
    int n = d->count[split] < images ? (int)d->count[split] : images;
    struct record r = {0};
    sheet_heading(s, arena_printf(&s->arena, "%s: %ld images", names[split], d->count[split]));
    sheet_table(s, (n + across - 1) / across, COLUMNS, NULL);
    for (int i = 0; i < n; i++) {
        int row = i / across, column = i % across * each;
        TRY(dataset_read(d, split, i, &r, err));
        sheet_put(s, row, column, picture(&s->arena, &r), text_of(&s->arena, d, &r));
        if (d->has_mask)
            sheet_put(s, row, column + 1, mask(&s->arena, &r, d->mask_classes), "");
    }
out:
    record_free(&r);
    return status;
}

int contact_sheet(const struct dataset *d, int images, const char *path, struct error *err) {
    struct sheet s = {0};
    int status = 0;
    sheet_head(&s, d->name);
    for (int i = 0; i < SPLITS; i++)
        TRY(put_split(&s, d, (enum split)i, images, err));
    const struct canvas_note note = {"ssvbench-content", d->root_hash};
    struct canvas c = sheet_draw(&s, &s.arena);
    TRY(canvas_write_png(&c, path, &note, 1, err));
out:
    sheet_free(&s);
    return status;
}
