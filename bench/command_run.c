/* command_run.c -- run, pretrain and eval. */
#include "bench/command.h"

#include "bench/peak.h"
#include "core/file.h"
#include "core/log.h"
#include "protocols/opened.h"
#include "reports/report.h"

#include <stdio.h>
#include <string.h>

static const struct option_def run_flags[] = {
    OPTION_BOOL(struct run_flags, dry_run, 0,
                "print the cells, what they need and how long they take, and run nothing"),
    OPTION_END};

/* The suite that the argument names. */
static int load(struct invocation *call, struct error *err) {
    if (call->argc > 2)
        return error_set(err, STATUS_USAGE, "%s takes one suite, and \"%s\" is a second",
                         call->command, call->argv[2]);
    return call->argc < 2 ? 0 : suite_load(call->settings, call->argv[1], err);
}

static int run_or_say(const struct invocation *call, const struct context *context, unsigned stages,
                      struct error *err) {
    const double seconds = 0.2;
    if (!call->own.run.dry_run)
        return suite_run(call->settings, context, stages, err);
    if (communicator_rank(call->ranks))
        return 0;
    return suite_dry_run(call->settings, context, stages, peak_flops(context->threads, seconds),
                         stdout, err);
}

/* What computes: alone, on a device, as one of several ranks. */
typedef int work(const struct invocation *call, const struct context *context, unsigned stages,
                 struct error *err);

static int compute(struct invocation *call, work *does, unsigned stages, struct error *err) {
    struct context context = {.threads = 1};
    int status = suite_check_flags(call->settings, stages, err);
    if (!status)
        status = invocation_context(call, &context, err);
    status = communicator_agree(call->ranks, WAIT_LIMITED, status, err);
    if (!status && context.kernels)
        status = invocation_join(call, &context, err);
    if (!status)
        status = does(call, &context, stages, err);
    if (context.device)
        context.device->leave(context.device);
    return status;
}

/* The table of what was just run; the figures are `ssvbench report`. */
static int print_table(const char *folder, struct error *err) {
    struct arena a = {0};
    struct run **runs;
    int n, bad;
    int status = runs_scan(&folder, 1, &a, &runs, &n, &bad, err);
    if (!status)
        status = report_table(runs, n, stdout, err);
    for (int i = 0; !status && i < n; i++)
        run_free(runs[i]);
    arena_free(&a);
    return status;
}

static int run(struct invocation *call, struct error *err) {
    int status = compute(call, run_or_say, SUITE_PRETRAIN | SUITE_EVALUATE, err);
    if ((status && status != STATUS_FINDING) || call->own.run.dry_run ||
        communicator_rank(call->ranks))
        return status;
    struct error printing;
    const char *out = call->settings->machine.out;
    int printed = print_table(out, status ? &printing : err);
    if (!printed)
        log_message(LOG_INFO, "figures: ssvbench report %s", out);
    return status ? status : printed;
}

static int pretrain(struct invocation *call, struct error *err) {
    return compute(call, run_or_say, SUITE_PRETRAIN, err);
}

static const struct option_def eval_flags[] = {
    OPTION_TEXT(struct eval_flags, weights, "", NULL,
                "safetensors file of an encoder to be evaluated, in place of a run's"),
    OPTION_TEXT(struct eval_flags, as, "", NULL,
                "family of the weights (docs/weights.md); nothing: recognised"),
    OPTION_END};

/* `eval linear,knn --weights FILE` is a suite of one cell. */
static int eval_weights(struct invocation *call, struct error *err) {
    struct settings *s = call->settings;
    struct arena a = {0};
    const char *protocols_named = "";
    int status = 0;
    for (int i = 1; i < call->argc; i++)
        protocols_named =
            arena_printf(&a, "%s%s%s", protocols_named, i > 1 ? "," : "", call->argv[i]);
    TRY(settings_take_weights(s, call->own.eval.weights, call->own.eval.as, err));
    if (*protocols_named)
        TRY(options_assign(&s->options, "protocols", protocols_named, FROM_FLAG, err));
    TRY(suite_check_protocols(s->judging.protocols, err));
    call->own.run.dry_run = 0; /* where the flags of eval were */
    status = run(call, err);
out:
    arena_free(&a);
    return status;
}

static int evaluate_folders(const struct invocation *call, const struct context *context,
                            unsigned stages, struct error *err) {
    (void)stages;
    int status = 0;
    for (int i = 1; i < call->argc; i++)
        TRY(suite_evaluate_folder(call->settings, call->argv[i], context, err));
out:
    return status;
}

/* A run keeps what it was made with, and where. */
static int refuse_stored(const struct invocation *call, struct error *err) {
    static const char *const others[] = {"out", "name", "sweep"};
    struct arena a = {0};
    const struct settings *s = call->settings;
    const char *name = settings_flag_of_run(s, 0, "", &a);
    for (size_t i = 0; i < sizeof others / sizeof *others && !name; i++)
        if (options_origin(&s->options, others[i]) == FROM_FLAG)
            name = others[i];
    int status = !name
                     ? 0
                     : error_set(err, STATUS_USAGE,
                                 "--%s is stored with a run, and eval changes nothing of it: leave "
                                 "it out%s",
                                 name, strcmp(name, "data") ? "" : "; other data: --eval_data");
    arena_free(&a);
    return status;
}

static int eval(struct invocation *call, struct error *err) {
    if (*call->own.eval.weights)
        return eval_weights(call, err);
    if (call->argc <= 1)
        return error_set(err, STATUS_USAGE,
                         "eval needs the folder of at least one run, such as "
                         "out/mae-vit-micro-shapes-s0-1234abcd");
    struct error ignored;
    if (!file_exists(call->argv[1]) && !suite_check_protocols(call->argv[1], &ignored))
        return error_set(err, STATUS_USAGE,
                         "\"%s\": of runs protocols are named by a flag, eval --protocols %s "
                         "RUN-FOLDER...; of published weights with --weights FILE",
                         call->argv[1], call->argv[1]);
    if (*call->own.eval.as)
        return error_set(err, STATUS_USAGE,
                         "--as names the family of published weights: with --weights FILE alone");
    int status = refuse_stored(call, err);
    return status ? status : compute(call, evaluate_folders, SUITE_EVALUATE, err);
}

const struct command command_run = {
    .name = "run",
    .arguments = "[SUITE] [flags]",
    .help = "pretrain and evaluate a suite, or what the flags name; without either, the demo",
    .run = run,
    .flags = run_flags,
    .goes_on = 1,
    .joins = 1,
    .load = load};
const struct command command_pretrain = {.name = "pretrain",
                                         .arguments = "[SUITE] [flags]",
                                         .help = "pretrain only",
                                         .run = pretrain,
                                         .flags = run_flags,
                                         .goes_on = 1,
                                         .joins = 1,
                                         .load = load};
const struct command command_eval = {
    .name = "eval",
    .arguments = "[flags] RUN-FOLDER... | PROTOCOL... --weights FILE",
    .help = "evaluate finished runs again, with other protocols or options; or published weights",
    .run = eval,
    .flags = eval_flags,
    .goes_on = 1,
    .joins = 1,
    .machine = "out device math threads loader_threads rank_seconds cache_mib audit samples quiet"};
