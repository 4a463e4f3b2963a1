#include "results/step_times.h"

#include "results/h5_internal.h"

#include <math.h>
#include <string.h>

void step_times_init(struct step_times *t) {
    *t = (struct step_times){.math = "", .ranks = 1};
    run_init(&t->machine);
}

void step_times_free(struct step_times *t) {
    run_free(&t->machine);
    memset(t, 0, sizeof *t);
}

void step_times_add(struct step_times *t, const struct step_time *row) {
    if (t->n == t->room) {
        t->room = 2 * t->room + 16;
        struct step_time *rows = ARENA_ARRAY(&t->machine.arena, struct step_time, t->room);
        if (t->n)
            memcpy(rows, t->rows, (size_t)t->n * sizeof *rows);
        t->rows = rows;
    }
    t->rows[t->n++] = *row;
}

int step_times_write(const struct step_times *t, const char *path, struct error *err) {
    struct h5 h;
    h5_create(&h, path, err);
    h5_put_text_attribute(&h, h.file, "format", STEP_TIMES_FORMAT);
    h5_put_text_attribute(&h, h.file, "format_version", STEP_TIMES_VERSION);
    h5_put_attributes(&h, h.file, schema_kernel_run, &t->machine);
    h5_put_attributes(&h, h.file, schema_step_times, t);
    hid_t environment = h5_new_group(&h, h.file, "environment");
    h5_put_attributes(&h, environment, schema_environment, &t->machine);
    h5_end(environment);
    hid_t steps = h5_new_group(&h, h.file, "steps"), tables = h5_new_group(&h, steps, "tables");
    h5_put_table(&h, tables, "summary", schema_step_time, sizeof *t->rows, t->n, t->rows);
    h5_end(tables);
    h5_end(steps);
    return h5_save(&h);
}

static void get_all(struct h5 *h, struct step_times *t) {
    h5_get_attributes(h, h->file, schema_kernel_run, &t->machine);
    h5_get_attributes(h, h->file, schema_step_times, t);
    hid_t environment = h5_group(h, h->file, "environment");
    h5_get_attributes(h, environment, schema_environment, &t->machine);
    h5_end(environment);
    hid_t steps = h5_group(h, h->file, "steps"), tables = h5_group(h, steps, "tables");
    t->rows = h5_get_table(h, tables, "summary", schema_step_time, sizeof *t->rows, &t->n);
    t->room = t->n;
    for (int i = 0; i < t->n && !h->status; i++)
        if (!(t->rows[i].images_per_s > 0) || t->rows[i].batch < 1)
            h5_wrong(h, tables, "summary", "row %d says %g images/s in batches of %lld", i,
                     t->rows[i].images_per_s, (long long)t->rows[i].batch);
    h5_end(tables);
    h5_end(steps);
}

int step_times_read(struct step_times *t, const char *path, struct error *err) {
    struct h5 h;
    memset(t, 0, sizeof *t);
    h5_open(&h, path, &t->machine.arena, err);
    h5_check_format(&h, STEP_TIMES_FORMAT, STEP_TIMES_VERSION,
                    "times that `ssvbench bench steps --out` wrote");
    if (!h.status)
        get_all(&h, t);
    int status = h5_close(&h);
    t->machine.code_commit = t->machine.code_commit ? t->machine.code_commit : "unknown";
    t->math = t->math ? t->math : "";
    t->ranks = t->ranks > 1 ? t->ranks : 1;
    if (status)
        step_times_free(t);
    return status;
}
