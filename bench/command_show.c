/* command_show.c -- a picture of what a pretrained method does. */
#include "bench/command.h"

#include <stdio.h>
#include <string.h>

static const struct option_def show_options[] = {
    OPTION_INT(struct picture, count, 8, 1, 64, "test images, the first ones"), OPTION_END};

static int run(struct invocation *call, struct error *err) {
    struct picture picture = call->own.show;
    struct context context;
    int status = 0;
    if (call->argc != 2)
        return error_set(err, STATUS_USAGE,
                         "show needs one checkpoint, or the folder of a run, such as "
                         "out/mae-vit-micro-shapes-s0-1234abcd");
    const char *out = call->settings->machine.out;
    const size_t n = strlen(out);
    if (strcmp(out, "out") && (n < 5 || strcmp(out + n - 4, ".png")))
        return error_set(err, STATUS_USAGE, "--out %s: the picture is a PNG file, NAME.png", out);
    TRY(invocation_context(call, &context, err));
    picture.checkpoint = call->argv[1];
    picture.lines = stdout;
    picture.out = strcmp(out, "out") ? out : "show.png"; /* --out names a file here */
    status = picture_make(call->settings, &picture, &context, err);
out:
    return status;
}

const struct command command_show = {
    .name = "show",
    .arguments = "CHECKPOINT [--count N] [--out show.png]",
    .help =
        "A picture of what a pretrained method does with test images: reconstructions,\n"
        "predictions, pairs, attention.  CHECKPOINT may be a run's folder; other flags take the\n"
        "place of what is stored in it.",
    .run = run,
    .flags = show_options,
    .settles_itself = 1,
    .judges_not = 1,
    .machine = "out device math threads loader_threads quiet"}; /* options are the checkpoint's */
