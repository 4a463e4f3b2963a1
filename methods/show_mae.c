/* show_mae.c -- input, what the encoder sees of it, the predicted patches, and both together. */
#include "methods/show.h"

#include <stdlib.h>
#include <string.h>

enum { IMAGES, VISIBLE, RESTORE, HIDDEN }; /* slots */

/* (n, hide, pixels of a patch) as pixels: a prediction of standardised patches says nothing about
 * their mean and deviation. */
static real *predicted_pixels(struct show *s, int hide, int cols) {
    const struct tensor *target = show_tensor(s, 0, "target");
    size_t n = (size_t)s->n * (size_t)hide * (size_t)cols;
    real *pixels = ARENA_ARRAY(&s->arena, real, n);
    memcpy(pixels, show_value(s, 0, show_tensor(s, 0, "pred")), n * sizeof *pixels);
    if (!target)
        return pixels;
    const real *rows = show_value(s, 0, show_tensor(s, 0, "target_rows"));
    show_unstandardize(s->n * hide, cols, target->real_attr, rows, pixels);
    sheet_note(&s->sheet, "Predicted are patches with mean 0 and deviation 1: patch statistics of "
                          "the input reused.");
    return pixels;
}

int show_mae(struct show *s, struct error *err) {
    (void)err;
    static const char *const columns[] = {"input", "visible", "predicted", "predicted and visible"};
    const struct vit *v = &s->backbone->vit;
    int cols = v->channels * v->patch * v->patch, side = v->image;
    show_run(s, 0);
    const struct show_graph *g = &s->graphs[0];
    int hide = (int)g->b->slots[HIDDEN].per_sample, seen = vit_tokens(v) - 1 - hide;
    real *pixels = predicted_pixels(s, hide, cols);
    const real *loss = show_value(s, 0, show_tensor(s, 0, "loss"));
    show_kinds(s, sizeof columns / sizeof *columns, columns);
    for (int i = 0; i < s->n; i++) {
        float *image = show_slot(s, 0, IMAGES, i);
        const int32_t *hidden = show_slot(s, 0, HIDDEN, i), *visible = show_slot(s, 0, VISIBLE, i);
        int32_t *shown = ARENA_ARRAY(&s->arena, int32_t, seen);
        for (int j = 0; j < seen; j++)
            shown[j] = visible[1 + j] - 1; /* tokens, CLS in front */
        struct canvas input = show_pixels(s, side, image), masked = show_pixels(s, side, image);
        show_blank_patches(&masked, side, v->patch, hide, hidden, PALE);
        show_paste_patches(s->kernels, v->channels, side, v->patch, hide, hidden,
                           pixels + (size_t)i * (size_t)hide * (size_t)cols, image);
        struct canvas whole = show_pixels(s, side, image), predicted = show_pixels(s, side, image);
        show_blank_patches(&predicted, side, v->patch, seen, shown, PALE);
        show_put(s, i, 0, input);
        show_put(s, i, 1, masked);
        show_put(s, i, 2, predicted);
        show_put(s, i, 3, whole);
        show_say(s, i, "squared error of %d hidden patches %.3f", hide,
                 show_mean(hide, loss + (ptrdiff_t)i * hide));
    }
    return 0;
}
