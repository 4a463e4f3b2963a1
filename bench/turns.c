#include "bench/turns.h"

#include "bench/launch.h"
#include "core/log.h"

#include <jansson.h>
#include <string.h>

enum { ARGUMENTS = 24 };
_Static_assert((int)KERNEL_LAUNCHES <= (int)SPEED_PAIRS, "launches of a file fit into a row");

static struct turns_row *row_of(struct turns *t, const char *name, const char *filter) {
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->rows[i].name, name))
            return &t->rows[i];
    if (t->n == t->room) {
        struct turns_row *more = ARENA_ARRAY(&t->arena, struct turns_row, 2 * t->room + 64);
        if (t->n)
            memcpy(more, t->rows, (size_t)t->n * sizeof *more);
        t->rows = more;
        t->room = 2 * t->room + 64;
    }
    t->rows[t->n] = (struct turns_row){.name = arena_strdup(&t->arena, name),
                                       .filter = arena_strdup(&t->arena, filter)};
    return &t->rows[t->n++];
}

static struct turns_row *row_of_kernel(struct turns *t, const char *kernel, const char *shape,
                                       const char *backend) {
    struct arena scratch = {0};
    struct turns_row *r = row_of(t, arena_printf(&scratch, "%s %s %s", kernel, shape, backend),
                                 arena_printf(&scratch, "%s %s", kernel, shape));
    arena_free(&scratch);
    return r;
}

void turns_set(struct turns *t, int side, const struct kernel_row *row,
               const struct kernel_samples *samples) {
    struct turns_row *r = row_of_kernel(t, row->kernel, row->shape, row->backend);
    r->n[side] = samples->n_launches;
    memcpy(r->seconds[side], samples->launch, (size_t)samples->n_launches * sizeof(double));
}

static int take(void *self, const char *line, struct error *err) {
    struct turns *t = self;
    json_t *row = json_loads(line, 0, NULL);
    const char *kernel, *shape, *backend;
    double seconds;
    int status = 0;
    if (json_unpack(row, "{s:s, s:s, s:s, s:[F]}", "kernel", &kernel, "shape", &shape, "backend",
                    &backend, "warm", &seconds) ||
        !(seconds > 0))
        status = error_set(err, STATUS_MACHINE, "not a kernel's time: %.200s", line);
    else {
        struct turns_row *r = row_of_kernel(t, kernel, shape, backend);
        if (r->n[t->now] < SPEED_PAIRS)
            r->seconds[t->now][r->n[t->now]++] = seconds;
    }
    json_decref(row);
    return status;
}

static int launch_one(struct turns *t, const struct turns_side *side, const char *filter,
                      struct error *err) {
    const struct kernels_flags *o = t->o;
    struct arena scratch = {0};
    char *argv[ARGUMENTS];
    int n = 0, status = 0;
    argv[n++] = arena_strdup(&scratch, side->program);
    argv[n++] = arena_strdup(&scratch, "kernels");
    argv[n++] = arena_strdup(&scratch, "--json");
    argv[n++] = arena_strdup(&scratch, "--time_only");
    argv[n++] = arena_printf(&scratch, "--filter=%s", filter);
    argv[n++] = arena_printf(&scratch, "--backend=%s", o->backend);
    argv[n++] = arena_printf(&scratch, "--shapes=%s", o->shapes);
    argv[n++] = arena_printf(&scratch, "--threads=%d", o->threads);
    argv[n++] = arena_printf(&scratch, "--seed=%d", o->seed);
    argv[n++] = arena_printf(&scratch, "--seconds=%.17g", o->seconds);
    if (strcmp(o->math, "fp32") != 0)
        argv[n++] = arena_printf(&scratch, "--math=%s", o->math);
    if (side->flag)
        argv[n++] = arena_strdup(&scratch, side->flag);
    else if (side == t->side && o->slowed > 0)
        argv[n++] = arena_printf(&scratch, "--slowed=%.17g", o->slowed);
    argv[n] = NULL;
    if (!*t->stop)
        status = launch(argv, take, t, err);
    if (*t->stop)
        status = error_set(err, STATUS_INTERRUPTED, "stopped; nothing is kept of a comparison");
    arena_free(&scratch);
    return status;
}

int turns_launch(struct turns *t, const char *filter, struct error *err) {
    struct progress progress;
    int status = 0;
    progress_begin(&progress, "launches in turns", t->o->pairs);
    for (int i = 0; i < t->o->pairs; i++) {
        for (t->now = 0; t->now < t->n_sides; t->now++)
            TRY(launch_one(t, &t->side[t->now], filter, err));
        progress_update(&progress, i + 1, "");
    }
    progress_end(&progress);
out:
    return status;
}

int turns_decide(struct turns *t, int a, int b) {
    struct arena scratch = {0};
    struct speed_series *series = ARENA_ARRAY(&scratch, struct speed_series, t->n + 1);
    struct speed_verdict *verdicts = ARENA_ARRAY(&scratch, struct speed_verdict, t->n + 1);
    int n = 0, undecided = 0;
    for (int i = 0; i < t->n; i++) {
        struct turns_row *r = &t->rows[i];
        r->pairs = r->n[a] == r->n[b] ? r->n[a] : 0;
        if (r->most && r->pairs > r->most)
            r->pairs = r->most;
        if (!r->pairs)
            continue;
        series[n].n = r->pairs;
        memcpy(series[n].ours, r->seconds[a], sizeof series[n].ours);
        memcpy(series[n++].other, r->seconds[b], sizeof series[n].other);
    }
    speed_verdicts(series, n, verdicts);
    for (int i = 0, k = 0; i < t->n; i++) {
        struct turns_row *r = &t->rows[i];
        if (!r->pairs)
            continue;
        r->verdict = verdicts[k++];
        undecided += r->verdict.speed == SPEED_UNDECIDED;
    }
    arena_free(&scratch);
    return undecided;
}

const char *turns_undecided(struct turns *t) {
    const char *filter = "";
    for (int i = 0; i < t->n; i++)
        if (t->rows[i].verdict.speed == SPEED_UNDECIDED && t->rows[i].pairs)
            filter =
                arena_printf(&t->arena, "%s%s%s", filter, *filter ? "|" : "^(", t->rows[i].filter);
    return arena_printf(&t->arena, "%s)$", filter);
}

void turns_free(struct turns *t) {
    arena_free(&t->arena);
}
