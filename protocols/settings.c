#include "protocols/settings.h"

#include "protocols/protocol.h"

#include <string.h>

static const struct option_def plan_options[] = {
    OPTION_TEXT(struct plan, preset, "small", "small|paper",
                "defaults of the methods: for small images and budgets, or each paper's"),
    OPTION_TEXT(struct plan, methods, "random,supervised,mae", NULL, "methods to compare"),
    OPTION_TEXT(struct plan, seeds, "0,1,2", NULL, "seeds of pretraining"),
    OPTION_TEXT(struct plan, data, "shapes:train=2000,test=1000 fashion-mnist:train=2000,test=1000",
                NULL, "datasets, separated by blanks; `ssvbench list` shows them"),
    OPTION_TEXT(struct plan, protocols, "linear,knn", NULL, "how the encoders are evaluated"),
    OPTION_TEXT(struct plan, backbone, "vit-micro", NULL,
                "the encoder, the same for every method; `ssvbench list` shows them"),
    OPTION_TEXT(struct plan, position, "sincos", "sincos|learned", "position embedding of a ViT"),
    OPTION_TEXT(struct plan, pool, "cls", "cls|mean",
                "what heads get from a ViT: the CLS token or the mean of the patches"),
    OPTION_REAL(struct plan, drop_path, 0, 0, 0.9,
                "stochastic depth of a ViT: share of dropped branches in the last block"),
    OPTION_REAL(struct plan, layer_scale, 0, 0, 1,
                "initial gain of a ViT's residual branches; 0: none"),
    OPTION_BOOL(struct plan, relative_positions, 0, "relative position bias in a ViT's attention"),
    OPTION_INT(struct plan, image, 0, 0, 1024, "side of the encoder's input; 0: the dataset's"),
    OPTION_INT(struct plan, patch, 8, 1, 128, "side of a patch"),
    OPTION_REAL(struct plan, epochs, 8, 0.001, 1e6, "passes over the training images"),
    OPTION_INT(struct plan, batch, 32, 1, 65536, "images in a step"),
    OPTION_INT(struct plan, accumulate, 1, 1, 65536,
               "parts in which a batch is run, for memory; only where samples do not meet"),
    OPTION_REAL(struct plan, lr, -1, -1, 1000,
                "base learning rate for 256 images a step; -1: the method's"),
    OPTION_REAL(struct plan, weight_decay, -1, -1, 10, "-1: the method's"),
    OPTION_REAL(struct plan, warmup, -1, -1, 1,
                "share of the steps with rising rate; -1: the method's"),
    OPTION_INT(struct plan, watch_every, 20, 1, 1000000,
               "steps between looks at feature spread, rank, entropy and gradients of parts"),
    OPTION_BOOL(struct plan, stop_on_collapse, 0, "end a pretraining whose features collapsed"),
    OPTION_INT(struct plan, chunk, 8, 1, 65536,
               "images that a thread takes through the network at a time"),
    OPTION_INT(struct plan, lanes, 0, 0, 1024,
               "partial sums of the gradient; 0: by the model's size"),
    OPTION_END};

static const struct option_def machine_options[] = {
    OPTION_TEXT(struct machine, out, "out", NULL, "folder for results"),
    OPTION_INT(struct machine, threads, 0, 0, 4096, "compute threads; 0: one per processor"),
    OPTION_INT(struct machine, loader_threads, 0, 0, 256,
               "threads that prepare images; 0: by processors"),
    OPTION_REAL(struct machine, checkpoint_seconds, 30, 0, 1e9, "time between checkpoints"),
    OPTION_INT(struct machine, cache_mib, 256, 0, 1048576,
               "keep extracted features on disk up to this size for each split; 0: never"),
    OPTION_BOOL(struct machine, profile, 0, "time each kind of operation and print the table"),
    OPTION_BOOL(struct machine, quiet, 0, "warnings and errors only"),
    OPTION_END};

void settings_init(struct settings *s) {
    memset(s, 0, sizeof *s);
    options_init(&s->options);
    options_add(&s->options, "", "What is run", plan_options, &s->plan);
    options_add(&s->options, "", "Where and how (no influence on the results)", machine_options,
                &s->machine);
    for (int i = 0; methods[i]; i++) {
        CHECK(i < SETTINGS_METHODS && methods[i]->state_size <= METHOD_STATE, "method %s",
              methods[i]->name);
        if (methods[i]->options)
            options_add(&s->options, methods[i]->name, methods[i]->title, methods[i]->options,
                        s->method[i]);
    }
    for (int i = 0; protocols[i]; i++) {
        CHECK(i < SETTINGS_PROTOCOLS && protocols[i]->state_size <= PROTOCOL_STATE, "protocol %s",
              protocols[i]->name);
        options_add(&s->options, protocols[i]->name, protocols[i]->title, protocols[i]->options,
                    s->protocol[i]);
    }
}

int settings_apply_preset(struct settings *s, struct error *err) {
    struct arena a = {0};
    int status = 0;
    for (int i = 0; methods[i] && !strcmp(s->plan.preset, "paper"); i++) {
        char **items;
        int n = methods[i]->paper ? settings_list(methods[i]->paper, " ", &a, &items) : 0;
        for (int k = 0; k < n; k++) {
            char *value = strchr(items[k], '=');
            CHECK(value, "%s: \"%s\" in its preset", methods[i]->name, items[k]);
            *value++ = '\0';
            TRY(options_assign(&s->options, arena_printf(&a, "%s.%s", methods[i]->name, items[k]),
                               value, FROM_DEFAULT, err));
        }
    }
out:
    arena_free(&a);
    return status;
}

void settings_free(struct settings *s) {
    options_free(&s->options);
}

void settings_use(struct settings *s, const struct method *m) {
    s->compound.compound = m->compound;
    for (int i = 0; m->compound && i < m->compound->n; i++)
        s->compound.self[i] = settings_method(s, m->compound->part[i]);
}

const void *settings_method(const struct settings *s, const struct method *m) {
    if (m->compound) {
        CHECK(s->compound.compound == m->compound, "%s is not in use", m->name);
        return &s->compound;
    }
    for (int i = 0; methods[i]; i++)
        if (methods[i] == m)
            return s->method[i];
    CHECK(0, "method %s is not in the list", m->name);
    return NULL;
}

/* The text of those sections whose values are among `wanted`, up to a NULL. */
static char *text_of(const struct settings *s, const void *const *wanted, struct arena *a) {
    struct option_section *some = ARENA_ARRAY(a, struct option_section, s->options.n);
    struct option_set part = {.sections = some};
    for (int i = 0; i < s->options.n; i++)
        for (int w = 0; wanted[w]; w++)
            if (s->options.sections[i].values == wanted[w])
                some[part.n++] = s->options.sections[i];
    return options_text(&part, a);
}

/* The sections of a method's options, or of each of its parts; returns their number. */
static int method_sections(const struct settings *s, const struct method *m, const void **out) {
    int n = 0;
    for (int i = 0; m->compound && i < m->compound->n; i++)
        out[n++] = settings_method(s, m->compound->part[i]);
    if (!m->compound)
        out[n++] = settings_method(s, m);
    return n;
}

char *settings_pretrain_text(const struct settings *s, const struct method *m, struct arena *a) {
    const void *wanted[COMPOUND_PARTS + 2] = {&s->plan};
    method_sections(s, m, wanted + 1);
    return text_of(s, wanted, a);
}

char *settings_protocol_text(const struct settings *s, int protocol, struct arena *a) {
    return text_of(s, (const void *const[]){s->protocol[protocol], NULL}, a);
}

char *settings_run_text(const struct settings *s, const struct method *m, struct arena *a) {
    const void *wanted[SETTINGS_PROTOCOLS + COMPOUND_PARTS + 2] = {&s->plan};
    int n = 1 + method_sections(s, m, wanted + 1);
    for (int i = 0; protocols[i]; i++)
        wanted[n++] = s->protocol[i];
    return text_of(s, wanted, a);
}

int settings_list(const char *text, const char *separators, struct arena *a, char ***items) {
    char *copy = arena_strdup(a, text), *rest = NULL;
    int n = 0;
    *items = ARENA_ARRAY(a, char *, strlen(text) / 2 + 1);
    for (char *item = strtok_r(copy, separators, &rest); item;
         item = strtok_r(NULL, separators, &rest))
        (*items)[n++] = item;
    return n;
}
