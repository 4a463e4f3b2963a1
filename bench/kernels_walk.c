/* kernels_walk.c -- each kernel on its shapes, checked and timed.
 *
 * The table has, per kernel, shape and backend, the distance from ref, the median of warm calls
 * with the relative distance of its quartiles, that of cold calls, and the share of the roofline
 * that warm calls reach: the time that FLOPs at the measured peak or bytes at the measured
 * bandwidth take at least, whichever is longer, over the time taken. */
#include "bench/kernels.h"
#include "bench/peak.h"
#include "core/arena.h"
#include "kernels/plugin.h"
#include "nn/away.h"

#include <jansson.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

enum { FLUSH_BYTES = 1 << 27, TEXT = 256, BACKENDS = 16 };
#define TOLERANCE 4e-6 /* of float sums of some thousand terms, as a norm */
/* With operands rounded to so many bits less. */
static const struct {
    const char *math;
    double tolerance;
} rounded[] = {{"tf32", 2e-3}, {"bf16", 2e-2}};
#define ROOF_SECONDS 0.5 /* at most, and ten times what each kernel gets */

struct walk {
    const struct kernels_flags *o;
    struct kernel_time_options time;
    regex_t filter;
    struct device *device; /* that is measured; NULL: the processor */
    struct kernel_place place;
    struct slab there[2]; /* of the place */
    struct bandwidth bandwidth;
    double flops; /* a second, at most */
    int wrong;
    const struct kernels_sink *sink; /* NULL: printed only */
};

/* "25216x3072x5x1:b0,1": behind the numbers which arrays have 16 bits (bfloat16). */
static const char *shape_text(const struct kernel_call *call, char text[TEXT]) {
    int used = kernel_case_dims(call->kernel), at = 0;
    for (int i = 0; i < used && at < TEXT; i++)
        at += snprintf(text + at, (size_t)(TEXT - at), "%s%d", i ? "x" : "", call->dim[i]);
    const char *before = ":b";
    for (unsigned a = 0; call->halves >> a && at < TEXT; a++)
        if (call->halves >> a & 1) {
            at += snprintf(text + at, (size_t)(TEXT - at), "%s%u", before, a);
            before = ",";
        }
    return text;
}

/* Seconds that this needs at least. */
static double roof(const struct walk *w, const struct kernel_time *t) {
    double compute = t->flops / w->flops, move = t->bytes / bandwidth_for(&w->bandwidth, t->bytes);
    return compute > move ? compute : move;
}

static json_t *array_of(const double *x, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_real(x[i]));
    return list;
}

/* What was not measured is left out. */
static void print_json(const struct kernel_shape *at, const char *shape, const char *backend,
                       const struct kernel_time *t, double percent) {
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f}", "kernel", at->call.kernel->name, "dims",
                  at->call.kernel->dims, "shape", shape, "backend", backend, "flops", t->flops,
                  "bytes", t->bytes, "seconds", kernel_time_quantile(t->warm, t->n_warm, 0.5));
    if (at->calls)
        json_object_set_new(row, "calls", json_integer(at->calls));
    if (t->checked) {
        json_object_set_new(row, "right", json_boolean(t->wrong < 0));
        json_object_set_new(row, "distance", json_real(t->distance)); /* infinite: left out */
    }
    if (percent > 0)
        json_object_set_new(row, "percent_of_roof", json_real(percent));
    json_object_set_new(row, "joules", json_real(t->joules)); /* not a number: left out */
    json_object_set_new(row, "warm", array_of(t->warm, t->n_warm));
    if (t->n_cold)
        json_object_set_new(row, "cold", array_of(t->cold, t->n_cold));
    json_dumpf(row, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(row);
}

static void print_row(const struct kernel_shape *at, const char *shape, const char *backend,
                      const struct kernel_time *t, double percent) {
    char name[TEXT + 64];
    snprintf(name, sizeof name, "%s %s", at->call.kernel->name, shape);
    if (t->wrong >= 0) {
        printf("%-52s %-10s %9.1e WRONG: buffer %d\n", name, backend, t->distance, t->wrong);
        return;
    }
    double warm = kernel_time_quantile(t->warm, t->n_warm, 0.5);
    double spread = (kernel_time_quantile(t->warm, t->n_warm, 0.75) -
                     kernel_time_quantile(t->warm, t->n_warm, 0.25)) /
                    warm;
    printf("%-52s %-10s", name, backend);
    if (t->checked)
        printf(" %9.1e", t->distance);
    else
        printf(" %9s", "-");
    printf(" %10.2f %5.1f%%", warm * 1e6, 100 * spread);
    if (t->n_cold)
        printf(" %10.2f", kernel_time_quantile(t->cold, t->n_cold, 0.5) * 1e6);
    else
        printf(" %10s", "-");
    printf(" %8.1f %8.1f", t->flops / warm * 1e-9, t->bytes / warm * 1e-9);
    if (percent > 0)
        printf(" %6.1f%%\n", percent);
    else
        printf(" %7s\n", "-");
}

/* A kernel on a shape by a backend. */
struct item {
    const struct kernel_shape *at;
    const struct kernels *k;
};

static void show(struct walk *w, const struct item *item, const struct kernel_time *t) {
    char shape[TEXT];
    shape_text(&item->at->call, shape);
    double percent = t->n_warm && w->flops > 0
                         ? 100 * roof(w, t) / kernel_time_quantile(t->warm, t->n_warm, 0.5)
                         : 0;
    (w->o->json ? print_json : print_row)(item->at, shape, item->k->name, t, percent);
    fflush(stdout);
    if (w->sink && t->n_warm)
        w->sink->take(w->sink->self, item->at, shape, item->k->name, t, percent);
    w->wrong += t->wrong >= 0;
}

/* Those that the filter finds; their number. */
static int find_items(const struct walk *w, const struct kernel_shapes *shapes,
                      const struct kernels *const *chosen, int n, struct item *items) {
    int found = 0;
    for (int i = 0; i < shapes->n; i++) {
        const struct kernel_shape *at = &shapes->list[i];
        char shape[TEXT], name[TEXT + 64];
        snprintf(name, sizeof name, "%s %s", at->call.kernel->name, shape_text(&at->call, shape));
        if (regexec(&w->filter, name, 0, NULL, 0))
            continue;
        for (int b = 0; b < n; b++) {
            CHECK(chosen[b], "backend %d of %d is not there", b, n);
            items[found++] = (struct item){at, chosen[b]};
        }
    }
    return found;
}

static int stopped(const volatile sig_atomic_t *stop, const struct item *item, struct error *err) {
    return *stop ? error_set(err, STATUS_INTERRUPTED, "stopped before %s",
                             item->at->call.kernel->name)
                 : 0;
}

/* NULL: there is none of that name; cpu: the fastest one, or what SSVBENCH_ISA says. */
static const struct kernels *find_backend(const char *name, size_t length) {
    const struct kernels *const *k = kernels_all();
    if (length == strlen("cpu") && !strncmp(name, "cpu", length))
        return kernels_cpu();
    while (*k && (strlen((*k)->name) != length || strncmp((*k)->name, name, length) != 0))
        k++;
    return *k;
}

/* The backends asked for, in the order of kernels_all; n: how many.  *device: whose they are. */
static int choose(const char *asked, const char *math, const struct kernels **chosen, int *n,
                  struct device **device, struct error *err) {
    char names[TEXT] = "";
    size_t at = 0;
    int fell_back;
    *n = 0;
    if (kernels_on_device(asked)) {
        int status = device_open(device, asked, math, 0, &fell_back, err);
        if (!status)
            chosen[(*n)++] = (*device)->kernels;
        return status;
    }
    if (strcmp(math, device_maths[DEVICE_FP32]) != 0)
        return error_set(
            err, STATUS_USAGE,
            "--math %s is for devices: choose one with --backend cuda, or leave it out", math);
    if (!*asked) {
        chosen[(*n)++] = kernels_cpu();
        return chosen[0] ? 0 : error_set(err, STATUS_USAGE, KERNELS_NO_ISA);
    }
    for (const struct kernels *const *k = kernels_all(); *k; k++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", at ? ", " : "", (*k)->name);
    for (const char *s = asked; *s;) {
        size_t length = strcspn(s, ",");
        const struct kernels *found = find_backend(s, length);
        if (!found)
            return error_set(err, STATUS_USAGE,
                             "--backend: there is no \"%.*s\" here; there are: %s", (int)length, s,
                             names);
        if (*n == BACKENDS)
            return error_set(err, STATUS_USAGE, "--backend: more than %d names", BACKENDS);
        chosen[(*n)++] = found;
        s += length + (s[length] == ',');
    }
    return 0;
}

/* Each checked, timed and shown before the next. */
static int check_and_time(struct walk *w, const struct item *items, int n,
                          const volatile sig_atomic_t *stop, struct error *err) {
    static struct kernel_time t; /* its samples are too many for the stack */
    for (int i = 0; i < n; i++) {
        int status = stopped(stop, &items[i], err);
        if (status)
            return status;
        status = kernel_time(&t, &items[i].at->call, items[i].k, &w->time, err);
        if (status)
            return status;
        show(w, &items[i], &t);
    }
    return 0;
}

static int time_in_passes(struct walk *w, const struct item *items, int n,
                          const volatile sig_atomic_t *stop, struct error *err) {
    struct slab slab = {0};
    int status = 0;
    TRY(slab_alloc(&slab, sizeof(struct kernel_time) * (size_t)n, "samples", err));
    struct kernel_time *t = slab.data;
    for (int pass = 0; pass < KERNEL_PASSES; pass++)
        for (int i = 0; i < n; i++) {
            TRY(stopped(stop, &items[i], err));
            TRY(kernel_time_pass(&t[i], pass, &items[i].at->call, items[i].k, &w->time, err));
        }
    for (int i = 0; i < n; i++)
        show(w, &items[i], &t[i]);
out:
    slab_free(&slab);
    return status;
}

static int measure_roof(struct walk *w, const struct kernels *k, struct error *err) {
    const double seconds = fmin(ROOF_SECONDS, 10 * w->o->seconds);
    int status = bandwidth_measure(&w->bandwidth, k, w->device, w->o->threads, seconds, err);
    if (!status && w->device)
        status = peak_device(&w->flops, w->device, seconds, err);
    if (status)
        return status;
    if (!w->device)
        w->flops = peak_flops(w->o->threads, seconds);
    if (w->device)
        fprintf(stderr, "%s, %s: ", w->device->name, w->device->description);
    fprintf(stderr, "peak %.1f GFLOP/s; GB/s of y = a x + b y over", w->flops * 1e-9);
    for (int i = 0; i < w->bandwidth.n; i++)
        fprintf(stderr, " %zu KiB: %.1f%s", w->bandwidth.bytes[i] >> 10,
                w->bandwidth.per_second[i] * 1e-9, i + 1 < w->bandwidth.n ? "," : "\n");
    if (w->sink)
        w->sink->roof(w->sink->self, w->device ? w->device->description : "cpu", w->flops,
                      &w->bandwidth);
    return 0;
}

static int begin_table(struct walk *w, const struct kernels *last, struct error *err) {
    int status = w->o->time_only ? 0 : measure_roof(w, last, err);
    if (!status && !w->o->json)
        printf("%-52s %-10s %9s %10s %6s %10s %8s %8s %7s\n", "kernel", "backend", "distance",
               "warm_us", "iqr", "cold_us", "gflops", "gb_s", "of_roof");
    return status;
}

static int walk(struct walk *w, const struct kernel_shapes *shapes,
                const struct kernels *const *chosen, int n_chosen,
                const volatile sig_atomic_t *stop, struct error *err) {
    struct arena scratch = {0};
    struct item *items = ARENA_ARRAY(&scratch, struct item, shapes->n * n_chosen + 1);
    int n = find_items(w, shapes, chosen, n_chosen, items), status = 0;
    if (!n)
        status = error_set(err, STATUS_USAGE, "no kernel matches --filter \"%s\"", w->o->filter);
    else
        status = begin_table(w, chosen[n_chosen - 1], err);
    if (n && !status)
        status = (w->o->time_only ? time_in_passes : check_and_time)(w, items, n, stop, err);
    if (!status && w->wrong)
        status = error_set(err, STATUS_FINDING, "%d of %d are not what ref computes", w->wrong, n);
    arena_free(&scratch);
    return status;
}

static double tolerance_of(const struct device *d, const char *math) {
    for (size_t i = 0; d && i < sizeof rounded / sizeof *rounded; i++)
        if (!strcmp(rounded[i].math, math))
            return rounded[i].tolerance;
    return TOLERANCE;
}

static int open_place(struct walk *w, struct error *err) {
    struct device *d = w->device;
    int status = 0;
    if (!d)
        return 0;
    TRY(memory_get(d, &w->there[0], KERNEL_WORKSPACE * sizeof(real), "workspace", err));
    TRY(memory_get(d, &w->there[1], FLUSH_BYTES, "memory to fill caches with", err));
    w->place = (struct kernel_place){.device = d,
                                     .workspace = w->there[0].data,
                                     .flush = w->there[1].data,
                                     .flush_reals = FLUSH_BYTES / sizeof(real)};
    w->time.place = &w->place;
out:
    return status;
}

int kernels_walk(const struct invocation *call, const struct kernels_sink *sink,
                 struct error *err) {
    const struct kernels_flags *o = &call->own.kernels;
    struct walk w = {.o = o, .sink = sink};
    const struct kernels *chosen[BACKENDS] = {NULL};
    struct slab workspace = {0}, flush = {0};
    struct kernel_shapes shapes = {.n = 0};
    int n = 0, status = 0;
    if (regcomp(&w.filter, o->filter, REG_EXTENDED | REG_NOSUB))
        return error_set(err, STATUS_USAGE, "--filter \"%s\" is not an extended regular expression",
                         o->filter);
    TRY(choose(o->backend, o->math, chosen, &n, &w.device, err));
    TRY(kernel_shapes_open(&shapes, o->shapes, w.device, call->settings, err));
    TRY(slab_alloc(&workspace, sizeof(real) * KERNEL_WORKSPACE * (size_t)o->threads, "workspace",
                   err));
    TRY(slab_alloc(&flush, FLUSH_BYTES, "memory to fill caches with", err));
    w.time = (struct kernel_time_options){.threads = o->threads,
                                          .seed = (uint64_t)o->seed,
                                          .tolerance = tolerance_of(w.device, o->math),
                                          .seconds = o->seconds,
                                          .slowed = o->slowed / 100,
                                          .workspace = workspace.data,
                                          .flush = flush.data,
                                          .flush_bytes = FLUSH_BYTES};
    TRY(open_place(&w, err));
    TRY(walk(&w, &shapes, chosen, n, call->stop, err));
out:
    kernel_shapes_close(&shapes);
    for (int i = 0; i < 2; i++)
        memory_put(w.device, &w.there[i]);
    slab_free(&flush);
    slab_free(&workspace);
    regfree(&w.filter);
    return status;
}
