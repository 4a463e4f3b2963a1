/* show_split_brain.c -- what one half sees and what it makes of the other: colours from lightness,
 * lightness from colours.
 *
 * Predicted bins become a colour by the annealed mean of Zhang et al. 2016, arXiv:1603.08511,
 * section 2.3: the mean of the centres under softmax(logits / 0.38).
 */
#include "methods/show.h"
#include "methods/split_brain_internal.h"

#include "data/lab.h"

#include <string.h>

enum { LAB };         /* slot */
enum { OF_AB, OF_L }; /* objectives */
enum { L, A, B };

static const double TEMPERATURE = 0.38;
static const float NEUTRAL = 65; /* L of a colour without lightness */

/* What is predicted for objective k: (n, places, width). */
static const struct tensor *prediction(const struct show *s, int k) {
    return s->graphs[0].b->objectives[k].tensor->src[0];
}

/* The mean of bins' centres; k: 0 for a or L, 1 for b. */
static double annealed(const struct lab_bins *bins, int objective, int n, const double *p, int k) {
    double mean = 0;
    for (int i = 0; i < n; i++)
        mean += p[i] * (objective == OF_L ? lab_bins_l(bins, i) : (double)bins->centre[2 * i + k]);
    return mean;
}

/* The predicted channel (L, A or B) of sample i, of every place: out (places). */
static void predicted_channel(struct show *s, int i, int channel, float *out) {
    const struct split_brain_runtime *r = s->graphs[0].b->runtime;
    int objective = channel == L ? OF_L : OF_AB, k = channel == B;
    const struct tensor *t = prediction(s, objective);
    int places = t->dim[0], width = t->dim[1];
    int regresses = width < LAB_CHANNELS; /* one number a channel; there are more bins */
    const real *x = show_value(s, 0, t) + (size_t)i * t->per_sample;
    double *p = ARENA_ARRAY(&s->arena, double, width);
    for (int j = 0; j < places; j++, x += width)
        if (regresses) {
            out[j] = (float)x[k] * LAB_STD[channel] + LAB_MEAN[channel];
        } else {
            show_softmax(width, TEMPERATURE, x, p);
            out[j] = (float)annealed(&r->bins, objective, width, p, k);
        }
}

/* Every pixel of a channel (side,side) from its place. */
static void spread(int side, int grid, const float *places, float *out) {
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            out[y * side + x] = places[y * grid / side * grid + x * grid / side];
}

/* Lab (3,side,side) as a tile. */
static struct canvas lab_tile(struct show *s, int side, const float *l, const float *a,
                              const float *b) {
    size_t n = (size_t)side * (size_t)side;
    float *rgb = ARENA_ARRAY(&s->arena, float, LAB_CHANNELS *n);
    memcpy(rgb, l, n * sizeof *rgb);
    memcpy(rgb + n, a, n * sizeof *rgb);
    memcpy(rgb + 2 * n, b, n * sizeof *rgb);
    lab_to_rgb_image(rgb, n, rgb);
    return canvas_from_image(&s->arena, LAB_CHANNELS, side, side, rgb);
}

static void put_row(struct show *s, int i) {
    const struct split_brain_runtime *r = s->graphs[0].b->runtime;
    int side = s->backbone->image, n = side * side;
    const float *input = show_slot(s, 0, LAB, i);
    float *t[LAB_CHANNELS], *p[LAB_CHANNELS]; /* true and predicted */
    float *zero = ARENA_ARRAY(&s->arena, float, n), *flat = ARENA_ARRAY(&s->arena, float, n);
    float *places = ARENA_ARRAY(&s->arena, float, r->grid * r->grid);
    for (int c = 0; c < LAB_CHANNELS; c++) {
        t[c] = ARENA_ARRAY(&s->arena, float, n);
        p[c] = ARENA_ARRAY(&s->arena, float, n);
        for (int j = 0; j < n; j++)
            t[c][j] = input[c * n + j] * LAB_STD[c] + LAB_MEAN[c];
        predicted_channel(s, i, c, places);
        spread(side, r->grid, places, p[c]);
    }
    for (int j = 0; j < n; j++)
        flat[j] = NEUTRAL;
    const struct canvas tiles[] = {
        lab_tile(s, side, t[L], zero, zero), lab_tile(s, side, t[L], p[A], p[B]),
        lab_tile(s, side, t[L], t[A], t[B]), lab_tile(s, side, p[L], t[A], t[B]),
        lab_tile(s, side, flat, t[A], t[B])};
    for (int c = 0; c < (int)(sizeof tiles / sizeof *tiles); c++)
        show_put(s, i, c, tiles[c]);
}

int show_split_brain(struct show *s, struct error *err) {
    (void)err;
    static const char *const titles[] = {"L alone", "L, predicted ab", "true", "predicted L, ab",
                                         "ab alone"};
    show_run(s, 0);
    show_kinds(s, sizeof titles / sizeof *titles, titles);
    for (int i = 0; i < s->n; i++) {
        double loss[2];
        for (int k = 0; k < 2; k++) {
            const struct tensor *t = s->graphs[0].b->objectives[k].tensor;
            loss[k] =
                show_mean((int)t->per_sample, show_value(s, 0, t) + (size_t)i * t->per_sample);
        }
        put_row(s, i);
        show_say(s, i, "loss of ab from L %.3f, of L from ab %.3f", loss[OF_AB], loss[OF_L]);
    }
    sheet_note(&s->sheet, "From left and right to the true image in the middle: what a half sees, "
                          "and with what it predicts for each place of its map.");
    return 0;
}
