/* command_features.c -- features of every layer, into an HDF5 file. */
#include "bench/command.h"

#include <string.h>

static const struct option_def features_options[] = {
    OPTION_TEXT(struct features_wanted, weights, "", NULL,
                "safetensors file, checkpoint, or the folder of a run"),
    OPTION_TEXT(struct features_wanted, as, "", NULL,
                "family of the weights (docs/weights.md); nothing: recognised"),
    OPTION_END};

static int run(struct invocation *call, struct error *err) {
    struct features_wanted wanted = call->own.features;
    struct context context;
    int status = 0;
    if (call->argc != 2 || !*wanted.weights)
        return error_set(err, STATUS_USAGE,
                         "features needs one dataset and --weights, as in: features cifar10:data "
                         "--weights vit.safetensors --out features.h5");
    TRY(invocation_context(call, &context, err));
    wanted.data = call->argv[1];
    const char *out = call->settings->machine.out;
    wanted.out = strcmp(out, "out") ? out : "features.h5"; /* --out names a file here */
    status = features_write(call->settings, &wanted, &context, err);
out:
    return status;
}

const struct command command_features = {
    .name = "features",
    .arguments = "DATASET --weights FILE [--out features.h5]",
    .help = "Features of every layer, and logits where there is a classifier, of all images of a\n"
            "dataset: an HDF5 file with /train/layer1.cls, /test/layer1.cls, ... and labels.",
    .run = run,
    .flags = features_options,
    .settles_itself = 1,
    .judges_not = 1,
    .machine = "out device math threads loader_threads quiet"};
