/* command_export_weights.c -- an encoder as files of other libraries. */
#include "bench/command.h"

#include "core/log.h"
#include "protocols/opened.h"
#include "weights/export.h"

#include <string.h>

static const struct option_def export_options[] = {
    OPTION_TEXT(struct export_weights_flags, format, "timm", EXPORT_FORMATS, "whose names it gets"),
    OPTION_END};

/* As published weights want it; runs of this program see the whole image, resized. */
static struct preprocessing preparation(const struct cell *c) {
    if (c->method->prepared)
        return *c->method->prepared(c->encode_builder.runtime);
    return (struct preprocessing){.height = c->backbone.image,
                                  .width = backbone_wide(&c->backbone),
                                  .crop = 1,
                                  .fit = FIT_SQUASH,
                                  .interpolation = INTERPOLATION_BILINEAR,
                                  .norm = c->norm};
}

/* Whether the network is one encoder on images as they are: split-brain has two, on Lab. */
static int is_plain(const struct cell *c) {
    int plain = !c->method->view;
    if (!c->method->encode)
        return 1;
    for (int i = 0; i < c->encode.n; i++) {
        const struct param *p = c->encode.tensors[i]->param;
        plain &= !p || p->group == c->encode_builder.encoder;
    }
    return plain;
}

static int run(struct invocation *call, struct error *err) {
    struct context context;
    struct opened o = {.has_cell = 0};
    const char *out = call->settings->machine.out;
    const char *folder =
        strcmp(out, "out") ? out : "exported"; /* --out names another folder here */
    int status = 0;
    if (call->argc != 2)
        return error_set(err, STATUS_USAGE,
                         "export-weights needs one run's folder, checkpoint or safetensors file");
    TRY(invocation_context(call, &context, err));
    TRY(opened_open(&o, call->settings, call->argv[1], "shapes:train=1,test=1", 0, &context, err));
    if (!is_plain(&o.cell)) {
        status = error_set(err, STATUS_USAGE,
                           "%s has an encoder that no other library has: it cannot be exported",
                           o.cell.method->name);
        goto out;
    }
    const struct preprocessing p = preparation(&o.cell);
    TRY(export_encoder(&o.cell.model, o.cell.encode_builder.encoder, &o.cell.backbone, &p,
                       call->own.export_weights.format, folder, err));
    log_message(LOG_INFO, "%s/model.safetensors and config.json: %s for %s", folder,
                o.cell.backbone.name, call->own.export_weights.format);
out:
    opened_close(&o);
    return status;
}

const struct command command_export_weights = {
    .name = "export-weights",
    .arguments = "RUN|FILE [--format timm|hf|torchvision] [--out exported]",
    .help =
        "Write an encoder under the names that timm, Hugging Face's transformers or torchvision\n"
        "have for it: a folder with model.safetensors and config.json.",
    .run = run,
    .flags = export_options,
    .settles_itself = 1,
    .judges_not = 1,
    .machine = "out quiet"};
