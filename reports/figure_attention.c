/* The data of the figure of attention: Caron et al. 2021 (DINO), figure 1, for every method. */
#include "reports/colors_internal.h"
#include "reports/figures_internal.h"
#include "reports/gallery_internal.h"
#include "reports/mosaic_internal.h"
#include "reports/text_internal.h"

#include <math.h>
#include <string.h>

static const double SHARE = 0.7; /* of the colour over the grey image */

static int has_attention(const struct samples *s) {
    return s->attention.weight && s->pictures.n > 0;
}

/* The mean over heads of picture i as a place on the scale of colours, out (places): equal shares
 * are in its middle, a quarter of that and less at one end, four times as much at the other.  So
 * pictures of different methods can be compared. */
static void mean_of_heads(const struct sample_attention *t, int i, double *out) {
    const int places = t->height * t->width;
    const float *w = t->weight + (ptrdiff_t)i * t->heads * places;
    double sum = 0;
    for (int k = 0; k < places; k++) {
        out[k] = 0;
        for (int h = 0; h < t->heads; h++)
            out[k] += (double)w[h * places + k];
        sum += out[k];
    }
    for (int k = 0; k < places; k++)
        out[k] = sum > 0 ? 0.5 + log2(fmax(out[k], 0) / sum * places) / 4 : 0;
}

/* (n, height, width) packed colours. */
static int *overlay(const struct samples *x, int n, struct arena *a) {
    const struct sample_pictures *p = &x->pictures;
    const struct sample_attention *t = &x->attention;
    const int area = p->height * p->width;
    int *out = ARENA_ARRAY(a, int, (ptrdiff_t)n *area);
    double *mean = ARENA_ARRAY(a, double, t->height * t->width);
    for (int i = 0; i < n; i++) {
        mean_of_heads(t, i, mean);
        for (int k = 0; k < area; k++) {
            int y = k / p->width * t->height / p->height, c = k % p->width * t->width / p->width;
            ptrdiff_t at = (ptrdiff_t)i * area + k;
            out[at] = color_mix(color_grey(p->rgb + 3 * at), color_of_heat(mean[y * t->width + c]),
                                SHARE);
        }
    }
    return out;
}

/* The pictures of a dataset stand above the methods that were pretrained on it. */
static int is_new(const struct gallery_run *const *run, int i) {
    const struct sample_pictures *p = &run[i]->samples->pictures;
    if (!i || strcmp(run[i]->dataset, run[i - 1]->dataset))
        return 1;
    const struct sample_pictures *before = &run[i - 1]->samples->pictures;
    return p->n != before->n || p->height != before->height || p->width != before->width ||
           memcmp(p->rgb, before->rgb, (size_t)p->n * (size_t)p->height * (size_t)p->width * 3) !=
               0;
}

int figure_attention(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    int n, left_out, side = 0, columns = 0;
    const struct gallery_run **run = gallery_of(in, has_attention, &n, &left_out);
    if (!n)
        return 0;
    for (int i = 0; i < n; i++) {
        const struct sample_pictures *p = &run[i]->samples->pictures;
        side = p->height > side ? p->height : side;
        columns = p->n > columns ? p->n : columns;
    }
    columns = columns < MOSAIC_COLUMNS ? columns : MOSAIC_COLUMNS;
    struct mosaic m = mosaic_make(s->a, side, columns, 2 * n);
    for (int i = 0; i < n; i++) {
        const struct sample_pictures *p = &run[i]->samples->pictures;
        int some = p->n < columns ? p->n : columns;
        if (is_new(run, i)) {
            if (gallery_n_datasets(run, n) > 1)
                mosaic_head(&m, run[i]->dataset);
            mosaic_bytes(&m, "input", p->rgb, some, p->height, p->width);
        }
        mosaic_row(&m, run[i]->method, run[i]->rest, overlay(run[i]->samples, some, s->a), some,
                   p->height, p->width);
    }
    figure_head("attention", dat);
    mosaic_put(&m, dat);
    figure_caption_flagged(
        in,
        arena_printf(s->a,
                     "Attention of the class token to the patches of the first test images in the "
                     "last block, mean over heads, over the grey image. Pink: as much as if all "
                     "patches got the same; black: a quarter of that or less; pale yellow: four "
                     "times as much or more.%s",
                     gallery_remarks(in, run, n, left_out)),
        FLAG_PARTIAL | FLAG_UNFINISHED | FLAG_VERSION | FLAG_FINDING, dat);
    return n;
}
