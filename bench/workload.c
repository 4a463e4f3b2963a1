#include "bench/workload.h"

#include "core/log.h"
#include "methods/views.h"

#include <string.h>

const struct workload workloads[] = {
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
    {NULL, NULL, NULL, 0, 0, 0, NULL},
};

const struct workload workloads_published[] = {
    {"supervised/vit-base/224px-p16/b128", "supervised", "vit-base", 224, 16, 128, ""},
    {"supervised/vit-small/224px-p16/b256", "supervised", "vit-small", 224, 16, 256, ""},
    {"mae/vit-base/224px-p16/b256", "mae", "vit-base", 224, 16, 256,
     "decoder_dim=512 decoder_depth=8 decoder_heads=16"},
    {"simclr/resnet50/224px/b64", "simclr", "resnet50", 224, 16, 64,
     "head_hidden=2048 head_norm=no"},
    {"dino/vit-small/224px-p16/b32", "dino", "vit-small", 224, 16, 32,
     "prototypes=65536 head_hidden=2048 bottleneck=256 local_crops=8 local_side=96"},
    {"clip/vit-base/224px-p32/b512", "clip", "vit-base", 224, 32, 512,
     "dim=512 text_dim=512 text_depth=12 text_heads=8 context=77 vocabulary_size=49408"},
    {NULL, NULL, NULL, 0, 0, 0, NULL},
};

/* Pinned where that is possible, as those of pretraining are. */
static void pin_slots(struct stepper *s, struct device *d, int n) {
    struct error err;
    for (; d && s->n_pinned < n; s->n_pinned++) {
        const struct slab *m = &s->memory[s->n_pinned];
        if (!d->pin(d, m->data, m->mapped, &err))
            continue;
        log_message(LOG_WARN, "%s: batches are copied from memory that is not pinned", err.message);
        return;
    }
}

static int make_slots(struct stepper *s, struct device *d, struct error *err) {
    struct loader_slot slots[METHOD_SLOTS];
    int n = trainer_slots(&s->builder, slots), status = 0;
    for (int i = 0; i < n; i++) {
        struct slab *m = &s->memory[i];
        size_t bytes = slots[i].per_sample * sizeof(float) * (size_t)s->builder.batch;
        TRY(slab_alloc(m, bytes, slots[i].name, err));
        s->slots[i] = m->data;
    }
    pin_slots(s, d, n);
out:
    return status;
}

int stepper_fill(struct stepper *s, struct error *err) {
    const struct builder *b = &s->builder;
    const struct trainer_config *config = &s->trainer.config;
    struct record record = {0};
    struct loader_slot slots[METHOD_SLOTS];
    int n = trainer_slots(b, slots), status = 0;
    for (int i = 0; i < b->batch; i++) {
        struct rng view = rng_at((struct rng_key){0, RNG_VIEW}, 0, (uint32_t)i);
        void *at[METHOD_SLOTS];
        for (int k = 0; k < n; k++)
            at[k] = (unsigned char *)s->slots[k] + slots[k].per_sample * sizeof(float) * (size_t)i;
        TRY(dataset_read(b->data, SPLIT_TRAIN, i % b->data->count[SPLIT_TRAIN], &record, err));
        trainer_prepare(config->method, config->self, b, &record, i, 0, &view, at);
    }
out:
    record_free(&record);
    return status;
}

static int build(struct stepper *s, const struct workload *w, const struct method *method,
                 const struct stepper_config *config, struct error *err) {
    enum { STEPS = 4096 };
    static const struct normalization norm = {.mean = {0.5, 0.5, 0.5}, .std = {0.25, 0.25, 0.25}};
    const struct backbone_options options = {.image = w->image,
                                             .channels = config->data->channels,
                                             .patch = w->patch,
                                             .position = POSITION_SINCOS};
    const char *own = views_of_its_own(method, settings_method(config->settings, method));
    s->builder = (struct builder){.g = &s->graph,
                                  .model = &s->model,
                                  .backbone = &s->backbone,
                                  .data = config->data,
                                  .norm = &norm,
                                  .prefix = "",
                                  .weight = 1,
                                  .arena = &s->arena,
                                  .classes = config->data->classes,
                                  .encoder = model_group(&s->model, "encoder"),
                                  .stage = method->n_stages - 1,
                                  .batch = w->batch,
                                  .renders = config->renders && !own};
    const struct trainer_config trainer = {.method = method,
                                           .self = settings_method(config->settings, method),
                                           .builder = &s->builder,
                                           .exec = {.kernels = config->kernels,
                                                    .device = config->device,
                                                    .ahead = config->device != NULL,
                                                    .threads = config->threads,
                                                    .batch = w->batch,
                                                    .chunk = config->chunk,
                                                    .lanes = config->lanes,
                                                    .ranks = config->ranks,
                                                    .profile = config->profile,
                                                    .watch = config->watch},
                                           .lr = 1e-5,
                                           .weight_decay = -1,
                                           .warmup = -1,
                                           .total = STEPS,
                                           .per_epoch = STEPS};
    int status = 0;
    TRY(settings_preset(config->settings, method, w->options, err));
    TRY(backbone_make(&s->backbone, w->backbone, &options, err));
    TRY(method->stages[s->builder.stage].build(trainer.self, &s->builder, err));
    s->graph.recompute = config->recompute;
    s->graph.keep_cheap = config->device && !config->recompute_norms;
    s->graph.away = config->device != NULL;
    s->graph.halves = config->device && config->device->halves;
    s->graph.one_lane = communicator_size(config->ranks) == 1 && config->lanes <= 1;
    graph_plan(&s->graph);
    TRY(model_allocate(&s->model, 0, 1, err));
    TRY(trainer_open(&s->trainer, &trainer, err));
    TRY(make_slots(s, config->device, err));
out:
    return status;
}

int stepper_open(struct stepper *s, const struct workload *w, const struct stepper_config *config,
                 struct error *err) {
    *s = (struct stepper){.settings = config->settings};
    memcpy(s->before, config->settings->method, sizeof s->before);
    model_init(&s->model);
    graph_init(&s->graph, &s->model);
    int status = build(s, w, method_find(w->method), config, err);
    if (status)
        stepper_close(s);
    return status;
}

void stepper_close(struct stepper *s) {
    memcpy(s->settings->method, s->before, sizeof s->before);
    struct device *d = s->trainer.config.exec.device;
    for (int i = 0; i < s->n_pinned; i++)
        d->unpin(d, s->memory[i].data);
    trainer_close(&s->trainer);
    for (int i = 0; i < METHOD_SLOTS; i++)
        slab_free(&s->memory[i]);
    graph_free(&s->graph);
    model_free(&s->model);
    arena_free(&s->arena);
}
