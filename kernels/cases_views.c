/* cases_views.c -- views of images, of all kinds that their tasks can ask for. */
#include "core/rng.h"
#include "kernels/cases_make.h"
#include "kernels/views.h"

#include <string.h>

enum { JITTER = 1, GREY = 2, BLUR = 4, SOLARIZE = 8, CUBIC = 16, READY = 32, OUTSIDE = 64 };

/* The sides of the largest square image that so many words hold. */
static int image_side(int words, int channels) {
    int side = 1;
    while ((side + 1) * (((side + 1) * channels + 3) / 4) <= words)
        side++;
    return side;
}

static float uniform(struct rng *rng, double low, double high) {
    return (float)rng_range(rng, low, high);
}

/* A box of an eighth of the image or more, each way. */
static void draw_box(struct view_task *t, int outside, struct rng *rng) {
    const int side = t->image_height, least = side / 8 > 1 ? side / 8 : 1;
    t->height = (float)(least + (int)rng_below(rng, (uint32_t)(side - least + 1)));
    t->width = (float)(least + (int)rng_below(rng, (uint32_t)(side - least + 1)));
    t->top = (float)rng_below(rng, (uint32_t)(side - (int)t->height + 1));
    t->left = (float)rng_below(rng, (uint32_t)(side - (int)t->width + 1));
    if (outside) {
        t->top -= uniform(rng, 0, 0.9) * t->height;
        t->left += uniform(rng, 0, 0.9) * t->width;
    }
}

static void draw_task(struct view_task *t, const struct view_shape *s, int steps, struct rng *rng) {
    const int side = image_side(s->words, s->channels);
    *t = (struct view_task){.image_height = side,
                            .image_width = side,
                            .row_words = (side * s->channels + 3) / 4,
                            .ready = -1,
                            .flip = (int32_t)rng_below(rng, 2),
                            .cubic = (steps & CUBIC) != 0,
                            .jitter = (steps & JITTER) != 0,
                            .grey = (steps & GREY) && rng_below(rng, 2),
                            .solarize = (steps & SOLARIZE) != 0};
    draw_box(t, steps & OUTSIDE, rng);
    rng_permutation(rng, t->order, VIEW_OPERATIONS);
    for (int i = 0; i < VIEW_OPERATIONS; i++)
        t->factor[i] = i == VIEW_HUE ? uniform(rng, -0.5, 0.5) : uniform(rng, 0.2, 1.8);
    if (steps & BLUR) {
        t->sigma = uniform(rng, 0.1, 3);
        t->radius = (int32_t)rng_below(rng, VIEW_BLUR + 1);
        t->radius = t->radius < s->side ? t->radius : s->side - 1;
    }
}

/* Each second view is there already. */
static void make_ready(const struct view_shape *s, int n, struct rng *rng, int32_t *pixels,
                       int32_t *tasks) {
    struct view_task t;
    for (int i = 0; i < n * s->views; i += 2) {
        int32_t *image = pixels + (size_t)(i / s->views) * (size_t)s->words;
        size_t at = (size_t)(i % s->views) * view_reals(s);
        for (size_t k = 0; k < view_reals(s); k++) {
            const float x = uniform(rng, -2, 2);
            memcpy(&image[at + k], &x, sizeof x);
        }
        memcpy(&t, tasks + (size_t)i * VIEW_WORDS, sizeof t);
        t.ready = (int32_t)at;
        memcpy(tasks + (size_t)i * VIEW_WORDS, &t, sizeof t);
    }
}

/* n views channels side words steps */
static void render_views(struct case_run *r) {
    const int *d = r->dim, n = d[0], steps = d[5];
    const struct view_shape s = {.views = d[1], .channels = d[2], .side = d[3], .words = d[4]};
    const size_t views = (size_t)n * (size_t)s.views;
    int32_t *pixels = case_index(r, (size_t)n * (size_t)s.words, 0, INT32_MAX);
    int32_t *tasks = case_index(r, views * VIEW_WORDS, 0, 1);
    real *norm = case_positive(r, CASE_INPUT, 2 * (size_t)s.channels);
    real *scratch = case_real(r, CASE_SCRATCH, (size_t)n, view_scratch(&s), view_scratch(&s));
    size_t wide = (size_t)s.views * view_reals(&s);
    real *y = case_real(r, CASE_OUTPUT, (size_t)n, wide, wide);
    if (case_fills(r)) {
        struct rng rng = rng_at((struct rng_key){.seed = r->seed, .purpose = RNG_TEST}, 1, 0);
        for (size_t i = 0; i < views; i++) {
            struct view_task t;
            draw_task(&t, &s, steps, &rng);
            memcpy(tasks + i * VIEW_WORDS, &t, sizeof t);
        }
        if (steps & READY)
            make_ready(&s, n, &rng, pixels, tasks);
    }
    if (r->c)
        r->k->render_views(r->c, n, &s, pixels, tasks, norm, scratch, y);
}

static const int view_shapes[][CASE_DIMS] = {
    {0, 2, 3, 5, 60, JITTER},
    {2, 0, 3, 5, 60, JITTER},
    {2, 1, 3, 1, 1, JITTER + BLUR + SOLARIZE},
    {2, 3, 3, 5, 60, 0},
    {1, 2, 3, 40, 768, CUBIC + OUTSIDE},
    {2, 2, 3, 33, 300, CUBIC + JITTER + GREY + BLUR},
    {1, 1, 3, 37, 6144, CUBIC + JITTER + SOLARIZE},
    {3, 2, 3, 17, 1800, JITTER + GREY + BLUR + SOLARIZE + READY + OUTSIDE},
    {2, 2, 1, 9, 50, JITTER + GREY + BLUR + CUBIC},
    {2, 1, 4, 34, 1024, JITTER + GREY + BLUR + OUTSIDE},
    {1, 1, 2, 4, 70000, CUBIC + BLUR}, /* shrunk by more than a filter widens */
    {4, 2, 3, 224, 256 * 192, CUBIC + JITTER + GREY + BLUR},
    {8, 1, 3, 224, 256 * 192, CUBIC},
};

const struct kernel_case cases_views[] = {
    {"render_views", "n views channels side words steps", 0, render_views, SHAPES(view_shapes, 2)},
    {NULL, NULL, -1, NULL, NULL, 0, 0},
};
