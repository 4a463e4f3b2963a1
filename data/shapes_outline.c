/* shapes_outline.c -- outlines of the classes, and how much of each pixel a polygon covers.
 *
 * Coverage is exact for a polygon: every edge adds, in the rows it crosses, the area to its right,
 * as a difference along the row; a running sum then gives the coverage.  This is what rasterisers
 * of fonts do, and costs one visit of each pixel on an edge.
 */
#include "core/error.h"
#include "data/shapes_internal.h"

#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* pictures are the same bytes on every machine; gcc: -std=c11 */
#endif

#define PI 3.14159265358979323846

enum { CURVE = 64 };

/* steps + 1 points of an arc, both ends included. */
static int arc(struct point *out, double x, double radius, double from, double to, int steps) {
    for (int i = 0; i <= steps; i++) {
        double a = from + (to - from) * i / steps;
        out[i] = (struct point){(float)(x + radius * cos(a)), (float)(radius * sin(a))};
    }
    return steps + 1;
}

/* n corners on a circle, the first one at an angle, every second one at `inner` unless that is 0.
 * Up in a picture is -y, at -PI / 2. */
static int corners(struct point *out, int n, double first, double outer, double inner) {
    int total = inner > 0 ? 2 * n : n;
    for (int i = 0; i < total; i++) {
        double a = first + 2 * PI * i / total, r = inner > 0 && i % 2 ? inner : outer;
        out[i] = (struct point){(float)(r * cos(a)), (float)(r * sin(a))};
    }
    return total;
}

static int copied(struct point *out, const struct point *from, size_t bytes) {
    memcpy(out, from, bytes);
    return (int)(bytes / sizeof *from);
}

static int disc(struct point *out) {
    return arc(out, 0, 0.85, 0, 2 * PI, CURVE);
}

static int square(struct point *out) {
    return corners(out, 4, PI / 4, 1.05, 0);
}

static int triangle(struct point *out) {
    return corners(out, 3, -PI / 2, 1.12, 0);
}

static int star(struct point *out) {
    return corners(out, 5, -PI / 2, 1.12, 0.44);
}

/* The inner circle runs the other way; the seam between the two cancels. */
static int ring(struct point *out) {
    int n = arc(out, 0, 0.98, 0, 2 * PI, CURVE);
    return n + arc(out + n, 0, 0.52, 2 * PI, 0, CURVE);
}

static int cross(struct point *out) {
    static const float t = 0.35F, l = 1.0F;
    const struct point p[] = {{t, l},   {t, t},   {l, t},   {l, -t}, {t, -t}, {t, -l},
                              {-t, -l}, {-t, -t}, {-l, -t}, {-l, t}, {-t, t}, {-t, l}};
    return copied(out, p, sizeof p);
}

static int heart(struct point *out) {
    for (int i = 0; i < CURVE; i++) {
        double t = 2 * PI * i / CURVE, x = 16 * pow(sin(t), 3);
        double y = 13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t) + 2.5;
        out[i] = (struct point){(float)(x / 16.5), (float)(-y / 16.5)};
    }
    return CURVE;
}

/* A disc without a smaller one beside its middle: out along the large circle, back along the small.
 */
static int crescent(struct point *out) {
    const double R = 1, r = 0.80, d = 0.50;
    double x = (R * R - r * r + d * d) / (2 * d), y = sqrt(R * R - x * x);
    double outer = atan2(y, x), inner = atan2(y, x - d);
    int n = arc(out, -0.25, R, outer, 2 * PI - outer, CURVE);
    return n + arc(out + n, d - 0.25, r, 2 * PI - inner, inner, CURVE);
}

static int hourglass(struct point *out) {
    static const struct point p[] = {{-0.85F, -1.0F}, {0.85F, -1.0F}, {0.15F, 0},
                                     {0.85F, 1.0F},   {-0.85F, 1.0F}, {-0.15F, 0}};
    return copied(out, p, sizeof p);
}

static int arrow(struct point *out) {
    static const struct point p[] = {{0, -1.05F},     {0.80F, -0.10F}, {0.30F, -0.10F},
                                     {0.30F, 1.0F},   {-0.30F, 1.0F},  {-0.30F, -0.10F},
                                     {-0.80F, -0.10F}};
    return copied(out, p, sizeof p);
}

static int ellipse(struct point *out) {
    int n = arc(out, 0, 1, 0, 2 * PI, 16);
    for (int i = 0; i < n; i++)
        out[i].y *= 0.45F;
    return n;
}

static int bar(struct point *out) {
    static const struct point p[] = {{1.6F, 0.2F}, {-1.6F, 0.2F}, {-1.6F, -0.2F}, {1.6F, -0.2F}};
    return copied(out, p, sizeof p);
}

static int shard(struct point *out) {
    static const struct point p[] = {{1.0F, 0.1F}, {-0.3F, 0.7F}, {-0.9F, -0.1F}, {0.2F, -0.5F}};
    return copied(out, p, sizeof p);
}

const char *const shape_names[SHAPE_CLASSES] = {"disc",      "square", "triangle", "star",
                                                "ring",      "cross",  "heart",    "crescent",
                                                "hourglass", "arrow"};

int shape_outline(int label, struct point out[SHAPE_POINTS]) {
    static int (*const make[SHAPE_CLASSES])(struct point *) = {
        disc, square, triangle, star, ring, cross, heart, crescent, hourglass, arrow};
    return make[label](out);
}

int clutter_outline(int kind, struct point out[SHAPE_POINTS]) {
    static int (*const make[CLUTTER_KINDS])(struct point *) = {ellipse, bar, shard};
    return make[kind](out);
}

static float clamp(float v, float lo, float hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

/* A piece of an edge within one row, from x0 to x1, that spans dy of the row's height with the sign
 * of its direction.  row[x] collects the step that coverage makes at column x.  What lies left of
 * the picture counts from its first column on, what lies right of it nowhere. */
static void add_piece(float *row, float limit, float x0, float x1, float dy) {
    float lo = x0 < x1 ? x0 : x1, hi = x0 < x1 ? x1 : x0;
    float slope = hi > lo ? dy / (hi - lo) : 0;
    if (lo < 0) {
        float share = hi > 0 ? slope * -lo : dy;
        row[0] += share;
        dy -= share;
        lo = 0;
    }
    if (hi > limit) {
        dy = slope * (limit - lo);
        hi = limit;
    }
    if (lo > hi)
        return;
    int first = (int)lo, last = (int)hi;
    for (int column = first; column <= last; column++) {
        float from = column > first ? (float)column : lo;
        float to = column < last ? (float)(column + 1) : hi;
        float share = first == last ? dy : slope * (to - from);
        float right = (from + to) * 0.5F - (float)column; /* of the pixel's own area: not covered */
        row[column] += share * (1 - right);
        row[column + 1] += share * right;
    }
}

static void add_edge(const struct coverage *c, struct point a, struct point b) {
    float direction = 1;
    if (a.y > b.y) {
        struct point swap = a;
        a = b, b = swap;
        direction = -1;
    }
    float limit = (float)c->size, y0 = clamp(a.y, 0, limit), y1 = clamp(b.y, 0, limit);
    if (y0 >= y1)
        return;
    float slope = (b.x - a.x) / (b.y - a.y);
    int last = (int)y1;
    for (int y = (int)y0; y <= last && y < c->size; y++) {
        float from = y0 > (float)y ? y0 : (float)y;
        float to = y1 < (float)(y + 1) ? y1 : (float)(y + 1);
        float x0 = a.x + (from - a.y) * slope, x1 = a.x + (to - a.y) * slope;
        add_piece(c->value + (size_t)y * (size_t)(c->size + 2), limit, x0, x1,
                  (to - from) * direction);
    }
}

static void find_box(struct coverage *c, const struct point *p, int n) {
    float limit = (float)c->size;
    float left = limit, right = 0, top = limit, bottom = 0;
    for (int i = 0; i < n; i++) {
        left = fminf(left, p[i].x), right = fmaxf(right, p[i].x);
        top = fminf(top, p[i].y), bottom = fmaxf(bottom, p[i].y);
    }
    c->left = (int)clamp(left, 0, limit), c->right = (int)clamp(right + 1, 0, limit);
    c->top = (int)clamp(top, 0, limit), c->bottom = (int)clamp(bottom + 1, 0, limit);
}

void coverage_polygon(struct coverage *c, const struct point *points, int n) {
    size_t stride = (size_t)(c->size + 2);
    find_box(c, points, n);
    if (c->top >= c->bottom || c->left >= c->right) {
        c->bottom = c->top, c->right = c->left;
        return;
    }
    memset(c->value + (size_t)c->top * stride, 0,
           (size_t)(c->bottom - c->top) * stride * sizeof *c->value);
    for (int i = 0; i < n; i++)
        add_edge(c, points[i], points[i + 1 < n ? i + 1 : 0]);
    for (int y = c->top; y < c->bottom; y++) {
        float *row = c->value + (size_t)y * stride, sum = 0;
        for (int x = c->left; x < c->right; x++) {
            sum += row[x];
            row[x] = fminf(fabsf(sum), 1);
        }
    }
}
