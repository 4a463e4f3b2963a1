/* views.c -- views of images.  The steps' definitions stand in data/augment.h; Smith 1978, "Color
 * gamut transform pairs", for the hue. */
#include "kernels/ref/ref.h"
#include "kernels/view_taps.h"

#include <math.h>
#include <string.h>

#define SOLARIZE_FROM 0.5

_Static_assert(VIEW_SIDE *(VIEW_TAPS + 3) <= KERNEL_WORKSPACE, "taps of a row fit into workspace");

struct picture {
    int channels, side;
    size_t plane;
    real *x; /* (channels,side,side) */
};

static double clip(double x) {
    return fmin(fmax(x, 0), 1);
}

static int has_colour(const struct picture *p) {
    return p->channels == 3;
}

/* What an output is made of in one direction. */
struct taps {
    int first, n;
    float cover, weight[VIEW_TAPS];
};

static double weighted(const struct view_task *t, const int32_t *pixels, const struct taps *down,
                       const struct taps *over, int channels, int c) {
    double sum = 0;
    for (int i = 0; i < down->n; i++) {
        const int32_t *row = pixels + (long)(down->first + i - t->first_row) * t->row_words;
        const uint8_t *at = (const uint8_t *)row;
        for (int j = 0; j < over->n; j++)
            sum += (double)down->weight[i] * (double)over->weight[j] *
                   at[(over->first + j - t->first_column) * channels + c];
    }
    return sum;
}

static void find_taps(const struct view_axis *axis, int i, struct taps *out) {
    view_taps(axis, i, &out->first, &out->n, &out->cover, out->weight, 1);
}

/* over (side) */
static void resize(const struct view_task *t, const int32_t *pixels, const real *mean,
                   struct taps *over, const struct picture *p) {
    const struct view_axis rows = view_rows(t, p->side), columns = view_columns(t, p->side);
    struct taps down;
    for (int x = 0; x < p->side; x++)
        find_taps(&columns, t->flip ? p->side - 1 - x : x, &over[x]);
    for (int y = 0; y < p->side; y++) {
        find_taps(&rows, y, &down);
        for (int x = 0; x < p->side; x++)
            for (int c = 0; c < p->channels; c++) {
                double outside = 1 - (double)down.cover * (double)over[x].cover;
                double sum = weighted(t, pixels, &down, &over[x], p->channels, c);
                p->x[(size_t)c * p->plane + (size_t)(y * p->side + x)] =
                    (real)clip(sum / 255 + (double)mean[c] * outside);
            }
    }
}

/* Of pixel i: ITU-R BT.601, or the mean of the channels where they are no colours. */
static double grey_of(const struct picture *p, size_t i) {
    static const double colour[] = {0.299, 0.587, 0.114};
    double sum = 0;
    for (int c = 0; c < p->channels; c++)
        sum += (double)p->x[(size_t)c * p->plane + i] *
               (has_colour(p) ? colour[c] : 1.0 / p->channels);
    return sum;
}

/* clip(factor x + add) of pixel i */
static void scale(const struct picture *p, size_t i, double factor, double add) {
    for (int c = 0; c < p->channels; c++) {
        real *x = &p->x[(size_t)c * p->plane + i];
        *x = (real)clip(factor * (double)*x + add);
    }
}

static void brighten(const struct picture *p, double factor) {
    for (size_t i = 0; i < p->plane; i++)
        scale(p, i, factor, 0);
}

static void contrast(const struct picture *p, double factor) {
    double mean = 0;
    for (size_t i = 0; i < p->plane; i++)
        mean += grey_of(p, i);
    mean /= (double)p->plane;
    for (size_t i = 0; i < p->plane; i++)
        scale(p, i, factor, (1 - factor) * mean);
}

static void saturate(const struct picture *p, double factor) {
    for (size_t i = 0; i < p->plane && has_colour(p); i++)
        scale(p, i, factor, (1 - factor) * grey_of(p, i));
}

/* In sixths of a turn: 0 red, 2 green, 4 blue.  The first of the largest channels counts. */
static double hue_of(double r, double g, double b, double most, double chroma) {
    if (chroma <= 0)
        return 0;
    return most == r ? (g - b) / chroma : most == g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma;
}

static void turn_hue(const struct picture *p, double turns) {
    for (size_t i = 0; i < p->plane && has_colour(p) && turns != 0; i++) {
        real *x[] = {p->x + i, p->x + p->plane + i, p->x + 2 * p->plane + i};
        double r = (double)*x[0], g = (double)*x[1], b = (double)*x[2];
        double most = fmax(r, fmax(g, b)), least = fmin(r, fmin(g, b)), chroma = most - least;
        double hue = hue_of(r, g, b, most, chroma) + 6 * turns;
        hue += hue < 0 ? 6 : hue >= 6 ? -6 : 0;
        *x[0] = (real)(least + chroma * clip(fabs(hue - 3) - 1));
        *x[1] = (real)(least + chroma * clip(2 - fabs(hue - 2)));
        *x[2] = (real)(least + chroma * clip(2 - fabs(hue - 4)));
    }
}

static void jitter(const struct picture *p, const struct view_task *t) {
    static void (*const apply[])(const struct picture *, double) = {[VIEW_BRIGHTNESS] = brighten,
                                                                    [VIEW_CONTRAST] = contrast,
                                                                    [VIEW_SATURATION] = saturate,
                                                                    [VIEW_HUE] = turn_hue};
    for (int i = 0; i < VIEW_OPERATIONS; i++)
        apply[t->order[i]](p, (double)t->factor[t->order[i]]);
}

static void make_grey(const struct picture *p) {
    for (size_t i = 0; i < p->plane && has_colour(p); i++)
        scale(p, i, 0, grey_of(p, i));
}

static int mirrored(int i, int n) {
    i = i < 0 ? -i : i;
    return i < n ? i : 2 * (n - 1) - i;
}

/* to = x blurred along rows, or along columns */
static void blur_along(int side, int down, int radius, const double *weight, const real *x,
                       real *to) {
    for (int row = 0; row < side; row++)
        for (int column = 0; column < side; column++) {
            double sum = 0;
            for (int i = -radius; i <= radius; i++) {
                int from = mirrored((down ? row : column) + i, side);
                sum += weight[i < 0 ? -i : i] *
                       (double)x[down ? from * side + column : row * side + from];
            }
            to[row * side + column] = (real)sum;
        }
}

static void blur(const struct picture *p, double sigma, int radius, real *scratch) {
    double weight[VIEW_BLUR + 1] = {1}, total = 1;
    for (int i = 1; i <= radius; i++)
        total += 2 * (weight[i] = exp(-0.5 * (i / sigma) * (i / sigma)));
    for (int i = 0; i <= radius; i++)
        weight[i] /= total;
    for (int c = 0; c < p->channels; c++) {
        real *x = p->x + (size_t)c * p->plane;
        blur_along(p->side, 0, radius, weight, x, scratch);
        blur_along(p->side, 1, radius, weight, scratch, x);
    }
    brighten(p, 1); /* which clips */
}

static void solarize(const struct picture *p) {
    for (size_t i = 0; i < (size_t)p->channels * p->plane; i++)
        p->x[i] = (double)p->x[i] >= SOLARIZE_FROM ? 1 - p->x[i] : p->x[i];
}

static void normalize(const struct picture *p, const real *norm) {
    for (int c = 0; c < p->channels; c++)
        for (size_t i = 0; i < p->plane; i++) {
            real *x = &p->x[(size_t)c * p->plane + i];
            *x = (real)(((double)*x - (double)norm[c]) * (double)norm[p->channels + c]);
        }
}

static void render(const struct view_task *t, const int32_t *pixels, const real *norm,
                   void *workspace, real *scratch, const struct picture *p) {
    for (size_t i = 0; t->ready >= 0 && i < (size_t)p->channels * p->plane; i++) {
        float made;
        memcpy(&made, pixels + (size_t)t->ready + i, sizeof made);
        p->x[i] = (real)made;
    }
    if (t->ready >= 0)
        return;
    resize(t, pixels, norm, workspace, p);
    if (t->jitter)
        jitter(p, t);
    if (t->grey)
        make_grey(p);
    if (t->sigma > 0)
        blur(p, (double)t->sigma, t->radius, scratch);
    if (t->solarize)
        solarize(p);
    normalize(p, norm);
}

void ref_render_views(const struct kctx *c, int n, const struct view_shape *s,
                      const int32_t *pixels, const int32_t *tasks, const real *norm, real *scratch,
                      real *y) {
    for (size_t i = 0; i < (size_t)n * (size_t)s->views; i++) {
        struct view_task t;
        memcpy(&t, tasks + i * VIEW_WORDS, sizeof t);
        const struct picture p = {.channels = s->channels,
                                  .side = s->side,
                                  .plane = (size_t)s->side * (size_t)s->side,
                                  .x = y + i * view_reals(s)};
        render(&t, pixels + i / (size_t)s->views * (size_t)s->words, norm, c->workspace, scratch,
               &p);
    }
}
