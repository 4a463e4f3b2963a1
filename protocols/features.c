#include "protocols/features.h"

#include "core/log.h"
#include "protocols/opened.h"
#include "results/arrays.h"

#include <stdio.h>

/* The encoder looks at other data than it was trained on. */
static int judge(struct cell *c, const struct dataset *data, struct error *err) {
    if (data->channels != c->data->channels)
        return error_set(err, STATUS_USAGE, "%s has %d channels, the encoder takes %d", data->name,
                         data->channels, c->data->channels);
    snprintf(c->run.run_id, sizeof c->run.run_id, "features");
    return 0;
}

static int write_all(const struct cell *c, const char *out, struct error *err) {
    struct arena a = {0};
    const struct feature_set *f = &c->features;
    struct named_array *list = ARENA_ARRAY(&a, struct named_array, 2 * f->n_representations + 2);
    int n = 0;
    for (int split = 0; split < SPLITS; split++) {
        const struct feature_split *s = split == SPLIT_TRAIN ? &f->train : &f->test;
        for (int r = 0; r < f->n_representations; r++)
            list[n++] = (struct named_array){.group = split_names[split],
                                             .name = f->names[r],
                                             .ndim = 2,
                                             .dim = {s->n, f->dim[r]},
                                             .data = s->x[r]};
        if (f->classes)
            list[n++] = (struct named_array){.group = split_names[split],
                                             .name = "label",
                                             .is_index = 1,
                                             .ndim = 1,
                                             .dim = {s->n},
                                             .data = s->label};
    }
    int status = arrays_write(out, list, n, err);
    if (!status)
        log_message(LOG_INFO, "%s: %d representations of %d and %d images", out,
                    f->n_representations, f->train.n, f->test.n);
    arena_free(&a);
    return status;
}

int features_write(struct settings *s, const struct features_wanted *f,
                   const struct context *context, struct error *err) {
    struct opened o = {.has_cell = 0};
    struct dataset data = {0};
    int status = 0;
    if (*f->as)
        TRY(options_assign(&s->options, "weights.as", f->as, FROM_FLAG, err));
    TRY(opened_open(&o, s, f->weights, f->data, CELL_LOGITS, context, err));
    TRY(suite_open_data(&data, f->data, s, err));
    TRY(judge(&o.cell, &data, err));
    cell_want(&o.cell, -1, &data);
    TRY(cell_extract(&o.cell, err));
    TRY(write_all(&o.cell, f->out, err));
out:
    opened_close(&o);
    dataset_close(&data);
    return status;
}
