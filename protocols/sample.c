/* sample.c -- when samples.h5 is made, and how it stays whole. */
#include "protocols/sample.h"

#include "core/file.h"
#include "core/log.h"

#include <stdio.h>
#include <string.h>

static const char *path_of(struct cell *c) {
    return arena_printf(&c->arena, "%s/" SAMPLES_FILE, c->folder);
}

/* What is there already, or an empty one; 0: what is there cannot be read, and is left alone. */
static int read_old(struct cell *c, struct samples *old) {
    struct error why;
    memset(old, 0, sizeof *old);
    if (!file_exists(path_of(c)) || !samples_read(old, path_of(c), &why))
        return 1;
    log_message(LOG_WARN, "%s", why.message);
    return 0;
}

static void name(const struct cell *c, struct samples *s) {
    snprintf(s->run_id, sizeof s->run_id, "%s", c->run.run_id);
    snprintf(s->dataset, sizeof s->dataset, "%s", c->data->name);
}

/* A part that fails is left out; only a stop ends the others. */
static int part(const struct cell *c, const char *what, int status, const struct error *why) {
    if (status && status != STATUS_INTERRUPTED)
        log_message(LOG_WARN, "%s: %s are left out of " SAMPLES_FILE ": %s", c->run.run_id, what,
                    why->message);
    return status == STATUS_INTERRUPTED ? status : 0;
}

static int make(struct cell *c, const struct settings *suite, int n, struct samples *s,
                struct error *err) {
    int status = 0;
    TRY(sample_pictures(c, n, s, err));
    TRY(part(c, "the method's pictures", sample_tiles(c, suite, n, s, err), err));
    TRY(subject_stopped(&c->subject, SAMPLES_FILE, err));
    TRY(part(c, "maps of attention", sample_attention(c, n, s, err), err));
    TRY(part(c, "features", sample_features(c, n, s, err), err));
    status = subject_stopped(&c->subject, SAMPLES_FILE, err);
out:
    return status;
}

int cell_sample(struct cell *c, const struct settings *suite, struct error *err) {
    const int asked = c->context->machine->samples;
    const long there = c->data->count[SPLIT_TEST];
    struct samples old, s = {.asked = asked};
    int status = 0;
    if (!asked || !there || !strcmp(c->run.status, "failed") || !read_old(c, &old))
        return 0;
    if (old.asked < asked) {
        name(c, &s);
        s.segment = old.segment;
        status = make(c, suite, asked < there ? asked : (int)there, &s, err);
        if (!status)
            status = samples_write(&s, path_of(c), err);
        if (status && status != STATUS_INTERRUPTED) {
            log_message(LOG_WARN, "%s has no " SAMPLES_FILE ": %s", c->run.run_id, err->message);
            status = 0;
        }
    }
    samples_free(&s);
    samples_free(&old);
    return status;
}

void cell_sample_masks(struct cell *c, const struct eval *e, const struct mask_pictures *masks) {
    struct samples s;
    struct error why;
    if (!masks->n || !read_old(c, &s))
        return;
    name(c, &s);
    s.segment = (struct sample_segment){.background = c->judged->mask_background,
                                        .truth = masks->truth,
                                        .predicted = masks->predicted,
                                        .n_classes = e->n_classes,
                                        .class_name = e->class_name};
    snprintf(s.segment.dataset, sizeof s.segment.dataset, "%s", e->dataset);
    snprintf(s.segment.protocol_version, sizeof s.segment.protocol_version, "%s",
             e->protocol_version);
    int status = sample_images(c, c->judged, masks->n, &s.segment.pictures, &s.arena, &why);
    s.segment.pictures.label = NULL; /* masks say it */
    if (!status)
        status = samples_write(&s, path_of(c), &why);
    if (status)
        log_message(LOG_WARN, "%s: masks are left out of " SAMPLES_FILE ": %s", c->run.run_id,
                    why.message);
    samples_free(&s);
}
