#include "results/h5_internal.h"
#include "results/journal.h"
#include "results/run_internal.h"

#include <string.h>

/* In a group of its own: netCDF, through which xarray may read the arrays beside it, writes past
 * its buffer when a row holds text. */
static void put_table(struct h5 *h, hid_t at, const char *name, const struct member *columns,
                      size_t row_bytes, long n, const void *rows) {
    hid_t tables =
        h5_has(h, at, "tables") ? h5_group(h, at, "tables") : h5_new_group(h, at, "tables");
    h5_put_table(h, tables, name, columns, row_bytes, n, rows);
    h5_end(tables);
}

/* ---- steps ---- */

/* A run is written at every checkpoint, and an arena takes nothing back: the room is kept and grows
 * by doubling. */
static void make_room(struct run *r, long kept, long n) {
    const struct step_row *before = r->steps;
    if (n <= r->steps_room)
        return;
    r->steps_room = n > 2 * r->steps_room ? n : 2 * r->steps_room;
    r->steps = ARENA_ARRAY(&r->arena, struct step_row, r->steps_room);
    if (kept)
        memcpy(r->steps, before, sizeof *before * (size_t)kept);
}

int run_take_steps(struct run *r, const char *journal, struct error *err) {
    struct arena scratch = {0};
    struct step_row *rows;
    long n, kept = 0, later = 0;
    int status = journal_read(journal, &scratch, &rows, &n, err);
    if (!status && n) {
        while (kept < r->n_steps && r->steps[kept].step < rows[0].step)
            kept++;
        while (later < r->n_steps && r->steps[r->n_steps - 1 - later].step > rows[n - 1].step)
            later++;
        struct step_row *rest = ARENA_ARRAY(&scratch, struct step_row, later);
        if (later)
            memcpy(rest, r->steps + r->n_steps - later, sizeof *rest * (size_t)later);
        make_room(r, kept, kept + n + later);
        memcpy(r->steps + kept, rows, sizeof *rows * (size_t)n);
        if (later)
            memcpy(r->steps + kept + n, rest, sizeof *rest * (size_t)later);
        r->n_steps = kept + n + later;
    }
    arena_free(&scratch);
    return status;
}

/* Columns for what reads arrays, and the same as one table for what reads tables. */
static void put_steps(struct h5 *h, const struct run *r) {
    struct arena scratch = {0};
    hid_t pretrain = h5_new_group(h, h->file, "pretrain"), step = -1;
    double *column = ARENA_ARRAY(&scratch, double, r->n_steps);
    int64_t *number = ARENA_ARRAY(&scratch, int64_t, r->n_steps);
    for (const struct member *m = schema_step; m->name; m++) {
        if (m->kind == MEMBER_INTEGER) {
            for (long i = 0; i < r->n_steps; i++)
                number[i] = r->steps[i].step;
            step = h5_put_scale(h, pretrain, m->name, ELEMENT_INT64, (hsize_t)r->n_steps, number);
            continue;
        }
        for (long i = 0; i < r->n_steps; i++)
            memcpy(&column[i], (const char *)&r->steps[i] + m->offset, sizeof *column);
        h5_put_array(h, pretrain, m->name, ELEMENT_REAL, 1, &step, column);
    }
    h5_end(step);
    put_table(h, pretrain, "steps", schema_step, sizeof(struct step_row), r->n_steps, r->steps);
    h5_end(pretrain);
    arena_free(&scratch);
}

/* ---- evaluations ---- */

/* The axes of an evaluation; the true class and the predicted one are two. */
enum axis { AXIS_SEED, AXIS_CLASS, AXIS_CLASS_PRED, AXIS_SAMPLE, AXES };

static void put_scales(struct h5 *h, hid_t at, const struct eval *e, hid_t scales[AXES]) {
    struct arena scratch = {0};
    hsize_t classes = (hsize_t)e->n_classes, samples = (hsize_t)e->n_samples;
    int32_t *index = ARENA_ARRAY(&scratch, int32_t, e->n_samples);
    for (int i = 0; i < e->n_samples; i++)
        index[i] = i;
    scales[AXIS_SEED] = h5_put_scale(h, at, "seed", ELEMENT_INT64, (hsize_t)e->n_seeds, e->seed);
    scales[AXIS_CLASS] = h5_put_string_scale(h, at, "class", classes, e->class_name);
    scales[AXIS_CLASS_PRED] = h5_put_string_scale(h, at, "class_pred", classes, e->class_name);
    scales[AXIS_SAMPLE] = h5_put_scale(h, at, "sample", ELEMENT_INT32, samples, index);
    arena_free(&scratch);
}

static void put_eval(struct h5 *h, hid_t at, const struct eval *e) {
    hid_t axis[AXES];
    put_scales(h, at, e, axis);
    const struct {
        const char *name;
        enum element type;
        int rank;
        hid_t scales[MAX_RANK];
        const void *values;
    } arrays[] = {
        {"top1", ELEMENT_REAL, 1, {axis[AXIS_SEED]}, e->top1},
        {"top5", ELEMENT_REAL, 1, {axis[AXIS_SEED]}, e->top5},
        {"top1_per_class", ELEMENT_REAL, 2, {axis[AXIS_SEED], axis[AXIS_CLASS]}, e->top1_per_class},
        {"confusion",
         ELEMENT_INT32,
         3,
         {axis[AXIS_SEED], axis[AXIS_CLASS], axis[AXIS_CLASS_PRED]},
         e->confusion},
        {"pred", ELEMENT_INT16, 2, {axis[AXIS_SEED], axis[AXIS_SAMPLE]}, e->pred},
        {"label", ELEMENT_INT16, 1, {axis[AXIS_SAMPLE]}, e->label},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        h5_put_array(h, at, arrays[i].name, arrays[i].type, arrays[i].rank, arrays[i].scales,
                     arrays[i].values);
    for (int i = 0; i < AXES; i++)
        h5_end(axis[i]);
    if (e->n_grid)
        put_table(h, at, "grid", schema_grid, sizeof *e->grid, e->n_grid, e->grid);
    if (e->n_metrics)
        put_table(h, at, "metrics", schema_metric, sizeof *e->metrics, e->n_metrics, e->metrics);
    h5_put_attributes(h, at, schema_eval, e);
    h5_put_text_attribute(h, at, "outcome", schema_outcomes[e->outcome]);
    h5_put_integer_attribute(h, at, "metric_higher_is_better", 1);
}

static void put_evals(struct h5 *h, const struct run *r) {
    struct arena scratch = {0};
    hid_t all = h5_new_group(h, h->file, "eval");
    for (int i = 0; i < r->n_evals; i++) {
        const struct eval *e = &r->evals[i];
        const char *protocol = link_name(e->protocol, &scratch);
        hid_t outer =
            h5_has(h, all, protocol) ? h5_group(h, all, protocol) : h5_new_group(h, all, protocol);
        hid_t inner = h5_new_group(h, outer, link_name(e->dataset, &scratch));
        put_eval(h, inner, e);
        h5_end(inner);
        h5_end(outer);
    }
    h5_end(all);
    arena_free(&scratch);
}

/* ---- the rest ---- */

static void put_data(struct h5 *h, const struct run *r) {
    struct arena scratch = {0};
    hid_t data = h5_new_group(h, h->file, "data");
    for (int i = 0; i < r->n_data; i++) {
        hid_t source = h5_new_group(h, data, link_name(r->data[i].name, &scratch));
        h5_put_attributes(h, source, schema_data, &r->data[i]);
        h5_end(source);
    }
    h5_end(data);
    arena_free(&scratch);
}

static void put_texts(struct h5 *h, const struct run *r) {
    hid_t config = h5_new_group(h, h->file, "config"), log = h5_new_group(h, h->file, "log");
    h5_put_text(h, config, "resolved", r->config);
    h5_put_text(h, config, "argv", r->argv);
    h5_put_text(h, log, "text", r->log);
    h5_end(config);
    h5_end(log);
}

int run_write(struct run *r, const char *folder, struct error *err) {
    struct arena scratch = {0};
    struct h5 h;
    int status = 0;
    TRY(run_take_steps(r, arena_printf(&scratch, "%s/journal.jsonl", folder), err));
    h5_create(&h, arena_printf(&scratch, "%s/run.h5", folder), err);
    h5_put_text_attribute(&h, h.file, "format", RUN_FORMAT);
    h5_put_text_attribute(&h, h.file, "format_version", RUN_FORMAT_VERSION);
    h5_put_attributes(&h, h.file, schema_run, r);
    hid_t environment = h5_new_group(&h, h.file, "environment");
    h5_put_attributes(&h, environment, schema_environment, r);
    h5_end(environment);
    put_texts(&h, r);
    put_data(&h, r);
    put_steps(&h, r);
    put_evals(&h, r);
    status = h5_save(&h);
out:
    arena_free(&scratch);
    return status;
}
