#include "reports/panels_internal.h"

#include "reports/figures_internal.h"
#include "reports/text_internal.h"

#include <math.h>
#include <string.h>

/* Out of every range; not out of what gnuplot can count with. */
#define AWAY "1e30"
#define LETTER 0.062   /* inches, of the legend */
#define TALL_ALONE 2.6 /* inches: a single panel is at least so tall */

/* inches of a letter */
#define TITLE_LETTER 0.077
#define SECOND_LETTER 0.06
#define WITHIN                                                                                     \
    0.82 /* of a panel's share of the width a text in the middle of the last may take              \
          */

enum { LABEL = 46, NAME = 28, KEY = 40 };

struct panels panels_new(struct arena *a) {
    return (struct panels){
        .a = a, .panel = ARENA_ARRAY(a, struct panel, PANELS_MOST), .tall = PANELS_TALL};
}

struct panel *panels_add(struct panels *p, const char *title, const char *second, const char *x,
                         const char *y) {
    if (p->n == PANELS_MOST) {
        p->left_out++;
        return NULL;
    }
    struct panel *panel = &p->panel[p->n++];
    *panel = (struct panel){.title = title, .second = second, .a = p->a};
    panel->x = panel->y = (struct panel_axis){.lo = INFINITY, .hi = -INFINITY};
    panel->x.label = x;
    panel->y.label = y;
    return panel;
}

void panels_key(struct panels *p, int look, const char *text) {
    for (int i = 0; i < p->n_keys; i++)
        if (!strcmp(p->key[i].text, text))
            return;
    struct panel_key *more = ARENA_ARRAY(p->a, struct panel_key, p->n_keys + 1);
    if (p->n_keys)
        memcpy(more, p->key, sizeof *more * (size_t)p->n_keys);
    more[p->n_keys++] = (struct panel_key){look, text};
    p->key = more;
}

static void add(struct panel *panel, struct panel_mark mark) {
    if (panel->n_marks == panel->room) {
        panel->room = 2 * panel->room + 32;
        struct panel_mark *more = ARENA_ARRAY(panel->a, struct panel_mark, panel->room);
        if (panel->n_marks)
            memcpy(more, panel->mark, sizeof *more * (size_t)panel->n_marks);
        panel->mark = more;
    }
    panel->mark[panel->n_marks++] = mark;
}

/* Points that are not finite end a curve; the next one begins another. */
void panel_curve(struct panel *panel, enum mark kind, int look, const double *x, const double *y,
                 int n) {
    int starts = 1;
    for (int i = 0; i < n; i++) {
        int there = isfinite(x[i]) && isfinite(y[i]);
        if (there)
            add(panel, (struct panel_mark){kind, look, starts, x[i], y[i], x[i], y[i], NULL});
        starts = !there;
    }
}

void panel_band(struct panel *panel, int look, const double *x, const double *lo, const double *hi,
                int n) {
    int starts = 1;
    for (int i = 0; i < n; i++) {
        int there = isfinite(x[i]) && isfinite(lo[i]) && isfinite(hi[i]);
        if (there)
            add(panel,
                (struct panel_mark){MARK_BAND, look, starts, x[i], lo[i], x[i], hi[i], NULL});
        starts = !there;
    }
}

static void add_segment(struct panel *panel, enum mark kind, int look, double x, double y,
                        double x2, double y2) {
    if (isfinite(x) && isfinite(y) && isfinite(x2) && isfinite(y2))
        add(panel, (struct panel_mark){kind, look, 1, x, y, x2, y2, NULL});
}

void panel_bar(struct panel *panel, int look, double x, double y, double x2, double y2) {
    add_segment(panel, MARK_BAR, look, x, y, x2, y2);
}

void panel_rule(struct panel *panel, double x, double y, double x2, double y2) {
    if (!isnan(x) && !isnan(y) && !isnan(x2) && !isnan(y2))
        add(panel, (struct panel_mark){MARK_RULE, 1, 1, x, y, x2, y2, NULL});
}

void panel_seed(struct panel *panel, int look, double x, double y) {
    add_segment(panel, MARK_SEED, look, x, y, x, y);
}

void panel_mean(struct panel *panel, int look, double x, double y, int incomplete) {
    if (isfinite(x) && isfinite(y))
        add(panel, (struct panel_mark){MARK_MEAN, look, incomplete != 0, x, y, x, y, NULL});
}

void panel_cross(struct panel *panel, int look, double x, double y) {
    add_segment(panel, MARK_CROSS, look, x, y, x, y);
}

void panel_name(struct panel *panel, int look, double x, double y, const char *text) {
    if (isfinite(x) && isfinite(y))
        add(panel,
            (struct panel_mark){MARK_NAME, look, 1, x, y, x, y, figure_text(text, NAME, panel->a)});
}

const char *panels_left_out(const struct panels *p) {
    return p->left_out ? arena_printf(p->a, " %d more panel%s left out.", p->left_out,
                                      p->left_out > 1 ? "s are" : " is")
                       : "";
}

/* ---- writing ---- */

/* gnuplot does without a label where its neighbour has the same. */
static const char *label_of(const struct panel_axis *axis, const struct panel_axis *neighbour,
                            struct arena *a) {
    if (!*axis->label || (neighbour && !strcmp(neighbour->label, axis->label)))
        return "-";
    return figure_text(axis->label, LABEL, a);
}

static void put_panels(const struct panels *p, FILE *dat) {
    fputs("# panels\n# number\tx: logarithmic\tfrom\tto\ty: logarithmic\tfrom\tto\ttitle\tsecond "
          "line, - is none\tlabel of x\tof y\n",
          dat);
    const double wide = WITHIN * PANELS_WIDTH / p->across;
    const int title = (int)(wide / TITLE_LETTER), second = (int)(wide / SECOND_LETTER);
    for (int i = 0; i < p->n; i++) {
        const struct panel *panel = &p->panel[i];
        const struct panel_axis *x = &panel->x, *y = &panel->y;
        const struct panel *below = i + p->across < p->n ? panel + p->across : NULL;
        const struct panel *before = i % p->across ? panel - 1 : NULL;
        fprintf(dat, "%d\t%d\t%.7g\t%.7g\t%d\t%.7g\t%.7g\t%s\t%s\t%s\t%s\n", i + 1, x->logarithmic,
                x->lo, x->hi, y->logarithmic, y->lo, y->hi, figure_text(panel->title, title, p->a),
                *panel->second ? figure_text(panel->second, second, p->a) : "-",
                label_of(x, below ? &below->x : NULL, p->a),
                label_of(y, before ? &before->y : NULL, p->a));
    }
    fprintf(dat, "\n\n# layout\n# panels side by side\tinches of height\n%d\t%g\n", p->across,
            p->tall);
}

static void put_ticks(const struct panels *p, FILE *dat) {
    fputs("\n\n# ticks\n# panel\taxis: 1 x, 2 y\tvalue\ttext\n", dat);
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < 2; k++) {
            const struct panel_axis *axis = k ? &p->panel[i].y : &p->panel[i].x;
            for (int t = 0; t < axis->n_ticks; t++)
                fprintf(dat, "%d\t%d\t%.10g\t%s\n", i + 1, k + 1, axis->tick[t].at,
                        axis->tick[t].text);
        }
}

/* In lines, each from the left; the line 0 is never drawn. */
static void put_legend(const struct panels *p, FILE *dat) {
    const double mark = 0.3, gap = 0.14, most = PANELS_WIDTH - PANELS_LEFT - PANELS_RIGHT;
    double x = 0;
    int line = 1;
    fputs("\n\n# legend\n# line\tinches from the left\tlook\ttext\n0\t0\t1\t-\n", dat);
    for (int i = 0; i < p->n_keys; i++) {
        const char *text = figure_text(p->key[i].text, KEY, p->a);
        double wide = mark + LETTER * text_width(text);
        if (x > 0 && x + wide > most) {
            x = 0;
            line++;
        }
        fprintf(dat, "%d\t%.3f\t%d\t%s\n", line, x, p->key[i].look, text);
        x += wide + gap;
    }
}

/* All marks of a kind.  Points of a curve stand together, curves apart.  The panel 0 is never
 * drawn: a block must not be empty. */
static void put_marks(const struct panels *p, enum mark kind, const char *block, const char *head,
                      FILE *dat) {
    const int curve = kind <= MARK_THICK;
    fprintf(dat, "\n\n# %s\n# panel\tlook\t%s\n", block, head);
    fprintf(dat, "0\t1\t" AWAY "\t" AWAY "\t" AWAY "\t" AWAY "\t-\n");
    if (curve)
        fprintf(dat, "0\t1\t" AWAY "\t" AWAY "\t" AWAY "\t" AWAY "\t-\n");
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < p->panel[i].n_marks; k++) {
            const struct panel_mark *m = &p->panel[i].mark[k];
            if (m->kind != kind)
                continue;
            if (curve && m->starts)
                fputc('\n', dat);
            if (kind == MARK_NAME) {
                if (m->text)
                    fprintf(dat, "%d\t%d\t%.7g\t%.7g\t%g\t%s\n", i + 1, m->look, m->x, m->y, m->x2,
                            m->text);
                continue;
            }
            fprintf(dat, "%d\t%d\t%.7g\t%.7g\t%.7g\t%.7g", i + 1, m->look, m->x, m->y, m->x2,
                    m->y2);
            if (kind == MARK_MEAN)
                fprintf(dat, "\t%d", m->starts);
            fputc('\n', dat);
        }
}

/* Of each panel the first and last of its bands, so that a script can fill them one by one. */
static void put_fills(const struct panels *p, FILE *dat) {
    fputs("\n\n# fills\n# number of the band\tpanel\tlook\n0\t0\t1\n", dat);
    for (int i = 0, n = 0; i < p->n; i++)
        for (int k = 0; k < p->panel[i].n_marks; k++) {
            const struct panel_mark *m = &p->panel[i].mark[k];
            if (m->kind == MARK_BAND && m->starts)
                fprintf(dat, "%d\t%d\t%d\n", ++n, i + 1, m->look);
        }
}

/* Where there is a legend, names would only stand in the way. */
static void drop_names(struct panels *p) {
    for (int i = 0; i < p->n; i++)
        for (int j = 0; j < p->panel[i].n_marks; j++)
            if (p->panel[i].mark[j].kind == MARK_NAME)
                p->panel[i].mark[j].text = NULL;
}

int panels_put(struct panels *p, const char *name, FILE *dat) {
    /* gnuplot reads up to a block each time that it is named: the long ones come last. */
    static const struct {
        enum mark kind;
        const char *block, *head;
    } blocks[] = {
        {MARK_RULE, "rules", "x\ty\tto x\tto y"},
        {MARK_BAR, "bars", "x\ty\tto x\tto y"},
        {MARK_MEAN, "means", "x\ty\tx\ty\twith runs that are not complete"},
        {MARK_CROSS, "crosses", "x\ty\tx\ty"},
        {MARK_NAME, "names", "x\ty\taligned: 1 left, 0 centre, -1 right\ttext"},
        {MARK_SEED, "seeds", "x\ty\tx\ty"},
        {MARK_BAND, "bands", "x\tfrom\tx\tto"},
        {MARK_THICK, "thick", "x\ty\tx\ty"},
        {MARK_THIN, "thin", "x\ty\tx\ty"},
    };
    int marks = 0, unnamed = 0;
    for (int i = 0; i < p->n; i++)
        marks += p->panel[i].n_marks;
    if (!marks)
        return 0;
    if (!p->across)
        p->across = p->n < 3 ? p->n : p->n == 4 ? 2 : 3;
    if (p->n == 1)
        p->tall = fmax(p->tall, TALL_ALONE);
    double wide = PANELS_WIDTH / p->across - PANELS_LEFT - PANELS_RIGHT;
    for (int i = 0; i < p->n; i++) {
        panel_scale(&p->panel[i], wide, p->tall);
        unnamed += panel_place_names(&p->panel[i], wide, p->tall);
    }
    if (p->key_if_unnamed && !unnamed)
        p->n_keys = 0;
    else if (p->key_if_unnamed)
        drop_names(p);
    figure_head(name, dat);
    put_panels(p, dat);
    put_ticks(p, dat);
    put_legend(p, dat);
    put_fills(p, dat);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        put_marks(p, blocks[i].kind, blocks[i].block, blocks[i].head, dat);
    return marks;
}
