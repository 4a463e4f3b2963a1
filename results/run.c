#include "results/run.h"

#include "core/clock.h"
#include "results/run_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void run_init(struct run *r) {
    memset(r, 0, sizeof *r);
    clock_utc(r->created_utc);
    snprintf(r->status, sizeof r->status, "running");
    environment_fill(r);
}

void run_free(struct run *r) {
    arena_free(&r->arena);
    memset(r, 0, sizeof *r);
}

static void *copy(struct arena *a, const void *values, size_t n, size_t size) {
    if (!values)
        return NULL;
    void *p = arena_alloc(a, n * size);
    if (n)
        memcpy(p, values, n * size);
    return p;
}

static struct eval deep_copy(const struct eval *e, struct arena *a) {
    struct eval c = *e;
    size_t seeds = (size_t)e->n_seeds, classes = (size_t)e->n_classes;
    size_t samples = (size_t)e->n_samples;
    c.seed = copy(a, e->seed, seeds, sizeof *e->seed);
    c.top1 = copy(a, e->top1, seeds, sizeof *e->top1);
    c.top5 = copy(a, e->top5, seeds, sizeof *e->top5);
    c.top1_per_class = copy(a, e->top1_per_class, seeds * classes, sizeof *e->top1_per_class);
    c.confusion = copy(a, e->confusion, seeds * classes * classes, sizeof *e->confusion);
    c.pred = copy(a, e->pred, seeds * samples, sizeof *e->pred);
    c.label = copy(a, e->label, samples, sizeof *e->label);
    c.grid = copy(a, e->grid, (size_t)e->n_grid, sizeof *e->grid);
    c.metrics = copy(a, e->metrics, (size_t)e->n_metrics, sizeof *e->metrics);
    const char **names = classes ? ARENA_ARRAY(a, const char *, classes) : NULL;
    for (size_t i = 0; i < classes; i++)
        names[i] = arena_strdup(a, e->class_name[i]);
    c.class_name = names;
    return c;
}

static int find(const struct run *r, const char *protocol, const char *dataset) {
    int i = 0;
    while (i < r->n_evals && (strcmp(r->evals[i].protocol, protocol) != 0 ||
                              strcmp(r->evals[i].dataset, dataset) != 0))
        i++;
    return i;
}

void run_add_eval(struct run *r, const struct eval *e) {
    CHECK(e->protocol[0] && e->dataset[0], "an evaluation without a protocol or dataset");
    CHECK(e->n_seeds >= 0 && e->n_classes >= 0 && e->n_samples >= 0 && e->n_grid >= 0 &&
              e->n_metrics >= 0,
          "%d seeds, %d classes, %d samples, %d candidates, %d metrics", e->n_seeds, e->n_classes,
          e->n_samples, e->n_grid, e->n_metrics);
    CHECK(e->seed || !e->n_seeds, "%d seeds are not given", e->n_seeds);
    CHECK(e->class_name || !e->n_classes, "%d classes have no names", e->n_classes);
    int i = find(r, e->protocol, e->dataset);
    if (i == r->n_evals) {
        struct eval *more = ARENA_ARRAY(&r->arena, struct eval, r->n_evals + 1);
        if (r->n_evals)
            memcpy(more, r->evals, sizeof *more * (size_t)r->n_evals);
        r->evals = more;
        r->n_evals++;
    }
    r->evals[i] = deep_copy(e, &r->arena);
}

const struct run_data_source *run_find_data(const struct run *r, const char *name) {
    for (int i = 0; i < r->n_data; i++)
        if (!strcmp(r->data[i].name, name))
            return &r->data[i];
    return NULL;
}

struct run_data_source *run_data(struct run *r, const char *name) {
    const struct run_data_source *there = run_find_data(r, name);
    if (there)
        return &r->data[there - r->data];
    CHECK(r->n_data < RUN_DATA, "%s: more than %d datasets", r->run_id, RUN_DATA);
    struct run_data_source *d = &r->data[r->n_data++];
    *d = (struct run_data_source){.n = 0};
    snprintf(d->name, sizeof d->name, "%s", name);
    return d;
}

const struct eval *run_find_eval(const struct run *r, const char *protocol, const char *dataset) {
    int i = find(r, protocol, dataset);
    return i < r->n_evals ? &r->evals[i] : NULL;
}

int run_is_whole(const struct run *r) {
    return !strcmp(r->status, "complete") || !strcmp(r->status, "partial");
}

const char *eval_shown(const struct eval *e) {
    return e->top1 ? "top1" : e->n_metrics ? e->metrics[0].name : "";
}

double eval_value(const struct eval *e, int i) {
    if (e->outcome != OUTCOME_OK)
        return NAN;
    if (e->top1)
        return e->top1[i];
    for (int m = 0; m < e->n_metrics; m++)
        if (e->metrics[m].seed == e->seed[i] && !strcmp(e->metrics[m].name, e->metrics[0].name))
            return e->metrics[m].value;
    return NAN;
}

double eval_mean(const struct eval *e) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < e->n_seeds; i++)
        if (isfinite(eval_value(e, i))) {
            sum += eval_value(e, i);
            n++;
        }
    return n ? sum / n : NAN;
}

char *link_name(const char *name, struct arena *a) {
    char *link = arena_alloc(a, 3 * strlen(name) + 1), *out = link;
    for (const char *c = name; *c; c++)
        if (*c == '/' || *c == '%' || (*c == '.' && c == name))
            out += sprintf(out, "%%%02X", (unsigned)*c);
        else
            *out++ = *c;
    return link;
}

int link_name_decode(const char *link, char *name, size_t room) {
    size_t n = 0;
    for (; *link && n + 1 < room; n++) {
        const char digits[3] = {link[1], link[1] ? link[2] : '\0'};
        if (*link == '%' && strspn(digits, "0123456789ABCDEF") == 2) {
            name[n] = (char)strtol(digits, NULL, 16);
            link += 3;
        } else {
            name[n] = *link++;
        }
    }
    name[n] = '\0';
    return !*link;
}
