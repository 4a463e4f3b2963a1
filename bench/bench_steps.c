/* bench_steps.c -- whole training steps: forward, backward, optimizer and the method's hooks.
 *
 * Every method is stepped on one batch of `shapes`, prepared before the clock starts.  A workload's
 * options hold where the user's flags say nothing, so that bench/peers/steps.py can do the same
 * work with PyTorch.
 */
#include "bench/bench.h"

#include "bench/peak.h"
#include "core/clock.h"
#include "methods/trainer.h"
#include "results/stats.h"

#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct workload {
    const char *name, *method, *backbone;
    int image, patch, batch;
    const char *options; /* of the method: "key=value key=value" */
} workloads[] = {
    {"supervised/vit-tiny/32px-p4/b64", "supervised", "vit-tiny", 32, 4, 64, ""},
    {"supervised/vit-micro/32px-p4/b128", "supervised", "vit-micro", 32, 4, 128, ""},
    {"supervised/vit-micro/32px-p8/b64", "supervised", "vit-micro", 32, 8, 64, ""},
    {"supervised/resnet-micro/32px/b128", "supervised", "resnet-micro", 32, 8, 128, ""},
    {"context_encoder/vit-micro/32px-p8/b64", "context_encoder", "vit-micro", 32, 8, 64, ""},
    {"context_encoder/resnet-micro/32px/b64", "context_encoder", "resnet-micro", 32, 8, 64, ""},
    {"split_brain/vit-micro/32px-p8/b64", "split_brain", "vit-micro", 32, 8, 64, ""},
    {"split_brain/alexnet-micro/32px/b64", "split_brain", "alexnet-micro", 32, 8, 64, ""},
    {"context_prediction/vit-micro/32px-p8/b64", "context_prediction", "vit-micro", 32, 8, 64, ""},
    {"beit/vit-micro/32px-p4/b64", "beit", "vit-micro", 32, 4, 64, ""},
    {"mae/vit-tiny/32px-p4/b64", "mae", "vit-tiny", 32, 4, 64,
     "decoder_dim=96 decoder_depth=4 decoder_heads=3"},
    {"mae/vit-micro/32px-p4/b128", "mae", "vit-micro", 32, 4, 128, ""},
    {"mae/vit-micro/32px-p8/b64", "mae", "vit-micro", 32, 8, 64, ""},
    {"simclr/vit-micro/32px-p8/b128", "simclr", "vit-micro", 32, 8, 128, ""},
    {"simclr/resnet-micro/32px/b128", "simclr", "resnet-micro", 32, 8, 128, ""},
    {"simclr/resnet18/32px/b128", "simclr", "resnet18", 32, 8, 128, "head_hidden=512 head_norm=no"},
    {"dino/vit-micro/32px-p8/b64", "dino", "vit-micro", 32, 8, 64, ""},
    {"dino/vit-micro/32px-p4/b64", "dino", "vit-micro", 32, 4, 64, "prototypes=4096"},
    {"clip/vit-micro/32px-p4/b128", "clip", "vit-micro", 32, 4, 128, "vocabulary_size=8192"},
};

enum { WORKLOADS = sizeof workloads / sizeof *workloads, SAMPLES = 4096 };

struct measured {
    double seconds[SAMPLES], first, gflop, peak_bytes;
    size_t parameters; /* a teacher's counted too */
    int n;
};

/* A batch as the loader would hand it over. */
static int fill_slots(const struct builder *b, const struct trainer_config *config, struct arena *a,
                      void **data, struct error *err) {
    struct record record = {0};
    struct loader_slot slots[METHOD_INPUTS + 1];
    int n = trainer_slots(b, slots), status = 0;
    for (int s = 0; s < n; s++)
        data[s] = arena_alloc(a, slots[s].per_sample * sizeof(float) * (size_t)b->batch);
    for (int i = 0; i < b->batch; i++) {
        struct rng view = rng_at((struct rng_key){0, RNG_VIEW}, 0, (uint32_t)i);
        void *at[METHOD_INPUTS + 1];
        for (int s = 0; s < n; s++)
            at[s] = (unsigned char *)data[s] + slots[s].per_sample * sizeof(float) * (size_t)i;
        TRY(dataset_read(b->data, SPLIT_TRAIN, i % b->data->count[SPLIT_TRAIN], &record, err));
        trainer_prepare(config->method, config->self, b, &record, i, 0, &view, at);
    }
out:
    record_free(&record);
    return status;
}

/* The first step touches the memory: `first` is the time until it is done. */
static void time_steps(struct trainer *t, void *const *slots, double budget, double begin,
                       struct measured *out) {
    trainer_start(t);
    trainer_step(t, slots, t->config.exec.batch, 0);
    out->first = clock_seconds() - begin;
    exec_profile_reset(t->exec);
    begin = clock_seconds();
    for (long i = 1; out->n < SAMPLES && (i < 4 || clock_seconds() - begin < budget); i++) {
        double start = clock_seconds();
        trainer_step(t, slots, t->config.exec.batch, i);
        out->seconds[out->n++] = clock_seconds() - start;
    }
}

static int measure(const struct workload *w, const struct settings *settings,
                   const struct context *context, const struct bench_flags *o,
                   const struct dataset *data, struct measured *out, struct error *err) {
    struct model model;
    struct graph graph;
    struct trainer trainer = {.exec = NULL};
    struct arena a = {0};
    void *slots[METHOD_INPUTS + 1];
    double begin = clock_seconds();
    const struct method *method = method_find(w->method);
    const struct backbone_options bo = {.image = w->image,
                                        .channels = data->channels,
                                        .patch = w->patch,
                                        .position = POSITION_SINCOS};
    const struct normalization norm = {.mean = {0.5, 0.5, 0.5}, .std = {0.25, 0.25, 0.25}};
    struct backbone backbone;
    model_init(&model);
    graph_init(&graph, &model);
    struct builder b = {.g = &graph,
                        .model = &model,
                        .backbone = &backbone,
                        .data = data,
                        .norm = &norm,
                        .prefix = "",
                        .weight = 1,
                        .arena = &a,
                        .classes = data->classes,
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
    TRY(fill_slots(&b, &config, &a, slots, err));
    time_steps(&trainer, slots, o->seconds, begin, out);
    out->gflop = exec_flops(trainer.exec, w->batch) * 1e-9;
    out->parameters = model.count;
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

/* The most memory that this process has had, a workload's own when it is the first; 0: unknown.
 * getrusage would count what the process that started this one had. */
static long long resident_bytes(void) {
    char line[256];
    long long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && !kib && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmHWM:", 6))
            kib = strtoll(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kib * 1024;
}

static void print(const struct workload *w, struct measured *m, double peak, int json) {
    double seconds = median(m->seconds, m->n), gflops = m->gflop / seconds;
    double percent = 100 * gflops * 1e9 / peak;
    if (!json) {
        printf("%-42s %12.1f %10.1f %16.1f %14.0f %8.2f\n", w->name, w->batch / seconds, gflops,
               percent, m->peak_bytes, m->first);
        fflush(stdout);
        return;
    }
    json_t *row = json_pack("{s:s, s:f, s:f, s:f, s:I, s:I, s:I, s:f, s:i}", "name", w->name,
                            "images_per_s", w->batch / seconds, "gflops", gflops, "percent_of_peak",
                            percent, "peak_bytes", (json_int_t)m->peak_bytes, "parameters",
                            (json_int_t)m->parameters, "resident_bytes",
                            (json_int_t)resident_bytes(), "first_s", m->first, "steps", m->n);
    json_dumpf(row, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    putchar('\n');
    fflush(stdout);
    json_decref(row);
}

/* One workload under its own options, where the user's flags do not say otherwise. */
static int run_one(const struct workload *w, struct invocation *call, const struct context *context,
                   const struct bench_flags *o, const struct dataset *data, double peak,
                   struct error *err) {
    struct settings *settings = call->settings;
    const struct method *method = method_find(w->method);
    unsigned char before[SETTINGS_METHODS][METHOD_STATE];
    struct workload chosen = *w;
    struct measured m = {.n = 0};
    char name[64];
    if (o->batch) {
        snprintf(name, sizeof name, "%.*s/b%d", (int)(strrchr(w->name, '/') - w->name), w->name,
                 o->batch);
        chosen.name = name;
        chosen.batch = o->batch;
    }
    memcpy(before, settings->method, sizeof before);
    int status = settings_preset(settings, method, w->options, err);
    if (!status)
        status = measure(&chosen, settings, context, o, data, &m, err);
    memcpy(settings->method, before, sizeof before);
    if (!status)
        print(&chosen, &m, peak, o->json);
    return status;
}

int bench_steps(struct invocation *call, const struct bench_flags *o, struct error *err) {
    struct context context;
    struct dataset data = {.source = NULL};
    regex_t filter;
    double peak = 0;
    int shown = 0, status = 0;
    if (regcomp(&filter, o->filter, REG_EXTENDED | REG_NOSUB))
        return error_set(err, STATUS_USAGE, "--filter \"%s\" is not an extended regular expression",
                         o->filter);
    TRY(invocation_context(call, &context, err));
    TRY(dataset_open(&data, "shapes:train=1024,test=1", err));
    if (o->threads)
        context.threads = o->threads;
    peak = peak_flops(context.threads, 1);
    if (!o->json)
        printf("%-42s %12s %10s %16s %14s %8s\n", "name", "images_per_s", "gflops",
               "percent_of_peak", "peak_bytes", "first_s");
    for (int i = 0; i < WORKLOADS; i++) {
        if (*o->filter && regexec(&filter, workloads[i].name, 0, NULL, 0))
            continue;
        TRY(run_one(&workloads[i], call, &context, o, &data, peak, err));
        shown++;
        if (*call->stop)
            TRY(error_set(err, STATUS_INTERRUPTED, "stopped after %s", workloads[i].name));
    }
    if (!shown)
        status = error_set(err, STATUS_USAGE, "no step matches --filter \"%s\"", o->filter);
out:
    regfree(&filter);
    dataset_close(&data);
    return status;
}
