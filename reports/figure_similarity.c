/* The data of the figure of similarity: cosines of test images with captions, Radford et al. 2021
 * (CLIP), the matrix of figure 1. */
#include "reports/colors_internal.h"
#include "reports/figures_internal.h"
#include "reports/gallery_internal.h"
#include "reports/mosaic_internal.h"
#include "reports/text_internal.h"

#include <math.h>
#include <string.h>

enum { PAIRS = 16, PANELS = 4, TEXT = 44, LABEL = 50, TITLE = 110, SHORT = 16 };

static int has_similarity(const struct samples *s) {
    return s->similarity.n > 1;
}

struct cosines {
    int n;
    double lo, hi;
};

static double at(const struct sample_similarity *x, int image, int text) {
    return (double)x->cosine[(ptrdiff_t)image * x->n + text];
}

/* How many of the first n captions are nearest to their own image. */
static int right_ones(const struct sample_similarity *x, int n) {
    int right = 0;
    for (int t = 0; t < n; t++) {
        int best = 1;
        for (int i = 0; i < n; i++)
            best &= i == t || at(x, i, t) < at(x, t, t);
        right += best;
    }
    return right;
}

/* The pictures of the pairs, side by side. */
static struct mosaic strip(const struct summary *s, const struct gallery_run *run) {
    const struct sample_pictures *p = &run->samples->pictures;
    int pairs = run->samples->similarity.n < PAIRS ? run->samples->similarity.n : PAIRS;
    struct mosaic m = mosaic_make(s->a, p->height, pairs, 1);
    mosaic_bytes(&m, "", p->rgb, pairs, p->height, p->width);
    return m;
}

/* Two decimals without what every cell has: ".04", "-.31", "0", "1". */
static const char *short_number(double x, char out[SHORT]) {
    char text[SHORT];
    int hundredths = (int)lround(100 * x);
    if (hundredths % 100 == 0) {
        snprintf(out, SHORT, "%d", hundredths / 100);
        return out;
    }
    snprintf(text, sizeof text, "%.2f", hundredths / 100.0);
    const char *dot = strchr(text, '.');
    snprintf(out, SHORT, "%s%s", hundredths < 0 ? "-" : "", dot);
    return out;
}

static void put_cells(const struct gallery_run *const *run, int n, const struct cosines *range,
                      FILE *dat) {
    fputs("\n\n# cells\n# panel\timage\ttext\tcosine\trgb\tdark\town\n", dat);
    for (int r = 0; r < n; r++) {
        const struct sample_similarity *x = &run[r]->samples->similarity;
        int pairs = x->n < PAIRS ? x->n : PAIRS;
        for (int t = 0; t < pairs; t++)
            for (int i = 0; i < pairs; i++) {
                double share = (at(x, i, t) - range->lo) / (range->hi - range->lo);
                int color = color_of_heat(share);
                char number[SHORT];
                fprintf(dat, "%d\t%d\t%d\t%s\t%d\t%d\t%d\n", r + 1, i, t,
                        short_number(at(x, i, t), number), color, color_is_dark(color), i == t);
            }
    }
}

static void put_texts(const struct report_input *in, const struct gallery_run *const *run, int n,
                      FILE *dat) {
    const struct summary *s = in->summary;
    fputs("\n\n# panels\n# number\tpairs\tpixels from picture to picture\ttitle\n", dat);
    for (int r = 0; r < n; r++) {
        const struct sample_similarity *x = &run[r]->samples->similarity;
        int pairs = x->n < PAIRS ? x->n : PAIRS;
        const struct mosaic m = strip(s, run[r]);
        fprintf(
            dat, "%d\t%d\t%d\t%s\n", r + 1, pairs, m.side + m.gap,
            figure_text(arena_printf(s->a,
                                     "%s: %d of %d captions are nearest to their own "
                                     "image",
                                     text_cut_settings(
                                         gallery_label(in, run[r], gallery_n_datasets(run, n) > 1),
                                         LABEL, s->a),
                                     right_ones(x, pairs), pairs),
                        TITLE, s->a));
    }
    fputs("\n\n# texts\n# panel\ttext\tcaption\n", dat);
    for (int r = 0; r < n; r++) {
        const struct sample_similarity *x = &run[r]->samples->similarity;
        for (int t = 0; t < x->n && t < PAIRS; t++)
            fprintf(dat, "%d\t%d\t%s\n", r + 1, t,
                    figure_text(*x->caption[t] ? x->caption[t] : "-", TEXT, s->a));
    }
}

int figure_similarity(const void *input, FILE *dat) {
    const struct report_input *in = input;
    const struct summary *s = in->summary;
    int n, left_out;
    const struct gallery_run **run = gallery_of(in, has_similarity, &n, &left_out);
    struct cosines range = {.lo = INFINITY, .hi = -INFINITY};
    if (!n)
        return 0;
    left_out += n > PANELS ? n - PANELS : 0;
    n = n < PANELS ? n : PANELS;
    for (int r = 0; r < n; r++) {
        const struct sample_similarity *x = &run[r]->samples->similarity;
        int pairs = x->n < PAIRS ? x->n : PAIRS;
        for (int i = 0; i < pairs * pairs; i++) {
            range.lo = fmin(range.lo, at(x, i / pairs, i % pairs));
            range.hi = fmax(range.hi, at(x, i / pairs, i % pairs));
        }
    }
    range.hi = fmax(range.hi, range.lo + 1e-6);
    figure_head("similarity", dat);
    for (int r = 0; r < n; r++) {
        const struct mosaic m = strip(s, run[r]);
        mosaic_matrix(arena_printf(s->a, "pictures %d", r + 1), m.rgb, m.height, m.width, dat);
    }
    put_texts(in, run, n, dat);
    put_cells(run, n, &range, dat);
    figure_caption_flagged(
        in,
        arena_printf(s->a,
                     "Cosines of test images (columns) with captions (rows), from %.2f (black) to "
                     "%.2f (pale yellow); framed: an image and its own caption.%s",
                     range.lo, range.hi, gallery_remarks(in, run, n, left_out)),
        FLAG_PARTIAL | FLAG_UNFINISHED | FLAG_VERSION | FLAG_FINDING, dat);
    return n;
}
