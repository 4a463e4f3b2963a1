/* command_bench.c -- bench: the flags, and what there is to bench. */
#include "bench/arguments.h"
#include "bench/bench.h"

#include <string.h>

static const struct option_def bench_options[] = {
    OPTION_TEXT(struct bench_flags, filter, "", NULL, "extended regular expression on the names"),
    OPTION_BOOL(struct bench_flags, json, 0, "one JSON object a line"),
    OPTION_BOOL(
        struct bench_flags, published, 0,
        "of steps: networks of the published sizes instead; minutes a step without a device"),
    OPTION_INT(struct bench_flags, threads, 0, 0, 4096,
               "of steps, of the loader at most; 0: one per processor"),
    OPTION_INT(struct bench_flags, lanes, 0, 0, 1024, "of steps: as for `run`"),
    OPTION_INTS(
        struct bench_flags, batch, "0", 0, 65536,
        "of steps and of the loader, one or several: 16,64,256; 0: what names of steps say"),
    OPTION_TEXT(struct bench_flags, out, "", NULL,
                "of steps: also write the times to FILE.h5, for `bench report`"),
    OPTION_BOOL(struct bench_flags, profile, 0,
                "of steps: also a table by kind of operation, on stderr"),
    OPTION_BOOL(
        struct bench_flags, recompute, 0,
        "of steps: activations computed twice where samples meet, as `run --recompute` does"),
    OPTION_BOOL(struct bench_flags, recompute_norms, 0,
                "of steps on a device: outputs of norms computed twice, as for `run`"),
    OPTION_TEXT(struct bench_flags, device, "cpu", NULL, "of steps: cpu, cuda, cuda:N or auto"),
    OPTION_TEXT(struct bench_flags, math, "fp32", NULL, "of steps on a device, as for `run`"),
    OPTION_TEXT(struct bench_flags, views, "processor", "processor|device",
                "of steps on a device, and of what the loader does for it, as for `run`"),
    OPTION_REAL(struct bench_flags, seconds, 5, 0.1, 3600, "time for each"),
    OPTION_END};

/* The flags that mean something to each; steps: all. */
static const struct {
    const char *what, *flags;
} takes[] = {{"views", "filter json seconds"},
             {"loader", "filter json seconds threads batch views"},
             {"report", ""},
             {"csv", ""}};

static int check_flags(const struct invocation *call, const char *what, struct error *err) {
    for (size_t i = 0; i < sizeof takes / sizeof *takes; i++)
        if (!strcmp(what, takes[i].what))
            return arguments_no_flags(call, bench_options, takes[i].flags, what, err);
    return 0;
}

static int run(struct invocation *call, struct error *err) {
    const struct bench_flags *o = &call->own.bench;
    const char *what = call->argc > 1 ? call->argv[1] : "what?";
    int status = check_flags(call, what, err);
    if (status)
        return status;
    if (!strcmp(what, "steps") && call->argc == 2)
        return bench_steps(call, o, err);
    if (call->ranks)
        return error_set(err, STATUS_USAGE,
                         "%d processes were started together, and only `bench steps` is for "
                         "several",
                         call->ranks->size);
    if (!strcmp(what, "report") && call->argc > 2)
        return bench_report(call, 0, err);
    if (!strcmp(what, "csv") && call->argc > 2)
        return bench_report(call, 1, err);
    if (!strcmp(what, "views") && call->argc <= 3)
        return bench_views(call, o, call->argc == 3 ? call->argv[2] : NULL, err);
    if (!strcmp(what, "loader") && call->argc <= 3)
        return bench_loader(call, o, call->argc == 3 ? call->argv[2] : NULL, err);
    return error_set(
        err, STATUS_USAGE,
        "bench %s: there are: steps, views [DATASET], loader [DATASET], report FILE.h5..., "
        "csv FILE.h5...",
        what);
}

const struct command command_bench = {
    .name = "bench",
    .arguments = "steps|views [DATASET]|loader [DATASET]|report FILE...|csv FILE...",
    .help =
        "Time whole training steps (name, images_per_s, gflops, percent_of_peak, peak_bytes), of\n"
        "several ranks together under mpirun, or\n"
        "random views on one thread (name, views_per_s, microseconds), also of a dataset's "
        "images,\n"
        "or batches of each method by loader threads (name, threads, images_per_s); report and "
        "csv:\n"
        "what `steps --out` kept, as a table with the figure of images a second over the batch",
    .run = run,
    .flags = bench_options,
    .flags_alone = 1,
    .joins = 1};
