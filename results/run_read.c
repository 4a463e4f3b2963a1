#include "results/h5_internal.h"
#include "results/run_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- steps ---- */

static void get_steps(struct h5 *h, struct run *r) {
    hid_t pretrain = h5_group(h, h->file, "pretrain");
    int n = 0;
    const int64_t *number = h5_get_vector(h, pretrain, "step", ELEMENT_INT64, &n);
    const hsize_t length = (hsize_t)n;
    for (int i = 1; i < n; i++)
        if (number[i] <= number[i - 1])
            h5_wrong(h, pretrain, "step", "%lld is behind %lld", (long long)number[i],
                     (long long)number[i - 1]);
    r->n_steps = r->steps_room = n;
    r->steps = ARENA_ARRAY(&r->arena, struct step_row, n);
    for (const struct member *m = schema_step; m->name; m++) {
        if (m->kind == MEMBER_INTEGER) {
            for (int i = 0; i < n; i++)
                r->steps[i].step = (long)number[i];
            continue;
        }
        const double *column = h5_get_array(h, pretrain, m->name, ELEMENT_REAL, 1, &length);
        int added = m->offset >= offsetof(struct step_row, wait_s); /* since the first version */
        if (!column && !h->status && !added)
            h5_wrong(h, pretrain, m->name, "it is missing");
        for (int i = 0; i < n; i++) {
            double value = column ? column[i] : NAN;
            memcpy((char *)&r->steps[i] + m->offset, &value, sizeof value);
        }
    }
    h5_end(pretrain);
}

/* ---- evaluations ---- */

static void get_outcome(struct h5 *h, hid_t at, struct eval *e) {
    const char *word = h5_text_attribute(h, at, "outcome");
    int i = 0;
    while (word && i < OUTCOMES && strcmp(word, schema_outcomes[i]) != 0)
        i++;
    if (!word || i == OUTCOMES)
        h5_wrong(h, at, "outcome", "it is %s", word ? word : "missing");
    e->outcome = i < OUTCOMES ? (enum outcome)i : OUTCOME_FAILED;
}

/* Whoever counts with them uses them as indices: -1 is "none". */
static void check_classes(struct h5 *h, hid_t at, const char *name, const int16_t *class, size_t n,
                          int classes) {
    for (size_t i = 0; class && i < n; i++)
        if (class[i] < -1 || class[i] >= classes) {
            h5_wrong(h, at, name, "class %d of %d", class[i], classes);
            return;
        }
}

static void check_fractions(struct h5 *h, hid_t at, const char *name, const double *x, size_t n) {
    for (size_t i = 0; x && i < n; i++)
        if (!isnan(x[i]) && !(x[i] >= 0 && x[i] <= 1)) {
            h5_wrong(h, at, name, "%g is not between 0 and 1", x[i]);
            return;
        }
}

static void check_eval(struct h5 *h, hid_t at, const struct eval *e) {
    if (h->status)
        return;
    size_t seeds = (size_t)e->n_seeds, classes = (size_t)e->n_classes;
    size_t samples = (size_t)e->n_samples;
    check_classes(h, at, "label", e->label, samples, e->n_classes);
    check_classes(h, at, "pred", e->pred, seeds * samples, e->n_classes);
    check_fractions(h, at, "top1", e->top1, seeds);
    check_fractions(h, at, "top5", e->top5, seeds);
    check_fractions(h, at, "top1_per_class", e->top1_per_class, seeds * classes);
    for (size_t i = 0; e->confusion && i < seeds * classes * classes; i++)
        if (e->confusion[i] < 0) {
            h5_wrong(h, at, "confusion", "a count is %d", (int)e->confusion[i]);
            return;
        }
    for (int i = 0; i < e->n_metrics; i++)
        check_fractions(h, at, "metrics", &e->metrics[i].value, 1);
    if (e->outcome == OUTCOME_OK && !e->top1 && !e->n_metrics)
        h5_wrong(h, at, "top1",
                 "it is missing although the outcome is ok and there are no metrics");
}

static void get_eval(struct h5 *h, hid_t at, struct eval *e) {
    int n_samples = 0;
    h5_get_attributes(h, at, schema_eval, e);
    get_outcome(h, at, e);
    e->seed = h5_get_vector(h, at, "seed", ELEMENT_INT64, &e->n_seeds);
    e->class_name = h5_get_strings(h, at, "class", &e->n_classes);
    h5_get_vector(h, at, "sample", ELEMENT_INT32, &n_samples);
    e->n_samples = n_samples;
    const hsize_t seeds = (hsize_t)e->n_seeds, classes = (hsize_t)e->n_classes;
    const hsize_t samples = (hsize_t)n_samples;
    const hsize_t by_class[] = {seeds, classes, classes}, by_sample[] = {seeds, samples};
    e->top1 = h5_get_array(h, at, "top1", ELEMENT_REAL, 1, &seeds);
    e->top5 = h5_get_array(h, at, "top5", ELEMENT_REAL, 1, &seeds);
    e->top1_per_class = h5_get_array(h, at, "top1_per_class", ELEMENT_REAL, 2, by_class);
    e->confusion = h5_get_array(h, at, "confusion", ELEMENT_INT32, 3, by_class);
    e->pred = h5_get_array(h, at, "pred", ELEMENT_INT16, 2, by_sample);
    e->label = h5_get_array(h, at, "label", ELEMENT_INT16, 1, &samples);
    if (h5_has(h, at, "tables")) {
        hid_t tables = h5_group(h, at, "tables");
        e->grid = h5_get_table(h, tables, "grid", schema_grid, sizeof *e->grid, &e->n_grid);
        e->metrics =
            h5_get_table(h, tables, "metrics", schema_metric, sizeof *e->metrics, &e->n_metrics);
        h5_end(tables);
    }
    check_eval(h, at, e);
}

static void get_name(struct h5 *h, hid_t at, const char *link, char *name, size_t room) {
    if (!h->status && !link_name_decode(link, name, room))
        h5_wrong(h, at, link, "its name is longer than %zu bytes", room - 1);
}

static void get_evals(struct h5 *h, struct run *r) {
    hid_t all = h5_group(h, h->file, "eval");
    int n_protocols, n_sets;
    char **protocols = h5_names(h, all, &n_protocols);
    for (int p = 0; p < n_protocols && !h->status; p++) {
        hid_t protocol = h5_group(h, all, protocols[p]);
        char **sets = h5_names(h, protocol, &n_sets);
        struct eval *more = ARENA_ARRAY(&r->arena, struct eval, r->n_evals + n_sets);
        if (r->n_evals)
            memcpy(more, r->evals, sizeof *more * (size_t)r->n_evals);
        r->evals = more;
        for (int i = 0; i < n_sets && !h->status; i++) {
            struct eval *e = &r->evals[r->n_evals++];
            hid_t set = h5_group(h, protocol, sets[i]);
            get_name(h, all, protocols[p], e->protocol, sizeof e->protocol);
            get_name(h, protocol, sets[i], e->dataset, sizeof e->dataset);
            get_eval(h, set, e);
            h5_end(set);
        }
        h5_end(protocol);
    }
    h5_end(all);
}

/* ---- the rest ---- */

static void get_data(struct h5 *h, struct run *r) {
    hid_t data = h5_group(h, h->file, "data");
    int n = 0;
    char **names = h5_names(h, data, &n);
    if (n > RUN_DATA)
        h5_wrong(h, data, "", "more than %d sources", RUN_DATA);
    for (int i = 0; i < n && !h->status; i++) {
        struct run_data_source *d = &r->data[r->n_data++];
        hid_t source = h5_group(h, data, names[i]);
        get_name(h, data, names[i], d->name, sizeof d->name);
        h5_get_attributes(h, source, schema_data, d);
        h5_end(source);
    }
    h5_end(data);
}

static void get_texts(struct h5 *h, struct run *r) {
    hid_t config = h5_group(h, h->file, "config"), log = h5_group(h, h->file, "log");
    r->config = h5_get_text(h, config, "resolved");
    r->argv = h5_get_text(h, config, "argv");
    r->log = h5_get_text(h, log, "text");
    h5_end(config);
    h5_end(log);
}

static const char *folder_of(const char *path, struct arena *a) {
    const char *slash = strrchr(path, '/');
    return slash ? arena_printf(a, "%.*s", (int)(slash - path), path) : ".";
}

int run_read(struct run *r, const char *h5_path, struct error *err) {
    struct h5 h;
    memset(r, 0, sizeof *r);
    r->folder = folder_of(h5_path, &r->arena);
    h5_open(&h, h5_path, &r->arena, err);
    h5_check_format(&h, RUN_FORMAT, RUN_FORMAT_VERSION, "the results of a run");
    h5_get_attributes(&h, h.file, schema_run, r);
    hid_t environment = h5_group(&h, h.file, "environment");
    h5_get_attributes(&h, environment, schema_environment, r);
    h5_end(environment);
    get_texts(&h, r);
    get_data(&h, r);
    get_steps(&h, r);
    get_evals(&h, r);
    r->has_checksum = h.has_trailer;
    int status = h5_close(&h);
    if (status)
        run_free(r);
    return status;
}
