/* kernels_against.c -- which kernels became slower: this program and another build of it, launched
 * in turns, ABAB, and results/speed_verdict.h on what they say.
 *
 * What is undecided after the pairs asked for gets as many again.  Exit code 5 for a regression.
 */
#include "bench/kernels.h"
#include "bench/launch.h"
#include "core/log.h"
#include "results/speed_verdict.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SELF_PATH = 4096, ARGUMENTS = 24 };

struct row {
    const char *name; /* kernel, shape, backend */
    const char *filter;
    struct speed_series series;
    int n_ours, n_other;
    struct speed_verdict verdict;
};

struct comparison {
    const struct kernels_options *o;
    const volatile sig_atomic_t *stop;
    struct arena arena;
    const char *other;
    struct row *rows;
    int n, room;
    int ours; /* whose lines come now */
};

static struct row *row_of(struct comparison *c, const char *name, const char *filter) {
    for (int i = 0; i < c->n; i++)
        if (!strcmp(c->rows[i].name, name))
            return &c->rows[i];
    if (c->n == c->room) {
        struct row *more = ARENA_ARRAY(&c->arena, struct row, 2 * c->room + 64);
        if (c->n)
            memcpy(more, c->rows, (size_t)c->n * sizeof *more);
        c->rows = more;
        c->room = 2 * c->room + 64;
    }
    c->rows[c->n] = (struct row){.name = arena_strdup(&c->arena, name),
                                 .filter = arena_strdup(&c->arena, filter)};
    return &c->rows[c->n++];
}

static int take(void *self, const char *line, struct error *err) {
    struct comparison *c = self;
    json_t *row = json_loads(line, 0, NULL);
    const char *kernel, *shape, *backend;
    double seconds;
    int status = 0;
    if (json_unpack(row, "{s:s, s:s, s:s, s:F}", "kernel", &kernel, "shape", &shape, "backend",
                    &backend, "seconds", &seconds) ||
        !(seconds > 0))
        status = error_set(err, STATUS_MACHINE, "not a kernel's time: %.200s", line);
    else {
        struct arena scratch = {0};
        const char *name = arena_printf(&scratch, "%s %s %s", kernel, shape, backend);
        struct row *r = row_of(c, name, arena_printf(&scratch, "%s %s", kernel, shape));
        int *n = c->ours ? &r->n_ours : &r->n_other;
        if (*n < SPEED_PAIRS)
            (c->ours ? r->series.ours : r->series.other)[(*n)++] = seconds;
        arena_free(&scratch);
    }
    json_decref(row);
    return status;
}

/* An expression for the rows in question; all of them the first time. */
static char *filter_for(struct comparison *c, int only_undecided) {
    char *filter = arena_strdup(&c->arena, "");
    if (!only_undecided)
        return arena_strdup(&c->arena, c->o->filter);
    for (int i = 0; i < c->n; i++)
        if (c->rows[i].verdict.speed == SPEED_UNDECIDED && c->rows[i].series.n)
            filter =
                arena_printf(&c->arena, "%s%s%s", filter, *filter ? "|" : "^(", c->rows[i].filter);
    return arena_printf(&c->arena, "%s)$", filter);
}

static int launch_one(struct comparison *c, const char *program, const char *filter,
                      struct error *err) {
    const struct kernels_options *o = c->o;
    struct arena *a = &c->arena;
    char *argv[ARGUMENTS];
    int n = 0;
    argv[n++] = arena_strdup(a, program);
    argv[n++] = arena_strdup(a, "kernels");
    argv[n++] = arena_strdup(a, "--json");
    argv[n++] = arena_strdup(a, "--time_only");
    argv[n++] = arena_printf(a, "--filter=%s", filter);
    argv[n++] = arena_printf(a, "--backend=%s", o->backend);
    argv[n++] = arena_printf(a, "--shapes=%s", o->shapes);
    argv[n++] = arena_printf(a, "--threads=%d", o->threads);
    argv[n++] = arena_printf(a, "--seed=%d", o->seed);
    argv[n++] = arena_printf(a, "--seconds=%.17g", o->seconds);
    argv[n] = NULL;
    if (*c->stop)
        return error_set(err, STATUS_INTERRUPTED, "stopped; nothing is kept of a comparison");
    int status = launch(argv, take, c, err);
    if (*c->stop)
        return error_set(err, STATUS_INTERRUPTED, "stopped; nothing is kept of a comparison");
    return status;
}

static int launch_pairs(struct comparison *c, const char *self, int only_undecided,
                        struct error *err) {
    const char *filter = filter_for(c, only_undecided);
    struct progress progress;
    int status = 0;
    progress_begin(&progress, "pairs of launches", c->o->pairs);
    for (int i = 0; i < c->o->pairs; i++) {
        c->ours = 1;
        TRY(launch_one(c, self, filter, err));
        c->ours = 0;
        TRY(launch_one(c, c->other, filter, err));
        progress_update(&progress, i + 1, "");
    }
    progress_end(&progress);
out:
    return status;
}

static int decide(struct comparison *c) {
    struct arena scratch = {0};
    struct speed_series *series = ARENA_ARRAY(&scratch, struct speed_series, c->n + 1);
    struct speed_verdict *verdicts = ARENA_ARRAY(&scratch, struct speed_verdict, c->n + 1);
    int n = 0, undecided = 0;
    for (int i = 0; i < c->n; i++) {
        struct row *r = &c->rows[i];
        r->series.n = r->n_ours == r->n_other ? r->n_ours : 0;
        if (r->series.n)
            series[n++] = r->series;
    }
    speed_verdicts(series, n, verdicts);
    for (int i = 0, k = 0; i < c->n; i++) {
        struct row *r = &c->rows[i];
        if (!r->series.n)
            continue;
        r->verdict = verdicts[k++];
        undecided += r->verdict.speed == SPEED_UNDECIDED;
    }
    arena_free(&scratch);
    return undecided;
}

static void print_row(const struct row *r, int json) {
    const struct speed_verdict *v = &r->verdict;
    const char *name = speed_names[v->speed];
    if (!r->series.n)
        name = r->n_ours ? "only_here" : "only_there";
    if (json) {
        json_t *row =
            json_pack("{s:s, s:s, s:i}", "kernel", r->name, "verdict", name, "pairs", r->series.n);
        const double values[] = {v->ratio, v->lo, v->hi, v->floor, v->p};
        static const char *const keys[] = {"ratio", "lo", "hi", "floor", "p"};
        for (int i = 0; i < 5 && r->series.n; i++)
            json_object_set_new(row, keys[i], json_real(values[i])); /* not a number: left out */
        json_dumpf(row, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(row);
    } else if (r->series.n)
        printf("%-62s %-10s %6.3f [%.3f, %.3f] %6.3f %9.2g %4d\n", r->name, name, v->ratio, v->lo,
               v->hi, v->floor, v->p, r->series.n);
    else
        printf("%-62s %s\n", r->name, name);
}

/* Status 5 when something became slower. */
static int report(const struct comparison *c, struct error *err) {
    int counts[4] = {0};
    if (!c->o->json)
        printf("%-62s %-10s %6s %-14s %6s %9s %4s\n", "kernel", "verdict", "ratio", "[95 %]",
               "floor", "p", "n");
    for (int i = 0; i < c->n; i++) {
        print_row(&c->rows[i], c->o->json);
        counts[c->rows[i].verdict.speed] += c->rows[i].series.n > 0;
    }
    log_message(LOG_INFO, "%d the same, %d slower, %d faster, %d undecided", counts[SPEED_SAME],
                counts[SPEED_SLOWER], counts[SPEED_FASTER], counts[SPEED_UNDECIDED]);
    return counts[SPEED_SLOWER] ? error_set(err, STATUS_REGRESSION, "slower than %s: %d kernels",
                                            c->o->against, counts[SPEED_SLOWER])
                                : 0;
}

int kernels_against(const struct kernels_options *o, const volatile sig_atomic_t *stop,
                    struct error *err) {
    struct comparison c = {.o = o, .stop = stop};
    char self[SELF_PATH];
    int status = 0;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return error_set(err, STATUS_MACHINE, "/proc/self/exe cannot be read");
    self[n] = '\0';
    /* A file here comes before what PATH has. */
    c.other = strchr(o->against, '/') || access(o->against, X_OK)
                  ? o->against
                  : arena_printf(&c.arena, "./%s", o->against);
    TRY(launch_pairs(&c, self, 0, err));
    if (decide(&c) && 2 * o->pairs <= SPEED_PAIRS) {
        TRY(launch_pairs(&c, self, 1, err));
        decide(&c);
    }
    status = report(&c, err);
out:
    arena_free(&c.arena);
    return status;
}
