/* kernels_keep.c -- what a walk measured, and the fastest samples of some launches, into an HDF5
 * file. */
#include "bench/kernels.h"
#include "bench/other.h"
#include "bench/turns.h"
#include "core/file.h"
#include "core/log.h"
#include "results/kernel_times.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct keep {
    const char *math;
    struct kernel_times times;
    struct turns launched;
};

static void find_launches(const struct turns *t, const struct kernel_row *r,
                          struct kernel_samples *s) {
    char name[256];
    snprintf(name, sizeof name, "%s %s %s", r->kernel, r->shape, r->backend);
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->rows[i].name, name)) {
            s->n_launches = t->rows[i].n[0];
            s->launch = t->rows[i].seconds[0];
        }
}

static void take(void *self, const struct kernel_shape *at, const char *shape, const char *backend,
                 const struct kernel_time *t, double percent) {
    struct keep *k = self;
    struct kernel_row r = {.calls = at->calls,
                           .flops = t->flops,
                           .bytes = t->bytes,
                           .distance = t->distance,
                           .warm = kernel_time_quantile(t->warm, t->n_warm, 0.5),
                           .q1 = kernel_time_quantile(t->warm, t->n_warm, 0.25),
                           .q3 = kernel_time_quantile(t->warm, t->n_warm, 0.75),
                           .cold = kernel_time_quantile(t->cold, t->n_cold, 0.5),
                           .joules = t->joules,
                           .percent_of_roof = percent > 0 ? percent : NAN};
    struct kernel_samples samples = {
        .n_warm = t->n_warm, .n_cold = t->n_cold, .warm = t->warm, .cold = t->cold};
    snprintf(r.kernel, sizeof r.kernel, "%s", at->call.kernel->name);
    snprintf(r.dims, sizeof r.dims, "%s", at->call.kernel->dims);
    snprintf(r.shape, sizeof r.shape, "%s", shape);
    if (!strcmp(k->math, "fp32")) /* with another one it is another series of a history */
        snprintf(r.backend, sizeof r.backend, "%s", backend);
    else
        snprintf(r.backend, sizeof r.backend, "%s-%s", backend, k->math);
    find_launches(&k->launched, &r, &samples);
    kernel_times_add(&k->times, &r, &samples);
}

static void roof(void *self, const char *device, double flops, const struct bandwidth *b) {
    struct kernel_times *t = &((struct keep *)self)->times;
    t->machine.env_device = arena_strdup(&t->machine.arena, device);
    t->peak_flops = flops;
    for (t->n_levels = 0; t->n_levels < b->n && t->n_levels < KERNEL_LEVELS; t->n_levels++) {
        t->level_bytes[t->n_levels] = (double)b->bytes[t->n_levels];
        t->level_per_second[t->n_levels] = b->per_second[t->n_levels];
    }
}

static int launch_some(struct keep *k, const struct invocation *call, struct error *err) {
    struct kernels_flags o = call->own.kernels;
    int status = 0;
    o.pairs = o.launches;
    k->launched = (struct turns){.o = &o, .stop = call->stop, .n_sides = 1};
    TRY(other_self(&k->launched.arena, &k->launched.side[0].program, err));
    if (o.launches)
        TRY(turns_launch(&k->launched, o.filter, err));
out:
    k->launched.o = NULL;
    return status;
}

/* FILE.h5 as it is; else a name in that folder, by time and commit, so that names are in order.  It
 * is made now, empty, so that nobody else who began in the same second takes it. */
static int choose_path(struct kernel_times *t, const char *out, const char **path,
                       struct error *err) {
    char when[sizeof t->machine.created_utc];
    int at = 0;
    *path = out;
    if (kernels_is_file(out))
        return 0;
    for (const char *s = t->machine.created_utc; *s; s++)
        if (*s != '-' && *s != ':')
            when[at++] = *s;
    when[at] = '\0';
    const char *stem = arena_printf(&t->machine.arena, "%s/%s-%.12s%s", out, when,
                                    t->machine.code_commit, t->machine.code_dirty ? "-dirty" : "");
    *path = arena_printf(&t->machine.arena, "%s.h5", stem);
    for (int i = 2; file_claim(*path, err); i++) {
        if (!file_exists(*path))
            return err->status;
        *path = arena_printf(&t->machine.arena, "%s-%d.h5", stem, i);
    }
    return 0;
}

static int write_times(struct kernel_times *t, const char *out, struct error *err) {
    const char *path;
    int status = choose_path(t, out, &path, err);
    if (status)
        return status;
    status = kernel_times_write(t, path, err);
    if (!status)
        log_message(LOG_INFO, "%d kernels are in %s", t->n, path);
    else if (!kernels_is_file(out))
        unlink(path);
    return status;
}

int kernels_keep(const struct invocation *call, struct error *err) {
    const struct kernels_flags *o = &call->own.kernels;
    struct keep k = {.math = o->math, .launched = {.n = 0}};
    const struct kernels_sink sink = {.roof = roof, .take = take, .self = &k};
    struct error failed = {0};
    int status = 0;
    kernel_times_init(&k.times);
    k.times.filter = o->filter;
    k.times.backends = o->backend;
    k.times.shapes = o->shapes;
    k.times.threads = o->threads;
    k.times.seed = o->seed;
    k.times.seconds = o->seconds;
    TRY(kernels_is_file(o->out) ? file_try(o->out, err)
                                : make_folders(o->out, err)); /* before all the work */
    TRY(launch_some(&k, call, err));
    status = kernels_walk(call, &sink, err);
    if (!k.times.n)
        goto out;
    if (write_times(&k.times, o->out, &failed)) { /* also what came before it */
        *err = failed;
        status = err->status;
    }
out:
    turns_free(&k.launched);
    kernel_times_free(&k.times);
    return status;
}
