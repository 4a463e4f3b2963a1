/* The data of the figure of reconstructions: what methods that predict pixels make of images. */
#include "reports/figures_internal.h"
#include "reports/gallery_internal.h"
#include "reports/mosaic_internal.h"
#include "reports/text_internal.h"

enum { METHODS = 6 }; /* each has several rows */

static int has_tiles(const struct samples *s) {
    return s->tiles.n > 0 && s->pictures.n > 0;
}

int figure_reconstructions(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    int n, left_out, side = 0, columns = 0, rows = 0;
    const struct gallery_run **run = gallery_of(in, has_tiles, &n, &left_out);
    if (!n)
        return 0;
    left_out += n > METHODS ? n - METHODS : 0;
    n = n < METHODS ? n : METHODS;
    for (int i = 0; i < n; i++) {
        const struct samples *x = run[i]->samples;
        side = x->pictures.height > side ? x->pictures.height : side;
        columns = x->pictures.n > columns ? x->pictures.n : columns;
        rows += x->tiles.n;
    }
    columns = columns < MOSAIC_COLUMNS ? columns : MOSAIC_COLUMNS;
    struct mosaic m = mosaic_make(s->a, side, columns, rows);
    for (int i = 0; i < n; i++) {
        const struct sample_pictures *p = &run[i]->samples->pictures;
        const struct sample_tiles *t = &run[i]->samples->tiles;
        const size_t one = (size_t)p->n * (size_t)p->height * (size_t)p->width * 3;
        mosaic_head(&m, gallery_label(in, run[i], gallery_n_datasets(run, n) > 1));
        for (int k = 0; k < t->n; k++)
            mosaic_bytes(&m, t->name[k], t->rgb + (size_t)k * one, p->n, p->height, p->width);
    }
    figure_head("reconstructions", dat);
    mosaic_put(&m, dat);
    figure_caption_flagged(
        in,
        arena_printf(s->a,
                     "The first test images as each method sees them in its first epoch, what it "
                     "hides of them and what it predicts, at the end of pretraining.%s",
                     gallery_remarks(in, run, n, left_out)),
        FLAG_PARTIAL | FLAG_UNFINISHED | FLAG_VERSION | FLAG_FINDING, dat);
    return n;
}
