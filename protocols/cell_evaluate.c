/* cell_evaluate.c -- the rows of a cell: what a protocol says of its encoder.
 *
 * The first rank has the folder and the rows.  Of a protocol that shares its work, all ranks do the
 * same and get the same; the others forget it.
 */
#include "protocols/cell_internal.h"
#include "protocols/probe.h"
#include "protocols/sample.h"

#include "core/clock.h"
#include "core/log.h"
#include "data/preprocess.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Where such a protocol leaves masks of the first test images. */
static void ask_for_masks(const struct cell *c, struct arena *a, struct mask_pictures *masks) {
    const long there = c->judged->count[SPLIT_TEST];
    const int asked = c->context->machine->samples, side = c->backbone.image;
    masks->n = there < asked ? (int)there : asked;
    masks->side = side;
    masks->truth = arena_alloc(a, (size_t)masks->n * (size_t)side * (size_t)side);
    masks->predicted = arena_alloc(a, (size_t)masks->n * (size_t)side * (size_t)side);
}

const char *cell_lacks(const struct protocol *p, const struct dataset *d, struct arena *a) {
    if (p->uses_labels && !d->classes)
        return arena_printf(a, "%s has no labels", d->name);
    if (p->uses_labels && d->classes > MOST_CLASSES)
        return arena_printf(a, "%s has %d classes, more than the %d that predictions know", d->name,
                            d->classes, MOST_CLASSES);
    if (p->uses_captions && !d->has_caption)
        return arena_printf(a, "%s has no captions", d->name);
    if (p->uses_masks && !d->has_mask)
        return arena_printf(a, "%s has no masks", d->name);
    return NULL;
}

/* Why a protocol cannot judge this run with these data; NULL: it can. */
static const char *unfit(struct cell *c, const struct protocol *p) {
    const struct dataset *d = c->judged;
    const char *lacks = cell_lacks(p, d, &c->arena);
    if (lacks)
        return lacks;
    if (p->square && c->backbone.wide)
        return arena_printf(&c->arena, "%s takes square images, and %s is for %d x %d", p->name,
                            c->backbone.name, c->backbone.image, c->backbone.wide);
    if (d->channels != c->data->channels)
        return arena_printf(&c->arena, "%s has %d channels, the encoder takes %d", d->name,
                            d->channels, c->data->channels);
    return NULL;
}

int cell_check_sizes(const struct cell *c, const struct dataset *data, struct error *err) {
    if (!c->method->prepared || !data->reduced || (c->context->stored && data == c->data))
        return 0;
    const struct preprocessing *p = c->method->prepared(c->runtime);
    const int wanted = p->height < p->width ? p->height : p->width;
    if (wanted <= data->height)
        return 0;
    return error_set(
        err, STATUS_USAGE,
        "%s: its images are made smaller, %d pixels on the shorter side, before they "
        "are enlarged to the %d x %d of these weights: %s,keep=8192 takes them "
        "as they are (size=%d where there is no keep), size=%d says that this is meant",
        data->name, data->height, p->height, p->width, data->spec, (int)ceil(wanted / p->crop),
        data->height);
}

void cell_judge(struct cell *c, const struct dataset *data) {
    if (c->judged == data)
        return;
    for (int i = 0; i < SPLITS; i++)
        slab_free(&c->feature_slab[i]);
    c->labelled = 0;
    memset(c->wanted, 0, sizeof c->wanted);
    memset(c->extracted, 0, sizeof c->extracted);
    c->judged = c->subject.data = data;
    c->features.classes = data->classes;
    c->features.train = c->features.test = (struct feature_split){.n = 0};
}

void cell_want(struct cell *c, int protocol, const struct dataset *data) {
    cell_judge(c, data);
    if (protocol < 0)
        memset(c->wanted, 1, (size_t)c->features.n_representations);
    else if (protocols[protocol]->wants)
        protocols[protocol]->wants(c->settings.protocol[protocol], &c->features, c->wanted);
}

int cell_has_row(const struct cell *c, const struct run *r, int protocol,
                 const struct dataset *data) {
    char version[CELL_VERSION];
    const struct eval *e = run_find_eval(r, protocols[protocol]->name, data->name);
    const struct run_data_source *of = run_find_data(r, data->name);
    cell_protocol_version(&c->settings, protocol, version);
    return e && !strcmp(e->protocol_version, version) && e->outcome != OUTCOME_FAILED && of &&
           !strcmp(of->root_hash, data->root_hash);
}

int cell_can_judge(struct cell *c, int number, const struct dataset *data) {
    if (cell_has_row(c, &c->run, number, data) || !strcmp(c->run.status, "failed"))
        return 0;
    cell_judge(c, data);
    return !unfit(c, protocols[number]);
}

/* What a protocol that is shared knows of the features: how many, and their labels.  Those of the
 * first rank, on all; others' lie in a. */
static struct feature_set share_labels(struct cell *c, struct arena *a) {
    struct communicator *ranks = c->context->ranks;
    struct feature_set f = c->features;
    struct feature_split *splits[] = {&f.train, &f.test};
    for (int i = 0; i < SPLITS; i++) {
        struct feature_split *s = splits[i];
        communicator_broadcast(ranks, WAIT_LIMITED, &s->n, sizeof s->n);
        int32_t *label = ARENA_ARRAY(a, int32_t, s->n);
        if (!communicator_rank(ranks))
            memcpy(label, s->label, sizeof *label * (size_t)s->n);
        communicator_broadcast(ranks, WAIT_LIMITED, label, sizeof *label * (size_t)s->n);
        s->label = label;
    }
    return f;
}

static int run_protocol(struct cell *c, int number, struct arena *scratch,
                        struct communicator *ranks, struct mask_pictures *masks, struct eval *e,
                        struct error *err) {
    const struct protocol *p = protocols[number];
    const struct feature_set features =
        ranks && !p->no_features ? share_labels(c, scratch) : c->features;
    struct protocol_input in = cell_input(c, scratch);
    in.features = &features;
    in.ranks = ranks;
    in.masks = masks;
    return p->run(c->settings.protocol[number], &in, e, err);
}

/* `status`: whether the first rank can begin.  All have its weights then: one that had nothing left
 * to train has them as they were drawn. */
static int run_shared(struct cell *c, int number, int status, struct arena *scratch, struct eval *e,
                      struct error *err) {
    struct communicator *ranks = c->context->ranks;
    TRY(communicator_agree(ranks, WAIT_LONG, status, err));
    communicator_broadcast(ranks, WAIT_LIMITED, c->model.value, c->model.count * sizeof(real));
    if (communicator_rank(ranks))
        c->model.version++;
    TRY(run_protocol(c, number, scratch, ranks, NULL, e, err));
out:
    return status;
}

int cell_assist(struct cell *c, int number, const struct dataset *data, struct error *err) {
    struct arena scratch = {0};
    struct eval forgotten = {0};
    cell_judge(c, data);
    int status = run_shared(c, number, 0, &scratch, &forgotten, err);
    arena_free(&scratch);
    return status;
}

/* By the first rank, or the only one. */
static int judge(struct cell *c, int number, struct arena *scratch, struct eval *e,
                 struct error *err) {
    const struct protocol *p = protocols[number];
    struct mask_pictures masks = {0};
    int status = cell_check_sizes(c, c->judged, err);
    if (!status && !p->no_features) {
        cell_want(c, number, c->judged);
        status = cell_extract(c, err);
    }
    if (p->shared && c->context->ranks)
        return run_shared(c, number, status, scratch, e, err);
    if (status)
        return status;
    if (p->leaves_masks)
        ask_for_masks(c, scratch, &masks);
    TRY(run_protocol(c, number, scratch, NULL, p->leaves_masks ? &masks : NULL, e, err));
    if (p->leaves_masks && e->outcome == OUTCOME_OK)
        cell_sample_masks(c, e, &masks);
out:
    return status;
}

/* Judges what can be judged, and says so of the rest. */
static int fill_row(struct cell *c, int number, struct arena *scratch, struct eval *e,
                    struct error *err) {
    const struct protocol *p = protocols[number];
    const char *why = unfit(c, p);
    int status = 0;
    if (!strcmp(c->run.status, "failed")) {
        e->outcome = OUTCOME_DIVERGED;
        snprintf(e->reason, sizeof e->reason, "pretraining diverged");
    } else if (why) {
        e->outcome = OUTCOME_SKIPPED;
        snprintf(e->reason, sizeof e->reason, "%s", why);
        log_message(LOG_WARN, "%s: %s skipped: %s", c->run.run_id, p->name, why);
    } else {
        TRY(judge(c, number, scratch, e, err));
        if (e->outcome == OUTCOME_OK)
            log_message(LOG_INFO, "%s: %s %s %.2f %%", c->run.run_id, p->name,
                        e->top1 ? "top-1" : eval_shown(e), 100 * eval_mean(e));
        else
            log_message(LOG_WARN, "%s: %s: %s", c->run.run_id, p->name, e->reason);
    }
out:
    return status;
}

int cell_evaluate(struct cell *c, int number, const struct dataset *data, struct error *err) {
    struct arena scratch = {0};
    struct eval e = {0};
    int status = 0;
    if (cell_has_row(c, &c->run, number, data))
        return 0;
    cell_judge(c, data);
    cell_name_row(c, number, data, &e);
    e.class_name = data->class_names;
    double start = clock_seconds();
    TRY(fill_row(c, number, &scratch, &e, err));
    e.wall_s = clock_seconds() - start;
    run_add_eval(&c->run, &e);
out:
    arena_free(&scratch);
    return status;
}
