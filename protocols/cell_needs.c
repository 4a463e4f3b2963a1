/* cell_needs.c -- the memory of a pretraining, before any of it is taken. */
#include "protocols/cell_internal.h"

#include "core/log.h"
#include "core/memory.h"

#include <stdio.h>

int cell_needs(struct cell *c, struct trainer_needs *out, struct error *err) {
    int status = 0;
    *out = (struct trainer_needs){.bytes = 0};
    for (int i = 0; i < c->method->n_stages && !status; i++) {
        const struct trainer_config trainer = cell_trainer(c, i);
        struct trainer_needs stage;
        if (!c->stages[i].steps) /* nothing in it may be there to be trained */
            continue;
        status = trainer_needs(&trainer, &stage, err);
        out->bytes = stage.bytes > out->bytes ? stage.bytes : out->bytes;
        out->available = stage.available;
    }
    if (!out->bytes) /* nothing is trained */
        out->bytes = c->model.slab.bytes;
    return status;
}

static int say_no_room(struct cell *c, const char *why, struct error *err) {
    char detail[96];
    c->no_room = why;
    if (communicator_rank(c->context->ranks))
        return 0;
    snprintf(detail, sizeof detail, "{\"needed_bytes\": %.0f, \"available_bytes\": %.0f}",
             c->run.needed_bytes, c->run.available_bytes);
    return journal_event(&c->journal, "out of memory", detail, err);
}

/* On a device: of all ranks, which begin together or not at all. */
static int ask_ranks(struct cell *c, const char *line, int full, struct error *err) {
    struct error no;
    int own = full ? error_set(&no, STATUS_MACHINE,
                               "out of memory: %s: use a smaller batch or model", line)
                   : 0;
    if (!communicator_agree(c->context->ranks, WAIT_LONG, own, &no))
        return 0;
    return say_no_room(c, arena_printf(&c->arena, "%s", no.message), err);
}

int cell_ask_room(struct cell *c, struct error *err) {
    const struct device *d = c->context->device;
    struct trainer_needs needs;
    int status = communicator_agree(c->context->ranks, WAIT_LONG, cell_needs(c, &needs, err), err);
    if (status)
        return status;
    c->run.needed_bytes = (double)needs.bytes;
    c->run.available_bytes = (double)needs.available;
    const struct memory_text of = memory_text(c->run.needed_bytes);
    const struct memory_text there = memory_text(c->run.available_bytes);
    const char *where = d ? d->name : "the processor";
    const char *line = arena_printf(&c->arena, "needs %s of memory on %s, %s are free", of.text,
                                    where, there.text);
    int full = needs.bytes > needs.available && (d || needs.available);
    if (!full)
        log_message(LOG_INFO, "%s %s", c->run.run_id, line);
    else if (!d)
        log_message(LOG_WARN, "%s %s: it may end there", c->run.run_id, line);
    return d ? ask_ranks(c, line, full, err) : 0;
}
