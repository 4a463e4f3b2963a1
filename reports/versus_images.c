/* Two methods on the same test images, from the predictions that their evaluations stored. */
#include "reports/versus_internal.h"

#include "results/image_difference.h"
#include "results/significance.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Finer differences than this would take long; they come from many seeds of which none is shared.
 */
enum { SCALE_MOST = 1000 };
enum {
    TASK,
    SEED,
    IMAGES,
    BOTH,
    ONLY_A,
    ONLY_B,
    NEITHER,
    DIFFERENCE,
    FROM,
    TO,
    EXACT,
    MID,
    COLUMNS
};

/* Evaluations of one method with predictions of the same images. */
struct answers {
    const struct eval **eval;
    int n, predictions; /* probe seeds together */
};

struct table {
    const struct versus *v;
    struct listing l;
    int column; /* of the lines that are added */
    int strangers, too_fine;
};

static void add_answers(struct answers *list, const struct eval *e) {
    list->eval[list->n++] = e;
    list->predictions += e->n_seeds;
}

static struct answers answers_new(int most, struct arena *a) {
    return (struct answers){ARENA_ARRAY(a, const struct eval *, most + 1), 0, 0};
}

static const struct eval *with_predictions(const struct contestant *c, int column,
                                           const struct run *run) {
    const struct eval *e = versus_eval(c, column, run);
    return e && e->pred && e->label && e->n_seeds > 0 && e->n_samples > 0 ? e : NULL;
}

static int same_images(const struct eval *a, const struct eval *b) {
    return a->n_samples == b->n_samples &&
           !memcmp(a->label, b->label, sizeof *a->label * (size_t)a->n_samples);
}

/* right (n_samples): how many of the predictions are. */
static int32_t *right_of(const struct answers *list, struct arena *a) {
    int32_t *right = ARENA_ARRAY(a, int32_t, list->eval[0]->n_samples);
    for (int i = 0; i < list->n; i++)
        count_right(list->eval[i]->pred, list->eval[i]->n_seeds, list->eval[i]->label,
                    list->eval[i]->n_samples, right);
    return right;
}

static int common_divisor(int a, int b) {
    return b ? common_divisor(b, a % b) : a;
}

static struct listing_cell count(long n, struct arena *a) {
    return (struct listing_cell){arena_printf(a, "%ld", n), (double)n, 0};
}

static struct listing_cell points(double x, struct arena *a) {
    return (struct listing_cell){points_text(100 * x, a), 100 * x, 0};
}

static struct listing_cell chance(double p, struct arena *a) {
    return (struct listing_cell){p_text(p, a), p, 0};
}

static struct listing_cell *new_line(struct table *t, const char *seed) {
    struct listing_cell *cell = t->l.cell + t->l.n_rows++ * COLUMNS;
    for (int i = 0; i < COLUMNS; i++)
        cell[i] = (struct listing_cell){"", NAN, 0};
    cell[TASK].text = versus_task(t->v, t->column);
    cell[SEED].text = seed;
    return cell;
}

/* One prediction of either: what McNemar's test counts. */
static void put_counts(struct listing_cell *cell, const int32_t *a, const int32_t *b,
                       const int16_t *label, int n, struct arena *arena) {
    long counts[2][2] = {{0, 0}, {0, 0}};
    for (int i = 0; i < n; i++)
        if (label[i] >= 0)
            counts[a[i]][b[i]]++;
    struct mcnemar m = mcnemar(counts[1][0], counts[0][1]);
    cell[BOTH] = count(counts[1][1], arena);
    cell[ONLY_A] = count(counts[1][0], arena);
    cell[ONLY_B] = count(counts[0][1], arena);
    cell[NEITHER] = count(counts[0][0], arena);
    cell[EXACT] = chance(m.exact, arena);
    cell[MID] = chance(m.mid, arena);
}

static void add_line(struct table *t, const char *seed, const struct answers *a,
                     const struct answers *b) {
    struct arena room = {0}, *arena = t->v->arena;
    const int n = a->eval[0]->n_samples;
    const int16_t *label = a->eval[0]->label;
    const int shared = common_divisor(a->predictions, b->predictions);
    const int per_a = b->predictions / shared, per_b = a->predictions / shared;
    const int scale = a->predictions * per_a;
    if (scale > SCALE_MOST) {
        t->too_fine = 1;
        return;
    }
    const int32_t *right_a = right_of(a, &room), *right_b = right_of(b, &room);
    int32_t *difference = ARENA_ARRAY(&room, int32_t, n);
    long labelled = 0;
    for (int i = 0; i < n; i++)
        if (label[i] >= 0)
            difference[labelled++] = right_a[i] * per_a - right_b[i] * per_b;
    if (labelled) {
        struct listing_cell *cell = new_line(t, seed);
        struct image_difference d = image_difference(difference, labelled, scale, REPORT_LEVEL);
        cell[IMAGES] = count(labelled, arena);
        cell[DIFFERENCE] = points(d.mean, arena);
        cell[DIFFERENCE].text = difference_text(100 * d.mean, 100 * d.lo, 100 * d.hi, arena);
        cell[FROM] = points(d.lo, arena);
        cell[TO] = points(d.hi, arena);
        cell[EXACT] = chance(d.p, arena);
        if (scale == 1)
            put_counts(cell, right_a, right_b, label, n, arena);
    }
    arena_free(&room);
}

/* A line for each seed that both have, and one for their average. */
static int add_shared(struct table *t, const struct summary_cell *left,
                      const struct summary_cell *right) {
    struct arena *arena = t->v->arena;
    const struct versus_column *c = &t->v->column[t->column];
    struct answers a = answers_new(left->n, arena), b = answers_new(left->n, arena);
    int shared = 0;
    for (int i = 0; i < left->n; i++)
        for (int j = 0; j < right->n; j++) {
            if (left->run[i]->seed != right->run[j]->seed)
                continue;
            const struct eval *x = with_predictions(&t->v->a, c->a, left->run[i]);
            const struct eval *y = with_predictions(&t->v->b, c->b, right->run[j]);
            shared++;
            if (!x || !y)
                continue;
            if (!same_images(x, y) || (a.n && !same_images(x, a.eval[0]))) {
                t->strangers++;
                continue;
            }
            const struct answers one = {&x, 1, x->n_seeds}, other = {&y, 1, y->n_seeds};
            add_line(t, arena_printf(arena, "%" PRId64, left->run[i]->seed), &one, &other);
            add_answers(&a, x);
            add_answers(&b, y);
        }
    if (a.n > 1)
        add_line(t, arena_printf(arena, "mean of %d", a.n), &a, &b);
    return shared;
}

static void gather(struct table *t, const struct contestant *c, int column,
                   const struct summary_cell *cell, const struct eval *images, struct answers *to) {
    for (int i = 0; i < cell->n; i++) {
        const struct eval *e = with_predictions(c, column, cell->run[i]);
        const struct eval *first = images ? images : to->n ? to->eval[0] : e;
        if (e && same_images(e, first))
            add_answers(to, e);
        else
            t->strangers += !!e;
    }
}

/* All seeds of either, averaged. */
static void add_unshared(struct table *t, const struct summary_cell *left,
                         const struct summary_cell *right) {
    struct arena *arena = t->v->arena;
    const struct versus_column *c = &t->v->column[t->column];
    struct answers a = answers_new(left->n, arena), b = answers_new(right->n, arena);
    gather(t, &t->v->a, c->a, left, NULL, &a);
    if (!a.n)
        return;
    gather(t, &t->v->b, c->b, right, a.eval[0], &b);
    if (b.n)
        add_line(t,
                 left->n == 1 && right->n == 1
                     ? arena_printf(arena, "%" PRId64 " and %" PRId64, left->run[0]->seed,
                                    right->run[0]->seed)
                     : arena_printf(arena, "means of %d and %d", a.n, b.n),
                 &a, &b);
}

struct listing versus_images(const struct versus *v) {
    static const struct listing_column columns[COLUMNS] = {
        [TASK] = {"task", "task", 0, FOR_ALL},
        [SEED] = {"seed", "seed", 0, FOR_ALL},
        [IMAGES] = {"images", "images", 1, FOR_ALL},
        [BOTH] = {"both", "both right", 1, FOR_ALL},
        [ONLY_A] = {"only_a", "only A", 1, FOR_ALL},
        [ONLY_B] = {"only_b", "only B", 1, FOR_ALL},
        [NEITHER] = {"neither", "neither", 1, FOR_ALL},
        [DIFFERENCE] = {"difference", "A - B [interval]", 1, FOR_ALL},
        [FROM] = {"difference_lo", "from", 1, FOR_PROGRAMS},
        [TO] = {"difference_hi", "to", 1, FOR_PROGRAMS},
        [EXACT] = {"p_exact", "p exact", 1, FOR_ALL},
        [MID] = {"p_mid", "mid-p", 1, FOR_ALL},
    };
    struct arena *arena = v->arena;
    int most = 1;
    for (int i = 0; i < v->n; i++)
        if (v->column[i].a >= 0 && v->column[i].b >= 0)
            most += versus_cell(&v->a, v->column[i].a)->n + 1;
    struct table t = {v,
                      {.name = "images",
                       .title = "Over test images",
                       .caption =
                           "These trained networks on other images: differences in points, 95 % of "
                           "the paired bootstrap over images. It says nothing of other seeds. "
                           "p exact: McNemar's test; of an average over networks, of exchanging A "
                           "and B in each image, which is the same thing for one network each",
                       .n_columns = COLUMNS,
                       .column = ARENA_ARRAY(arena, struct listing_column, COLUMNS),
                       .cell = ARENA_ARRAY(arena, struct listing_cell, most * COLUMNS),
                       .note = ARENA_ARRAY(arena, const char *, 2)},
                      0,
                      0,
                      0};
    memcpy(t.l.column, columns, sizeof columns);
    for (; t.column < v->n; t.column++) {
        const struct versus_column *c = &v->column[t.column];
        if (c->a < 0 || c->b < 0)
            continue;
        const struct summary_cell *left = versus_cell(&v->a, c->a);
        const struct summary_cell *right = versus_cell(&v->b, c->b);
        if (!add_shared(&t, left, right))
            add_unshared(&t, left, right);
    }
    if (t.strangers)
        t.l.note[t.l.n_notes++] =
            arena_printf(arena, "%d evaluation%s left out: made on other test images", t.strangers,
                         t.strangers > 1 ? "s" : "");
    if (t.too_fine)
        t.l.note[t.l.n_notes++] = "an average over numbers of networks without a common measure is "
                                  "left out: give the same number of seeds";
    return t.l;
}
