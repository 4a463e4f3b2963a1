/* command_kernels.c -- kernels: the flags, and what is done with kernels. */
#include "bench/arguments.h"
#include "bench/kernels.h"
#include "bench/quiet.h"
#include "results/kernel_times.h"
#include "results/speed_verdict.h"

#include <string.h>

enum { MOST_PAIRS = SPEED_PAIRS / 2 };

static const struct option_def kernels_options[] = {
    OPTION_TEXT(struct kernels_flags, filter, "", NULL,
                "extended regular expression on name and shape"),
    OPTION_TEXT(struct kernels_flags, backend, "", NULL,
                "names with commas, as in `ssvbench list kernels`; cpu or nothing: the one that "
                "runs by default; or a device: cuda, cuda:N"),
    OPTION_TEXT(struct kernels_flags, math, "fp32", NULL, "of a device, as for `run`"),
    OPTION_TEXT(
        struct kernels_flags, shapes, "quick", NULL,
        "quick, vit, resnet, all, tests, published, or step:RE and published:RE for what these "
        "steps call"),
    OPTION_BOOL(struct kernels_flags, json, 0, "one JSON object a line, with all samples"),
    OPTION_BOOL(struct kernels_flags, time_only, 0,
                "neither check nor cold calls nor roof: for comparisons"),
    OPTION_TEXT(
        struct kernels_flags, against, "", NULL,
        "another build, a program or a git revision: launch both in turns, say what is slower"),
    OPTION_TEXT(struct kernels_flags, out, "", NULL,
                "write all samples: FILE.h5, or a folder that keeps one file for each call"),
    OPTION_INT(struct kernels_flags, launches, 0, 0, KERNEL_LAUNCHES,
               "with --out: processes that time them once more, for a later --against FILE.h5"),
    OPTION_BOOL(struct kernels_flags, self_test, 0,
                "is --against to be trusted here: this program against itself, and made slower"),
    OPTION_REAL(struct kernels_flags, planted, 5, 0, 1000, "percent that --self_test makes slower"),
    OPTION_REAL(struct kernels_flags, slowed, 0, 0, 1000,
                "percent of time to waste in every sample: a regression to try things on"),
    OPTION_INT(struct kernels_flags, pairs, 10, 5, MOST_PAIRS,
               "of launches; as many again for what is undecided"),
    OPTION_INT(struct kernels_flags, threads, 1, 1, 4096,
               "of kernels that use them; in a step each runs on one"),
    OPTION_INT(struct kernels_flags, pin, -1, -1, 4095, "processor to stay on; -1: any"),
    OPTION_INT(struct kernels_flags, seed, 0, 0, 1 << 30, "of the inputs"),
    OPTION_REAL(struct kernels_flags, seconds, 0.05, 0.001, 60, "to time each for"),
    OPTION_END};

static const struct {
    const char *name;
    int csv;
} words[] = {{"report", 0}, {"csv", 1}};
enum { WORDS = sizeof words / sizeof *words };

/* A flag for something that is not asked for. */
static int refuse_idle(const struct invocation *call, struct error *err) {
    const struct kernels_flags *o = &call->own.kernels;
    const struct {
        const char *flag, *of;
        int asked;
    } needs[] = {{"planted", "--self_test", o->self_test},
                 {"pairs", "--against or --self_test", o->self_test || *o->against},
                 {"launches", "--out", *o->out != 0}};
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (!needs[i].asked && options_origin(&call->alone, needs[i].flag) == FROM_FLAG)
            return error_set(err, STATUS_USAGE, "--%s is for %s", needs[i].flag, needs[i].of);
    return 0;
}

static int run(struct invocation *call, struct error *err) {
    const struct kernels_flags *o = &call->own.kernels;
    int status = 0;
    for (int i = 0; i < WORDS && call->argc > 1; i++)
        if (!strcmp(call->argv[1], words[i].name)) {
            status = arguments_no_flags(call, kernels_options, "", words[i].name, err);
            return status ? status : kernels_report(call, words[i].csv, err);
        }
    if ((status = invocation_no_arguments(call, err)) || (status = refuse_idle(call, err)))
        return status;
    if (o->self_test && *o->against)
        return error_set(err, STATUS_USAGE, "--self_test or --against, not both");
    if (*o->out && (o->self_test || *o->against || o->time_only))
        return error_set(
            err, STATUS_USAGE,
            "--out keeps what is measured without --against, --self_test, --time_only");
    if (o->launches && strcmp(o->math, "fp32"))
        return error_set(err, STATUS_USAGE,
                         "--launches: a file does not keep --math; --against a program does");
    if (o->pin >= 0 && o->threads > 1)
        return error_set(err, STATUS_USAGE, "--pin is one processor, and --threads are %d",
                         o->threads);
    if (o->pin >= 0 && (status = quiet_pin(o->pin, err)))
        return status;
    if (!o->time_only) /* what launches does so once for all */
        quiet_check();
    return o->self_test  ? kernels_self_test(call, err)
           : *o->against ? kernels_against(call, err)
           : *o->out     ? kernels_keep(call, err)
                         : kernels_walk(call, NULL, err);
}

const struct command command_kernels = {
    .name = "kernels",
    .arguments = "[--against PROGRAM|REVISION|FILE.h5] | report PATH... | csv PATH...",
    .help =
        "Check each kernel against the plain one and time it, with warm and cold caches; with\n"
        "--against find what is slower than in another build: exit code 5; report and csv: what\n"
        "--out kept, as a table of changes with roofline and history, or a line a kernel",
    .run = run,
    .flags = kernels_options,
    .flags_alone = 1};
