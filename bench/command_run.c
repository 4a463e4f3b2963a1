/* command_run.c -- run, pretrain and eval. */
#include "bench/command.h"

#include "bench/peak.h"
#include "core/log.h"
#include "core/sha256.h"
#include "kernels/join.h"
#include "kernels/plugin.h"
#include "protocols/opened.h"
#include "reports/report.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

/* Of ranks 0..end-1 those on this one's machine. */
static int ranks_here(const struct communicator *c, int end) {
    int here = 0;
    for (int p = 0; c && p < end; p++)
        here += !strcmp(c->host[p], c->host[c->rank]);
    return here;
}

/* A launcher that does not bind its processes to processors lets each of a machine see all. */
static int fair_share(const struct communicator *c, int n) {
    int here = ranks_here(c, communicator_size(c));
    return here > 1 && n >= sysconf(_SC_NPROCESSORS_ONLN) ? (n > here ? n / here : 1) : n;
}

/* What has to be the same on all ranks for their bits to be. */
static int compare_ranks(const struct invocation *call, const struct context *context,
                         struct error *err) {
    struct arena a = {0};
    struct run now;
    char hash[65];
    run_init(&now);
    const char *text =
        arena_printf(&a, "%s\n%s\n%s\n%s %s %s %s\n%s", SSV_VERSION, now.code_commit,
                     context->kernels->name, context->device ? context->device->description : "cpu",
                     context->device ? context->device->note : "", call->settings->machine.math,
                     call->settings->machine.views, settings_suite_text(call->settings, &a));
    sha256_hex(text, strlen(text), hash);
    int status = communicator_compare(
        call->ranks, hash, sizeof hash,
        "has other settings, another version of the program, another device or other instructions "
        "than rank 0 (`ssvbench env` on both; SSVBENCH_ISA sets the instructions)",
        err);
    run_free(&now);
    arena_free(&a);
    return status;
}

int invocation_context(const struct invocation *call, struct context *context, struct error *err) {
    enum { PROCESSORS_PER_LOADER = 4, LOADERS_MOST = 16 };
    const struct machine *m = &call->settings->machine;
    int n = m->threads ? m->threads : fair_share(call->ranks, processors());
    int loaders = 1 + n / PROCESSORS_PER_LOADER;
    const struct kernels *k = kernels_cpu();
    if (!k)
        return error_set(
            err, STATUS_USAGE,
            "SSVBENCH_ISA names an instruction set that this processor or build does not "
            "have: leave it unset, or see `ssvbench env`");
    struct device *device;
    int fell_back, turn = ranks_here(call->ranks, communicator_rank(call->ranks));
    int status = device_open(&device, m->device, m->math, turn, &fell_back, err);
    if (status)
        return status;
    const int device_views = !strcmp(m->views, "device");
    if (fell_back)
        log_message(LOG_WARN, "%s; networks run on the processor%s", err->message,
                    device_views ? ", and views are made there" : "");
    else if (device_views && !device)
        return error_set(err, STATUS_USAGE,
                         "--views device: networks run on the processor, and views are made there: "
                         "choose a --device, or leave out --views");
    if (device && *device->note)
        log_message(LOG_WARN, "%s: %s", device->name, device->note);
    *context = (struct context){.kernels = k,
                                .device = device,
                                .threads = n,
                                .loader_threads = m->loader_threads        ? m->loader_threads
                                                  : loaders > LOADERS_MOST ? LOADERS_MOST
                                                                           : loaders,
                                .stop = call->stop,
                                .ranks = call->ranks,
                                .machine = m,
                                .argc = call->full_argc,
                                .argv = call->full_argv};
    return 0;
}

int invocation_no_arguments(const struct invocation *call, struct error *err) {
    if (call->argc <= 1)
        return 0;
    return error_set(err, STATUS_USAGE, "%s takes no argument \"%s\": see `ssvbench help %s`",
                     call->command, call->argv[1], call->command);
}

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

static int join_ranks(const struct invocation *call, const struct context *context,
                      struct error *err) {
    struct communicator *c = call->ranks;
    c->seconds = call->settings->machine.rank_seconds;
    log_message(LOG_INFO, "%d ranks on %s, %d compute threads each", c->size, c->engine,
                context->threads);
    int status = compare_ranks(call, context, err);
    if (status || !context->device)
        return status;
    struct error why;
    if (devices_join(context->device, c, &why))
        log_message(LOG_WARN, "%s: what ranks send goes through the processor's memory",
                    why.message);
    else
        log_message(LOG_INFO, "devices of %d ranks send to each other by NCCL", c->size);
    return 0;
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

static int suite(struct invocation *call, unsigned stages, struct error *err) {
    struct context context = {.threads = 1};
    int status =
        communicator_agree(call->ranks, WAIT_LIMITED, invocation_context(call, &context, err), err);
    if (!status && context.kernels && call->ranks)
        status = join_ranks(call, &context, err);
    if (!status)
        status = run_or_say(call, &context, stages, err);
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
    int status = suite(call, SUITE_PRETRAIN | SUITE_EVALUATE, err);
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
    return suite(call, SUITE_PRETRAIN, err);
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

static int eval(struct invocation *call, struct error *err) {
    struct context context;
    int status = 0;
    if (*call->own.eval.weights)
        return eval_weights(call, err);
    if (call->argc <= 1)
        return error_set(err, STATUS_USAGE,
                         "eval needs the folder of at least one run, such as "
                         "out/mae-vit-micro-shapes-s0-1234abcd");
    TRY(invocation_context(call, &context, err));
    for (int i = 1; i < call->argc; i++)
        TRY(suite_evaluate_folder(call->settings, call->argv[i], &context, err));
out:
    return status;
}

const struct command command_run = {
    .name = "run",
    .arguments = "[SUITE] [flags]",
    .help = "pretrain and evaluate a suite, or what the flags name; without either, the demo",
    .run = run,
    .flags = run_flags,
    .joins = 1,
    .load = load};
const struct command command_pretrain = {.name = "pretrain",
                                         .arguments = "[SUITE] [flags]",
                                         .help = "pretrain only",
                                         .run = pretrain,
                                         .flags = run_flags,
                                         .joins = 1,
                                         .load = load};
const struct command command_eval = {
    .name = "eval",
    .arguments = "[flags] RUN-FOLDER... | PROTOCOL... --weights FILE",
    .help = "evaluate finished runs again, with other protocols or options; or published weights",
    .run = eval,
    .flags = eval_flags};
