/* subject.c -- what protocols may do with a pretrained encoder. */
#include "protocols/protocol.h"

void subject_encode(const struct subject *s, struct builder *b, struct tensor *images,
                    enum encoding what, struct encoded *out) {
    if (s->method->encode)
        s->method->encode(s->self, b, images, out);
    else
        backbone_encode(b->g, b->encoder, b->backbone, images,
                        b->g->evaluating ? NULL : builder_drop(b), what, out);
}

static void view(const struct subject *s, const struct record *r, int whole, struct rng *rng,
                 float *out) {
    if (!s->method->view) { /* is of all of it */
        view_plain(r, s->norm, s->backbone->image, out);
        return;
    }
    const struct sample sample = {.record = r,
                                  .norm = s->norm,
                                  .backbone = s->backbone,
                                  .runtime = s->runtime,
                                  .whole = whole,
                                  .view = rng};
    s->method->view(s->self, &sample, out);
}

void subject_view(const struct subject *s, const struct record *r, struct rng *rng, float *out) {
    view(s, r, 0, rng, out);
}

void subject_view_whole(const struct subject *s, const struct record *r, struct rng *rng,
                        float *out) {
    view(s, r, 1, rng, out);
}

int subject_stopped(const struct subject *s, const char *during, struct error *err) {
    if (!s->stop || !*s->stop)
        return 0;
    return error_set(err, STATUS_INTERRUPTED, "%s stopped during %s", s->name, during);
}
