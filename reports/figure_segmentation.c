/* The data of the figure of segmentation: images, masks, and what a linear head on each method's
 * frozen features predicts. */
#include "reports/colors_internal.h"
#include "reports/figures_internal.h"
#include "reports/gallery_internal.h"
#include "reports/mosaic_internal.h"
#include "reports/text_internal.h"

#include <string.h>

enum { NAME = 20, NAMED = COLORS_APART };
static const double SHARE = 0.6; /* of the colour over the grey image */

static int has_masks(const struct samples *s) {
    return s->segment.pictures.rgb != NULL;
}

/* (n, height, width): classes in colour, background and unknown pixels as they are. */
static int *overlay(const struct sample_segment *g, const uint8_t *mask, int n, struct arena *a) {
    const struct sample_pictures *p = &g->pictures;
    const ptrdiff_t pixels = (ptrdiff_t)n * p->height * p->width;
    const int objects = g->n_classes - (g->background != 0);
    int *out = ARENA_ARRAY(a, int, pixels);
    for (ptrdiff_t i = 0; i < pixels; i++) {
        int class = mask[i] - (g->background != 0);
        out[i] = color_grey(p->rgb + 3 * i);
        if (mask[i] != SAMPLES_MASK_IGNORE && class >= 0)
            out[i] = color_mix(out[i], color_of_class(class, objects), SHARE);
    }
    return out;
}

static int is_new(const struct gallery_run *const *run, int i) {
    if (!i)
        return 1;
    const struct sample_segment *g = &run[i]->samples->segment, *b = &run[i - 1]->samples->segment;
    const struct sample_pictures *p = &g->pictures, *q = &b->pictures;
    size_t pixels = (size_t)p->n * (size_t)p->height * (size_t)p->width;
    return strcmp(g->dataset, b->dataset) != 0 || p->n != q->n || p->height != q->height ||
           p->width != q->width || memcmp(p->rgb, q->rgb, 3 * pixels) != 0 ||
           memcmp(g->truth, b->truth, pixels) != 0;
}

/* The colours of the classes that are in the pictures, where they have names of their own. */
static void put_classes(const struct summary *s, const struct gallery_run *const *run, int n,
                        FILE *dat) {
    const struct sample_segment *g = &run[0]->samples->segment;
    const int skip = g->background != 0, objects = g->n_classes - skip;
    fputs("\n\n# classes\n# number\trgb\tname\n-1\t0\t-\n", dat);
    for (int i = 1; i < n; i++)
        if (strcmp(run[i]->samples->segment.dataset, g->dataset))
            return;
    for (int c = 0; c < objects && objects <= NAMED; c++)
        fprintf(dat, "%d\t%d\t%s\n", c, color_of_class(c, objects),
                figure_text(g->class_name[c + skip], NAME, s->a));
}

int figure_segmentation(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    int n, left_out, side = 0, columns = 0;
    const struct gallery_run **run = gallery_of(in, has_masks, &n, &left_out);
    if (!n)
        return 0;
    for (int i = 0; i < n; i++) {
        const struct sample_pictures *p = &run[i]->samples->segment.pictures;
        side = p->height > side ? p->height : side;
        columns = p->n > columns ? p->n : columns;
    }
    columns = columns < MOSAIC_COLUMNS ? columns : MOSAIC_COLUMNS;
    struct mosaic m = mosaic_make(s->a, side, columns, 3 * n);
    for (int i = 0; i < n; i++) {
        const struct sample_segment *g = &run[i]->samples->segment;
        const struct sample_pictures *p = &g->pictures;
        int some = p->n < columns ? p->n : columns;
        if (is_new(run, i)) {
            if (i || strcmp(run[n - 1]->samples->segment.dataset, g->dataset))
                mosaic_head(&m, g->dataset);
            mosaic_bytes(&m, "image", p->rgb, some, p->height, p->width);
            mosaic_row(&m, "annotated", "", overlay(g, g->truth, some, s->a), some, p->height,
                       p->width);
        }
        mosaic_row(&m, run[i]->method, gallery_rest(in, run[i], gallery_n_datasets(run, n) > 1),
                   overlay(g, g->predicted, some, s->a), some, p->height, p->width);
    }
    figure_head("segmentation", dat);
    mosaic_put(&m, dat);
    put_classes(s, run, n, dat);
    const int objects = run[0]->samples->segment.n_classes - run[0]->samples->segment.background;
    figure_caption_flagged(
        in,
        arena_printf(s->a,
                     "Classes of the first test images over the grey image, as annotated and as a "
                     "linear head on frozen features predicts them (protocol segment)%s.%s",
                     objects > NAMED ? arena_printf(s->a,
                                                    "; colours run through the %d classes in "
                                                    "their order",
                                                    objects)
                                     : "",
                     gallery_remarks(in, run, n, left_out)),
        FLAG_PARTIAL | FLAG_UNFINISHED | FLAG_VERSION | FLAG_FINDING, dat);
    return n;
}
