/* bench_steps.c -- whole training steps: forward, backward, optimizer. */
#include "bench/bench.h"

#include "bench/peak.h"
#include "core/clock.h"
#include "methods/trainer.h"
#include "results/stats.h"

#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

static const struct workload {
    const char *name, *method, *backbone;
    int image, patch, batch;
} workloads[] = {
    {"supervised/vit-tiny/32px-p4/b64", "supervised", "vit-tiny", 32, 4, 64},
    {"supervised/vit-micro/32px-p4/b128", "supervised", "vit-micro", 32, 4, 128},
    {"supervised/vit-micro/32px-p8/b64", "supervised", "vit-micro", 32, 8, 64},
    {"mae/vit-tiny/32px-p4/b64", "mae", "vit-tiny", 32, 4, 64},
    {"mae/vit-micro/32px-p4/b128", "mae", "vit-micro", 32, 4, 128},
    {"mae/vit-micro/32px-p8/b64", "mae", "vit-micro", 32, 8, 64},
    {"simclr/vit-micro/32px-p8/b128", "simclr", "vit-micro", 32, 8, 128},
    {"dino/vit-micro/32px-p8/b64", "dino", "vit-micro", 32, 8, 64},
    {"supervised/resnet-micro/32px/b128", "supervised", "resnet-micro", 32, 8, 128},
    {"simclr/resnet-micro/32px/b128", "simclr", "resnet-micro", 32, 8, 128},
};

enum {
    WORKLOADS = sizeof workloads / sizeof *workloads,
    CHANNELS = 3,
    CLASSES = 10,
    SAMPLES = 4096
};

struct measured {
    double seconds[SAMPLES], gflop, peak_bytes;
    int n;
};

/* One synthetic record prepared for every sample: the same work as real data, no reader. */
static int fill_slots(const struct builder *b, const struct method *m, const void *self, int batch,
                      struct arena *a, void **data, struct error *err) {
    struct record record = {0};
    struct loader_slot slots[METHOD_INPUTS + 1];
    int side = b->backbone->image, n = trainer_slots(b, slots);
    int status = record_reserve(&record, side, side, CHANNELS, 0, err);
    if (status)
        return status;
    for (int s = 0; s < n; s++)
        data[s] = arena_alloc(a, slots[s].per_sample * sizeof(float) * (size_t)batch);
    for (int i = 0; i < batch; i++) {
        struct rng pixels = rng_at((struct rng_key){0, RNG_TEST}, 0, (uint32_t)i);
        struct rng view = rng_at((struct rng_key){0, RNG_VIEW}, 0, (uint32_t)i);
        for (int p = 0; p < side * side * CHANNELS; p++)
            record.pixels[p] = (uint8_t)rng_u32(&pixels);
        record.label = i % CLASSES;
        void *at[METHOD_INPUTS + 1];
        for (int s = 0; s < n; s++)
            at[s] = (unsigned char *)data[s] + slots[s].per_sample * sizeof(float) * (size_t)i;
        trainer_prepare(m, self, b, &record, i, 0, &view, at);
    }
    record_free(&record);
    return 0;
}

static void time_steps(struct trainer *t, void *const *slots, double budget, struct measured *out) {
    double begin = clock_seconds();
    trainer_start(t);
    for (long i = 0; out->n < SAMPLES && (i < 4 || clock_seconds() - begin < budget); i++) {
        double start = clock_seconds();
        trainer_step(t, slots, t->config.exec.batch, i);
        if (i > 0) /* the first one touches the memory */
            out->seconds[out->n++] = clock_seconds() - start;
    }
}

static int measure(const struct workload *w, const struct settings *settings,
                   const struct context *context, const struct bench_options *o,
                   struct measured *out, struct error *err) {
    struct model model;
    struct graph graph;
    struct trainer trainer = {.exec = NULL};
    struct arena a = {0};
    void *slots[METHOD_INPUTS + 1];
    const struct method *method = method_find(w->method);
    const struct normalization norm = {.mean = {0.5, 0.5, 0.5, 0.5},
                                       .std = {0.25, 0.25, 0.25, 0.25}};
    const struct backbone_options bo = {
        .image = w->image, .channels = CHANNELS, .patch = w->patch, .position = POSITION_SINCOS};
    struct backbone backbone;
    model_init(&model);
    graph_init(&graph, &model);
    struct builder b = {.g = &graph,
                        .model = &model,
                        .backbone = &backbone,
                        .norm = &norm,
                        .prefix = "",
                        .weight = 1,
                        .arena = &a,
                        .classes = CLASSES,
                        .encoder = model_group(&model, "encoder"),
                        .stage = method->n_stages - 1,
                        .batch = w->batch};
    const struct trainer_config config = {.method = method,
                                          .self = settings_method(settings, method),
                                          .builder = &b,
                                          .exec = {.kernels = context->kernels,
                                                   .threads = context->threads,
                                                   .batch = w->batch,
                                                   .profile = o->profile},
                                          .lr = 1e-5,
                                          .weight_decay = -1,
                                          .warmup = -1,
                                          .total = SAMPLES,
                                          .per_epoch = SAMPLES};
    int status = 0;
    TRY(backbone_make(&backbone, w->backbone, &bo, err));
    TRY(method->stages[b.stage].build(config.self, &b, err));
    graph_plan(&graph);
    TRY(model_allocate(&model, 0, 1, err));
    TRY(trainer_open(&trainer, &config, err));
    TRY(fill_slots(&b, method, config.self, w->batch, &a, slots, err));
    time_steps(&trainer, slots, o->seconds, out);
    out->gflop = exec_flops(trainer.exec, w->batch) * 1e-9;
    out->peak_bytes = (double)exec_peak_bytes(trainer.exec);
    if (o->profile)
        exec_profile(trainer.exec, stderr);
out:
    trainer_close(&trainer);
    graph_free(&graph);
    model_free(&model);
    arena_free(&a);
    return status;
}

static void print(const struct workload *w, struct measured *m, double peak, int json) {
    double seconds = median(m->seconds, m->n), gflops = m->gflop / seconds;
    double percent = 100 * gflops * 1e9 / peak;
    if (!json) {
        printf("%-36s %12.1f %10.1f %16.1f %14.0f\n", w->name, w->batch / seconds, gflops, percent,
               m->peak_bytes);
        fflush(stdout);
        return;
    }
    json_t *row = json_pack("{s:s, s:f, s:f, s:f, s:I, s:i}", "name", w->name, "images_per_s",
                            w->batch / seconds, "gflops", gflops, "percent_of_peak", percent,
                            "peak_bytes", (json_int_t)m->peak_bytes, "steps", m->n);
    json_dumpf(row, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    putchar('\n');
    fflush(stdout);
    json_decref(row);
}

int bench_steps(struct invocation *call, const struct bench_options *o, struct error *err) {
    regex_t filter;
    if (regcomp(&filter, o->filter, REG_EXTENDED | REG_NOSUB))
        return error_set(err, STATUS_USAGE, "--filter \"%s\" is not an extended regular expression",
                         o->filter);
    struct context context;
    int status = invocation_context(call, &context, err), shown = 0;
    if (o->threads)
        context.threads = o->threads;
    double peak = status ? 0 : peak_flops(context.threads, 1);
    if (!o->json && !status)
        printf("%-36s %12s %10s %16s %14s\n", "name", "images_per_s", "gflops", "percent_of_peak",
               "peak_bytes");
    for (int i = 0; i < WORKLOADS && !status; i++) {
        if (*o->filter && regexec(&filter, workloads[i].name, 0, NULL, 0))
            continue;
        struct measured m = {.n = 0};
        status = measure(&workloads[i], call->settings, &context, o, &m, err);
        if (!status)
            print(&workloads[i], &m, peak, o->json);
        shown++;
        if (*call->stop)
            status = error_set(err, STATUS_INTERRUPTED, "stopped after %s", workloads[i].name);
    }
    regfree(&filter);
    if (!status && !shown)
        status = error_set(err, STATUS_USAGE, "no step matches --filter \"%s\"", o->filter);
    return status;
}
