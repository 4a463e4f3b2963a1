/* suite_audit.c -- what is wrong with the data of a suite, before they are used and beside the
 * results. */
#include "protocols/suite.h"

#include "core/log.h"
#include "data/audit.h"

static void say(const struct dataset *d, const struct audit *a) {
    const struct audit_split *train = &a->split[SPLIT_TRAIN], *test = &a->split[SPLIT_TEST];
    if (a->overlap)
        log_message(LOG_WARN, "%s: test images that are also in the training split: %ld of %ld",
                    d->name, a->overlap, test->n);
    if (train->duplicates || test->duplicates)
        log_message(LOG_INFO,
                    "%s: images that their split has already: %ld for training, %ld for "
                    "testing",
                    d->name, train->duplicates, test->duplicates);
    if (test->broken)
        log_message(LOG_WARN, "%s: broken images for testing: %ld; the first: %s", d->name,
                    test->broken, a->broken[0]);
    int first, untrained = audit_untrained(a, d, &first);
    if (untrained)
        log_message(LOG_WARN,
                    "%s: classes with images for testing and none for training, which nothing can "
                    "learn: %d, the first: %s",
                    d->name, untrained, d->class_names[first]);
}

static int audit(struct dataset *d, const struct context *context, struct error *err) {
    struct audit a;
    if (d->audit || d->count[SPLIT_TRAIN] + d->count[SPLIT_TEST] > context->machine->audit)
        return 0;
    int status = audit_run(&a, d, context->stop, err);
    if (!status) {
        d->audit = audit_json(&a, d, &d->arena);
        say(d, &a);
    }
    if (!status && a.split[SPLIT_TRAIN].broken)
        d->broken = arena_printf(&d->arena, "%ld images for training are broken, the first: %s",
                                 a.split[SPLIT_TRAIN].broken, a.broken[0]);
    audit_free(&a);
    return status;
}

static int audit_for(struct cell *c, struct dataset *d, struct error *err) {
    const struct run_data_source *of = run_find_data(&c->run, d->name);
    if (!of && c->run.n_data == RUN_DATA)
        return error_set(
            err, STATUS_USAGE,
            "%s has results on %d datasets, as many as it can: there is no room for %s",
            c->run.run_id, RUN_DATA, d->name);
    int status = of && of->audit ? 0 : audit(d, c->context, err);
    if (!status)
        cell_describe_data(c, d);
    return status;
}

int suite_audit(struct cell *c, const struct suite_cell *one, unsigned stages, struct error *err) {
    int status = 0;
    if (stages & SUITE_PRETRAIN)
        TRY(audit_for(c, one->data, err));
    if (one->data->broken)
        return error_set(err, STATUS_USAGE, "%s: %s; bad=skip leaves them out", one->data->name,
                         one->data->broken);
    for (int i = 0; i < one->n_judged && stages & SUITE_EVALUATE; i++)
        TRY(audit_for(c, &one->judged[i], err));
out:
    return status;
}
