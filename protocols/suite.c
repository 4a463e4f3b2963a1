#include "protocols/suite.h"
#include "protocols/sample.h"

#include "core/file.h"
#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

int suite_open_data(struct dataset *d, const char *spec, const struct settings *s,
                    struct error *err) {
    int status = dataset_open(d, spec, err);
    for (int i = 0; i < SPLITS && !status && s->plan.limit; i++)
        if (d->count[i] > s->plan.limit)
            d->count[i] = s->plan.limit;
    return status;
}

/* Results stand under the names of datasets, so each name is of one. */
static int check_names(const struct suite *u, struct error *err) {
    for (int i = 0; i < u->n_open; i++)
        for (int k = 0; k < i; k++) {
            const struct dataset *a = &u->data[k], *b = &u->data[i];
            if (strcmp(a->name, b->name) || !strcmp(a->root_hash, b->root_hash))
                continue;
            return error_set(err, STATUS_USAGE,
                             "\"%s\" and \"%s\" are both called %s: name one of them, as in "
                             "other=%s",
                             a->spec, b->spec, b->name, b->spec);
        }
    return 0;
}

static int open_data(struct suite *u, const struct settings *s, struct error *err) {
    const struct suite_lists *l = &u->lists;
    int n = l->n_data + l->n_eval_data;
    u->data = ARENA_ARRAY(&u->lists.arena, struct dataset, n);
    while (u->n_open < n) {
        int judged = u->n_open >= l->n_data, at = judged ? u->n_open - l->n_data : u->n_open;
        const char *place = options_place(&s->options, judged ? "eval_data" : "data");
        int status =
            suite_open_data(&u->data[u->n_open], judged ? l->eval_data[at] : l->data[at], s, err);
        if (status && place)
            error_prefix(err, "%s", place);
        if (status)
            return status;
        u->n_open++;
    }
    return check_names(u, err);
}

static int copy_settings(struct suite *u, const struct settings *s, struct error *err) {
    struct arena *a = &u->lists.arena;
    const char *text = options_text(&s->options, a);
    int points = u->sweep.n_points, n = u->lists.n_backbones * points;
    u->settings = ARENA_ARRAY(a, struct settings *, n);
    for (int i = 0; i < n; i++) {
        struct settings *copy = u->settings[i] = ARENA_NEW(a, struct settings);
        settings_init(copy);
        u->n_settings++;
        int status = options_load_text(&copy->options, text, "settings", err);
        if (!status)
            status = sweep_assign(&u->sweep, i % points, copy, err);
        if (status)
            return status;
        copy->plan.backbone = u->lists.backbones[i / points];
    }
    return 0;
}

static int read_sweep(struct suite *u, const struct settings *s, struct error *err) {
    const char *place = options_place(&s->options, "sweep");
    int status = sweep_parse(&u->sweep, s->judging.sweep, &u->lists.arena, err);
    if (!status)
        status = copy_settings(u, s, err); /* which says what is no option */
    if (!status)
        status = sweep_check_keys(&u->sweep, s, err);
    if (!status)
        status = sweep_check_values(&u->sweep, u->settings, err);
    if (!status)
        status = sweep_check_use(&u->sweep, u->lists.methods, u->lists.n_methods,
                                 u->lists.backbones, u->lists.n_backbones, err);
    return status && place ? error_prefix(err, "%s", place) : status;
}

static int read_shard(struct suite *u, const struct settings *s, struct error *err) {
    const char *text = s->machine.shard;
    int used = 0;
    u->shard = u->shards = 1;
    if (*text && (sscanf(text, "%9d/%9d%n", &u->shard, &u->shards, &used) != 2 || text[used] ||
                  u->shard < 1 || u->shard > u->shards))
        return error_set(err, STATUS_USAGE, "shard = %.40s: expected I/N with I from 1 to N", text);
    u->shard--;
    return 0;
}

/* Of the seeds, and of the backbones, one is enough for weights that nobody trains or draws here:
 * others would give the same numbers, which are no repetition. */
static void list_places(struct suite *u) {
    const struct suite_lists *l = &u->lists;
    u->place = ARENA_ARRAY(&u->lists.arena, struct suite_place, u->n_pairs * l->n_seeds);
    for (int i = 0; i < u->n_pairs; i++) {
        int seeds = l->methods[u->pair[i].method]->own ? 1 : l->n_seeds;
        for (int s = 0; s < seeds; s++)
            u->place[u->n_places++] = (struct suite_place){i, s};
    }
}

/* Of the sweep each pair has the points that concern it. */
static void list_pairs(struct suite *u) {
    const struct suite_lists *l = &u->lists;
    struct arena *a = &u->lists.arena;
    int n = l->n_data * l->n_backbones * l->n_methods * u->sweep.n_points;
    u->pair = ARENA_ARRAY(a, struct suite_pair, n);
    for (int i = 0; i < n; i++) {
        int point = i % u->sweep.n_points, at = i / u->sweep.n_points;
        struct suite_pair p = {.point = point,
                               .method = at % l->n_methods,
                               .backbone = at / l->n_methods % l->n_backbones,
                               .data = at / l->n_methods / l->n_backbones};
        const struct method *m = l->methods[p.method];
        const char *backbone = l->backbones[p.backbone];
        if (!sweep_has(&u->sweep, point, m, backbone) || (m->own && p.backbone))
            continue;
        p.label = sweep_label(&u->sweep, point, m, backbone, a);
        u->pair[u->n_pairs++] = p;
    }
    list_places(u);
}

static const struct settings *settings_of(const struct suite *u, const struct suite_pair *p) {
    return u->settings[p->backbone * u->sweep.n_points + p->point];
}

static struct suite_cell cell_of_all(const struct suite *u, int i) {
    const struct suite_lists *l = &u->lists;
    const struct suite_place *at = &u->place[i];
    const struct suite_pair *p = &u->pair[at->pair];
    int own = !l->n_eval_data;
    return (struct suite_cell){.settings = settings_of(u, p),
                               .method = l->methods[p->method],
                               .data = &u->data[p->data],
                               .judged = own ? &u->data[p->data] : &u->data[l->n_data],
                               .n_judged = own ? 1 : l->n_eval_data,
                               .seed = l->seeds[at->seed],
                               .why = p->why,
                               .label = p->label,
                               .pair = at->pair};
}

/* FLOPs are known when the graphs are. */
static int check_budget(const struct suite_cell *one, const struct context *context,
                        struct error *err) {
    struct cell c;
    int status = cell_build(&c, one->settings, one->method, one->data, one->seed, context, 0, err);
    if (!status)
        cell_close(&c);
    return status;
}

static int by_hash(const void *left, const void *right) {
    const struct suite_pair *const *a = left, *const *b = right;
    const int order = strcmp((*a)->hash, (*b)->hash);
    return order ? order : (*a > *b) - (*a < *b);
}

static char *pair_name(const struct suite *u, const struct suite_pair *p, struct arena *a) {
    return arena_printf(a, "%s%s%s", u->lists.methods[p->method]->name, *p->label ? " with " : "",
                        p->label);
}

/* A value that means another one, as -1 does the method's own, makes one run of two cells. */
static int check_twins(struct suite *u, struct error *err) {
    struct arena *a = &u->lists.arena;
    const struct suite_pair **sorted = ARENA_ARRAY(a, const struct suite_pair *, u->n_pairs);
    int n = 0;
    for (int i = 0; i < u->n_pairs; i++)
        if (!u->pair[i].why)
            sorted[n++] = &u->pair[i];
    qsort(sorted, (size_t)n, sizeof *sorted, by_hash);
    for (int i = 1; i < n; i++)
        if (!strcmp(sorted[i]->hash, sorted[i - 1]->hash))
            return error_set(err, STATUS_USAGE, "%s and %s on %s are one run: leave one out",
                             pair_name(u, sorted[i - 1], a), pair_name(u, sorted[i], a),
                             u->data[sorted[i]->data].name);
    return 0;
}

static int check_pairs(struct suite *u, const struct context *context, struct error *err) {
    const struct suite_lists *l = &u->lists;
    int meaningless = 0, status = 0;
    for (int i = 0; i < u->n_pairs; i++) {
        struct suite_pair *p = &u->pair[i];
        TRY(cell_check(settings_of(u, p), l->methods[p->method], &u->data[p->data], context,
                       &u->lists.arena, &p->why, p->hash, err));
        meaningless += p->why != NULL;
    }
    for (int i = 0; i < u->n_places; i++) {
        const struct suite_cell one = cell_of_all(u, i);
        if (!u->place[i].seed && !one.why && !strncmp(one.settings->plan.budget, "flops", 5))
            TRY(check_budget(&one, context, err));
    }
    TRY(check_twins(u, err));
    if (meaningless == u->n_pairs)
        status = error_set(err, STATUS_USAGE, "nothing to run: %s", u->pair[0].why);
out:
    return status;
}

int suite_open(struct suite *u, const struct settings *s, const struct context *context,
               struct error *err) {
    *u = (struct suite){.n_open = 0};
    int status = 0;
    TRY(read_shard(u, s, err));
    TRY(suite_read_lists(&u->lists, s, err));
    TRY(open_data(u, s, err));
    TRY(read_sweep(u, s, err));
    list_pairs(u);
    TRY(check_pairs(u, context, err));
out:
    if (status)
        suite_close(u);
    return status;
}

void suite_close(struct suite *u) {
    for (int i = 0; i < u->n_open; i++)
        dataset_close(&u->data[i]);
    for (int i = 0; i < u->n_settings; i++)
        settings_free(u->settings[i]);
    suite_free_lists(&u->lists);
    *u = (struct suite){.n_open = 0};
}

int suite_cells(const struct suite *u) {
    return (u->n_places - u->shard + u->shards - 1) / u->shards;
}

struct suite_cell suite_cell(const struct suite *u, int i) {
    return cell_of_all(u, u->shard + i * u->shards);
}

int suite_rows(const struct suite_cell *one, const struct suite_lists *l) {
    return one->n_judged * l->n_protocols;
}

struct suite_row suite_row(const struct suite_cell *one, const struct suite_lists *l, int i) {
    return (struct suite_row){l->protocols[i % l->n_protocols], &one->judged[i / l->n_protocols]};
}

/* ---- running ---- */

/* What became of the cells so far. */
struct tally {
    int cells, failed;
    int unusable, no_room; /* of these: refused for what the user asked for; for lack of memory */
};

/* The whole suite ends for these; everything else is one cell's failure. */
static int ends_suite(int status) {
    return status == STATUS_MACHINE || status == STATUS_INTERRUPTED;
}

/* Of a protocol: one that asks for more memory than there is is not the others' end. */
static int ends_rows(int status, const struct error *err) {
    return ends_suite(status) && !err->no_room;
}

/* One protocol that fails leaves the others alone; the first failure is kept. */
static int evaluate_row(struct cell *c, const struct suite_row *row, int failed, int *first,
                        struct error *err) {
    struct error why = {0};
    int status = cell_evaluate(c, row->protocol, row->data, &why);
    if (ends_rows(status, &why)) {
        *err = why;
        return status;
    }
    if (why.no_room && status) {
        error_prefix(&why, "out of memory");
        status = STATUS_FINDING;
    }
    if (status)
        cell_fail(c, row->protocol, row->data, why.message);
    if (status && !*first) {
        *err = why;
        err->status = status;
        error_prefix(err, "%s", protocols[row->protocol]->name);
        *first = status;
    }
    return cell_save(c, failed ? "failed" : "running", err);
}

/* By the first rank; the others assist where it says that there is something to share, and hear of
 * every such row, also when the first one has stopped. */
static int evaluate_on(struct cell *c, const struct suite_cell *one, const struct suite_lists *l,
                       struct dataset *data, int *first, struct error *err) {
    struct communicator *ranks = c->context->ranks;
    const int leads = !communicator_rank(ranks), failed = !strcmp(c->run.status, "failed");
    int status = 0;
    for (int i = 0; i < suite_rows(one, l); i++) {
        const struct suite_row row = suite_row(one, l, i);
        int wanted = 0;
        if (row.data != data)
            continue;
        if (protocols[row.protocol]->shared) {
            wanted = leads && !status && cell_can_judge(c, row.protocol, row.data);
            communicator_broadcast(ranks, WAIT_LONG, &wanted, sizeof wanted);
        }
        if (leads && !status)
            status = evaluate_row(c, &row, failed, first, err);
        else if (wanted)
            cell_assist(c, row.protocol, row.data, err); /* the first rank says how it ended */
    }
    return status;
}

/* What all rows read is extracted at once.  Where ranks cannot extract the features the first one
 * tries alone, and fails row by row. */
static int share_features(struct cell *c, const struct suite_cell *one, const struct suite_lists *l,
                          struct dataset *data, struct error *err) {
    int wanted = 0;
    for (int i = 0; i < suite_rows(one, l) && !communicator_rank(c->context->ranks); i++) {
        const struct suite_row row = suite_row(one, l, i);
        if (row.data != data || protocols[row.protocol]->no_features ||
            !cell_can_judge(c, row.protocol, row.data))
            continue;
        cell_want(c, row.protocol, data);
        wanted = 1;
    }
    struct error why = {0};
    int status = cell_extract_shared(c, data, wanted, &why);
    if (!ends_rows(status, &why))
        return 0;
    *err = why;
    return status;
}

/* All ranks compute the features, and what else is shared. */
static int evaluate(struct cell *c, const struct suite_cell *one, const struct suite_lists *l,
                    struct error *err) {
    struct communicator *ranks = c->context->ranks;
    int status = 0, first = 0, leads = !communicator_rank(ranks);
    for (int i = 0; i < one->n_judged; i++) {
        TRY(share_features(c, one, l, &one->judged[i], err));
        status = evaluate_on(c, one, l, &one->judged[i], &first, err);
        TRY(communicator_agree(ranks, WAIT_LONG, ends_suite(status) ? status : 0, err));
        status = 0;
    }
    if (leads && strcmp(c->run.status, "failed"))
        TRY(cell_save(c, "complete", err));
out:
    return status ? status : first;
}

static int skip(const struct suite_cell *one, const struct suite_lists *l,
                const struct context *context, unsigned stages, struct error *err) {
    struct cell c;
    int status = cell_open_skipped(&c, one->settings, one->method, one->data, one->seed, context,
                                   one->why, err);
    if (status)
        return status;
    for (int i = 0; i < suite_rows(one, l) && stages & SUITE_EVALUATE; i++) {
        const struct suite_row row = suite_row(one, l, i);
        cell_skip(&c, row.protocol, row.data, one->why);
    }
    status = cell_save(&c, "skipped", err);
    cell_close(&c);
    return status;
}

/* A cell that the device has not the memory for: rows that say so, to be tried again next time. */
static int leave(struct cell *c, const struct suite_cell *one, const struct suite_lists *l,
                 unsigned stages, struct tally *tally, struct error *err) {
    for (int i = 0; i < suite_rows(one, l) && stages & SUITE_EVALUATE; i++) {
        const struct suite_row row = suite_row(one, l, i);
        cell_fail(c, row.protocol, row.data, c->no_room);
    }
    log_message(LOG_ERROR, "%s: %s", c->run.run_id, c->no_room);
    tally->failed++;
    tally->no_room++;
    return cell_save(c, "interrupted", err);
}

static int train_and_evaluate(const struct suite_cell *one, const struct suite_lists *l,
                              const struct context *context, unsigned stages, struct tally *tally,
                              struct error *err) {
    struct cell c;
    int leads = !communicator_rank(context->ranks);
    int status = cell_open(&c, one->settings, one->method, one->data, one->seed, context, err);
    int opened = !status;
    if (opened && leads)
        status = suite_audit(&c, one, stages, err);
    status = communicator_agree(context->ranks, WAIT_LONG, status, err);
    if (!opened)
        return status;
    if (status)
        goto out;
    TRY(communicator_compare(context->ranks, c.hash, sizeof c.hash,
                             "has data of another content under the same name than rank 0", err));
    TRY(cell_pretrain(&c, err));
    if (c.no_room) {
        status = leave(&c, one, l, stages, tally, err);
        goto out;
    }
    if (leads)
        TRY(cell_sample(&c, one->settings, err));
    if (stages & SUITE_EVALUATE)
        TRY(evaluate(&c, one, l, err));
    tally->failed += !strcmp(c.run.status, "failed");
out:
    if (status == STATUS_INTERRUPTED) {
        struct error saving;
        if (cell_save(&c, "interrupted", &saving))
            log_message(LOG_ERROR, "%s", saving.message);
    }
    cell_close(&c);
    return status;
}

static int run_cell(const struct suite_cell *one, const struct suite_lists *l,
                    const struct context *context, unsigned stages, struct tally *tally,
                    struct error *err) {
    tally->cells++;
    int status = 0;
    if (!one->why)
        status = train_and_evaluate(one, l, context, stages, tally, err);
    else if (!communicator_rank(context->ranks))
        status = skip(one, l, context, stages, err);
    status = communicator_agree(context->ranks, WAIT_LONG, status, err);
    if (!status || ends_suite(status))
        return status;
    error_prefix(err, "%s%s%s on %s, seed %llu", one->method->name, *one->label ? ", " : "",
                 one->label, one->data->name, (unsigned long long)one->seed);
    log_message(LOG_ERROR, "%s", err->message);
    tally->failed++;
    tally->unusable += status == STATUS_USAGE;
    return 0;
}

/* Nothing but refusals is a mistake in the command, and no cell that fits a machine too small for
 * it: no finding. */
static int verdict(const struct tally *t, struct error *err) {
    if (!t->failed)
        return 0;
    int status = t->unusable == t->cells  ? STATUS_USAGE
                 : t->no_room == t->cells ? STATUS_MACHINE
                                          : STATUS_FINDING;
    return error_set(err, status, "%d of %d cells failed, see above", t->failed, t->cells);
}

int suite_run_opened(const struct suite *u, const struct context *context, unsigned stages,
                     struct error *err) {
    struct tally tally = {0};
    for (int i = 0; i < suite_cells(u); i++) {
        const struct suite_cell one = suite_cell(u, i);
        int status = run_cell(&one, &u->lists, context, stages, &tally, err);
        if (status)
            return status;
    }
    return verdict(&tally, err);
}

int suite_run(const struct settings *s, const struct context *context, unsigned stages,
              struct error *err) {
    struct suite u;
    int status = suite_open(&u, s, context, err), opened = !status;
    if (opened && stages & SUITE_EVALUATE && !communicator_rank(context->ranks))
        status = suite_store(s, context->machine->out, err);
    status = communicator_agree(context->ranks, WAIT_LONG, status, err);
    if (!opened)
        return status;
    if (!status) {
        suite_doubt(&u, context, stages);
        status = suite_run_opened(&u, context, stages, err);
    }
    suite_close(&u);
    return status;
}
