/* show_clip.c -- for each image the captions of all that it is most similar to, and how similar
 * every image is to every caption. */
#include "methods/show.h"

#include <math.h>
#include <stdio.h>

enum { IMAGES, TEXT }; /* slots; a text takes several */
enum { BEST = 3, WIDTH = 480, CELL = 64 };

/* Whole images, and the first caption of each. */
static void fill(struct show *s) {
    const struct show_graph *g = &s->graphs[0];
    for (int i = 0; i < s->n; i++) {
        void *text[METHOD_INPUTS];
        for (int k = TEXT; k < g->b->n_inputs; k++)
            text[k - TEXT] = show_slot(s, 0, k, i);
        view_plain(&s->records[i], s->norm, s->backbone->image, show_slot(s, 0, IMAGES, i));
        s->method->text(s->self, g->b->runtime, record_caption(&s->records[i], 0), text);
    }
}

/* Cosines (n,n) of images with texts, both of unit length. */
static double *similarities(struct show *s) {
    const struct tensor *images = show_tensor(s, 0, "image_features");
    const real *x = show_value(s, 0, images);
    const real *z = show_value(s, 0, show_tensor(s, 0, "text_features"));
    int dim = (int)images->per_sample;
    double *out = ARENA_ARRAY(&s->arena, double, s->n * s->n);
    for (int i = 0; i < s->n; i++)
        for (int j = 0; j < s->n; j++)
            for (int k = 0; k < dim; k++)
                out[i * s->n + j] +=
                    (double)x[(ptrdiff_t)i * dim + k] * (double)z[(ptrdiff_t)j * dim + k];
    return out;
}

/* Place of caption j among all for an image, from 0; of equals the first comes first. */
static int rank_of(const double *row, int n, int j) {
    int rank = 0;
    for (int k = 0; k < n; k++)
        rank += row[k] > row[j] || (k < j && row[k] == row[j]);
    return rank;
}

/* Two decimals without a "-0.00". */
static double shown(double cosine) {
    return fabs(cosine) < 0.005 ? 0 : cosine;
}

/* The best captions and the image's own, one below the other, its own in blue. */
static struct canvas captions(struct show *s, const double *row, int own) {
    struct canvas parts[BEST + 1];
    int n = 0, height = 0, y = 0;
    for (int rank = 0; rank < s->n; rank++)
        for (int j = 0; j < s->n; j++) {
            if (rank_of(row, s->n, j) != rank || (rank >= BEST && j != own))
                continue;
            const char *text = arena_printf(&s->arena, "%d. %.2f (%d) %s", rank + 1, shown(row[j]),
                                            j, record_caption(&s->records[j], 0));
            parts[n++] =
                canvas_paragraph(&s->arena, WIDTH, SHEET_SCALE, j == own ? BLUE : BLACK, text);
            height += parts[n - 1].height + SHEET_GUTTER;
        }
    struct canvas c = canvas_make(&s->arena, WIDTH, height, WHITE);
    for (int i = 0; i < n; y += parts[i++].height + SHEET_GUTTER)
        canvas_paste(&c, 0, y, &parts[i]);
    return c;
}

static struct canvas number(struct show *s, int i) {
    char text[16];
    struct canvas c = canvas_make(&s->arena, CELL, SHEET_SCALE * TEXT_HEIGHT, WHITE);
    snprintf(text, sizeof text, "(%d)", i);
    canvas_text(&c, (CELL - canvas_text_width(text, SHEET_SCALE)) / 2, 0, SHEET_SCALE, BLACK, text);
    return c;
}

int show_clip(struct show *s, struct error *err) {
    (void)err;
    static const char *const titles[] = {"image", "captions, most similar first"};
    int side = s->backbone->image;
    fill(s);
    show_run(s, 0);
    const double *x = similarities(s);
    struct canvas *rows = ARENA_ARRAY(&s->arena, struct canvas, s->n);
    struct canvas *columns = ARENA_ARRAY(&s->arena, struct canvas, s->n);
    sheet_table(&s->sheet, s->n, sizeof titles / sizeof *titles, titles);
    for (int i = 0; i < s->n; i++) {
        const double *row = x + (ptrdiff_t)i * s->n;
        const float *image = show_slot(s, 0, IMAGES, i);
        rows[i] = show_small(s, side, image);
        columns[i] = number(s, i);
        sheet_put(&s->sheet, i, 0, show_tile(s, side, image), arena_printf(&s->arena, "(%d)", i));
        sheet_put(&s->sheet, i, 1, captions(s, row, i), "");
        show_say(s, i, "own caption is number %d of %d (%.3f): %s", rank_of(row, s->n, i) + 1, s->n,
                 row[i], record_caption(&s->records[i], 0));
    }
    show_matrix(s, x, rows, columns);
    sheet_note(&s->sheet, "Numbers: rank, cosine of image and text, (image the caption is of); "
                          "blue: its own. Below: images (rows) with all captions (columns), the "
                          "largest of each row framed.");
    return 0;
}
