#include "weights/network.h"

#include "weights/family.h"

#include "nn/checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LEAST_CROP = 0.01;

/* ---- how images are prepared: the family's way, then the files', then the user's ---- */

static const char *const interpolations[] = {
    [INTERPOLATION_BILINEAR] = "bilinear", [INTERPOLATION_BICUBIC] = "bicubic"};

static int is_set(const char *text) {
    return text && *text;
}

static int read_three(const char *name, const char *text, double out[4], struct error *err) {
    enum { COLORS = 3 };
    if (!text || !*text)
        return 0;
    const char *at = text;
    for (int i = 0; i < COLORS; i++) {
        char *end;
        out[i] = strtod(at, &end);
        int last = i == COLORS - 1;
        if (end == at || !isfinite(out[i]) || (last ? *end != '\0' : *end != ',' && *end != ' '))
            return error_set(err, STATUS_USAGE,
                             "%s \"%s\" is no three numbers, such as 0.485,0.456,0.406", name,
                             text);
        at = end + 1;
    }
    return 0;
}

static void take_list(const struct source *s, const char *const *paths, double out[4]) {
    double numbers[4];
    for (int i = 0; paths[i]; i++) {
        int n = source_list(s, paths[i], numbers, 4);
        if (n >= 1 && n <= 4) {
            memcpy(out, numbers, (size_t)n * sizeof *out);
            return;
        }
    }
}

/* Of the shorter side, or both: 256, {"shortest_edge": 256} or {"height": 256, "width": 256}. */
static double processor_side(const struct source *s, const char *name) {
    static const char *const parts[] = {"", ".shortest_edge", ".height"};
    char path[64];
    double side = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && side <= 0; i++) {
        snprintf(path, sizeof path, "%s%s", name, parts[i]);
        side = source_number(s, path, 0);
    }
    return side;
}

/* Hugging Face's preprocessor_config.json. */
static void prepare_as_processor(const struct source *s, struct preprocessing *p) {
    const double least = 1e-6; /* so that input / crop is not cut to one pixel less */
    double cropped = source_number(s, "do_center_crop", -1);
    double resized = processor_side(s, "size"), left = processor_side(s, "crop_size");
    if (cropped >= 0)
        p->fit = cropped > 0 ? FIT_CROP : FIT_SQUASH;
    if (cropped > 0 && left > 0 && resized >= left)
        p->crop = left == resized ? 1 : left / (resized + least);
    if (source_number(s, "do_normalize", 1) == 0)
        p->norm = (struct normalization)NORM_NONE;
}

/* By name, or by PIL's number.  Status 2 for a filter that is not here, unless the user says one.
 */
static int find_filter(const struct source *s, const struct network_options *o,
                       struct preprocessing *p, struct error *err) {
    static const int pil[] = {[INTERPOLATION_BILINEAR] = 2, [INTERPOLATION_BICUBIC] = 3};
    const char *name = source_text(s, "pretrained_cfg.interpolation",
                                   source_text(s, "preprocess_cfg.interpolation", ""));
    const double number = source_number(s, "resample", -1);
    int by_name = -1, by_number = -1;
    for (int i = INTERPOLATION_BILINEAR; i <= INTERPOLATION_BICUBIC; i++) {
        by_name = strcmp(name, interpolations[i]) ? by_name : i;
        by_number = number == pil[i] ? i : by_number;
    }
    if (by_name >= 0 || by_number >= 0)
        p->interpolation = by_number >= 0 ? by_number : by_name;
    if (is_set(o->interpolation) || ((by_name >= 0 || !*name) && (by_number >= 0 || number < 0)))
        return 0;
    return error_set(err, STATUS_USAGE,
                     "%s: images are resized by \"%.40s\" (PIL's filter %g) as the files beside it "
                     "have it, which is not here: choose one with --weights.interpolation",
                     s->path, name, number);
}

static int prepare_as_file(const struct source *s, const struct network_options *o,
                           struct preprocessing *p, struct error *err) {
    static const char *const means[] = {"pretrained_cfg.mean", "mean", "image_mean",
                                        "preprocess_cfg.mean", NULL};
    static const char *const stds[] = {"pretrained_cfg.std", "std", "image_std",
                                       "preprocess_cfg.std", NULL};
    take_list(s, means, p->norm.mean);
    take_list(s, stds, p->norm.std);
    p->crop = source_number(s, "pretrained_cfg.crop_pct", source_number(s, "crop_pct", p->crop));
    if (!strcmp(source_text(s, "preprocess_cfg.resize_mode", ""), "squash") ||
        !strcmp(source_text(s, "pretrained_cfg.crop_mode", ""), "squash"))
        p->fit = FIT_SQUASH;
    prepare_as_processor(s, p);
    return find_filter(s, o, p, err);
}

static int prepare_as_told(const struct network_options *o, struct preprocessing *p,
                           struct error *err) {
    int status = 0;
    TRY(read_three("mean", o->mean, p->norm.mean, err));
    TRY(read_three("std", o->std, p->norm.std, err));
    if (o->crop > 0)
        p->crop = o->crop;
    if (is_set(o->interpolation))
        p->interpolation = strcmp(o->interpolation, interpolations[INTERPOLATION_BICUBIC])
                               ? INTERPOLATION_BILINEAR
                               : INTERPOLATION_BICUBIC;
    if (is_set(o->fit))
        p->fit = strcmp(o->fit, "squash") ? FIT_CROP : FIT_SQUASH;
    for (int i = 0; i < 3; i++)
        if (!(p->norm.std[i] > 0))
            status = error_set(err, STATUS_USAGE, "a deviation of %g: std must be above 0",
                               p->norm.std[i]);
    if (!(p->crop >= LEAST_CROP && p->crop <= 1))
        status = error_set(err, STATUS_USAGE, "a crop of %g is no share of the image in [%g, 1]",
                           p->crop, LEAST_CROP);
out:
    return status;
}

/* ---- what it is ---- */

/* The size that the files beside the weights name, where the user names none. */
static void find_image(const struct source *s, struct network_options *o, char text[32]) {
    double size[3];
    if (is_set(o->image) || source_list(s, "pretrained_cfg.input_size", size, 3) != 3)
        return;
    snprintf(text, 32, "%.0fx%.0f", size[1], size[2]);
    o->image = text;
}

/* What is said of a part that this network does not have would be passed over. */
static int check_parts(const struct network *n, const struct network_options *o,
                       struct error *err) {
    const int is_vit = n->backbone.kind == BACKBONE_VIT, reads = n->text.vocabulary > 0;
    const int pools =
        is_vit && (!n->backbone.vit.norm_pooled || !strcmp(is_set(o->pool) ? o->pool : "", "mean"));
    const struct {
        const char *name;
        int said, there;
    } parts[] = {{"heads", o->heads > 0, is_vit || n->backbone.resnet.clip_heads},
                 {"text_heads", o->text_heads > 0, reads},
                 {"activation", is_set(o->activation), (is_vit && !n->backbone.vit.gated) || reads},
                 {"pool", is_set(o->pool), pools}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].said && !parts[i].there)
            return error_set(err, STATUS_USAGE,
                             "weights.%s: there is no such choice for %s (%s): leave it out",
                             parts[i].name, n->name, n->family->title);
    return 0;
}

static int describe(struct network *n, struct source *s, const struct network_options *given,
                    struct error *err) {
    struct network_options o = *given;
    char image[32];
    int status = 0;
    if (checkpoint_is(s->file))
        return error_set(err, STATUS_USAGE,
                         "%s is a checkpoint of this program: name its run's folder, without "
                         "--weights, or make a file for others of it (ssvbench export-weights)",
                         s->path);
    *n = (struct network){.family = NULL};
    TRY(family_recognise(s, &o, &n->family, err));
    n->preprocessing = n->family->images;
    find_image(s, &o, image);
    TRY(n->family->describe(s, &o, n, err));
    n->backbone.name = n->name;
    TRY(check_parts(n, &o, err));
    if (is_set(o.activation))
        n->backbone.vit.act = n->text.act =
            strcmp(o.activation, "quick_gelu") ? ACT_GELU : ACT_QUICK_GELU;
    if (is_set(o.pool))
        n->backbone.vit.pool = strcmp(o.pool, "mean") ? POOL_CLS : POOL_MEAN;
    TRY(prepare_as_file(s, &o, &n->preprocessing, err));
    TRY(prepare_as_told(&o, &n->preprocessing, err));
out:
    return status;
}

int network_open(struct network *n, struct source **s, const char *path,
                 const struct network_options *o, struct error *err) {
    int status = source_open(s, path, err);
    if (status)
        return status;
    status = describe(n, *s, o, err);
    if (status) {
        source_close(*s);
        *s = NULL;
    }
    return status;
}

struct tensor *network_classify(struct graph *g, int head, const struct network *n,
                                const struct encoded *e) {
    const struct linear_spec fc = {.group = head, .out = n->classes};
    return n->classes ? op_linear(g, "fc", e->pooled, &fc, NULL) : NULL;
}

struct tensor *network_project(struct graph *g, int head, const struct network *n,
                               const struct encoded *e) {
    const struct linear_spec projection = {
        .group = head, .out = n->projection, .no_bias = n->backbone.kind == BACKBONE_VIT};
    if (!n->projection)
        return NULL;
    if (n->text.vocabulary)
        graph_param(g, head, "logit_scale", 1, (const int[]){1}, INIT_ZERO, 0);
    return op_linear(g, "projection", e->pooled, &projection, NULL);
}

void preprocessing_print(const struct preprocessing *p, FILE *out) {
    fprintf(out, "%s, %s", p->fit == FIT_SQUASH ? "the whole resized" : "resized",
            interpolations[p->interpolation]);
    if (p->fit == FIT_CROP && p->crop < 1)
        fprintf(out, ", the middle %.3g of it", p->crop);
    fprintf(out, "; mean %.4g %.4g %.4g, deviation %.4g %.4g %.4g", p->norm.mean[0],
            p->norm.mean[1], p->norm.mean[2], p->norm.std[0], p->norm.std[1], p->norm.std[2]);
}

static const char *gelu_name(enum activation act) {
    return act == ACT_QUICK_GELU ? "quick GELU" : "GELU";
}

void network_print(const struct network *n, const char *path, FILE *out) {
    const struct preprocessing *p = &n->preprocessing;
    const struct backbone *b = &n->backbone;
    fprintf(out, "%s: %s (%s), %d x %d", path, n->name, n->family->title, p->height, p->width);
    if (b->kind == BACKBONE_VIT)
        fprintf(out, ", patches of %d, %d heads, %s", b->vit.patch, b->vit.heads,
                b->vit.gated ? "SwiGLU" : gelu_name(b->vit.act));
    if (n->classes)
        fprintf(out, ", a classifier of %d", n->classes);
    if (n->projection)
        fprintf(out, ", a projection to %d", n->projection);
    if (n->text.vocabulary)
        fprintf(out, " and a text tower with %s", gelu_name(n->text.act));
    fprintf(out, "\nimages: ");
    preprocessing_print(p, out);
    fprintf(out, "\n");
    if (*n->remark)
        fprintf(out, "not in the file: %s\n", n->remark);
}
