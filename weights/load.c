/* load.c -- tensors into parameters, and what became of each. */
#include "weights/family.h"

#include <string.h>

enum { NAME = 256, PARTS = 3 };

/* What one parameter is made from. */
struct recipe {
    const struct weight_rule *rule;
    struct source_tensor *part[PARTS]; /* (n), NULL: zeros */
    int n;
};

struct loading {
    const struct network *network;
    struct source *source;
    struct model *model;
    struct coverage *c;
};

static void note(struct coverage *c, const char **list, const char *format, const char *name,
                 const char *why) {
    const char *line = arena_printf(&c->arena, format, name, why);
    *list = *list ? arena_printf(&c->arena, "%s\n%s", *list, line) : line;
}

/* ---- which tensors ---- */

/* Alternative i of {a,b,c} in a name; 0 when there are no more.  A name without braces is its own
 * only one.  *empty: the alternative is nothing. */
static int alternative(const char *name, int i, char out[NAME], int *empty) {
    const char *open = strchr(name, '{'), *close = open ? strchr(open, '}') : NULL;
    *empty = 0;
    if (!open) {
        snprintf(out, NAME, "%s", name);
        return i == 0;
    }
    const char *at = open + 1;
    for (; i > 0; i--) {
        at += strcspn(at, ",}");
        if (*at++ == '}')
            return 0;
    }
    size_t length = strcspn(at, ",}");
    *empty = length == 0;
    snprintf(out, NAME, "%.*s%.*s%s", (int)(open - name), name, (int)length, at, close + 1);
    return 1;
}

static int find_parts(const struct loading *l, const char *theirs, struct recipe *r) {
    char name[NAME];
    int empty, there = 0;
    r->n = 0;
    for (int i = 0; alternative(theirs, i, name, &empty); i++) {
        CHECK(r->n < PARTS, "%s: more than %d parts", theirs, PARTS);
        struct source_tensor *t = empty ? NULL : family_find(l->network->family, l->source, name);
        if (!empty && !t)
            return 0;
        there += !empty;
        r->part[r->n++] = t;
    }
    return there > 0;
}

static int find_recipe(const struct loading *l, const char *ours, struct recipe *r) {
    char star[PATTERN_STARS][PATTERN_STAR], theirs[NAME];
    for (r->rule = l->network->family->rules; r->rule->ours; r->rule++) {
        if (!pattern_match(r->rule->ours, ours, star))
            continue;
        r->n = 0;
        pattern_fill(r->rule->theirs, star, theirs, sizeof theirs);
        if (r->rule->form == WEIGHT_ZERO || find_parts(l, theirs, r))
            return 1;
    }
    return 0;
}

/* ---- shapes ---- */

/* Dimensions in the file's order, without ones; returns how many. */
static int shape_of_param(const struct param *p, int64_t out[MAX_DIM]) {
    static const int same[MAX_DIM] = {0, 1, 2, 3, 4}, moved[MAX_DIM] = {0, 3, 1, 2};
    const int *from = p->channels_last ? moved : same;
    int n = 0;
    for (int i = 0; i < p->ndim; i++)
        if (p->dim[from[i]] != 1)
            out[n++] = p->dim[from[i]];
    return n;
}

static int shape_of_tensor(const struct st_tensor *t, int64_t out[ST_MAX_DIM]) {
    int n = 0;
    for (int i = 0; i < t->ndim; i++)
        if (t->dim[i] != 1)
            out[n++] = t->dim[i];
    return n;
}

/* Whether positions are for another grid. */
static int resampled(const struct network *n, const struct recipe *r) {
    return (r->rule->form == WEIGHT_POSITIONS || r->rule->form == WEIGHT_RELATIVE) &&
           (n->rows != n->own_rows || n->cols != n->own_cols);
}

/* Whether a table is not copied as it is: it is for another grid, or has no row for CLS. */
static int remade(const struct network *n, const struct recipe *r) {
    return resampled(n, r) || (r->rule->form == WEIGHT_POSITIONS && n->own_lack_cls);
}

/* Of those, tables for the file's grid. */
static int shapes_fit_remade(const struct network *n, const struct param *p,
                             const struct source_tensor *t, enum weight_form form) {
    int64_t theirs[ST_MAX_DIM];
    int m = shape_of_tensor(t->t, theirs), relative = form == WEIGHT_RELATIVE;
    int rows = relative ? relative_entries(n->own_rows, n->own_cols)
                        : !n->own_lack_cls + n->own_rows * n->own_cols;
    return m == 2 && theirs[0] == rows && theirs[1] == p->dim[relative ? 0 : 1];
}

/* Equal, or a convolution's window for a matrix that does the same (patches). */
static int shapes_fit(const struct param *p, const struct source_tensor *t, int parts,
                      enum weight_form form) {
    int64_t ours[MAX_DIM], theirs[ST_MAX_DIM];
    int n = shape_of_param(p, ours), m = shape_of_tensor(t->t, theirs);
    if (n && parts > 1)
        ours[0] /= parts;
    if (form == WEIGHT_TRANSPOSED || form == WEIGHT_RELATIVE)
        return n == 2 && m == 2 && ours[0] == theirs[1] && ours[1] == theirs[0];
    if (n == 2 && m > 2 && ours[0] == theirs[0])
        return source_entries(t) * (size_t)parts == p->count;
    return n == m && !memcmp(ours, theirs, (size_t)n * sizeof *ours);
}

static const char *shape_text(struct arena *a, const int64_t *dim, int n) {
    const char *text = "(";
    for (int i = 0; i < n; i++)
        text = arena_printf(a, "%s%s%lld", text, i ? "," : "", (long long)dim[i]);
    return arena_printf(a, "%s)", text);
}

static void note_mismatch(struct loading *l, const struct param *p, const char *full,
                          const struct source_tensor *t) {
    struct arena *a = &l->c->arena;
    int64_t dim[MAX_DIM];
    for (int i = 0; i < p->ndim; i++)
        dim[i] = p->dim[i];
    l->c->mismatched++;
    const char *why =
        arena_printf(a, "%s %s %s, wanted for %s %s", t->t->name, t->t->dtype,
                     shape_text(a, t->t->dim, t->t->ndim), full, shape_text(a, dim, p->ndim));
    note(l->c, &l->c->mismatched_list, "%s%s", why, "");
}

/* ---- values ---- */

static void transpose(const float *in, int rows, int cols, float *out) {
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++)
            out[(size_t)c * (size_t)rows + (size_t)r] = in[(size_t)r * (size_t)cols + (size_t)c];
}

/* (out,in,kh,kw) to (out,kh,kw,in) */
static void channels_last_of(const struct param *p, const float *in, float *out) {
    size_t channels = (size_t)p->dim[3], window = (size_t)p->dim[1] * (size_t)p->dim[2];
    for (int o = 0; o < p->dim[0]; o++, in += channels * window, out += channels * window)
        transpose(in, (int)channels, (int)window, out);
}

static void convert(struct loading *l, const struct param *p, const struct recipe *r) {
    float *out = l->model->value + p->offset;
    const struct source_tensor *t = r->part[0];
    const struct network *n = l->network;
    const int another_table = remade(n, r);
    const enum weight_form form = r->rule->form;
    int same = form == WEIGHT_SAME || (form == WEIGHT_POSITIONS && !another_table);
    if (same && !p->channels_last) {
        size_t each = p->count / (size_t)r->n;
        for (int i = 0; i < r->n; i++)
            if (r->part[i])
                source_reals(r->part[i], 0, each, out + (size_t)i * each);
            else
                memset(out + (size_t)i * each, 0, each * sizeof *out);
        return;
    }
    struct arena scratch = {0};
    size_t entries = source_entries(t);
    size_t cls = form == WEIGHT_POSITIONS && n->own_lack_cls ? (size_t)p->dim[1] : 0;
    float *in = ARENA_ARRAY(&scratch, float, cls + entries); /* of CLS zeros */
    source_reals(t, 0, entries, in + cls);
    if (form == WEIGHT_POSITIONS)
        resample_positions(n->family->resampling, n->own_rows, n->own_cols, p->dim[1], in, n->rows,
                           n->cols, out);
    else if (form == WEIGHT_RELATIVE && another_table)
        resample_relative(n->own_rows, n->own_cols, p->dim[0], in, n->rows, n->cols, out);
    else if (p->channels_last)
        channels_last_of(p, in, out);
    else
        transpose(in, p->dim[1], p->dim[0], out);
    arena_free(&scratch);
}

/* Without a branch, so that it is vector code: whether an exponent is all ones. */
static int is_finite(const float *x, size_t n) {
    const uint32_t exponent = 0x7f800000;
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bad |= (bits & exponent) == exponent;
    }
    return !bad;
}

static int load_one(struct loading *l, const struct param *p, const char *full, struct error *err) {
    struct recipe r;
    if (!find_recipe(l, full, &r)) {
        l->c->missing++;
        note(l->c, &l->c->missing_list, "%s%s", full, "");
        return 0;
    }
    const int other_table = remade(l->network, &r);
    for (int i = 0; i < r.n; i++) {
        struct source_tensor *t = r.part[i];
        if (!t)
            continue;
        l->c->loaded += !t->used;
        t->used = 1;
        int fits = other_table ? shapes_fit_remade(l->network, p, t, r.rule->form)
                               : shapes_fit(p, t, r.n, r.rule->form);
        if (source_is_real(t) && fits)
            continue;
        note_mismatch(l, p, full, t);
        return 0;
    }
    l->c->resampled += resampled(l->network, &r);
    l->c->made += r.rule->form == WEIGHT_ZERO;
    if (r.rule->form == WEIGHT_ZERO) {
        memset(l->model->value + p->offset, 0, p->count * sizeof(real));
        return 0;
    }
    convert(l, p, &r);
    for (int i = 0; i < r.n; i++)
        if (r.part[i])
            st_release(l->source->file, r.part[i]->t);
    if (!is_finite(l->model->value + p->offset, p->count))
        return error_set(err, STATUS_USAGE, "%s: tensor %s holds a value that is not finite",
                         l->source->path, r.part[0] ? r.part[0]->t->name : full);
    return 0;
}

/* ---- what is left ---- */

static int is_text(const struct loading *l, const char *name) {
    char star[PATTERN_STARS][PATTERN_STAR], theirs[NAME];
    int empty;
    for (const struct weight_rule *r = l->network->family->rules; r->ours; r++)
        for (int i = 0; !strncmp(r->ours, "text.", 5) && alternative(r->theirs, i, theirs, &empty);
             i++)
            if (pattern_match(theirs, name, star))
                return 1;
    return 0;
}

static int has_group(const struct model *m, const char *name) {
    for (int i = 0; i < m->n_groups; i++)
        if (!strcmp(m->groups[i].name, name))
            return m->groups[i].n_params > 0;
    return 0;
}

/* Why a tensor has no place in the model, or NULL: nobody knows. */
static const char *why_spared(const struct loading *l, const struct source_tensor *t,
                              const char *ignore) {
    char star[PATTERN_STARS][PATTERN_STAR], one[NAME];
    const struct family *f = l->network->family;
    if (!t->name)
        return "outside of the prefix";
    if (!source_entries(t))
        return "without entries"; /* Hugging Face's registers where there are none */
    size_t inner = f->inner ? strlen(f->inner) : 0;
    const char *name = inner && !strncmp(t->name, f->inner, inner) ? t->name + inner : t->name;
    for (const struct spare_rule *r = f->spare; r && r->theirs; r++)
        if (pattern_match(r->theirs, name, star))
            return r->why;
    if (!has_group(l->model, "text") && is_text(l, name))
        return "of the text tower, which needs --weights.vocabulary";
    for (const char *at = ignore ? ignore : ""; *at;) {
        size_t length = strcspn(at, " ,");
        snprintf(one, sizeof one, "%.*s", (int)length, at);
        if (length && pattern_match(one, t->t->name, star))
            return "ignored as told";
        at += length + (at[length] != '\0');
    }
    return NULL;
}

static void look_at_rest(struct loading *l, const char *ignore) {
    struct coverage *c = l->c;
    for (int i = 0; i < l->source->n; i++) {
        const struct source_tensor *t = &l->source->tensors[i];
        if (t->used)
            continue;
        const char *why = why_spared(l, t, ignore);
        c->spared += why != NULL;
        c->unused += !why;
        if (why)
            note(c, &c->spared_list, "%s: %s", t->t->name, why);
        else
            note(c, &c->unused_list, "%s%s", t->t->name, "");
    }
}

static int judge(const struct loading *l, struct error *err) {
    const struct coverage *c = l->c;
    if (!c->missing && !c->mismatched && !c->unused)
        return 0;
    const char *list = c->missing      ? c->missing_list
                       : c->mismatched ? c->mismatched_list
                                       : c->unused_list;
    return error_set(err, STATUS_USAGE,
                     "%s does not fit %s: %d parameters without a tensor, %d tensors of another "
                     "shape, %d without a place (%.*s%s)%s",
                     l->source->path, l->network->name, c->missing, c->mismatched, c->unused,
                     (int)strcspn(list, "\n"), list, strchr(list, '\n') ? ", ..." : "",
                     c->missing || c->mismatched
                         ? ""
                         : "; --weights.ignore PATTERN where that is as it should "
                           "be");
}

int network_load(const struct network *n, struct source *s, struct model *m, const char *ignore,
                 struct coverage *c, struct error *err) {
    static const char *const groups[] = {"encoder", "head", "text"};
    *c = (struct coverage){.loaded = 0};
    struct loading l = {n, s, m, c};
    int status = 0;
    for (size_t k = 0; k < sizeof groups / sizeof *groups; k++)
        for (int i = 0; i < m->n_groups; i++)
            for (const struct param *p = m->groups[i].first;
                 p && !strcmp(m->groups[i].name, groups[k]); p = p->next) {
                char full[NAME];
                snprintf(full, sizeof full, "%s.%s", groups[k], p->name);
                TRY(load_one(&l, p, full, err));
            }
    look_at_rest(&l, ignore);
    m->version++;
    status = judge(&l, err);
out:
    return status;
}

static void print_list(FILE *out, const char *title, const char *list, int most) {
    for (int i = 0; list && *list; i++) {
        size_t n = strcspn(list, "\n");
        if (i == most) {
            fprintf(out, "  ...\n");
            return;
        }
        fprintf(out, "  %s %.*s\n", title, (int)n, list);
        list += n + (list[n] != '\0');
    }
}

void coverage_print(const struct coverage *c, FILE *out) {
    enum { ALL = 1 << 20, SOME = 8 };
    fprintf(out,
            "tensors: %d loaded, %d left out for a reason, %d unused, %d missing, %d of "
            "another shape\n",
            c->loaded, c->spared, c->unused, c->missing, c->mismatched);
    print_list(out, "left out", c->spared_list, SOME);
    print_list(out, "unused", c->unused_list, ALL);
    print_list(out, "missing", c->missing_list, ALL);
    print_list(out, "another shape:", c->mismatched_list, ALL);
}

void coverage_free(struct coverage *c) {
    arena_free(&c->arena);
    *c = (struct coverage){.loaded = 0};
}
