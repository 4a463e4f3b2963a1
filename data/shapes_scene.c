/* shapes_scene.c -- what is in a synthetic picture, and the sentence that says so.
 *
 * The label is drawn apart from everything else, so colours, texture, size, place and background
 * say nothing about it.  Every ten pictures in a row hold every class once.
 */
#include "data/shapes_internal.h"

#include "core/rng.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

/* What is behind an object has one of the first colours, an object one of the last. */
static const struct palette {
    const char *name;
    float rgb[3];
} palette[] = {{"black", {0.10F, 0.10F, 0.11F}},  {"brown", {0.44F, 0.28F, 0.16F}},
               {"red", {0.80F, 0.15F, 0.15F}},    {"green", {0.24F, 0.58F, 0.23F}},
               {"teal", {0.12F, 0.58F, 0.58F}},   {"blue", {0.17F, 0.33F, 0.78F}},
               {"purple", {0.50F, 0.23F, 0.64F}}, {"grey", {0.52F, 0.52F, 0.54F}},
               {"orange", {0.93F, 0.52F, 0.13F}}, {"yellow", {0.92F, 0.82F, 0.22F}},
               {"pink", {0.92F, 0.54F, 0.70F}},   {"white", {0.92F, 0.92F, 0.90F}}};

enum { COLOURS = sizeof palette / sizeof *palette, GROUND_COLOURS = 8, OBJECT_FIRST = 2 };

static const float black[3] = {0.04F, 0.04F, 0.05F}, grey[3] = {0.5F, 0.5F, 0.5F},
                   white[3] = {0.97F, 0.97F, 0.95F};

/* An object is lighter than what is behind it, by so much of the range; and it stands nearly
 * upright.  Where either is left to chance a small transformer learns next to nothing from a few
 * thousand pictures. */
static const double LIGHTER = 0.28, OBJECT_TURN = 0.5;

static const char *const texture_names[SHAPE_TEXTURES] = {"", "striped ", "checkered ", "dotted ",
                                                          "marbled "};

struct rng shape_rng(uint64_t seed, enum split split, unsigned stream, uint32_t index) {
    return rng_at((struct rng_key){seed, RNG_DATA}, (uint32_t)split * STREAMS + stream, index);
}

static float draw(struct rng *r, double lo, double hi) {
    return (float)rng_range(r, lo, hi);
}

static int label_of(uint64_t seed, enum split split, long index) {
    int32_t order[SHAPE_CLASSES];
    struct rng r = shape_rng(seed, split, STREAM_LABEL, (uint32_t)(index / SHAPE_CLASSES));
    rng_permutation(&r, order, SHAPE_CLASSES);
    return order[index % SHAPE_CLASSES];
}

static void jittered(struct rng *r, const float rgb[3], double most, float out[3]) {
    double tone = rng_range(r, -most, most);
    for (int c = 0; c < 3; c++) {
        double v = rgb[c] + tone + rng_range(r, -most, most) / 2;
        out[c] = (float)(v < 0.02 ? 0.02 : v > 0.98 ? 0.98 : v);
    }
}

static void blend(const float a[3], const float b[3], float share, float out[3]) {
    for (int c = 0; c < 3; c++)
        out[c] = a[c] + (b[c] - a[c]) * share;
}

static double luma(const float rgb[3]) {
    return 0.30 * (double)rgb[0] + 0.59 * (double)rgb[1] + 0.11 * (double)rgb[2];
}

/* Two tones of one colour, duller than an object's, that mix, and patches of another that stays in
 * the minority; none lighter than the limit that is drawn last. */
static int make_ground(struct shape_scene *s, struct rng *r) {
    int colour = (int)rng_below(r, GROUND_COLOURS), other = (int)rng_below(r, COLOURS);
    float tone[3];
    jittered(r, palette[colour].rgb, 0.06, tone);
    blend(tone, grey, draw(r, 0, 0.4), s->ground[0]);
    const float *end = rng_below(r, 2) ? black : white;
    blend(s->ground[0], end, draw(r, 0.15, 0.45), s->ground[1]);
    jittered(r, palette[other].rgb, 0.06, tone);
    blend(s->ground[0], tone, draw(r, 0.2, 0.6), s->ground[2]);
    double limit = rng_range(r, 0.2, 0.5), lightest = 0;
    for (int i = 0; i < 3; i++)
        lightest = fmax(lightest, luma(s->ground[i]));
    for (int i = 0; i < 3 && lightest > limit; i++)
        blend(black, s->ground[i], (float)(limit / lightest), s->ground[i]);
    return colour;
}

static void make_light(struct shape_scene *s, struct rng *r) {
    double stretch = exp(rng_range(r, -0.5, 0.5)), coarse = rng_range(r, 1.6, 4.5);
    s->frequency[0] = (float)(coarse * stretch);
    s->frequency[1] = (float)(coarse / stretch);
    s->persistence = draw(r, 0.35, 0.68);
    double direction = rng_range(r, 0, 2 * PI), strength = rng_range(r, 0, 0.3);
    s->light.x = (float)(strength * cos(direction));
    s->light.y = (float)(strength * sin(direction));
    s->exposure = draw(r, 0.85, 1.15);
}

/* Of another name than the background's, and light enough. */
static int make_object_colour(struct shape_scene *s, struct rng *r, int ground) {
    int colour = ground;
    while (colour == ground)
        colour = OBJECT_FIRST + (int)rng_below(r, COLOURS - OBJECT_FIRST);
    jittered(r, palette[colour].rgb, 0.06, s->colour[0]);
    double least = 0, own = luma(s->colour[0]), top = luma(white);
    for (int i = 0; i < 3; i++)
        least = fmax(least, luma(s->ground[i]) + LIGHTER);
    if (own < least)
        blend(s->colour[0], white, (float)((least - own) / (top - own)), s->colour[0]);
    return colour;
}

/* The second colour of a texture: the first one darker, or lighter where dark would be lost in the
 * background. */
static void make_texture(struct shape_scene *s, struct rng *r) {
    double own = luma(s->colour[0]), behind = fmax(luma(s->ground[0]), luma(s->ground[1]));
    double share = rng_range(r, 0.3, 0.6), darker = own * (1 - share);
    s->texture = (enum shape_texture)rng_below(r, SHAPE_TEXTURES);
    blend(s->colour[0], darker > behind + LIGHTER / 2 ? black : white, (float)share, s->colour[1]);
    s->period = draw(r, 0.45, 0.85);
    s->phase[0] = draw(r, 0, 1), s->phase[1] = draw(r, 0, 1);
}

/* How far objects and clutter lean to either side, and stretch along any axis. */
struct freedom {
    double turn, stretch;
};

/* A rotation, a mirror image half of the time, a stretch along one axis, and the size. */
static struct placement place(struct rng *r, double x, double y, double radius,
                              struct freedom most) {
    double angle = rng_range(r, -most.turn, most.turn), along = rng_range(r, 0, PI);
    double stretch = exp(rng_range(r, -most.stretch, most.stretch)), m = rng_below(r, 2) ? 1 : -1;
    double ca = cos(angle), sa = sin(angle), c = cos(along), n = sin(along);
    double xx = stretch * c * c + n * n / stretch, yy = stretch * n * n + c * c / stretch;
    double xy = (stretch - 1 / stretch) * c * n;
    return (struct placement){.matrix = {{(float)(radius * m * (xx * ca + xy * sa)),
                                          (float)(radius * (xy * ca - xx * sa))},
                                         {(float)(radius * m * (xy * ca + yy * sa)),
                                          (float)(radius * (yy * ca - xy * sa))}},
                              .centre = {(float)x, (float)y}};
}

static void make_object(struct shape_scene *s, struct rng *r) {
    double radius = 0.26 * exp(rng_uniform(r) * log(0.42 / 0.26)), margin = 0.95 * radius;
    double x = rng_range(r, margin, 1 - margin), y = rng_range(r, margin, 1 - margin);
    s->radius = (float)radius;
    s->at = place(r, x, y, radius, (struct freedom){OBJECT_TURN, 0.12});
    s->shadow.x = draw(r, -0.24, 0.24) * s->radius;
    s->shadow.y = draw(r, 0.02, 0.14) * s->radius;
    s->shadow_opacity = rng_below(r, 2) ? draw(r, 0.1, 0.35) : 0;
}

/* Things of no class, some in the object's own colours, so that colour does not find it. */
static void make_clutter(struct shape_scene *s, struct rng *r) {
    s->n_clutter = (int)rng_below(r, CLUTTER_MOST + 1);
    for (int i = 0; i < s->n_clutter; i++) {
        struct clutter *c = &s->clutter[i];
        double x = rng_range(r, 0, 1), y = rng_range(r, 0, 1), radius = rng_range(r, 0.025, 0.075);
        c->outline = (int)rng_below(r, CLUTTER_KINDS);
        c->at = place(r, x, y, radius, (struct freedom){PI, 0.3});
        int own = rng_below(r, 3) == 0, colour = (int)rng_below(r, COLOURS);
        jittered(r, own ? s->colour[0] : palette[colour].rgb, 0.06, c->colour);
        c->opacity = draw(r, 0.55, 1);
    }
}

static const char *article(const char *word) {
    return word[0] && strchr("aeiou", word[0]) ? "an" : "a";
}

/* "upper left", "centre", "right" */
static const char *region(const struct point *p) {
    static const char *const names[3][3] = {{"upper left", "top", "upper right"},
                                            {"left", "centre", "right"},
                                            {"lower left", "bottom", "lower right"}};
    int row = p->y < 0.4F ? 0 : p->y < 0.6F ? 1 : 2, column = p->x < 0.4F ? 0 : p->x < 0.6F ? 1 : 2;
    return names[row][column];
}

static void write_caption(struct shape_scene *s, int colour, int ground, unsigned form) {
    const char *size = s->radius < 0.305F ? "small" : s->radius < 0.36F ? "medium-sized" : "large";
    const char *texture = texture_names[s->texture], *name = shape_names[s->label];
    const char *object = palette[colour].name, *back = palette[ground].name;
    char *out = s->caption;
    size_t room = sizeof s->caption;
    switch (form) {
    case 0:
        snprintf(out, room, "a %s %s %s%s on %s %s background", size, object, texture, name,
                 article(back), back);
        break;
    case 1:
        snprintf(out, room, "a %s %s%s in %s, in front of %s %s background", size, texture, name,
                 object, article(back), back);
        break;
    case 2:
        snprintf(out, room, "%s %s %s%s, %s, at the %s of a picture in %s", article(object), object,
                 texture, name, size, region(&s->at.centre), back);
        break;
    default:
        snprintf(out, room, "%s %s background with a %s %s %s%s at the %s", article(back), back,
                 size, object, texture, name, region(&s->at.centre));
    }
}

void shape_scene_make(struct shape_scene *s, uint64_t seed, enum split split, long index) {
    *s = (struct shape_scene){.seed = seed, .split = split, .index = (uint32_t)index};
    s->label = label_of(seed, split, index);
    struct rng r = shape_rng(seed, split, STREAM_SCENE, s->index);
    int ground = make_ground(s, &r), colour = make_object_colour(s, &r, ground);
    make_light(s, &r);
    make_texture(s, &r);
    make_object(s, &r);
    make_clutter(s, &r);
    write_caption(s, colour, ground, rng_below(&r, 4));
}
