/* suite_doubt.c -- what a user would rather hear at the start of a suite than hours later. */
#include "protocols/cell_internal.h"
#include "protocols/suite.h"

#include "core/log.h"

/* Encoders that are trained for hours and then cannot be judged are rarely what was meant. */
static void doubt_protocols(struct suite *u) {
    const struct suite_lists *l = &u->lists;
    const int first = l->n_eval_data ? l->n_data : 0;
    const char *lacks = NULL;
    for (int i = first; i < u->n_open; i++)
        for (int k = 0; k < l->n_protocols; k++) {
            lacks = cell_lacks(protocols[l->protocols[k]], &u->data[i], &u->lists.arena);
            if (!lacks)
                return;
        }
    if (lacks)
        log_message(LOG_WARN,
                    "nothing will be evaluated, since %s: --protocols names others, --eval_data "
                    "other data, and `ssvbench pretrain` evaluates nothing",
                    lacks);
}

/* The first cell says at once what is wrong with it; of the other pairs one cell is made, without
 * its memory, and thrown away. */
static void doubt_cells(const struct suite *u, const struct context *context) {
    for (int i = 1, pair = suite_cell(u, 0).pair; i < suite_cells(u); i++) {
        const struct suite_cell one = suite_cell(u, i);
        struct cell c;
        struct error err;
        if (one.why || one.pair == pair)
            continue;
        pair = one.pair;
        if (!cell_build(&c, one.settings, one.method, one.data, one.seed, context, 0, &err))
            cell_close(&c);
        else if (err.status == STATUS_USAGE)
            log_message(LOG_WARN, "%s%s%s on %s will be refused, the others go on: %s",
                        one.method->name, *one.label ? " with " : "", one.label, one.data->name,
                        err.message);
    }
}

void suite_doubt(struct suite *u, const struct context *context, unsigned stages) {
    if (communicator_rank(context->ranks))
        return;
    if (stages & SUITE_EVALUATE)
        doubt_protocols(u);
    if (suite_cells(u) > 1)
        doubt_cells(u, context);
}
