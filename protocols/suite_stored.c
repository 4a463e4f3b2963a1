/* suite_stored.c -- a stored run as a suite of one cell: evaluated again, or all of it run again.
 */
#include "core/file.h"
#include "protocols/suite.h"
#include "results/compare.h"

#include <libgen.h>
#include <math.h>
#include <string.h>

struct stored {
    struct arena arena;
    struct run run;
    struct settings settings;
    struct context context; /* with machine */
    struct machine machine;
    struct suite suite;
    int has_settings, has_suite;
};

static void close_stored(struct stored *t) {
    if (t->has_suite)
        suite_close(&t->suite);
    if (t->has_settings)
        settings_free(&t->settings);
    run_free(&t->run);
    arena_free(&t->arena);
}

static void share_text(struct communicator *ranks, struct arena *a, const char **text) {
    size_t bytes = *text ? strlen(*text) + 1 : 0;
    communicator_broadcast(ranks, WAIT_LIMITED, &bytes, sizeof bytes);
    char *copy = arena_alloc(a, bytes + 1);
    if (*text && bytes)
        memcpy(copy, *text, bytes);
    communicator_broadcast(ranks, WAIT_LIMITED, copy, bytes);
    *text = bytes ? copy : NULL;
}

/* Of several ranks the first one reads it, and the others get what leads to the same cell. */
static int read_run(struct stored *t, const char *folder, struct communicator *ranks,
                    struct error *err) {
    const char *path = arena_printf(&t->arena, "%s/run.h5", folder);
    int status = 0;
    if (!communicator_rank(ranks))
        status = file_exists(path)
                     ? run_read(&t->run, path, err)
                     : error_set(err, STATUS_USAGE,
                                 "%s holds no run.h5: name the folder of one run, such as "
                                 "out/mae-vit-micro-shapes-s0-1234abcd",
                                 folder);
    if (!status && !communicator_rank(ranks) && !t->run.config)
        status = error_set(err, STATUS_USAGE, "%s holds no configuration", path);
    TRY(communicator_agree(ranks, WAIT_LONG, status, err));
    if (!ranks)
        return 0;
    share_text(ranks, &t->arena, &t->run.config);
    share_text(ranks, &t->arena, &t->run.versions);
    communicator_broadcast(ranks, WAIT_LIMITED, t->run.config_sha256, sizeof t->run.config_sha256);
    communicator_broadcast(ranks, WAIT_LIMITED, &t->run.seed, sizeof t->run.seed);
out:
    return status;
}

/* The run and the settings that it was made with, those of protocols too when they are wanted; the
 * machine is this one, results go to `out`. */
static int open_stored(struct stored *t, const char *folder, const char *out, int protocols_too,
                       const struct settings *s, const struct context *context, struct error *err) {
    int status = read_run(t, folder, context->ranks, err);
    if (status)
        return status;
    settings_init(&t->settings);
    t->has_settings = 1;
    const char *config =
        protocols_too ? t->run.config : settings_without_protocols(t->run.config, &t->arena);
    status = options_load_text(&t->settings.options, config, folder, err);
    t->settings.plan.seeds = suite_seed_text((uint64_t)t->run.seed, &t->arena);
    t->machine = s->machine;
    t->machine.out = out;
    t->context = *context;
    t->context.machine = &t->machine;
    t->context.stored = 1;
    return status;
}

/* When everything is as it shall be in the settings. */
static int open_suite(struct stored *t, const char *folder, struct error *err) {
    int status = suite_open(&t->suite, &t->settings, &t->context, err);
    if (status)
        return status;
    t->has_suite = 1;
    if (suite_cells(&t->suite) != 1)
        return error_set(err, STATUS_USAGE, "%s: its configuration is not that of one run", folder);
    return 0;
}

/* A folder that its own settings do not lead to would be pretrained again under another name. */
static int check_id(const struct stored *t, const char *folder, struct error *err) {
    const struct suite_cell one = suite_cell(&t->suite, 0);
    struct cell c;
    int status = cell_build(&c, one.settings, one.method, one.data, one.seed, &t->context, 0, err);
    if (status)
        return status;
    cell_name(&c);
    if (strcmp(c.hash, t->run.config_sha256))
        status =
            error_set(err, STATUS_USAGE,
                      "%s is stale: it was made from other data or by other code (%s; now "
                      "%s), so its encoder cannot be evaluated with these",
                      folder, t->run.versions ? t->run.versions : "an earlier version", c.versions);
    cell_close(&c);
    return status;
}

int suite_evaluate_folder(const struct settings *s, const char *folder,
                          const struct context *context, struct error *err) {
    struct stored t = {.has_suite = 0};
    int status = 0;
    const char *out = dirname(arena_strdup(&t.arena, folder));
    TRY(open_stored(&t, folder, out, 0, s, context, err));
    const char *name = t.settings.judging.name;
    t.settings.judging = s->judging;
    t.settings.judging.name = name;
    memcpy(t.settings.protocol, s->protocol, sizeof t.settings.protocol);
    status = open_suite(&t, folder, err);
    if (!status)
        status = check_id(&t, folder, err);
    TRY(communicator_agree(context->ranks, WAIT_LONG, status, err));
    status = suite_run_opened(&t.suite, &t.context, SUITE_EVALUATE, err);
out:
    close_stored(&t);
    return status;
}

/* What evaluated the run, by name, and on what: each once. */
static const char *protocols_of(const struct run *r, struct arena *a) {
    const char *list = "";
    for (int i = 0; i < r->n_evals; i++) {
        int before = 0;
        for (int k = 0; k < i; k++)
            before |= !strcmp(r->evals[k].protocol, r->evals[i].protocol);
        if (!before)
            list = arena_printf(a, "%s%s%s", list, *list ? "," : "", r->evals[i].protocol);
    }
    return list;
}

/* As the option eval_data has it: "" when that is the data of pretraining alone. */
static const char *eval_data_of(const struct run *r, struct arena *a) {
    const char *list = "";
    int others = 0;
    for (int d = 0; d < r->n_data; d++) {
        int judged = 0;
        for (int i = 0; i < r->n_evals; i++)
            judged |= !strcmp(r->evals[i].dataset, r->data[d].name);
        if (!judged || !r->data[d].spec)
            continue;
        others |= strcmp(r->data[d].name, r->dataset);
        list = arena_printf(a, "%s%s%s", list, *list ? " " : "", r->data[d].spec);
    }
    return others ? list : "";
}

/* A suite judges by every protocol on every dataset; rows that the first run does not have are no
 * difference. */
static void forget_others(struct run *again, const struct run *first) {
    int n = 0;
    for (int i = 0; i < again->n_evals; i++) {
        const struct eval e = again->evals[i];
        if (run_find_eval(first, e.protocol, e.dataset))
            again->evals[n++] = e;
    }
    again->n_evals = n;
}

static int compare(const struct stored *t, const char *folder, const char *again, FILE *out,
                   struct error *err) {
    struct run second = {0};
    struct arena a = {0};
    struct comparison c = {.arena = &a};
    int status = 0;
    TRY(run_read(&second, arena_printf(&a, "%s/run.h5", again), err));
    forget_others(&second, &t->run);
    compare_numbers(&c, &t->run, &second);
    compare_print(&c, out);
    if (c.n)
        status =
            error_set(err, STATUS_FINDING, "%s and %s differ in %d numbers%s", folder, again, c.n,
                      compare_environment(&t->run, &second)
                          ? "; they were made by other code or on another machine"
                          : "");
    else
        fprintf(out, "%s: the same bits\n", t->run.run_id);
out:
    run_free(&second);
    arena_free(&a);
    return status;
}

int suite_rerun(const struct settings *s, const char *folder, const char *into,
                const struct context *context, FILE *out, struct error *err) {
    struct stored t = {.has_suite = 0};
    int status = 0;
    TRY(open_stored(&t, folder, into, 1, s, context, err));
    t.settings.judging.protocols = protocols_of(&t.run, &t.arena);
    t.settings.judging.eval_data = eval_data_of(&t.run, &t.arena);
    t.context.steps = lround(t.run.achieved_images / t.settings.plan.batch);
    TRY(open_suite(&t, folder, err));
    const struct suite_cell one = suite_cell(&t.suite, 0);
    struct cell c;
    TRY(cell_build(&c, one.settings, one.method, one.data, one.seed, &t.context, 0, err));
    cell_name(&c);
    const char *again = arena_strdup(&t.arena, c.folder);
    cell_close(&c);
    if (file_exists(arena_printf(&t.arena, "%s/run.h5", again))) {
        status =
            error_set(err, STATUS_USAGE,
                      "%s is there already: remove it, or name another folder with --into", again);
        goto out;
    }
    status = suite_run_opened(&t.suite, &t.context, SUITE_PRETRAIN | SUITE_EVALUATE, err);
    if (!status || status == STATUS_FINDING)
        status = compare(&t, folder, again, out, err);
out:
    close_stored(&t);
    return status;
}
