/* shapes_draw.c -- a scene as pixels.
 *
 * Background: octaves of smooth value noise mix two tones and lay patches of a third.  On it come
 * clutter, a shadow, the textured object, then illumination, exposure and the noise of a sensor.
 * Colours are floats in [0,1], planes of (size, size).
 */
#include "core/rng.h"
#include "data/shapes_internal.h"

#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* pictures are the same bytes on every machine; gcc: -std=c11 */
#endif

enum { OCTAVES = 8, FIELDS = 3, LATTICE = SHAPE_LARGEST + 2 };

/* Pixels of one cell of the finest octave. */
static const float FINEST = 2.2F;

struct canvas {
    const struct shape_scene *scene;
    int size;
    float *plane[3];      /* (size, size) each */
    float *field[FIELDS]; /* (size, size) each: noise in [0,1] for tone, patches, marble */
    float *lattice;       /* (2, LATTICE): two rows of the octave at hand */
    struct coverage coverage;
};

static float clamp01(float v) {
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static float smooth(float t) {
    return t * t * (3 - 2 * t);
}

struct across { /* where a pixel lies in a row of the lattice */
    int cell;
    float share;
};

/* One row of a lattice: 16 bits of Philox for each point, a function of (octave, row, point). */
static void lattice_row(const struct shape_scene *s, unsigned stream, uint32_t row, int n,
                        float *out) {
    struct rng r = shape_rng(s->seed, s->split, stream, s->index);
    r.counter[0] = row << 16;
    for (int i = 0; i < n; i += 2) {
        uint32_t word = rng_u32(&r);
        out[i] = (float)(word & 0xffff) * (1.0F / 65536);
        out[i + 1] = (float)(word >> 16) * (1.0F / 65536);
    }
}

/* Adds amplitude * noise with the given number of cells across and down. */
static void add_octave(struct canvas *c, float *field, unsigned stream, const float cells[2],
                       float amplitude) {
    struct across across[SHAPE_LARGEST];
    float *above = c->lattice, *below = c->lattice + LATTICE, step[2];
    int n = (int)cells[0] + 2, at = -1;
    for (int i = 0; i < 2; i++)
        step[i] = cells[i] / (float)c->size;
    for (int x = 0; x < c->size; x++) {
        float u = ((float)x + 0.5F) * step[0];
        across[x].cell = (int)u;
        across[x].share = smooth(u - (float)across[x].cell);
    }
    for (int y = 0; y < c->size; y++) {
        float v = ((float)y + 0.5F) * step[1];
        int row = (int)v;
        if (row != at) {
            lattice_row(c->scene, stream, (uint32_t)row, n, above);
            lattice_row(c->scene, stream, (uint32_t)row + 1, n, below);
            at = row;
        }
        float down = smooth(v - (float)row), lattice[LATTICE];
        for (int i = 0; i < n; i++)
            lattice[i] = (above[i] + (below[i] - above[i]) * down) * amplitude;
        float *out = field + (size_t)y * (size_t)c->size;
        for (int x = 0; x < c->size; x++) {
            const float *p = lattice + across[x].cell;
            out[x] += p[0] + (p[1] - p[0]) * across[x].share;
        }
    }
}

/* The amplitudes of all octaves, drawn or too fine for this size, sum to 1: what is coarse looks
 * the same at every size. */
static void make_field(struct canvas *c, int which) {
    const struct shape_scene *s = c->scene;
    float *field = c->field[which], amplitude = 1 - s->persistence;
    float cells[2] = {s->frequency[0], s->frequency[1]};
    float most = (float)c->size / FINEST, left = 1;
    size_t area = (size_t)c->size * (size_t)c->size;
    memset(field, 0, area * sizeof *field);
    for (int o = 0; o < OCTAVES && (o == 0 || (cells[0] < most && cells[1] < most)); o++) {
        add_octave(c, field, STREAM_NOISE + (unsigned)(which * OCTAVES + o), cells, amplitude);
        left -= amplitude;
        amplitude *= s->persistence;
        cells[0] *= 2.03F, cells[1] *= 1.97F; /* no common lattice lines */
    }
    for (size_t i = 0; i < area; i++)
        field[i] = clamp01(0.5F + (field[i] + 0.5F * left - 0.5F) * 2.6F);
}

static void paint_ground(struct canvas *c) {
    const struct shape_scene *s = c->scene;
    size_t area = (size_t)c->size * (size_t)c->size;
    for (int k = 0; k < 3; k++) {
        float base = s->ground[0][k], tone = s->ground[1][k] - base, patch = s->ground[2][k];
        for (size_t i = 0; i < area; i++) {
            float v = base + tone * c->field[0][i];
            float share = clamp01((c->field[1][i] - 0.55F) * 3);
            c->plane[k][i] = v + (patch - v) * share;
        }
    }
}

/* Computes the coverage of an outline that is placed, and moved by `by`, in the image. */
static void cover(struct canvas *c, const struct point *outline, int n, const struct placement *at,
                  struct point by) {
    struct point p[SHAPE_POINTS];
    float size = (float)c->size;
    for (int i = 0; i < n; i++) {
        float x = outline[i].x, y = outline[i].y;
        p[i].x = (at->matrix[0][0] * x + at->matrix[0][1] * y + at->centre.x + by.x) * size;
        p[i].y = (at->matrix[1][0] * x + at->matrix[1][1] * y + at->centre.y + by.y) * size;
    }
    coverage_polygon(&c->coverage, p, n);
}

static const float *coverage_row(const struct canvas *c, int y) {
    return c->coverage.value + (size_t)y * (size_t)(c->size + 2);
}

static void paint_flat(struct canvas *c, const float colour[3], float opacity) {
    const struct coverage *v = &c->coverage;
    for (int y = v->top; y < v->bottom; y++) {
        const float *share = coverage_row(c, y);
        for (int k = 0; k < 3; k++) {
            float *out = c->plane[k] + (size_t)y * (size_t)c->size;
            for (int x = v->left; x < v->right; x++)
                out[x] += (colour[k] - out[x]) * share[x] * opacity;
        }
    }
}

static void paint_clutter(struct canvas *c) {
    struct point outline[SHAPE_POINTS];
    for (int i = 0; i < c->scene->n_clutter; i++) {
        const struct clutter *piece = &c->scene->clutter[i];
        int n = clutter_outline(piece->outline, outline);
        cover(c, outline, n, &piece->at, (struct point){0, 0});
        paint_flat(c, piece->colour, piece->opacity);
    }
}

/* Distance from the middle of the nearest stripe, 0 to 0.5 periods; t > -64. */
static float wave(float t) {
    t += 64;
    t -= (float)(int)t;
    return t < 0.5F ? t : 1 - t;
}

/* 0 or 1 with a ramp as wide as a pixel, which is `footprint` periods. */
static float edge(float distance, float footprint) {
    return clamp01(0.5F + distance / footprint);
}

/* Share of the second colour at (u, v), in periods of the texture. */
static float texture_share(const struct shape_scene *s, float u, float v, float footprint,
                           float marble) {
    float a, b;
    switch (s->texture) {
    case STRIPED:
        return edge(wave(u) - 0.25F, footprint);
    case CHECKERED:
        a = edge(wave(u * 0.7F) - 0.25F, footprint * 0.7F);
        b = edge(wave(v * 0.7F) - 0.25F, footprint * 0.7F);
        return a + b - 2 * a * b;
    case DOTTED:
        a = wave(u), b = wave(v);
        /* The square of a distance: its ramp is 2 * radius as steep. */
        return edge(0.0784F - (a * a + b * b), footprint * 0.56F);
    case MARBLED:
        return smooth(clamp01((marble - 0.25F) * 2));
    default:
        return 0;
    }
}

/* Image to outline: the inverse of the placement. */
static void invert(const struct placement *at, float inverse[2][2]) {
    const float(*m)[2] = at->matrix;
    float determinant = m[0][0] * m[1][1] - m[0][1] * m[1][0];
    inverse[0][0] = m[1][1] / determinant, inverse[0][1] = -m[0][1] / determinant;
    inverse[1][0] = -m[1][0] / determinant, inverse[1][1] = m[0][0] / determinant;
}

static void paint_object(struct canvas *c, uint8_t *mask) {
    const struct shape_scene *s = c->scene;
    const struct coverage *box = &c->coverage;
    float inverse[2][2], pixel = 1 / (float)c->size, per_period = 1 / s->period;
    float footprint = pixel / s->radius * per_period;
    invert(&s->at, inverse);
    for (int y = box->top; y < box->bottom; y++) {
        const float *share = coverage_row(c, y);
        float dy = ((float)y + 0.5F) * pixel - s->at.centre.y;
        for (int x = box->left; x < box->right; x++) {
            if (share[x] < 1e-3F)
                continue;
            size_t i = (size_t)y * (size_t)c->size + (size_t)x;
            float dx = ((float)x + 0.5F) * pixel - s->at.centre.x;
            float u = (inverse[0][0] * dx + inverse[0][1] * dy) * per_period + s->phase[0];
            float v = (inverse[1][0] * dx + inverse[1][1] * dy) * per_period + s->phase[1];
            float second = texture_share(s, u, v, footprint, c->field[2][i]);
            /* The object bulges a little towards the light. */
            float shade = 1 + 0.5F * (s->light.x * dx + s->light.y * dy) / s->radius;
            for (int k = 0; k < 3; k++) {
                float colour = s->colour[0][k] + (s->colour[1][k] - s->colour[0][k]) * second;
                c->plane[k][i] += (colour * shade - c->plane[k][i]) * share[x];
            }
            if (mask && share[x] >= 0.5F)
                mask[i] = (uint8_t)(1 + s->label);
        }
    }
}

/* Illumination, exposure, the sensor's noise, and 8 bits. */
static void develop(struct canvas *c, uint8_t *pixels) {
    const struct shape_scene *s = c->scene;
    struct rng r = shape_rng(s->seed, s->split, STREAM_PIXELS, s->index);
    float pixel = 1 / (float)c->size;
    for (int y = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++) {
            size_t i = (size_t)y * (size_t)c->size + (size_t)x;
            float lit = 1 + 2 * (s->light.x * (((float)x + 0.5F) * pixel - 0.5F) +
                                 s->light.y * (((float)y + 0.5F) * pixel - 0.5F));
            uint32_t noise = rng_u32(&r);
            for (int k = 0; k < 3; k++) {
                float grain = ((float)(noise >> (8 * k) & 255) - 127.5F) * (0.05F / 255);
                float v = clamp01(c->plane[k][i] * lit * s->exposure + grain);
                pixels[3 * i + (size_t)k] = (uint8_t)(v * 255 + 0.5F);
            }
        }
}

int shape_scene_draw(const struct shape_scene *s, int size, uint8_t *pixels, uint8_t *mask,
                     struct error *err) {
    CHECK(size >= SHAPE_SMALLEST && size <= SHAPE_LARGEST, "%d pixels", size);
    static const float black[3] = {0, 0, 0};
    size_t area = (size_t)size * (size_t)size, covered = (size_t)size * (size_t)(size + 2);
    struct canvas c = {.scene = s, .size = size, .coverage = {.size = size}};
    struct point outline[SHAPE_POINTS];
    float *memory = malloc(((3 + FIELDS) * area + covered + 2 * LATTICE) * sizeof *memory);
    if (!memory)
        return error_set(err, STATUS_MACHINE, "no memory to draw a picture of %d pixels", size);
    for (int k = 0; k < 3; k++) {
        c.plane[k] = memory + (size_t)k * area;
        c.field[k] = memory + (size_t)(3 + k) * area;
    }
    c.coverage.value = memory + (3 + FIELDS) * area;
    c.lattice = c.coverage.value + covered;
    for (int f = 0; f < (s->texture == MARBLED ? FIELDS : FIELDS - 1); f++)
        make_field(&c, f);
    paint_ground(&c);
    paint_clutter(&c);
    int n = shape_outline(s->label, outline);
    if (s->shadow_opacity > 0) {
        cover(&c, outline, n, &s->at, s->shadow);
        paint_flat(&c, black, s->shadow_opacity);
    }
    cover(&c, outline, n, &s->at, (struct point){0, 0});
    if (mask)
        memset(mask, 0, area);
    paint_object(&c, mask);
    develop(&c, pixels);
    free(memory);
    return 0;
}
