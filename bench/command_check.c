/* command_check.c -- rerun, verify and diff: whether results can be relied on. */
#include "bench/command.h"

#include "core/file.h"
#include "core/log.h"
#include "results/compare.h"

#include <stdio.h>
#include <string.h>

/* ---- rerun ---- */

static const struct option_def rerun_flags[] = {
    OPTION_TEXT(struct rerun_flags, into, "", NULL, "folder for the second run; empty: OUT-rerun"),
    OPTION_END};

/* The argument is a run's folder or its name in --out. */
static int rerun(struct invocation *call, struct error *err) {
    struct arena a = {0};
    struct context context;
    const char *out = call->settings->machine.out;
    int status = 0;
    if (call->argc != 2) {
        status =
            error_set(err, STATUS_USAGE,
                      "rerun needs one run, such as mae-vit-micro-shapes-s0-1234abcd in %s", out);
        goto out;
    }
    const char *folder = call->argv[1], *below = arena_printf(&a, "%s/%s", out, folder);
    if (!file_exists(arena_printf(&a, "%s/run.h5", folder)) && file_exists(below))
        folder = below;
    const char *into = call->own.rerun.into;
    TRY(invocation_context(call, &context, err));
    status = suite_rerun(call->settings, folder, *into ? into : arena_printf(&a, "%s-rerun", out),
                         &context, stdout, err);
out:
    arena_free(&a);
    return status;
}

/* ---- verify ---- */

static int verify(struct invocation *call, struct error *err) {
    const char *const by_default[] = {call->settings->machine.out};
    const char *const *folders = call->argc > 1 ? (const char *const *)call->argv + 1 : by_default;
    int n_folders = call->argc > 1 ? call->argc - 1 : 1, findings = 0, status = 0;
    struct context context;
    TRY(invocation_context(call, &context, err));
    for (int i = 0; i < n_folders; i++) {
        int n;
        TRY(suite_verify(folders[i], &context, stdout, &n, err));
        findings += n;
    }
    if (findings)
        status = error_set(err, STATUS_FINDING, "%d finding%s, see above", findings,
                           findings > 1 ? "s" : "");
out:
    return status;
}

/* ---- diff ---- */

/* "mae-vit-micro-shapes-s0" of "mae-vit-micro-shapes-s0-1234abcd" */
static int same_stem(const struct run *a, const struct run *b) {
    const char *end = strrchr(a->run_id, '-'), *other = strrchr(b->run_id, '-');
    return end && other && end - a->run_id == other - b->run_id &&
           !strncmp(a->run_id, b->run_id, (size_t)(end - a->run_id));
}

/* The run of the right side that belongs to this one: the same, else the same but for settings. */
static int partner(const struct run *run, struct run *const *right, int n, const char *taken) {
    for (int i = 0; i < n; i++)
        if (!taken[i] && !strcmp(run->run_id, right[i]->run_id))
            return i;
    for (int i = 0; i < n; i++)
        if (!taken[i] && same_stem(run, right[i]))
            return i;
    return -1;
}

/* Prints the pair and in what it differs; 0 when it does not. */
static int print_pair(const struct run *left, const struct run *right) {
    struct arena a = {0};
    struct comparison c = {.arena = &a};
    compare_settings(&c, left, right);
    compare_metrics(&c, left, right);
    if (c.n) {
        printf("%s | %s\n", left->run_id, right->run_id);
        compare_print(&c, stdout);
    }
    arena_free(&a);
    return c.n;
}

struct side {
    struct run **run;
    int n;
};

static int compare_sides(const struct side *left, const struct side *right, struct arena *a) {
    char *taken = arena_alloc(a, (size_t)right->n + 1);
    int differing = 0;
    if (left->n == 1 && right->n == 1)
        return print_pair(left->run[0], right->run[0]) != 0;
    for (int i = 0; i < left->n; i++) {
        int p = partner(left->run[i], right->run, right->n, taken);
        if (p >= 0)
            taken[p] = 1;
        else
            printf("only in the first: %s\n", left->run[i]->run_id);
        differing += p < 0 || print_pair(left->run[i], right->run[p]);
    }
    for (int i = 0; i < right->n; i++)
        if (!taken[i]) {
            printf("only in the second: %s\n", right->run[i]->run_id);
            differing++;
        }
    return differing;
}

static int diff(struct invocation *call, struct error *err) {
    struct arena a = {0};
    struct side side[2] = {{NULL, 0}, {NULL, 0}};
    int status = 0, n_bad = 0;
    if (call->argc != 3) {
        status = error_set(err, STATUS_USAGE, "diff needs two folders, of runs or of many runs");
        goto out;
    }
    for (int i = 0; i < 2; i++) {
        const char *folder = call->argv[1 + i];
        int bad;
        TRY(runs_scan(&folder, 1, &a, &side[i].run, &side[i].n, &bad, err));
        n_bad += bad;
        if (!side[i].n && !bad) {
            status = error_set(err, STATUS_USAGE, "no run.h5 below %s", folder);
            goto out;
        }
    }
    const int differ = compare_sides(&side[0], &side[1], &a);
    TRY(stream_written(stdout, "the differences", err));
    if (differ)
        status = error_set(err, STATUS_FINDING, "%s and %s differ", call->argv[1], call->argv[2]);
    else if (n_bad)
        status = error_set(err, STATUS_FINDING, "%d files could not be read, see above", n_bad);
    else
        printf("no difference\n");
out:
    for (int i = 0; i < 2; i++)
        for (int r = 0; r < side[i].n; r++)
            run_free(side[i].run[r]);
    arena_free(&a);
    return status;
}

const struct command command_rerun = {
    .name = "rerun",
    .arguments = "RUN [--into FOLDER]",
    .help = "run a stored run again and compare every number, bit by bit",
    .run = rerun,
    .reads_runs = 1,
    .flags = rerun_flags,
    .machine = "out device math threads loader_threads views recompute recompute_norms "
               "checkpoint_seconds cache_mib audit samples profile quiet"};
const struct command command_verify = {
    .name = "verify",
    .arguments = "[OUT...]",
    .help = "whether the results of a suite are complete and unharmed",
    .run = verify,
    .reads_runs = 1,
    .machine = "out quiet"};
const struct command command_diff = {.name = "diff",
                                     .arguments = "A B",
                                     .help =
                                         "options and metrics in which two runs, or the runs of "
                                         "two folders, differ",
                                     .run = diff,
                                     .reads_runs = 1,
                                     .machine = "quiet"};
