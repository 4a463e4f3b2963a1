/* Where names stand: beside their points, on the side where they cover the least. */
#include "reports/panels_internal.h"

#include "reports/text_internal.h"

#include <math.h>

/* inches */
#define LETTER 0.061
#define TALL 0.11
#define APART 0.065 /* from the point */
#define POINT 0.035
#define BAR 0.02
#define COVERED 0.25   /* of a name's area, on points and bars: it is left out */
#define NAME_ON_NAME 4 /* how much more that is worth, since neither can be read */

struct box {
    double left, right, bottom, top;
};

static double overlap(const struct box *a, const struct box *b) {
    double wide = fmin(a->right, b->right) - fmax(a->left, b->left);
    double tall = fmin(a->top, b->top) - fmax(a->bottom, b->bottom);
    return wide > 0 && tall > 0 ? wide * tall : 0;
}

/* Right, left, above, below, and between. */
static const struct side {
    int x, y;
} sides[] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
enum { SIDES = sizeof sides / sizeof *sides };

/* The text on a side of (x, y), all in inches. */
static struct box text_at(double x, double y, double wide, struct side side) {
    const double apart = side.x && side.y ? APART / 2 : APART;
    double left = side.x > 0 ? x + apart : side.x < 0 ? x - apart - wide : x - wide / 2;
    double bottom = y - TALL / 2 + side.y * (apart + TALL / 2);
    return (struct box){left, left + wide, bottom, bottom + TALL};
}

struct places {
    struct box *taken; /* (n) first points and bars, then names */
    int n, points;
    double wide, tall;
};

/* What the text would cover, as a share of it; what is outside of the panel counts much more. */
static double cost(const struct box *text, const struct places *p) {
    const struct box inside = {0, p->wide, 0, p->tall};
    double area = (text->right - text->left) * (text->top - text->bottom);
    double sum = 20 * (area - overlap(text, &inside));
    for (int i = 0; i < p->n; i++)
        sum += (i < p->points ? 1 : NAME_ON_NAME) * overlap(text, &p->taken[i]);
    return sum / area;
}

static double in_inches(const struct panel_axis *axis, double value, double length) {
    return axis_place(axis, value) * length;
}

static double value_at(const struct panel_axis *axis, double place) {
    return axis->logarithmic ? axis->lo * pow(axis->hi / axis->lo, place)
                             : axis->lo + place * (axis->hi - axis->lo);
}

static void take(struct places *p, const struct panel *panel, const struct panel_mark *m) {
    double x = in_inches(&panel->x, m->x, p->wide), y = in_inches(&panel->y, m->y, p->tall);
    double x2 = in_inches(&panel->x, m->x2, p->wide), y2 = in_inches(&panel->y, m->y2, p->tall);
    if (m->kind == MARK_SEED || m->kind == MARK_MEAN)
        p->taken[p->n++] = (struct box){x - POINT, x + POINT, y - POINT, y + POINT};
    else if (m->kind == MARK_BAR)
        p->taken[p->n++] = (struct box){fmin(x, x2) - BAR, fmax(x, x2) + BAR, fmin(y, y2) - BAR,
                                        fmax(y, y2) + BAR};
}

/* Where it would cover too much it is left out: 0. */
static int place(struct panel *panel, struct panel_mark *name, struct places *p) {
    double x = in_inches(&panel->x, name->x, p->wide), y = in_inches(&panel->y, name->y, p->tall);
    double least = INFINITY, length = LETTER * text_width(name->text);
    struct box best = {0, 0, 0, 0};
    int side = 0;
    for (int s = 0; s < SIDES; s++) {
        const struct box text = text_at(x, y, length, sides[s]);
        double c = cost(&text, p);
        if (c < least - 1e-9) {
            least = c;
            best = text;
            side = s;
        }
    }
    if (least > COVERED) {
        name->text = NULL;
        return 0;
    }
    p->taken[p->n++] = best;
    double anchor = sides[side].x > 0   ? best.left
                    : sides[side].x < 0 ? best.right
                                        : (best.left + best.right) / 2;
    name->x = value_at(&panel->x, anchor / p->wide);
    name->y = value_at(&panel->y, (best.bottom + best.top) / 2 / p->tall);
    name->x2 = sides[side].x;
    return 1;
}

int panel_place_names(struct panel *panel, double wide, double tall) {
    struct places p = {ARENA_ARRAY(panel->a, struct box, panel->n_marks + 1), 0, 0, wide, tall};
    int left_out = 0;
    for (int i = 0; i < panel->n_marks; i++)
        take(&p, panel, &panel->mark[i]);
    p.points = p.n;
    for (int i = 0; i < panel->n_marks; i++)
        if (panel->mark[i].kind == MARK_NAME)
            left_out += !place(panel, &panel->mark[i], &p);
    return left_out;
}
