/* bench_loader.c -- batches as a pretraining gets them: images read, views cut, by 1, 2, 4, ...
 * loader threads.  A step that needs fewer images a second never waits. */
#include "bench/bench.h"

#include "bench/workload.h"
#include "core/clock.h"

#include <jansson.h>
#include <limits.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int prepare(const void *self, const struct record *record, long sample, int epoch,
                   struct rng *rng, void *const slots[], struct error *err) {
    const struct stepper *s = self;
    (void)err;
    trainer_prepare(s->trainer.config.method, s->trainer.config.self, &s->builder, record, sample,
                    epoch, rng, slots);
    return 0;
}

/* The first batches fill the ring and touch the memory. */
static int time_batches(struct loader *l, int ring, double seconds,
                        const volatile sig_atomic_t *stop, double *rate, struct error *err) {
    struct batch b;
    double start = clock_seconds(), images = 0;
    int status = 0;
    for (int i = 0; !*stop && (i <= ring || clock_seconds() - start < seconds); i++) {
        if (i == ring) {
            start = clock_seconds();
            images = 0;
        }
        TRY(loader_next(l, &b, err));
        images += b.n;
    }
    *rate = images / (clock_seconds() - start);
out:
    return status;
}

static void print(const char *name, int threads, double rate, int json) {
    if (!json) {
        printf("%-40s %8d %12.1f\n", name, threads, rate);
        fflush(stdout);
        return;
    }
    json_t *row =
        json_pack("{s:s, s:i, s:f}", "name", name, "threads", threads, "images_per_s", rate);
    json_dumpf(row, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    putchar('\n');
    fflush(stdout);
    json_decref(row);
}

static int bench_threads(const struct stepper *s, const char *name, int threads,
                         const struct bench_flags *o, const volatile sig_atomic_t *stop,
                         struct error *err) {
    enum { FILLING = 8 };
    struct loader_slot slots[METHOD_SLOTS];
    struct loader *l = NULL;
    double rate = 0;
    const struct loader_config config = {.data = s->builder.data,
                                         .split = SPLIT_TRAIN,
                                         .batch = s->builder.batch,
                                         .shuffle = 1,
                                         .threads = threads,
                                         .epochs = INT_MAX / 2,
                                         .slots = slots,
                                         .n_slots = trainer_slots(&s->builder, slots),
                                         .prepare = prepare,
                                         .self = s};
    int status = loader_open(&l, &config, err);
    if (!status)
        status = time_batches(l, FILLING, o->seconds, stop, &rate, err);
    if (!status && *stop)
        status = error_set(err, STATUS_INTERRUPTED, "stopped in %s", name);
    if (!status)
        print(name, threads, rate, o->json);
    loader_close(l);
    return status;
}

static int bench_method(const struct workload *w, const struct stepper_config *config,
                        const struct bench_flags *o, const volatile sig_atomic_t *stop,
                        struct error *err) {
    static struct stepper s; /* its settings are too many for the stack */
    char name[160];
    int most = o->threads ? o->threads : (int)sysconf(_SC_NPROCESSORS_ONLN);
    int status = stepper_open(&s, w, config, err);
    if (status)
        return status;
    snprintf(name, sizeof name, "%s/%dpx/of-%s", w->method, w->image, config->data->name);
    for (int threads = 1; threads <= most && !status; threads *= 2)
        status = bench_threads(&s, name, threads, o, stop, err);
    stepper_close(&s);
    return status;
}

/* One of each method: what an encoder does with a batch is no part of this. */
static int is_first_of_method(const struct workload *w) {
    for (const struct workload *v = workloads; v < w; v++)
        if (!strcmp(v->method, w->method))
            return 0;
    return 1;
}

static int is_for(const struct method *m, const struct dataset *d) {
    return (!m->uses_captions || d->has_caption) && (!m->uses_labels || d->classes) &&
           (!m->channels || m->channels == d->channels);
}

int bench_loader(struct invocation *call, const struct bench_flags *o, const char *dataset,
                 struct error *err) {
    struct context context;
    struct dataset data = {.source = NULL};
    regex_t filter;
    double batch[OPTION_LIST];
    int shown = 0, status = 0;
    if (options_numbers(o->batch, batch) > 1)
        return error_set(err, STATUS_USAGE, "--batch %s: the loader takes one size", o->batch);
    if (regcomp(&filter, o->filter, REG_EXTENDED | REG_NOSUB))
        return error_set(err, STATUS_USAGE, "--filter \"%s\" is not an extended regular expression",
                         o->filter);
    TRY(invocation_context(call, &context, err));
    TRY(dataset_open(&data, dataset ? dataset : "shapes:train=1024,test=1", err));
    const struct stepper_config config = {.settings = call->settings,
                                          .data = &data,
                                          .kernels = context.kernels,
                                          .threads = 1,
                                          .renders = !strcmp(o->views, "device")};
    if (!o->json)
        printf("%-40s %8s %12s\n", "name", "threads", "images_per_s");
    for (const struct workload *w = workloads; w->name; w++) {
        struct workload chosen = *w;
        chosen.batch = batch[0] > 0 ? (int)batch[0] : w->batch;
        if (chosen.batch > data.count[SPLIT_TRAIN])
            chosen.batch = (int)data.count[SPLIT_TRAIN];
        if (!is_first_of_method(w) || regexec(&filter, w->method, 0, NULL, 0) ||
            !is_for(method_find(w->method), &data))
            continue;
        TRY(bench_method(&chosen, &config, o, call->stop, err));
        shown++;
    }
    if (!shown)
        status = error_set(err, STATUS_USAGE, "no method for this dataset matches --filter \"%s\"",
                           o->filter);
out:
    regfree(&filter);
    dataset_close(&data);
    return status;
}
