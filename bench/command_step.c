/* command_step.c -- one deterministic step, written out for comparison. */
#include "bench/command.h"

#include <string.h>

static const struct option_def step_options[] = {
    OPTION_TEXT(struct once, weights, "", NULL,
                "safetensors file of weights; empty: drawn from the seed"),
    OPTION_TEXT(struct once, stage, "", NULL, "stage of the method; empty: the last one"),
    OPTION_BOOL(struct once, values, 0, "write every value of the graph, not only the outputs"),
    OPTION_END};

/* --batch is a number everywhere; here it may also name a file, which no option table can say. */
static void take_batch_file(struct invocation *call) {
    char **argv = call->argv;
    call->own.step.batch = "";
    for (int i = 1; i + 1 < call->argc; i++)
        if (!strcmp(argv[i], "--batch") &&
            strspn(argv[i + 1], "0123456789") < strlen(argv[i + 1])) {
            call->own.step.batch = argv[i + 1];
            memmove(argv + i, argv + i + 2, sizeof *argv * (size_t)(call->argc - i - 1));
            call->argc -= 2;
            return;
        }
}

static int run(struct invocation *call, struct error *err) {
    struct once once = call->own.step;
    struct context context;
    int status = 0;
    TRY(invocation_no_arguments(call, err));
    if (strcmp(call->settings->machine.views, "processor") != 0)
        return error_set(
            err, STATUS_USAGE,
            "step takes views as inputs and makes none on a device: leave out --views");
    TRY(invocation_context(call, &context, err));
    const char *out = call->settings->machine.out;
    once.out = strcmp(out, "out") ? out : "step.h5"; /* --out names a file here */
    status = once_run(call->settings, &once, &context, err);
out:
    return status;
}

const struct command command_step = {
    .name = "step",
    .arguments = "--methods NAME [--weights W.safetensors] [--batch B.h5] [--out S.h5]",
    .help =
        "One deterministic step without an update: inputs, weights, every loss, output and\n"
        "gradient go to an HDF5 file (default step.h5). That file can be another step's --batch.",
    .run = run,
    .flags = step_options,
    .before_flags = take_batch_file,
    .judges_not = 1,
    .machine = "out device math threads loader_threads views recompute recompute_norms quiet"};
