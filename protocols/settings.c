#include "protocols/settings.h"

#include "protocols/budget.h"
#include "protocols/protocol.h"
#include "protocols/suite.h"
#include "protocols/sweep.h"

#include <limits.h>
#include <string.h>

const char *const settings_of_vit[] = {
    "position", "pool", "drop_path", "layer_scale", "patch", "relative_positions", NULL};

static const struct option_def plan_options[] = {
    OPTION_TEXT(struct plan, preset, "small", "small|paper",
                "defaults of the methods: for small images and budgets, or each paper's"),
    OPTION_TEXT(struct plan, methods, "random,supervised,mae", NULL, "methods to compare"),
    OPTION_TEXT(struct plan, seeds, "0,1,2", NULL,
                "of pretraining: a list 0,1,2, a range 0..2, or a count: 3 is 0,1,2"),
    OPTION_TEXT(struct plan, data, "shapes:train=2000,test=1000 fashion-mnist:train=2000,test=1000",
                NULL, "datasets, separated by blanks; `ssvbench list` shows them"),
    OPTION_TEXT(struct plan, backbone, "vit-micro", NULL,
                "encoders, each the same for every method; `ssvbench list` shows them"),
    OPTION_INT(struct plan, limit, 0, 0, INT_MAX,
               "use that many images of every split and mark the results as partial; 0: all"),
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
    OPTION_TEXT(struct plan, budget, "", NULL,
                "of a pretraining, in place of epochs: epochs:N, images:N, flops:X or seconds:N"),
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

static const struct option_def judging_options[] = {
    OPTION_TEXT(struct judging, name, "", NULL, "of the suite"),
    OPTION_TEXT(struct judging, protocols, "linear,knn", NULL, "how the encoders are evaluated"),
    OPTION_TEXT(struct judging, eval_data, "", NULL,
                "datasets on which all encoders are evaluated, separated by blanks; none named: "
                "what each was pretrained on"),
    OPTION_TEXT(struct judging, sweep, "", NULL,
                "options with several values: mae.mask_ratio=0.5,0.75 batch=64,128 is a cell for "
                "each combination"),
    OPTION_INT(struct judging, probe_seed, 0, 0, INT_MAX, "seed of heads and of their batches"),
    OPTION_INT(struct judging, split_seed, 0, 0, INT_MAX,
               "seed of the training images that settings are chosen on"),
    OPTION_END};

static const struct option_def machine_options[] = {
    OPTION_TEXT(struct machine, out, "out", NULL, "folder for results"),
    OPTION_TEXT(struct machine, shard, "", NULL,
                "of a suite that several programs share, which part this one runs: 2/8 is each "
                "eighth cell from the second on"),
    OPTION_TEXT(struct machine, device, "cpu", NULL,
                "where networks run: cpu, cuda, cuda:N, or auto: cuda where there is one"),
    OPTION_TEXT(struct machine, math, "fp32", NULL,
                "products and convolutions of a device: fp32, tf32, bf16 (rounded so, and stored "
                "so where that can be, sums in fp32), or own: without the vendor's libraries"),
    OPTION_TEXT(struct machine, views, "processor", "processor|device",
                "where a pretraining's views are made: by the threads that prepare images, or "
                "from pixels that these send to the device"),
    OPTION_INT(struct machine, threads, 0, 0, 4096, "compute threads; 0: one per processor"),
    OPTION_INT(struct machine, loader_threads, 0, 0, 256,
               "threads that prepare images; 0: by processors"),
    OPTION_BOOL(struct machine, recompute, 0,
                "in pretraining, where samples meet, compute activations twice instead of keeping "
                "them: less memory, more work, the same bits"),
    OPTION_BOOL(struct machine, recompute_norms, 0,
                "in pretraining on a device, where samples meet, compute the outputs of norms "
                "twice instead of keeping them, as the processor always does: less memory, more "
                "passes over it, the same bits"),
    OPTION_REAL(struct machine, rank_seconds, 300, 0.1, 1e9,
                "of several processes that pretrain together, how long one may keep the others "
                "waiting before the job ends"),
    OPTION_INT(struct machine, zero, 0, 0, 1,
               "of several processes that pretrain together, 1: each keeps the optimizer's moments "
               "of a part of the weights, moves these and sends them to the others (ZeRO's first "
               "stage); 0: each keeps and moves all"),
    OPTION_INT(
        struct machine, bucket, 0, 0, 268435456,
        "of several processes that pretrain together, about how many numbers of the gradient "
        "are summed and sent at a time"),
    OPTION_REAL(struct machine, checkpoint_seconds, 30, 0, 1e9, "time between checkpoints"),
    OPTION_INT(struct machine, cache_mib, 256, 0, 1048576,
               "keep extracted features on disk up to this size for each split; 0: never"),
    OPTION_INT(struct machine, audit, 100000, 0, INT_MAX,
               "audit datasets of at most that many images before use: broken, repeated, in both "
               "splits"),
    OPTION_INT(struct machine, samples, 16, 0, 256,
               "test images whose pictures a run keeps for figures, beside features; 0: nothing"),
    OPTION_BOOL(struct machine, profile, 0, "time each kind of operation and print the table"),
    OPTION_BOOL(struct machine, quiet, 0, "warnings and errors only"),
    OPTION_END};

void settings_init(struct settings *s) {
    memset(s, 0, sizeof *s);
    options_init(&s->options);
    options_add(&s->options, "", "What is run", plan_options, &s->plan);
    options_add(&s->options, "", "How it is judged", judging_options, &s->judging);
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

/* Of different origins the higher one counts; a user who sets both at once is told. */
static int check_budget(const struct option_set *set, const struct option_def *def,
                        const char *value, enum option_origin origin, struct error *err) {
    struct budget b;
    int is_budget = def->offset == offsetof(struct plan, budget);
    int status = is_budget && *value ? budget_parse(&b, value, err) : 0;
    if (status)
        return status;
    for (int i = 0; i < set->n; i++) {
        if (set->sections[i].defs != plan_options)
            continue;
        const struct plan *p = set->sections[i].values;
        const struct option_section *s = &set->sections[i];
        int both = 0, budget_set = *p->budget != '\0';
        for (int d = 0; s->defs[d].type != OPT_END; d++)
            both +=
                s->origins[d] == origin && (s->defs[d].offset == offsetof(struct plan, epochs) ||
                                            s->defs[d].offset == offsetof(struct plan, budget));
        if (both == 2 && budget_set)
            return error_set(err, STATUS_USAGE,
                             "both epochs and budget (%s) are set: leave one out", p->budget);
    }
    return 0;
}

/* Of solo-learn, lightly, timm, MAE's and DINO's code, open_clip. */
static const struct option_abroad abroad[] = {{"arch", "backbone"},
                                              {"base_lr", "lr"},
                                              {"batch_size_per_gpu", "batch"},
                                              {"blr", "lr"},
                                              {"encoder", "backbone"},
                                              {"fp16", "math"},
                                              {"img_size", "image"},
                                              {"image_size", "image"},
                                              {"input_size", "image"},
                                              {"learning_rate", "lr"},
                                              {"max_epochs", "epochs"},
                                              {"method", "methods"},
                                              {"model", "backbone"},
                                              {"num_workers", "loader_threads"},
                                              {"output_dir", "out"},
                                              {"precision", "math"},
                                              {"wd", "weight_decay"},
                                              {"workers", "loader_threads"},
                                              {NULL, NULL}};

static int check_input(const struct option_set *set, const struct option_def *def,
                       const char *value, enum option_origin origin, struct error *err) {
    static const struct {
        const char *name;
        int (*check)(const char *value, struct error *err);
    } lists[] = {{"methods", suite_check_methods}, {"protocols", suite_check_protocols},
                 {"seeds", suite_check_seeds},     {"backbone", suite_check_backbones},
                 {"name", suite_check_name},       {"sweep", sweep_check}};
    int in_plan = 0, in_judging = 0;
    for (const struct option_def *d = plan_options; d->type != OPT_END; d++)
        in_plan |= d == def;
    for (const struct option_def *d = judging_options; d->type != OPT_END; d++)
        in_judging |= d == def;
    for (size_t i = 0; (in_plan || in_judging) && i < sizeof lists / sizeof *lists; i++)
        if (!strcmp(def->name, lists[i].name))
            return lists[i].check(value, err);
    for (int i = 0; protocols[i]; i++)
        for (const struct option_def *d = protocols[i]->options; d->type != OPT_END; d++)
            if (d == def && protocols[i]->check)
                return protocols[i]->check(def->name, value, err);
    if (in_plan && (!strcmp(def->name, "epochs") || !strcmp(def->name, "budget")))
        return check_budget(set, def, value, origin, err);
    return 0;
}

void settings_check_input(struct settings *s) {
    s->options.check = check_input;
    s->options.abroad = abroad;
}

/* The sections of which a suite consists, the first two under the name `general`. */
static struct option_set suite_sections(const struct settings *s, const char *general,
                                        struct arena *a) {
    struct option_set part = s->options;
    part.sections = ARENA_ARRAY(a, struct option_section, s->options.n);
    part.n = 0;
    for (int i = 0; i < s->options.n; i++) {
        const struct option_section *section = &s->options.sections[i];
        if (section->values == &s->machine)
            continue;
        if (!*section->name && section->defs != plan_options && section->defs != judging_options)
            continue; /* a command's own */
        part.sections[part.n] = *section;
        if (!*section->name)
            part.sections[part.n].name = general;
        part.n++;
    }
    return part;
}

int settings_load_suite(struct settings *s, const char *path, struct error *err) {
    struct arena a = {0};
    struct option_set suite = suite_sections(s, "suite", &a);
    int status = options_load(&suite, path, FROM_SUITE, err);
    s->options.arena = suite.arena; /* values were added */
    arena_free(&a);
    return status;
}

char *settings_suite_text(const struct settings *s, struct arena *a) {
    struct arena scratch = {0};
    const struct option_set suite = suite_sections(s, "suite", &scratch);
    char *text = options_text(&suite, a);
    arena_free(&scratch);
    return text;
}

int settings_preset(struct settings *s, const struct method *m, const char *text,
                    struct error *err) {
    struct arena a = {0};
    char **items;
    int status = 0, n = settings_list(text, " ", &a, &items);
    for (int i = 0; i < n; i++) {
        char *value = strchr(items[i], '=');
        CHECK(value, "%s: \"%s\" in its preset", m->name, items[i]);
        *value++ = '\0';
        TRY(options_assign(&s->options, arena_printf(&a, "%s.%s", m->name, items[i]), value,
                           FROM_DEFAULT, err));
    }
out:
    arena_free(&a);
    return status;
}

int settings_settle(struct settings *s, struct error *err) {
    int status = 0;
    if (options_origin(&s->options, "epochs") > options_origin(&s->options, "budget"))
        s->plan.budget = "";
    for (int i = 0; methods[i] && !strcmp(s->plan.preset, "paper"); i++)
        if (methods[i]->paper)
            TRY(settings_preset(s, methods[i], methods[i]->paper, err));
out:
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
    const char *text = text_of(s, (const void *const[]){s->protocol[protocol], NULL}, a);
    return arena_printf(a, "%s\nprobe_seed = %d\nsplit_seed = %d\n", text, s->judging.probe_seed,
                        s->judging.split_seed);
}

char *settings_run_text(const struct settings *s, const struct method *m, struct arena *a) {
    const void *wanted[SETTINGS_PROTOCOLS + COMPOUND_PARTS + 3] = {&s->plan, &s->judging};
    int n = 2 + method_sections(s, m, wanted + 2);
    for (int i = 0; protocols[i]; i++)
        wanted[n++] = s->protocol[i];
    return text_of(s, wanted, a);
}

static int is_method(const char *name, size_t length) {
    for (int i = 0; methods[i]; i++)
        if (!strncmp(methods[i]->name, name, length) && !methods[i]->name[length])
            return 1;
    return 0;
}

char *settings_without_protocols(const char *stored, struct arena *a) {
    char *kept = arena_alloc(a, strlen(stored) + 1), *to = kept;
    int keep = 1;
    for (const char *line = stored, *next; *line; line = next) {
        size_t n = strcspn(line, "\n");
        next = line + n + (line[n] == '\n');
        if (*line == '[')
            keep = is_method(line + 1, strcspn(line, "]\n") - 1);
        if (keep) {
            memcpy(to, line, (size_t)(next - line));
            to += next - line;
        }
    }
    *to = '\0';
    return kept;
}

/* A section from its head to the next one, of *bytes; NULL: there is none. */
static const char *find_section(const char *text, const char *name, size_t *bytes) {
    const size_t length = strlen(name);
    const char *from = NULL, *line = text;
    for (; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (*line == '[' && from)
            break;
        if (*line == '[' && !strncmp(line + 1, name, length) && line[1 + length] == ']')
            from = line;
    }
    *bytes = from ? (size_t)(line - from) : 0;
    return from;
}

static int is_asked_for(const struct settings *s, const char *protocol, struct arena *a) {
    char **items;
    int n = settings_list(s->judging.protocols, ", ", a, &items), found = 0;
    for (int i = 0; i < n; i++)
        found |= !strcmp(items[i], protocol);
    return found;
}

char *settings_keep_protocols(const struct settings *s, const char *now, const char *before,
                              struct arena *a) {
    char *text = arena_strdup(a, now);
    for (int i = 0; protocols[i] && before; i++) {
        size_t bytes, bytes_before;
        const char *own = find_section(text, protocols[i]->name, &bytes);
        const char *old = find_section(before, protocols[i]->name, &bytes_before);
        if (own && old && !is_asked_for(s, protocols[i]->name, a))
            text = arena_printf(a, "%.*s%.*s%s", (int)(own - text), text, (int)bytes_before, old,
                                own + bytes);
    }
    return text;
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
