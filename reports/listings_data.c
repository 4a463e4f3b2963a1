/* What the runs were pretrained on and evaluated on: content, split, audit. */
#include "reports/listings_internal.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

enum { START = 12 }; /* digits of a hash that people see */

struct source {
    const struct run_data_source *data;
    int n_runs;
};

static int same_data(const struct run_data_source *a, const struct run_data_source *b) {
    return !strcmp(a->name, b->name) && !strcmp(a->root_hash, b->root_hash) &&
           !strcmp(a->split_sha256, b->split_sha256) &&
           !strcmp(a->class_order_sha256, b->class_order_sha256) && a->n == b->n &&
           a->n_bad == b->n_bad;
}

static int find_sources(const struct listing_input *in, struct source *list) {
    int n = 0;
    for (int r = 0; r < in->n_runs; r++)
        for (int d = 0; d < in->runs[r]->n_data; d++) {
            const struct run_data_source *data = &in->runs[r]->data[d];
            int i = 0;
            while (i < n && !same_data(list[i].data, data))
                i++;
            if (i == n)
                list[n++] = (struct source){data, 1};
            else
                list[i].n_runs++;
            if (data->audit && !list[i].data->audit)
                list[i].data = data;
        }
    return n;
}

/* A number of the audit's JSON, NAN where it has none. */
static double audited(const json_t *audit, const char *split, const char *name) {
    const json_t *part = split ? json_object_get(audit, split) : audit;
    const json_t *value = json_object_get(part, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

enum data_field {
    D_NAME,
    D_SPEC,
    D_TRAIN,
    D_TEST,
    D_BAD,
    D_TWICE_TRAIN,
    D_TWICE_TEST,
    D_OVERLAP,
    D_ROOT,
    D_ROOT_START,
    D_SPLIT,
    D_SPLIT_START,
    D_CLASSES,
    D_RUNS,
    D_FIELDS
};

struct listing *listing_data(const struct listing_input *in, struct arena *a) {
    static const struct listing_column columns[D_FIELDS] = {
        [D_NAME] = {"dataset", "dataset", 0, FOR_ALL},
        [D_SPEC] = {"spec", "as named", 0, FOR_ALL},
        [D_TRAIN] = {"training_images", "training images", 1, FOR_ALL},
        [D_TEST] = {"test_images", "test images", 1, FOR_ALL},
        [D_BAD] = {"left_out", "left out", 1, FOR_ALL},
        [D_TWICE_TRAIN] = {"duplicates_training", "twice in training", 1, FOR_ALL},
        [D_TWICE_TEST] = {"duplicates_test", "twice in test", 1, FOR_ALL},
        [D_OVERLAP] = {"test_in_training", "test images in training", 1, FOR_ALL},
        [D_ROOT] = {"content_sha256", "content", 0, FOR_PROGRAMS},
        [D_ROOT_START] = {"content", "content", 0, FOR_PEOPLE},
        [D_SPLIT] = {"split_sha256", "split", 0, FOR_PROGRAMS},
        [D_SPLIT_START] = {"split", "split", 0, FOR_PEOPLE},
        [D_CLASSES] = {"class_order_sha256", "classes", 0, FOR_PROGRAMS},
        [D_RUNS] = {"runs", "runs", 1, FOR_ALL},
    };
    struct source *list = ARENA_ARRAY(a, struct source, in->n_runs * RUN_DATA);
    const int n = find_sources(in, list);
    struct listing *l = listing_new(
        "data", "Data",
        "Content and split: the first digits of their SHA-256, which CSV and JSON have whole; "
        "what stands twice and in both splits was "
        "counted where the dataset was audited.",
        columns, D_FIELDS, n, a);
    for (int i = 0; i < n; i++) {
        const struct run_data_source *d = list[i].data;
        json_t *audit = d->audit ? json_loads(d->audit, 0, NULL) : NULL;
        const struct {
            enum data_field field;
            double value;
        } numbers[] = {{D_TRAIN, (double)d->n},
                       {D_TEST, audited(audit, "test", "images")},
                       {D_BAD, (double)d->n_bad},
                       {D_TWICE_TRAIN, audited(audit, "train", "duplicates")},
                       {D_TWICE_TEST, audited(audit, "test", "duplicates")},
                       {D_OVERLAP, audited(audit, NULL, "also_in_training")},
                       {D_RUNS, list[i].n_runs}};
        listing_set_text(l, i, D_NAME, d->name);
        listing_set_text(l, i, D_SPEC, d->spec);
        listing_set_text(l, i, D_ROOT, d->root_hash);
        listing_set_text(l, i, D_ROOT_START, arena_printf(a, "%.*s", START, d->root_hash));
        listing_set_text(l, i, D_SPLIT, d->split_sha256);
        listing_set_text(l, i, D_SPLIT_START, arena_printf(a, "%.*s", START, d->split_sha256));
        listing_set_text(l, i, D_CLASSES, d->class_order_sha256);
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            listing_set_number(l, i, (int)numbers[k].field, numbers[k].value, NULL, a);
        if (d->n_bad && d->bad_names && *d->bad_names)
            listing_note(l, arena_printf(a, "Left out of %s: %s", d->name, d->bad_names), a);
        json_decref(audit);
    }
    listing_hide_empty(l);
    return l;
}
