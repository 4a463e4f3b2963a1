#include "protocols/suite.h"

#include "core/file.h"
#include "core/log.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int unknown(const char *kind, const char *name, const char *const *names, int n,
                   struct error *err) {
    const char *near = nearest_name(name, names, n);
    char valid[512] = "";
    size_t at = 0;
    for (int i = 0; i < n && at < sizeof valid; i++)
        at += (size_t)snprintf(valid + at, sizeof valid - at, "%s%s", i ? ", " : "", names[i]);
    return error_set(err, STATUS_USAGE, "there is no %s \"%s\"%s%s%s; there are: %s", kind, name,
                     near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "", valid);
}

static int find_methods(struct suite_lists *l, const char *text, struct error *err) {
    char **items;
    int n = settings_list(text, ", ", &l->arena, &items);
    for (int i = 0; i < n; i++) {
        CHECK(i < SUITE_LIST, "%d methods", n);
        int status = method_parse(items[i], &l->arena, &l->methods[i], err);
        if (status)
            return status;
    }
    l->n_methods = n;
    return 0;
}

static int find_protocols(struct suite_lists *l, const char *text, struct error *err) {
    char **items;
    const char *names[SUITE_LIST];
    int n_names = 0, n = settings_list(text, ", ", &l->arena, &items);
    for (; protocols[n_names]; n_names++)
        names[n_names] = protocols[n_names]->name;
    for (int i = 0; i < n; i++) {
        int found = 0;
        while (found < n_names && strcmp(names[found], items[i]))
            found++;
        if (found == n_names)
            return unknown("protocol", items[i], names, n_names, err);
        l->protocols[l->n_protocols++] = found;
    }
    return 0;
}

static int find_seeds(struct suite_lists *l, const char *text, struct error *err) {
    char **items;
    int n = settings_list(text, ", ", &l->arena, &items);
    for (int i = 0; i < n; i++) {
        char *end;
        errno = 0;
        l->seeds[i] = strtoull(items[i], &end, 10);
        if (*end || errno || items[i][0] == '-' || i >= SUITE_LIST - 1)
            return error_set(
                err, STATUS_USAGE,
                "seeds: \"%s\" is not a number from 0 to 2^64 - 1 (at most %d of them)", items[i],
                SUITE_LIST - 1);
    }
    l->n_seeds = n;
    return 0;
}

int suite_read_lists(struct suite_lists *l, const struct settings *s, struct error *err) {
    const struct plan *p = &s->plan;
    *l = (struct suite_lists){0};
    int status = 0;
    TRY(find_methods(l, p->methods, err));
    TRY(find_protocols(l, p->protocols, err));
    TRY(find_seeds(l, p->seeds, err));
    l->n_data = settings_list(p->data, " ", &l->arena, &l->data);
    if (!l->n_methods || !l->n_seeds || !l->n_data)
        status = error_set(err, STATUS_USAGE,
                           "nothing to run: --methods, --seeds and --data must "
                           "each name at least one");
out:
    return status;
}

void suite_free_lists(struct suite_lists *l) {
    arena_free(&l->arena);
}

/* What became of the cells so far. */
struct tally {
    int cells, failed, unusable; /* unusable: refused for what the user asked for */
};

/* The whole suite ends for these; everything else is one cell's failure. */
static int ends_suite(int status) {
    return status == STATUS_MACHINE || status == STATUS_INTERRUPTED;
}

static int evaluate(struct cell *c, const struct suite_lists *l, struct error *err) {
    int status = 0;
    int failed = !strcmp(c->run.status, "failed");
    for (int i = 0; i < l->n_protocols; i++) {
        TRY(cell_evaluate(c, l->protocols[i], err));
        TRY(cell_save(c, failed ? "failed" : "running", err));
    }
    if (!failed)
        TRY(cell_save(c, "complete", err));
out:
    return status;
}

static int run_cell(const struct settings *s, const struct suite_lists *l, const struct method *m,
                    const struct dataset *d, uint64_t seed, const struct context *context,
                    unsigned stages, struct tally *tally, struct error *err) {
    struct cell c;
    tally->cells++;
    int status = cell_open(&c, s, m, d, seed, context, err);
    if (status)
        goto done;
    TRY(cell_pretrain(&c, err));
    if (stages & SUITE_EVALUATE)
        TRY(evaluate(&c, l, err));
    tally->failed += !strcmp(c.run.status, "failed");
out:
    if (status == STATUS_INTERRUPTED) {
        struct error saving;
        if (cell_save(&c, "interrupted", &saving))
            log_message(LOG_ERROR, "%s", saving.message);
    }
    cell_close(&c);
done:
    if (!status || ends_suite(status))
        return status;
    error_prefix(err, "%s on %s, seed %llu", m->name, d->name, (unsigned long long)seed);
    log_message(LOG_ERROR, "%s", err->message);
    tally->failed++;
    tally->unusable += status == STATUS_USAGE;
    return 0;
}

/* Nothing but refusals is a mistake in the command, not a finding. */
static int verdict(const struct tally *t, struct error *err) {
    if (!t->failed)
        return 0;
    int status = t->unusable == t->cells ? STATUS_USAGE : STATUS_FINDING;
    return error_set(err, status, "%d of %d cells failed, see above", t->failed, t->cells);
}

int suite_run(const struct settings *s, const struct context *context, unsigned stages,
              struct error *err) {
    struct suite_lists l = {0};
    struct tally tally = {0};
    int status = 0;
    TRY(suite_read_lists(&l, s, err));
    for (int d = 0; d < l.n_data; d++) {
        struct dataset data;
        TRY(dataset_open(&data, l.data[d], err));
        for (int m = 0; m < l.n_methods && !status; m++)
            for (int i = 0; i < l.n_seeds && !status; i++)
                status =
                    run_cell(s, &l, l.methods[m], &data, l.seeds[i], context, stages, &tally, err);
        dataset_close(&data);
        if (status)
            goto out;
    }
    status = verdict(&tally, err);
out:
    arena_free(&l.arena);
    return status;
}

/* The settings that a stored run was made with; what the machine decides comes from s. */
static int stored_settings(struct settings *stored, const struct run *r, const char *folder,
                           const struct settings *s, struct suite_lists *l, struct error *err) {
    settings_init(stored);
    int status = options_load_text(&stored->options, r->config, folder, err);
    if (status)
        return status;
    stored->machine = s->machine;
    stored->machine.out = dirname(arena_strdup(&l->arena, folder));
    memcpy(stored->protocol, s->protocol, sizeof stored->protocol);
    return 0;
}

int suite_evaluate_folder(const struct settings *s, const char *folder,
                          const struct context *context, struct error *err) {
    struct suite_lists l = {0}, from_run = {0};
    struct run r = {0};
    struct settings stored = {0};
    struct dataset data = {0};
    struct tally tally = {0};
    int status = 0, opened = 0;
    TRY(find_protocols(&l, s->plan.protocols, err));
    TRY(run_read(&r, arena_printf(&l.arena, "%s/run.h5", folder), err));
    TRY(stored_settings(&stored, &r, folder, s, &l, err));
    TRY(suite_read_lists(&from_run, &stored, err));
    if (from_run.n_data != 1 || from_run.n_methods != 1 || from_run.n_seeds != 1) {
        status =
            error_set(err, STATUS_USAGE, "%s: its configuration is not that of one run", folder);
        goto out;
    }
    TRY(dataset_open(&data, from_run.data[0], err));
    opened = 1;
    struct context here = *context;
    here.machine = &stored.machine;
    TRY(run_cell(&stored, &l, from_run.methods[0], &data, from_run.seeds[0], &here, SUITE_EVALUATE,
                 &tally, err));
    status = verdict(&tally, err);
out:
    if (opened)
        dataset_close(&data);
    settings_free(&stored);
    run_free(&r);
    arena_free(&l.arena);
    arena_free(&from_run.arena);
    return status;
}
