#include "results/compare.h"

#include "core/decimal.h"
#include "results/schema_internal.h"
#include "results/setting.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void add(struct comparison *c, const char *key, const char *left, const char *right) {
    if (c->n == c->room) {
        c->room = 2 * c->room + 16;
        struct difference *more = ARENA_ARRAY(c->arena, struct difference, c->room);
        if (c->n)
            memcpy(more, c->list, sizeof *more * (size_t)c->n);
        c->list = more;
    }
    c->list[c->n++] = (struct difference){key, left, right};
}

static void text(struct comparison *c, const char *key, const char *left, const char *right) {
    left = left ? left : "-";
    right = right ? right : "-";
    if (strcmp(left, right))
        add(c, key, left, right);
}

/* Bit by bit, -0 and 0 being two numbers, but one NaN is as good as another. */
static int same_bits(double x, double y) {
    uint64_t a, b;
    memcpy(&a, &x, sizeof a);
    memcpy(&b, &y, sizeof b);
    return a == b || (isnan(x) && isnan(y));
}

static char *text_of(const struct comparison *c, double x) {
    char text[DECIMAL];
    decimal(x, text);
    return arena_strdup(c->arena, text);
}

static void real(struct comparison *c, const char *key, double left, double right) {
    if (!same_bits(left, right))
        add(c, key, text_of(c, left), text_of(c, right));
}

/* ---- settings ---- */

void compare_settings(struct comparison *c, const struct run *left, const struct run *right) {
    int n_left, n_right;
    const struct setting *l = settings_of_text(left->config, c->arena, &n_left);
    const struct setting *r = settings_of_text(right->config, c->arena, &n_right);
    for (int i = 0; i < n_left; i++)
        text(c, l[i].key, l[i].value, setting_value(r, n_right, l[i].key));
    for (int i = 0; i < n_right; i++)
        if (!setting_value(l, n_left, r[i].key))
            text(c, r[i].key, NULL, r[i].value);
    const struct run_data_source *l_data = run_find_data(left, left->dataset);
    const struct run_data_source *r_data = run_find_data(right, right->dataset);
    if (l_data && r_data)
        text(c, "content of the data", l_data->root_hash, r_data->root_hash);
    text(c, "code versions", left->versions, right->versions);
}

/* ---- what tables show ---- */

static char *eval_key(struct comparison *c, const struct eval *e, const char *what) {
    return arena_printf(c->arena, "%s on %s, %s", e->protocol, e->dataset, what);
}

static void compare_shown(struct comparison *c, const struct eval *l, const struct eval *r) {
    text(c, eval_key(c, l, "outcome"), schema_outcomes[l->outcome], schema_outcomes[r->outcome]);
    text(c, eval_key(c, l, "reason"), l->reason, r->reason);
    text(c, eval_key(c, l, "version"), l->protocol_version, r->protocol_version);
    for (int i = 0; i < l->n_seeds && i < r->n_seeds; i++)
        real(c,
             eval_key(c, l, arena_printf(c->arena, "%s, seed %" PRId64, eval_shown(l), l->seed[i])),
             eval_value(l, i), eval_value(r, i));
}

static double last_loss(const struct run *r) {
    return r->n_steps ? r->steps[r->n_steps - 1].loss : NAN;
}

/* Calls `both` on every evaluation that both have; one that only one has is a difference. */
static void each_eval(struct comparison *c, const struct run *left, const struct run *right,
                      void (*both)(struct comparison *, const struct eval *, const struct eval *)) {
    for (int i = 0; i < left->n_evals; i++) {
        const struct eval *l = &left->evals[i];
        const struct eval *r = run_find_eval(right, l->protocol, l->dataset);
        if (r)
            both(c, l, r);
        else
            add(c, eval_key(c, l, "outcome"), schema_outcomes[l->outcome], "-");
    }
    for (int i = 0; i < right->n_evals; i++) {
        const struct eval *r = &right->evals[i];
        if (!run_find_eval(left, r->protocol, r->dataset))
            add(c, eval_key(c, r, "outcome"), "-", schema_outcomes[r->outcome]);
    }
}

void compare_metrics(struct comparison *c, const struct run *left, const struct run *right) {
    text(c, "status", left->status, right->status);
    text(c, "finding", left->finding, right->finding);
    real(c, "parameters", (double)left->parameters, (double)right->parameters);
    real(c, "achieved_epochs", left->achieved_epochs, right->achieved_epochs);
    real(c, "achieved_images", left->achieved_images, right->achieved_images);
    real(c, "achieved_flops", left->achieved_flops, right->achieved_flops);
    real(c, "last loss", last_loss(left), last_loss(right));
    each_eval(c, left, right, compare_shown);
}

/* ---- every number ---- */

/* One line for an array: how many elements differ, and the first of them. */
static void array(struct comparison *c, const char *key, const void *left, const void *right,
                  size_t n, size_t size) {
    if (!left || !right) {
        if (left || right)
            add(c, key, left ? "there" : "-", right ? "there" : "-");
        return;
    }
    size_t differing = 0, first = 0;
    for (size_t i = n; i-- > 0;)
        if (memcmp((const char *)left + i * size, (const char *)right + i * size, size) != 0) {
            differing++;
            first = i;
        }
    if (differing)
        add(c, key,
            arena_printf(c->arena, "%zu of %zu elements differ, first the %zu.", differing, n,
                         first + 1),
            "");
}

static void compare_grids(struct comparison *c, const struct eval *l, const struct eval *r) {
    for (int i = 0; i < l->n_grid && i < r->n_grid; i++) {
        const char *key = eval_key(c, l, arena_printf(c->arena, "candidate %d", i + 1));
        text(c, key, l->grid[i].representation, r->grid[i].representation);
        real(c, key, l->grid[i].val_top1, r->grid[i].val_top1);
        real(c, key, l->grid[i].chosen, r->grid[i].chosen);
    }
    for (int i = 0; i < l->n_metrics && i < r->n_metrics; i++) {
        text(c, eval_key(c, l, "metric"), l->metrics[i].name, r->metrics[i].name);
        real(c, eval_key(c, l, l->metrics[i].name), l->metrics[i].value, r->metrics[i].value);
    }
}

static void compare_eval(struct comparison *c, const struct eval *l, const struct eval *r) {
    compare_shown(c, l, r);
    text(c, eval_key(c, l, "split"), l->split_sha256, r->split_sha256);
    const int sizes[][2] = {{l->n_seeds, r->n_seeds},
                            {l->n_classes, r->n_classes},
                            {l->n_samples, r->n_samples},
                            {l->n_grid, r->n_grid},
                            {l->n_metrics, r->n_metrics}};
    static const char *const names[] = {"seeds", "classes", "samples", "candidates", "metrics"};
    int same = 1;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        real(c, eval_key(c, l, names[i]), sizes[i][0], sizes[i][1]);
        same &= sizes[i][0] == sizes[i][1];
    }
    if (!same)
        return;
    const size_t seeds = (size_t)l->n_seeds, classes = (size_t)l->n_classes;
    const size_t samples = (size_t)l->n_samples;
    array(c, eval_key(c, l, "top5"), l->top5, r->top5, seeds, sizeof *l->top5);
    array(c, eval_key(c, l, "top1_per_class"), l->top1_per_class, r->top1_per_class,
          seeds * classes, sizeof *l->top1_per_class);
    array(c, eval_key(c, l, "confusion"), l->confusion, r->confusion, seeds * classes * classes,
          sizeof *l->confusion);
    array(c, eval_key(c, l, "pred"), l->pred, r->pred, seeds * samples, sizeof *l->pred);
    array(c, eval_key(c, l, "label"), l->label, r->label, samples, sizeof *l->label);
    compare_grids(c, l, r);
}

static int is_time(const char *name) {
    return !strcmp(name, "img_per_s") || !strcmp(name, "wall_s") || !strcmp(name, "wait_s");
}

static void compare_steps(struct comparison *c, const struct run *l, const struct run *r) {
    real(c, "steps", (double)l->n_steps, (double)r->n_steps);
    for (const struct member *m = schema_step; m->name && l->n_steps == r->n_steps; m++) {
        long differing = 0, first = 0;
        double values[2] = {0};
        for (long i = l->n_steps; i-- > 0 && m->kind == MEMBER_REAL && !is_time(m->name);) {
            double x, y;
            memcpy(&x, (const char *)&l->steps[i] + m->offset, sizeof x);
            memcpy(&y, (const char *)&r->steps[i] + m->offset, sizeof y);
            if (!same_bits(x, y)) {
                differing++;
                first = l->steps[i].step;
                values[0] = x, values[1] = y;
            }
        }
        if (differing)
            add(c,
                arena_printf(c->arena, "%s of %ld steps, first of step %ld", m->name, differing,
                             first),
                text_of(c, values[0]), text_of(c, values[1]));
    }
}

void compare_numbers(struct comparison *c, const struct run *left, const struct run *right) {
    compare_steps(c, left, right);
    text(c, "finding", left->finding, right->finding);
    text(c, "content of the data", left->data[0].root_hash, right->data[0].root_hash);
    each_eval(c, left, right, compare_eval);
}

static int same(const char *left, const char *right) {
    return !strcmp(left ? left : "", right ? right : "");
}

int compare_environment(const struct run *left, const struct run *right) {
    return !same(left->env_isa, right->env_isa) || !same(left->env_blas, right->env_blas) ||
           !same(left->env_compiler, right->env_compiler) ||
           !same(left->env_cflags, right->env_cflags) || !same(left->env_libs, right->env_libs) ||
           !same(left->code_commit, right->code_commit);
}

void compare_print(const struct comparison *c, FILE *out) {
    int key = 0, left = 0;
    for (int i = 0; i < c->n; i++) {
        const int k = (int)strlen(c->list[i].key), l = (int)strlen(c->list[i].left);
        key = k > key ? k : key;
        left = l > left && *c->list[i].right ? l : left;
    }
    for (int i = 0; i < c->n; i++)
        fprintf(out, "  %-*s   %-*s%s%s\n", key, c->list[i].key, *c->list[i].right ? left : 0,
                c->list[i].left, *c->list[i].right ? "   " : "", c->list[i].right);
}
