/* show_context_encoder.c -- the image, what is left of it, what is put into the hole, and all that
 * is predicted. */
#include "methods/show.h"

#include <string.h>

enum { MASKED, IMAGES }; /* slots */

/* The encoder sees 0 in every channel of a hidden pixel. */
static int is_hidden(const float *masked, int channels, int area, int i) {
    for (int c = 0; c < channels; c++)
        if (masked[c * area + i] != 0)
            return 0;
    return 1;
}

/* Pixels of a picture in one colour: those that are hidden, or those outside the square. */
static void blank(struct canvas *c, int side, int x, int y) {
    int size = c->width / side;
    canvas_fill(c, x * size, y * size, size, size, PALE);
}

static void put_row(struct show *s, int i, const real *decoded, int region) {
    int side = s->backbone->image, area = side * side, channels = s->backbone->channels;
    int first = (side - region) / 2;
    float *image = show_slot(s, 0, IMAGES, i), *masked = show_slot(s, 0, MASKED, i);
    size_t all = (size_t)channels * (size_t)area;
    float *predicted = ARENA_ARRAY(&s->arena, float, all),
          *pasted = ARENA_ARRAY(&s->arena, float, all);
    memcpy(pasted, image, all * sizeof *image);
    for (int j = 0; j < region * region; j++) {
        int at = (first + j / region) * side + first + j % region;
        for (int c = 0; c < channels; c++) {
            predicted[c * area + at] = (float)decoded[j * channels + c];
            if (is_hidden(masked, channels, area, at))
                pasted[c * area + at] = predicted[c * area + at];
        }
    }
    struct canvas visible = show_pixels(s, side, image), whole = show_pixels(s, side, predicted);
    for (int j = 0; j < area; j++) {
        int x = j % side, y = j / side;
        if (is_hidden(masked, channels, area, j))
            blank(&visible, side, x, y);
        if (x < first || x >= first + region || y < first || y >= first + region)
            blank(&whole, side, x, y);
    }
    show_put(s, i, 0, show_pixels(s, side, image));
    show_put(s, i, 1, visible);
    show_put(s, i, 2, show_pixels(s, side, pasted));
    show_put(s, i, 3, whole);
}

int show_context_encoder(struct show *s, struct error *err) {
    (void)err;
    static const char *const titles[] = {"input", "visible", "hole filled", "predicted"};
    show_run(s, 0);
    const struct tensor *loss = s->graphs[0].b->objectives[0].tensor, *decoded = loss->src[0];
    int region = 1;
    while (region * region < decoded->dim[0])
        region++;
    show_kinds(s, sizeof titles / sizeof *titles, titles);
    for (int i = 0; i < s->n; i++) {
        size_t at = (size_t)i * loss->per_sample;
        put_row(s, i, show_value(s, 0, decoded) + (size_t)i * decoded->per_sample, region);
        show_say(s, i, "squared error %.3f",
                 (double)loss->per_sample *
                     show_mean((int)loss->per_sample, show_value(s, 0, loss) + at));
    }
    return 0;
}
