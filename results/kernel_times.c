#include "results/kernel_times.h"

#include "results/h5_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void kernel_times_init(struct kernel_times *t) {
    *t = (struct kernel_times){.filter = "", .backends = "", .shapes = ""};
    run_init(&t->machine);
}

void kernel_times_free(struct kernel_times *t) {
    run_free(&t->machine);
    memset(t, 0, sizeof *t);
}

static const double *copy(const double *x, int n, struct arena *a) {
    double *p = ARENA_ARRAY(a, double, n + 1);
    if (n)
        memcpy(p, x, (size_t)n * sizeof *p);
    return p;
}

static void grow(struct kernel_times *t) {
    struct arena *a = &t->machine.arena;
    t->room = 2 * t->room + 64;
    struct kernel_row *rows = ARENA_ARRAY(a, struct kernel_row, t->room);
    struct kernel_samples *samples = ARENA_ARRAY(a, struct kernel_samples, t->room);
    if (t->n) {
        memcpy(rows, t->rows, (size_t)t->n * sizeof *rows);
        memcpy(samples, t->samples, (size_t)t->n * sizeof *samples);
    }
    t->rows = rows;
    t->samples = samples;
}

void kernel_times_add(struct kernel_times *t, const struct kernel_row *row,
                      const struct kernel_samples *samples) {
    struct arena *a = &t->machine.arena;
    struct kernel_samples s = *samples;
    CHECK(s.n_launches <= KERNEL_LAUNCHES, "%d launches", s.n_launches);
    s.warm = copy(s.warm, s.n_warm, a);
    s.cold = copy(s.cold, s.n_cold, a);
    s.launch = copy(s.launch, s.n_launches, a);
    if (t->n == t->room)
        grow(t);
    t->rows[t->n] = *row;
    t->samples[t->n++] = s;
}

int kernel_times_find(const struct kernel_times *t, const char *name) {
    char text[256];
    for (int i = 0; i < t->n; i++) {
        const struct kernel_row *r = &t->rows[i];
        snprintf(text, sizeof text, "%s %s %s", r->kernel, r->shape, r->backend);
        if (!strcmp(text, name))
            return i;
    }
    return -1;
}

const char *kernel_times_differ(const struct kernel_times *there, const struct kernel_times *here,
                                struct arena *a) {
    const struct run *x = &there->machine, *y = &here->machine;
    const struct {
        const char *name, *there, *here;
    } texts[] = {
        {"cpu", x->env_cpu, y->env_cpu},          {"isa", x->env_isa, y->env_isa},
        {"memory", x->env_mem, y->env_mem},       {"kernel", x->env_kernel, y->env_kernel},
        {"device", x->env_device, y->env_device},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *one = texts[i].there ? texts[i].there : "unknown";
        const char *other = texts[i].here ? texts[i].here : "unknown";
        if (strcmp(one, other) != 0)
            return arena_printf(a, "%s: %s, here %s", texts[i].name, one, other);
    }
    if (x->env_cores != y->env_cores)
        return arena_printf(a, "processors: %d, here %d", x->env_cores, y->env_cores);
    return NULL;
}

/* ---- writing ---- */

enum kind { WARM, COLD, LAUNCH, KINDS };
static const struct sample_array {
    const char *scale, *name;
} arrays[KINDS] = {{"sample_warm", "warm"}, {"sample_cold", "cold"}, {"launch", "launches"}};

static int length(const struct kernel_samples *s, enum kind kind) {
    return kind == WARM ? s->n_warm : kind == COLD ? s->n_cold : s->n_launches;
}

static const double *values(const struct kernel_samples *s, enum kind kind) {
    return kind == WARM ? s->warm : kind == COLD ? s->cold : s->launch;
}

static hid_t put_index(struct h5 *h, hid_t at, const char *name, int n) {
    struct arena scratch = {0};
    int32_t *index = ARENA_ARRAY(&scratch, int32_t, n + 1);
    for (int i = 0; i < n; i++)
        index[i] = i;
    hid_t scale = h5_put_scale(h, at, name, ELEMENT_INT32, (hsize_t)n, index);
    arena_free(&scratch);
    return scale;
}

/* As wide as its longest row; nothing when all are empty. */
static void put_samples(struct h5 *h, hid_t at, const struct kernel_times *t, hid_t row,
                        enum kind kind) {
    struct arena scratch = {0};
    int width = 0;
    for (int i = 0; i < t->n; i++)
        width = length(&t->samples[i], kind) > width ? length(&t->samples[i], kind) : width;
    if (width) {
        double *all = ARENA_ARRAY(&scratch, double, (size_t)t->n *(size_t)width);
        for (int i = 0; i < t->n; i++)
            for (int j = 0; j < width; j++)
                all[(size_t)i * (size_t)width + (size_t)j] =
                    j < length(&t->samples[i], kind) ? values(&t->samples[i], kind)[j] : NAN;
        hid_t scales[] = {row, put_index(h, at, arrays[kind].scale, width)};
        h5_put_array(h, at, arrays[kind].name, ELEMENT_REAL, 2, scales, all);
        h5_end(scales[1]);
    }
    arena_free(&scratch);
}

int kernel_times_write(const struct kernel_times *t, const char *path, struct error *err) {
    struct h5 h;
    h5_create(&h, path, err);
    h5_put_text_attribute(&h, h.file, "format", KERNEL_TIMES_FORMAT);
    h5_put_text_attribute(&h, h.file, "format_version", KERNEL_TIMES_VERSION);
    h5_put_attributes(&h, h.file, schema_kernel_run, &t->machine);
    h5_put_attributes(&h, h.file, schema_kernel_times, t);
    hid_t environment = h5_new_group(&h, h.file, "environment");
    h5_put_attributes(&h, environment, schema_environment, &t->machine);
    h5_end(environment);
    hid_t roof = h5_new_group(&h, h.file, "roof");
    hid_t bytes =
        h5_put_scale(&h, roof, "bytes", ELEMENT_REAL, (hsize_t)t->n_levels, t->level_bytes);
    h5_put_array(&h, roof, "per_second", ELEMENT_REAL, 1, &bytes, t->level_per_second);
    h5_end(bytes);
    h5_end(roof);
    hid_t kernels = h5_new_group(&h, h.file, "kernels"), row = put_index(&h, kernels, "row", t->n);
    for (int kind = 0; kind < KINDS; kind++)
        put_samples(&h, kernels, t, row, (enum kind)kind);
    hid_t tables = h5_new_group(&h, kernels, "tables");
    h5_put_table(&h, tables, "summary", schema_kernel_row, sizeof *t->rows, t->n, t->rows);
    h5_end(tables);
    h5_end(row);
    h5_end(kernels);
    return h5_save(&h);
}

/* ---- reading ---- */

static void get_samples(struct h5 *h, hid_t at, struct kernel_times *t, enum kind kind) {
    struct arena *a = &t->machine.arena;
    int width = 0;
    h5_get_vector(h, at, arrays[kind].scale, ELEMENT_INT32, &width);
    const hsize_t dims[] = {(hsize_t)t->n, (hsize_t)width};
    const double *all =
        width ? h5_get_array(h, at, arrays[kind].name, ELEMENT_REAL, 2, dims) : NULL;
    if (kind == LAUNCH && width > KERNEL_LAUNCHES)
        h5_wrong(h, at, arrays[kind].name, "more than %d", KERNEL_LAUNCHES);
    for (int i = 0; i < t->n && all && !h->status; i++) {
        const double *x = all + (size_t)i * (size_t)width;
        int n = 0;
        while (n < width && x[n] > 0 && isfinite(x[n]))
            n++;
        struct kernel_samples *s = &t->samples[i];
        *(kind == WARM ? &s->n_warm : kind == COLD ? &s->n_cold : &s->n_launches) = n;
        *(kind == WARM ? &s->warm : kind == COLD ? &s->cold : &s->launch) = copy(x, n, a);
    }
}

static void get_roof(struct h5 *h, struct kernel_times *t) {
    hid_t roof = h5_group(h, h->file, "roof");
    int n = 0;
    const double *bytes = h5_get_vector(h, roof, "bytes", ELEMENT_REAL, &n);
    const hsize_t dims = (hsize_t)n;
    const double *speed = n ? h5_get_array(h, roof, "per_second", ELEMENT_REAL, 1, &dims) : NULL;
    if (n > KERNEL_LEVELS || (n && !speed))
        h5_wrong(h, roof, "per_second", "%d levels, or none", n);
    for (int i = 0; i < n && speed && !h->status; i++) {
        if (!(bytes[i] > 0 && speed[i] > 0 && isfinite(bytes[i]) && isfinite(speed[i])))
            h5_wrong(h, roof, "per_second", "level %d says %g bytes/s over %g", i, speed[i],
                     bytes[i]);
        t->level_bytes[i] = bytes[i];
        t->level_per_second[i] = speed[i];
    }
    t->n_levels = h->status ? 0 : n;
    h5_end(roof);
}

static void get_all(struct h5 *h, struct kernel_times *t) {
    h5_get_attributes(h, h->file, schema_kernel_run, &t->machine);
    h5_get_attributes(h, h->file, schema_kernel_times, t);
    hid_t environment = h5_group(h, h->file, "environment");
    h5_get_attributes(h, environment, schema_environment, &t->machine);
    h5_end(environment);
    get_roof(h, t);
    hid_t kernels = h5_group(h, h->file, "kernels");
    hid_t tables = h5_group(h, kernels, "tables");
    t->rows = h5_get_table(h, tables, "summary", schema_kernel_row, sizeof *t->rows, &t->n);
    t->room = t->n;
    t->samples = ARENA_ARRAY(&t->machine.arena, struct kernel_samples, t->n + 1);
    for (int kind = 0; kind < KINDS; kind++)
        get_samples(h, kernels, t, (enum kind)kind);
    for (int i = 0; i < t->n && !h->status; i++)
        if (!(t->rows[i].warm > 0 && isfinite(t->rows[i].warm)))
            h5_wrong(h, tables, "summary", "the time of row %d is %g s", i, t->rows[i].warm);
    h5_end(tables);
    h5_end(kernels);
}

int kernel_times_read(struct kernel_times *t, const char *path, struct error *err) {
    struct h5 h;
    memset(t, 0, sizeof *t);
    h5_open(&h, path, &t->machine.arena, err);
    h5_check_format(&h, KERNEL_TIMES_FORMAT, KERNEL_TIMES_VERSION,
                    "times that `ssvbench kernels --out` wrote");
    if (!h.status)
        get_all(&h, t);
    int status = h5_close(&h);
    t->machine.code_commit = t->machine.code_commit ? t->machine.code_commit : "unknown";
    t->filter = t->filter ? t->filter : "";
    t->backends = t->backends ? t->backends : "";
    t->shapes = t->shapes ? t->shapes : "";
    if (status)
        kernel_times_free(t);
    return status;
}
