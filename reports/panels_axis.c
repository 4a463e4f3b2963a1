/* Ranges and ticks. */
#include "reports/figures_internal.h"
#include "reports/panels_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LOG_FROM 6.0 /* largest over smallest value */
#define LARGEST 1e100
#define MARGIN 0.07 /* of the range, on both sides */
#define X_TICK 0.42 /* inches that a tick and its number take */
#define Y_TICK 0.27

enum { TICKS_MOST = 12 };

char *axis_number(double value, struct arena *a) {
    static const struct {
        double unit;
        const char *sign;
    } units[] = {{1e18, "E"}, {1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    double size = fabs(value);
    if (size >= 1e4)
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (size >= units[i].unit * 0.99999)
                return arena_printf(a, "%.4g%s", value / units[i].unit, units[i].sign);
    return arena_printf(a, "%.6g", size < 1e-12 ? 0.0 : value);
}

/* What is larger than LARGEST lies outside: a margin around it would reach to infinity. */
static void include(struct panel_axis *axis, double value) {
    if (fabs(value) <= LARGEST) {
        axis->lo = fmin(axis->lo, value);
        axis->hi = fmax(axis->hi, value);
    }
}

static void add_margin(struct panel_axis *axis) {
    if (axis->may_be_log && axis->lo > 0 && axis->hi > LOG_FROM * axis->lo) {
        double factor = pow(axis->hi / axis->lo, MARGIN);
        axis->logarithmic = 1;
        axis->lo /= factor;
        axis->hi *= factor;
        return;
    }
    double spread = axis->hi - axis->lo, middle = (axis->lo + axis->hi) / 2;
    double least = fmax(axis->least, 1e-3 * fabs(middle) + 1e-9);
    axis->is_one_value = spread <= 0;
    if (spread < least) {
        double lo = middle - least / 2;
        spread = least;
        axis->lo = axis->lo >= 0 ? fmax(lo, 0) : lo; /* what cannot be negative does not seem so */
        axis->hi = axis->lo + spread;
    }
    axis->lo -= MARGIN * spread;
    axis->hi += MARGIN * spread;
}

static void add_tick(struct panel_axis *axis, double at, struct arena *a) {
    if (at >= axis->lo && at <= axis->hi && axis->n_ticks < TICKS_MOST)
        axis->tick[axis->n_ticks++] = (struct panel_tick){at, axis_number(at, a)};
}

static int ticks_of(const struct panel_axis *axis, double step) {
    return (int)(floor(axis->hi / step) - ceil(axis->lo / step)) + 1;
}

/* The range may lie so that there is room for twice as many as its length says. */
static void linear_ticks(struct panel_axis *axis, int most, struct arena *a) {
    double step = figure_step(axis->hi - axis->lo, most);
    double finer = figure_step(axis->hi - axis->lo, 2 * most);
    if (ticks_of(axis, finer) <= most)
        step = finer;
    for (double i = ceil(axis->lo / step); i * step <= axis->hi; i++)
        add_tick(axis, i * step, a);
}

/* The densest of some series with at most so many ticks in the range. */
static void log_ticks(struct panel_axis *axis, int most, struct arena *a) {
    static const double series[][6] = {{1, 1.5, 2, 3, 5, 7}, {1, 2, 5, 0}, {1, 3, 0}, {1, 0}};
    const int first = (int)floor(log10(axis->lo)), last = (int)ceil(log10(axis->hi));
    for (size_t s = 0; s < sizeof series / sizeof *series; s++) {
        axis->n_ticks = 0;
        int n = 0;
        for (int power = first; power <= last; power++)
            for (int i = 0; i < 6 && series[s][i] > 0; i++) {
                double at = series[s][i] * pow(10, power);
                n += at >= axis->lo && at <= axis->hi;
                add_tick(axis, at, a);
            }
        if (n <= most)
            break;
        if (s + 1 == sizeof series / sizeof *series) { /* only some of the powers */
            int every = (n + most - 1) / most;
            axis->n_ticks = 0;
            for (int power = first; power <= last; power++)
                if (power % every == 0)
                    add_tick(axis, pow(10, power), a);
        }
    }
    if (axis->n_ticks < 2) {
        axis->n_ticks = 0;
        linear_ticks(axis, most, a);
    }
}

static void find_ticks(struct panel_axis *axis, int most, struct arena *a) {
    if (axis->tick)
        return;
    most = most < 2 ? 2 : most > TICKS_MOST ? TICKS_MOST : most;
    axis->tick = ARENA_ARRAY(a, struct panel_tick, TICKS_MOST);
    if (axis->is_one_value && axis->least <= 0)
        add_tick(axis, (axis->lo + axis->hi) / 2, a);
    else if (axis->logarithmic)
        log_ticks(axis, most, a);
    else
        linear_ticks(axis, most, a);
}

static double inside(double value, const struct panel_axis *axis) {
    return fmin(fmax(value, axis->lo), axis->hi);
}

void panel_scale(struct panel *panel, double wide, double tall) {
    struct panel_axis *x = &panel->x, *y = &panel->y;
    for (int i = 0; i < panel->n_marks; i++) {
        const struct panel_mark *m = &panel->mark[i];
        include(x, m->x);
        include(x, m->kind == MARK_NAME ? m->x : m->x2);
        include(y, m->y);
        include(y, m->kind == MARK_NAME ? m->y : m->y2);
    }
    if (panel->equal) {
        x->lo = y->lo = fmin(x->lo, y->lo);
        x->hi = y->hi = fmax(x->hi, y->hi);
    }
    add_margin(x);
    add_margin(y);
    if (panel->equal)
        panel_rule(panel, x->lo, y->lo, x->hi, y->hi);
    for (int i = 0; i < panel->n_marks; i++) {
        struct panel_mark *m = &panel->mark[i];
        if (m->kind == MARK_RULE) {
            m->x = inside(m->x, x);
            m->x2 = inside(m->x2, x);
            m->y = inside(m->y, y);
            m->y2 = inside(m->y2, y);
        }
    }
    find_ticks(x, (int)(wide / X_TICK), panel->a);
    find_ticks(y, (int)(tall / Y_TICK), panel->a);
}

double axis_place(const struct panel_axis *axis, double value) {
    return axis->logarithmic ? log(value / axis->lo) / log(axis->hi / axis->lo)
                             : (value - axis->lo) / (axis->hi - axis->lo);
}
