#include "bench/kernel_shapes.h"

#include "bench/workload.h"
#include "kernels/counting.h"
#include "kernels/watch.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* One step of each method, and of the encoders that convolve. */
#define QUICK_STEPS                                                                                \
    "^((supervised|mae)/vit-tiny|(split_brain|beit|simclr|dino|clip)/vit-micro|"                   \
    "context_encoder/resnet-micro|split_brain/alexnet-micro|context_prediction|simclr/resnet18)"
enum { QUICK_SHAPES = 3 };
enum { CHUNKS = 16 };                 /* of a batch for a device; tables have sizes of one */
#define FLOPS_A_BYTE 10               /* that take as long, about, whatever the machine */
#define DATA "shapes:train=64,test=1" /* pixels do not count, nothing is computed */

static const struct shape_set {
    const char *name, *steps;        /* steps: expression on names of workloads; NULL: none */
    int published;                   /* of those workloads */
    int from_tables, of_tests, most; /* most: for a kernel, of its calls in steps; 0: all */
} sets[] = {
    {"quick", QUICK_STEPS, 0, 0, 0, QUICK_SHAPES},
    {"vit", "/vit-", 0, 0, 0, 0},
    {"resnet", "/(resnet|alexnet)", 0, 0, 0, 0},
    {"all", "/", 0, 1, 0, 0},
    {"tests", NULL, 0, 1, 1, 0},
    {"published", "/", 1, 0, 0, QUICK_SHAPES},
};

enum { SETS = sizeof sets / sizeof *sets };
static const char of_steps[] = "step:", of_published[] = "published:";

static void add(struct kernel_shapes *s, int place, const int dim[CASE_DIMS], unsigned halves,
                int calls) {
    const struct kernel_case *kernel = kernel_case_at(place);
    size_t used = (size_t)kernel_case_dims(kernel) * sizeof *dim;
    for (int i = s->n - 1; i >= 0; i--) {
        const struct kernel_call *there = &s->list[i].call;
        if (there->kernel == kernel && there->halves == halves && !memcmp(there->dim, dim, used)) {
            s->list[i].calls += calls;
            return;
        }
    }
    if (s->n == s->room) {
        int room = 2 * s->room + 64;
        struct kernel_shape *more = ARENA_ARRAY(&s->arena, struct kernel_shape, room);
        if (s->n)
            memcpy(more, s->list, (size_t)s->n * sizeof *more);
        s->list = more;
        s->room = room;
    }
    struct kernel_shape *shape = &s->list[s->n];
    *shape = (struct kernel_shape){.call = {.kernel = kernel, .halves = halves},
                                   .calls = calls,
                                   .place = place,
                                   .order = s->n++};
    memcpy(shape->call.dim, dim, used);
}

static int has_kernel(const struct kernel_shapes *s, int place) {
    for (int i = 0; i < s->n; i++)
        if (s->list[i].place == place)
            return 1;
    return 0;
}

static void add_sized(struct kernel_shapes *s, int place, const int dim[CASE_DIMS], int whole) {
    const int rows = kernel_case_at(place)->rows;
    int sized[CASE_DIMS];
    memcpy(sized, dim, sizeof sized);
    if (whole && rows >= 0)
        sized[rows] *= CHUNKS;
    add(s, place, sized, 0, 0);
}

/* only_missing: of kernels that are not there yet. */
static void add_tables(struct kernel_shapes *s, int of_tests, int only_missing) {
    const struct kernel_case *kc;
    for (int i = 0; (kc = kernel_case_at(i)); i++) {
        if (only_missing && has_kernel(s, i))
            continue;
        for (int k = of_tests ? 0 : kc->n_shapes - kc->n_bench; k < kc->n_shapes; k++)
            add_sized(s, i, kc->shape[k], only_missing && s->device);
    }
}

/* What is packed once a step is timed as reals; its cases are calls of what it is packed for. */
static unsigned stored(const char *kernel, unsigned halves) {
    return strstr(kernel, "_pack") && !strstr(kernel, "_packed") ? 0 : halves;
}

static void note(void *self, const char *kernel, const int dim[CASE_DIMS], unsigned halves) {
    const struct kernel_case *kc;
    for (int i = 0; (kc = kernel_case_at(i)); i++)
        if (!strcmp(kc->name, kernel)) {
            add(self, i, dim, stored(kernel, halves), 1);
            return;
        }
    CHECK(0, "%s has no cases", kernel);
}

static int add_step(struct kernel_shapes *s, const struct workload *w, struct settings *settings,
                    const struct dataset *data, struct error *err) {
    static struct stepper stepper; /* its settings are too many for the stack */
    const struct kernel_watch watch = {.note = note, .self = s};
    struct stepper_config config = {.settings = settings,
                                    .data = data,
                                    .kernels = kernels_watching(),
                                    .watch = &watch,
                                    .threads = 1};
    struct counting *counting = NULL;
    int status = 0;
    if (s->device) {
        TRY(counting_open(&counting, s->device, err));
        config.device = counting_device(counting);
        config.chunk = w->batch;
    }
    status = stepper_open(&stepper, w, &config, err);
    if (status) {
        error_prefix(err, "%s", w->name);
        goto out;
    }
    trainer_start(&stepper.trainer);
    trainer_step(&stepper.trainer, stepper.slots, w->batch, 0);
    stepper_close(&stepper);
out:
    counting_close(counting);
    return status;
}

static int add_steps(struct kernel_shapes *s, const struct shape_set *set,
                     struct settings *settings, struct error *err) {
    const char *expression = set->steps, *prefix = set->published ? of_published : of_steps;
    struct dataset data = {.source = NULL};
    regex_t filter;
    int status = 0, found = 0;
    if (regcomp(&filter, expression, REG_EXTENDED | REG_NOSUB))
        return error_set(err, STATUS_USAGE, "--shapes %s%s is not an extended regular expression",
                         prefix, expression);
    TRY(dataset_open(&data, DATA, err));
    for (const struct workload *w = set->published ? workloads_published : workloads; w->name; w++)
        if (!regexec(&filter, w->name, 0, NULL, 0)) {
            TRY(add_step(s, w, settings, &data, err));
            found = 1;
        }
    if (!found)
        status = error_set(err, STATUS_USAGE,
                           "--shapes %s%s: none of the steps of `ssvbench bench steps%s`", prefix,
                           expression, set->published ? " --published" : "");
out:
    dataset_close(&data);
    regfree(&filter);
    return status;
}

/* What calls of a shape cost together, in bytes. */
static double cost_of(const struct kernel_shape *shape) {
    struct case_cost one = case_cost(shape->call.kernel, shape->call.dim, shape->call.halves);
    double flops = one.flops / FLOPS_A_BYTE;
    return (double)shape->calls * (flops > one.bytes ? flops : one.bytes);
}

/* Of each kernel the `most` shapes that cost most; of those that were not called, the tables'. */
static void thin(struct kernel_shapes *s, int most) {
    struct arena scratch = {0};
    struct kernel_shape *all = ARENA_ARRAY(&scratch, struct kernel_shape, s->n + 1);
    double *cost = ARENA_ARRAY(&scratch, double, s->n + 1);
    int kept = 0;
    memcpy(all, s->list, (size_t)s->n * sizeof *all);
    for (int i = 0; i < s->n; i++)
        cost[i] = cost_of(&all[i]);
    for (int i = 0; i < s->n; i++) {
        int before = 0;
        for (int k = 0; k < s->n; k++)
            before += all[k].place == all[i].place &&
                      (cost[k] > cost[i] || (k < i && cost[k] == cost[i]));
        if (before < most)
            s->list[kept++] = all[i];
    }
    s->n = kept;
    arena_free(&scratch);
    add_tables(s, 0, 1);
}

static int by_kernel(const void *a, const void *b) {
    const struct kernel_shape *x = a, *y = b;
    return x->place != y->place ? x->place - y->place : x->order - y->order;
}

static const struct shape_set *find(const char *name) {
    for (int i = 0; i < SETS; i++)
        if (!strcmp(sets[i].name, name))
            return &sets[i];
    return NULL;
}

/* What is behind the prefix, or NULL. */
static const char *behind(const char *prefix, const char *text) {
    const size_t n = strlen(prefix);
    return strncmp(prefix, text, n) != 0 ? NULL : text + n;
}

int kernel_shapes_open(struct kernel_shapes *s, const char *set, struct device *d,
                       struct settings *settings, struct error *err) {
    const char *steps = behind(of_steps, set), *published = behind(of_published, set);
    const struct shape_set found = {.steps = published ? published : steps,
                                    .published = published != NULL};
    const struct shape_set *chosen = found.steps ? &found : find(set);
    *s = (struct kernel_shapes){.device = d};
    if (!chosen)
        return error_set(err, STATUS_USAGE,
                         "--shapes %s: there are quick, vit, resnet, all, tests, published, and "
                         "step:RE and published:RE for steps of `ssvbench bench steps`",
                         set);
    if (chosen->from_tables)
        add_tables(s, chosen->of_tests, 0);
    int status = chosen->steps ? add_steps(s, chosen, settings, err) : 0;
    if (!status && chosen->most)
        thin(s, chosen->most);
    if (status)
        kernel_shapes_close(s);
    else
        qsort(s->list, (size_t)s->n, sizeof *s->list, by_kernel);
    return status;
}

void kernel_shapes_close(struct kernel_shapes *s) {
    arena_free(&s->arena);
    *s = (struct kernel_shapes){.n = 0};
}
