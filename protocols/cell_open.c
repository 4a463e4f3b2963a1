/* cell_open.c -- the folder of a cell: its name, who else writes to it, what it already holds. */
#include "protocols/cell_internal.h"

#include "core/file.h"
#include "core/log.h"
#include "core/sha256.h"
#include "data/audit.h"
#include "methods/views.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- its name ---- */

static char *code_versions(const struct cell *c, struct arena *a) {
    char *text = arena_printf(a, "pretraining %d", CELL_PRETRAINING_VERSION);
    const struct compound *several = c->method->compound;
    for (int i = 0; i < (several ? several->n : 1); i++) {
        const struct method *m = several ? several->part[i] : c->method;
        text = arena_printf(a, "%s, %s %d", text, m->name, m->version);
    }
    return text;
}

void cell_name(struct cell *c) {
    const char *text = settings_pretrain_text(&c->settings, c->method, &c->arena);
    sha256_hex(text, strlen(text), c->settings_hash);
    c->versions = code_versions(c, &c->arena);
    text = arena_printf(&c->arena, "%s\n# %s\n# %s\n", text, c->data->root_hash, c->versions);
    for (int i = 0; i < c->method->n_stages; i++)
        if (c->stages[i].builder.fingerprint)
            text = arena_printf(&c->arena, "%s# %s\n", text, c->stages[i].builder.fingerprint);
    sha256_hex(text, strlen(text), c->hash);
    c->id = arena_printf(&c->arena, "%s-%s-%s-s%llu-%.8s", c->method->name,
                         c->method->own ? c->backbone.name : c->settings.plan.backbone,
                         c->data->name, (unsigned long long)c->seed, c->hash);
    c->folder = arena_printf(&c->arena, "%s/%s", c->context->machine->out, c->id);
    c->checkpoint = arena_printf(&c->arena, "%s/checkpoint.safetensors", c->folder);
}

void cell_protocol_version(const struct settings *s, int protocol, char version[CELL_VERSION]) {
    struct arena scratch = {0};
    char hash[65];
    const char *options = settings_protocol_text(s, protocol, &scratch);
    sha256_hex(options, strlen(options), hash);
    snprintf(version, CELL_VERSION, "%s+%.8s", protocols[protocol]->version, hash);
    arena_free(&scratch);
}

/* ---- who else ---- */

static int claim_folder(struct cell *c, struct error *err) {
    int status = make_folders(c->folder, err);
    if (status)
        return status;
    const char *path = arena_printf(&c->arena, "%s/lock", c->folder);
    c->lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (c->lock < 0)
        return error_set(err, STATUS_MACHINE, "%s: %s; check the folder and its permissions", path,
                         strerror(errno));
    if (!flock(c->lock, LOCK_EX | LOCK_NB))
        return 0;
    if (errno == EWOULDBLOCK)
        return error_set(err, STATUS_USAGE,
                         "%s is being written by another process: wait for it or choose another "
                         "--out",
                         c->folder);
    log_message(LOG_WARN, "%s: cannot be locked: %s; see to it that no other program writes there",
                c->folder, strerror(errno)); /* as on Lustre that was mounted without flock */
    return 0;
}

/* The numbers of a run may come from two versions of the program; then the reader should know. */
static void compare_code(const struct cell *c) {
    struct run now;
    run_init(&now);
    const char *before = c->run.code_commit ? c->run.code_commit : "unknown";
    const char *here = now.code_commit ? now.code_commit : "unknown";
    if (strcmp(before, here))
        log_message(LOG_WARN, "%s was begun by commit %.10s and goes on with %.10s", c->run.run_id,
                    before, here);
    run_free(&now);
}

/* ---- stale results ---- */

static int refuse_stale(const struct cell *c, const struct run *old, const char *folder,
                        struct error *err) {
    const struct run_data_source *of = run_find_data(old, c->data->name);
    const char *hash = of ? of->root_hash : "";
    const char *versions = old->versions ? old->versions : "";
    if (strcmp(hash, c->data->root_hash))
        return error_set(err, STATUS_USAGE,
                         "%s is stale: the same settings, but made when the content of %s was "
                         "another (%.8s, now %.8s): move it away or choose another --out",
                         folder, c->data->name, hash, c->data->root_hash);
    if (strcmp(versions, c->versions))
        return error_set(err, STATUS_USAGE,
                         "%s is stale: the same settings, but made by other code (%s; now %s): "
                         "move it away or choose another --out",
                         folder, versions, c->versions);
    return 0; /* a file that an option names has another content: that is another setting */
}

/* A new folder beside one of the same settings would be a second answer to the same question. */
static int look_for_stale(const struct cell *c, struct error *err) {
    DIR *d = opendir(c->context->machine->out);
    if (!d)
        return 0; /* nothing there yet */
    struct arena a = {0};
    size_t prefix = strlen(c->id) - 8; /* the hash */
    int status = 0;
    for (const struct dirent *entry; !status && (entry = readdir(d));) {
        if (strncmp(entry->d_name, c->id, prefix) != 0 || strlen(entry->d_name) != prefix + 8)
            continue;
        const char *folder = arena_printf(&a, "%s/%s", c->context->machine->out, entry->d_name);
        const char *h5 = arena_printf(&a, "%s/run.h5", folder);
        struct run old = {0};
        struct error ignored; /* `verify` and `report` name what cannot be read */
        if (!file_exists(h5) || run_read(&old, h5, &ignored))
            continue;
        if (old.settings_sha256 && !strcmp(old.settings_sha256, c->settings_hash))
            status = refuse_stale(c, &old, folder, err);
        run_free(&old);
    }
    closedir(d);
    arena_free(&a);
    return status;
}

/* ---- what it holds ---- */

/* Rows that were made from other images of the same name are to be made again. */
static void outdate_rows(struct run *r, const char *dataset) {
    for (int i = 0; i < r->n_evals; i++) {
        struct eval *e = &r->evals[i];
        if (strcmp(e->dataset, dataset))
            continue;
        e->outcome = OUTCOME_FAILED;
        snprintf(e->reason, sizeof e->reason, "the content of %s is another now", dataset);
    }
}

void cell_describe_data(struct cell *c, const struct dataset *data) {
    struct arena *a = &c->run.arena;
    struct run_data_source *d = run_data(&c->run, data->name);
    int same = !strcmp(d->root_hash, data->root_hash); /* then its audit is still true */
    if (!same)
        outdate_rows(&c->run, data->name);
    snprintf(d->root_hash, sizeof d->root_hash, "%s", data->root_hash);
    if (data->classes)
        audit_class_order(data, d->class_order_sha256);
    d->spec = arena_strdup(a, data->spec);
    d->n = data->count[SPLIT_TRAIN];
    d->n_bad = data->n_bad;
    d->bad_names = arena_strdup(a, "");
    for (int i = 0; i < data->n_bad_names; i++)
        d->bad_names = arena_printf(a, "%s%s\n", d->bad_names, data->bad_names[i]);
    d->audit = data->audit ? arena_strdup(a, data->audit) : same ? d->audit : NULL;
}

/* Whether views are made on the device; says so where they should be and are not. */
static int renders(const struct cell *c) {
    const int made = c->method->n_stages && c->stages[0].builder.renders;
    if (!made && c->method->n_stages && !strcmp(c->settings.machine.views, "device"))
        log_message(LOG_WARN, "%s: its views are made on the processor: %s", c->run.run_id,
                    views_of_its_own(c->method, settings_method(&c->settings, c->method)));
    return made;
}

/* What networks run on, and whether what is there already ran elsewhere. */
static void describe_device(struct cell *c, int goes_on) {
    const struct device *d = c->context->device;
    const char *now = d ? arena_printf(&c->run.arena, "%s, %s%s", d->description,
                                       c->settings.machine.math, renders(c) ? ", views" : "")
                        : "cpu";
    if (goes_on && c->run.env_device && strcmp(c->run.env_device, now) != 0)
        log_message(LOG_WARN, "%s was begun on %s and goes on on %s", c->run.run_id,
                    c->run.env_device, now);
    c->run.env_device = now;
}

static void describe(struct cell *c) {
    struct run *r = &c->run;
    snprintf(r->method, sizeof r->method, "%s", c->method->name);
    if (c->backbone.kind == BACKBONE_VIT)
        snprintf(r->backbone, sizeof r->backbone, "%s/%d", c->backbone.name, c->backbone.vit.patch);
    else
        snprintf(r->backbone, sizeof r->backbone, "%s", c->backbone.name);
    snprintf(r->dataset, sizeof r->dataset, "%s", c->data->name);
    snprintf(r->config_sha256, sizeof r->config_sha256, "%s", c->hash);
    r->seed = (int64_t)c->seed;
    r->config = settings_keep_protocols(
        &c->settings, settings_run_text(&c->settings, c->method, &c->arena), r->config, &r->arena);
    r->suite = arena_strdup(&r->arena, c->settings.judging.name);
    r->versions = arena_strdup(&r->arena, c->versions);
    r->settings_sha256 = arena_strdup(&r->arena, c->settings_hash);
    r->budget = c->method->trains ? budget_text(&c->budget, &r->arena) : "none";
    r->parameters = (long)model_parameters(&c->model);
    r->objectives = arena_strdup(&r->arena, "");
    int last = c->method->n_stages - 1;
    for (int i = 0; last >= 0 && i < c->stages[last].builder.n_objectives; i++)
        r->objectives = arena_printf(&r->arena, "%s%s%s", r->objectives, i ? " " : "",
                                     c->stages[last].builder.objectives[i].name);
    cell_describe_data(c, c->data);
    char *argv = arena_strdup(&c->arena, "");
    for (int i = 0; i < c->context->argc; i++)
        argv = arena_printf(&c->arena, "%s%s\n", argv, c->context->argv[i]);
    r->argv = arena_strdup(&r->arena, argv);
}

static int open_folder(struct cell *c, struct error *err) {
    cell_name(c);
    int goes_on = 0;
    const char *h5 = arena_printf(&c->arena, "%s/run.h5", c->folder);
    int status = 0;
    if (!file_exists(h5))
        TRY(look_for_stale(c, err));
    TRY(claim_folder(c, err));
    if (file_exists(h5)) {
        TRY(run_read(&c->run, h5, err));
        compare_code(c);
        goes_on = 1;
    } else {
        run_init(&c->run);
        snprintf(c->run.run_id, sizeof c->run.run_id, "%s", c->id);
    }
    describe(c);
    describe_device(c, goes_on);
    TRY(journal_open(&c->journal, arena_printf(&c->arena, "%s/journal.jsonl", c->folder), err));
out:
    return status;
}

/* A rank that has no folder. */
static int open_without(struct cell *c) {
    cell_name(c);
    run_init(&c->run);
    snprintf(c->run.run_id, sizeof c->run.run_id, "%s", c->id);
    return 0;
}

int cell_open(struct cell *c, const struct settings *suite, const struct method *method,
              const struct dataset *data, uint64_t seed, const struct context *context,
              struct error *err) {
    int status = cell_build(c, suite, method, data, seed, context, 0, err);
    if (status)
        return status;
    status = communicator_rank(context->ranks) ? open_without(c) : open_folder(c, err);
    if (status)
        cell_close(c);
    return status;
}

/* ---- a pair without meaning ---- */

int cell_build_skipped(struct cell *c, const struct settings *suite, const struct method *method,
                       const struct dataset *data, uint64_t seed, const struct context *context,
                       struct error *err) {
    const char *unused;
    *c = (struct cell){.context = context,
                       .data = data,
                       .judged = data,
                       .method = method,
                       .seed = seed,
                       .lock = -1};
    c->journal.fd = -1;
    int status = cell_resolve(c, suite, &unused, err);
    if (status)
        cell_close(c);
    return status;
}

int cell_open_skipped(struct cell *c, const struct settings *suite, const struct method *method,
                      const struct dataset *data, uint64_t seed, const struct context *context,
                      const char *why, struct error *err) {
    int status = cell_build_skipped(c, suite, method, data, seed, context, err);
    if (status)
        return status;
    status = open_folder(c, err);
    if (status)
        cell_close(c);
    else
        log_message(LOG_WARN, "%s skipped: %s", c->run.run_id, why);
    return status;
}

void cell_name_row(struct cell *c, int protocol, const struct dataset *data, struct eval *e) {
    snprintf(e->protocol, sizeof e->protocol, "%s", protocols[protocol]->name);
    snprintf(e->dataset, sizeof e->dataset, "%s", data->name);
    cell_protocol_version(&c->settings, protocol, e->protocol_version);
    cell_describe_data(c, data);
}

static void add_row(struct cell *c, int protocol, const struct dataset *data, enum outcome outcome,
                    const char *why) {
    struct eval e = {.outcome = outcome};
    cell_name_row(c, protocol, data, &e);
    snprintf(e.reason, sizeof e.reason, "%.*s", (int)sizeof e.reason - 1, why);
    run_add_eval(&c->run, &e);
}

void cell_skip(struct cell *c, int protocol, const struct dataset *data, const char *why) {
    add_row(c, protocol, data, OUTCOME_SKIPPED, why);
}

void cell_fail(struct cell *c, int protocol, const struct dataset *data, const char *why) {
    add_row(c, protocol, data, OUTCOME_FAILED, why);
}
