#include "protocols/segment_rows.h"

#include "core/sha256.h"
#include "protocols/probe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void count_through(struct images *i, long n, struct arena *a) {
    *i = (struct images){.index = ARENA_ARRAY(a, int32_t, n), .n = (int)n};
    for (int k = 0; k < i->n; k++)
        i->index[k] = k;
}

int image_parts_make(struct image_parts *p, const struct protocol_input *in, const char *name,
                     double val_share, struct eval *e, struct error *err) {
    enum { MOST_RUNS = 50 };
    const int32_t label[MOST_RUNS] = {0}; /* all of one class */
    uint8_t run_is_val[MOST_RUNS];
    count_through(&p->train, in->subject->data->count[SPLIT_TRAIN], in->arena);
    count_through(&p->test, in->subject->data->count[SPLIT_TEST], in->arena);
    int n = p->train.n, runs = n < MOST_RUNS ? n : MOST_RUNS;
    uint8_t *is_val = ARENA_ARRAY(in->arena, uint8_t, n);
    p->fit = (struct images){.index = ARENA_ARRAY(in->arena, int32_t, n)};
    p->val = (struct images){.index = ARENA_ARRAY(in->arena, int32_t, n)};
    stratified_split(label, runs, 1, val_share, in->split_seed, run_is_val);
    for (int i = 0; i < n; i++) {
        is_val[i] = run_is_val[(long)i * runs / n];
        struct images *part = is_val[i] ? &p->val : &p->fit;
        part->index[part->n++] = i;
    }
    sha256_hex(is_val, (size_t)n, e->split_sha256);
    if (p->fit.n && p->val.n)
        return 0;
    return error_set(err, STATUS_USAGE,
                     "%s.val_share %g leaves nothing to select on or to fit: %d training images "
                     "are too few",
                     name, val_share, n);
}

void confusion_of_logits(int64_t *confusion, const struct record *r, const float *logits,
                         struct grid grid, int classes) {
    struct arena scratch = {0};
    size_t pixels = (size_t)r->mask_height * (size_t)r->mask_width;
    uint8_t *mask = arena_alloc(&scratch, pixels);
    logits_to_mask(logits, grid, classes, r->mask_height, r->mask_width, mask);
    confusion_add(confusion, classes, r->mask, mask, pixels);
    arena_free(&scratch);
}

/* The metrics of classes, each with a row a seed: rows of a name stand together. */
enum { MIOU, PIXEL_ACCURACY, IOU };

/* "iou.road"; where a row has no room for the name, what fits of it and the number of the class, so
 * that no two classes have one row. */
static void name_iou(struct metric_row *row, const char *class, int number) {
    char end[12] = "";
    if ((size_t)snprintf(row->name, sizeof row->name, "iou.%s", class) < sizeof row->name)
        return;
    size_t room = sizeof row->name - 1 - (size_t)snprintf(end, sizeof end, "~%d", number);
    while (((unsigned char)row->name[room] & 0xc0) == 0x80) /* within a character of UTF-8 */
        room--;
    snprintf(row->name + room, sizeof row->name - room, "%s", end);
}

void segment_reserve(struct eval *e, const struct protocol_input *in, int n_seeds, int more) {
    const struct dataset *d = in->subject->data;
    int names = IOU + d->mask_classes;
    int64_t *seed = ARENA_ARRAY(in->arena, int64_t, n_seeds);
    for (int i = 0; i < n_seeds; i++)
        seed[i] = (int64_t)in->probe_seed + i;
    e->seed = seed;
    e->n_seeds = n_seeds;
    e->n_samples = (int)d->count[SPLIT_TEST];
    e->n_classes = d->mask_classes;
    e->class_name = d->mask_names;
    e->confusion =
        ARENA_ARRAY(in->arena, int32_t, (ptrdiff_t)n_seeds * e->n_classes * e->n_classes);
    e->metrics = ARENA_ARRAY(in->arena, struct metric_row, names * n_seeds + more);
    e->n_metrics = names * n_seeds;
    for (int k = 0; k < e->n_metrics; k++) {
        struct metric_row *row = &e->metrics[k];
        int name = k / n_seeds;
        row->seed = seed[k % n_seeds];
        if (name < IOU)
            snprintf(row->name, sizeof row->name, "%s", name == MIOU ? "miou" : "pixel_accuracy");
        else
            name_iou(row, d->mask_names[name - IOU], name - IOU);
    }
    snprintf(e->selected_on, sizeof e->selected_on, "val");
}

void segment_fill(struct eval *e, int row, const int64_t *confusion) {
    struct arena scratch = {0};
    size_t cells = (size_t)e->n_classes * (size_t)e->n_classes;
    double *iou = ARENA_ARRAY(&scratch, double, e->n_classes), miou, accuracy;
    confusion_scores(confusion, e->n_classes, iou, &miou, &accuracy);
    e->metrics[MIOU * e->n_seeds + row].value = miou;
    e->metrics[PIXEL_ACCURACY * e->n_seeds + row].value = accuracy;
    for (int c = 0; c < e->n_classes; c++)
        e->metrics[(IOU + c) * e->n_seeds + row].value = iou[c];
    for (size_t i = 0; e->confusion && i < cells; i++) {
        if (confusion[i] > INT32_MAX)
            e->confusion = NULL; /* left out altogether */
        else
            e->confusion[(size_t)row * cells + i] = (int32_t)confusion[i];
    }
    arena_free(&scratch);
}

int segment_counted(const struct eval *e, const struct dataset *d, struct error *err) {
    return e->outcome != OUTCOME_OK || isfinite(eval_mean(e))
               ? 0
               : error_set(err, STATUS_USAGE,
                           "not one pixel of the test masks of %s belongs to a class that counts",
                           d->name);
}

void segment_add(struct eval *e, const char *name, double value) {
    struct metric_row *row = &e->metrics[e->n_metrics++];
    *row = (struct metric_row){.seed = e->seed[0], .value = value};
    snprintf(row->name, sizeof row->name, "%s", name);
}
