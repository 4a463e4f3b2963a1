/* bench_views.c -- random views, one thread: of images in memory, and of a dataset's with reading.
 *
 * The recipe is the one that torchvision's users write for SimCLR (crops of 0.2 to 1, bilinear,
 * jitter 0.4, 0.4, 0.4, 0.1), so that bench/peers/views.py can time the same.
 */
#include "bench/bench.h"

#include "core/clock.h"
#include "data/augment.h"
#include "results/stats.h"

#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPE                                                                                     \
    .min_area = 0.2, .max_area = 1, .flip = 0.5, .jitter_p = 0.8, .brightness = 0.4,               \
    .contrast = 0.4, .saturation = 0.4, .hue = 0.1, .grey = 0.2,                                   \
    .interpolation = INTERPOLATION_BILINEAR

static const struct view_recipe plain = {RECIPE};
static const struct view_recipe blurred = {RECIPE, .blur_p = 0.5, .blur_min = 0.1, .blur_max = 2,
                                           .blur_width = 0.1};

static const struct workload {
    const char *name;
    const struct view_recipe *recipe;
    int height, width, size;
} workloads[] = {{"simclr/32px/of-32x32", &plain, 32, 32, 32},
                 {"simclr-blur/64px/of-96x96", &blurred, 96, 96, 64},
                 {"simclr-blur/224px/of-500x375", &blurred, 375, 500, 224}};

enum {
    WORKLOADS = sizeof workloads / sizeof *workloads,
    CHANNELS = 3,
    ROUNDS = 1024, /* of which the median is taken, at most */
    LEAST_ROUNDS = 8
};
#define ROUND_SECONDS 0.01

static const struct normalization norm = {.mean = {0.5, 0.5, 0.5, 0.5},
                                          .std = {0.25, 0.25, 0.25, 0.25}};

struct job {                          /* one row */
    const struct dataset *data;       /* read an image of it first; NULL: the record is there */
    const struct view_recipe *recipe; /* NULL: reading only */
    struct record record;
    int size;
    float *out;
    long done;
};

static int do_one(struct job *j, struct error *err) {
    int status = 0;
    struct rng rng = rng_at((struct rng_key){0, RNG_VIEW}, 0, (uint32_t)j->done);
    if (j->data)
        status = dataset_read(j->data, SPLIT_TRAIN, j->done % j->data->count[SPLIT_TRAIN],
                              &j->record, err);
    if (!status && j->recipe)
        view_random(&j->record, &norm, j->recipe, &rng, j->size, j->out);
    j->done++;
    return status;
}

/* The median of rounds that each take a hundredth of a second or one call. */
static int time_job(struct job *j, double budget, const volatile sig_atomic_t *stop,
                    double *seconds, struct error *err) {
    double took[ROUNDS], begin = clock_seconds();
    int rounds = 0, status = 0;
    TRY(do_one(j, err)); /* the first one touches the memory */
    while (rounds < ROUNDS && (rounds < LEAST_ROUNDS || clock_seconds() - begin < budget)) {
        double start = clock_seconds(), now = start;
        int n = 0;
        if (*stop)
            return error_set(err, STATUS_INTERRUPTED, "stopped");
        for (; now - start < ROUND_SECONDS; n++) {
            TRY(do_one(j, err));
            now = clock_seconds();
        }
        took[rounds++] = (now - start) / n;
    }
    *seconds = median(took, rounds);
out:
    return status;
}

static void print(const char *name, double seconds, int json) {
    if (!json) {
        printf("%-40s %12.1f %14.2f\n", name, 1 / seconds, seconds * 1e6);
        fflush(stdout);
        return;
    }
    json_t *row = json_pack("{s:s, s:f, s:f}", "name", name, "views_per_s", 1 / seconds,
                            "microseconds", seconds * 1e6);
    json_dumpf(row, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    putchar('\n');
    fflush(stdout);
    json_decref(row);
}

static int bench_one(struct job *j, const char *name, const struct bench_flags *o,
                     const regex_t *filter, const volatile sig_atomic_t *stop, int *shown,
                     struct error *err) {
    double seconds = 0;
    int status = 0;
    if (regexec(filter, name, 0, NULL, 0))
        return 0;
    j->out = calloc((size_t)j->size * (size_t)j->size * CHANNELS, sizeof *j->out);
    if (!j->out)
        return error_set(err, STATUS_MACHINE, "no memory for a view of %d pixels", j->size);
    TRY(time_job(j, o->seconds, stop, &seconds, err));
    print(name, seconds, o->json);
    ++*shown;
out:
    free(j->out);
    return status;
}

static int in_memory(const struct workload *w, const struct bench_flags *o, const regex_t *filter,
                     const volatile sig_atomic_t *stop, int *shown, struct error *err) {
    struct job j = {.recipe = w->recipe, .size = w->size};
    struct rng pixels = rng_at((struct rng_key){0, RNG_TEST}, 0, 0);
    int status = record_reserve(&j.record, w->height, w->width, CHANNELS, 0, err);
    for (int i = 0; i < w->height * w->width * CHANNELS && !status; i++)
        j.record.pixels[i] = (uint8_t)rng_u32(&pixels);
    if (!status)
        status = bench_one(&j, w->name, o, filter, stop, shown, err);
    record_free(&j.record);
    return status;
}

static int of_dataset(const char *spec, const struct bench_flags *o, const regex_t *filter,
                      const volatile sig_atomic_t *stop, int *shown, struct error *err) {
    struct dataset d;
    int status = dataset_open(&d, spec, err);
    if (status)
        return status;
    for (int with_view = 0; with_view < 2 && !status; with_view++) {
        char name[160];
        struct job j = {.data = &d, .recipe = with_view ? &blurred : NULL, .size = d.height};
        snprintf(name, sizeof name, with_view ? "read+simclr-blur/%dpx/of-%s" : "read/%dpx/of-%s",
                 d.height, d.name);
        status = bench_one(&j, name, o, filter, stop, shown, err);
        record_free(&j.record);
    }
    dataset_close(&d);
    return status;
}

int bench_views(struct invocation *call, const struct bench_flags *o, const char *dataset,
                struct error *err) {
    regex_t filter;
    int status = 0, shown = 0;
    if (regcomp(&filter, o->filter, REG_EXTENDED | REG_NOSUB))
        return error_set(err, STATUS_USAGE, "--filter \"%s\" is not an extended regular expression",
                         o->filter);
    if (!o->json)
        printf("%-40s %12s %14s\n", "name", "views_per_s", "microseconds");
    for (int i = 0; i < WORKLOADS && !status; i++)
        status = in_memory(&workloads[i], o, &filter, call->stop, &shown, err);
    if (dataset && !status)
        status = of_dataset(dataset, o, &filter, call->stop, &shown, err);
    regfree(&filter);
    if (!status && !shown)
        status = error_set(err, STATUS_USAGE, "no view matches --filter \"%s\"", o->filter);
    return status;
}
