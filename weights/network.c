#include "weights/network.h"

#include "weights/family.h"
#include "weights/prepare.h"

#include "nn/checkpoint.h"

#include <string.h>

static int is_set(const char *text) {
    return text && *text;
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
    TRY(check_beside(s, &o, err));
    n->preprocessing = n->family->images;
    prepare_image(s, &n->preprocessing, &o, image);
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
            interpolation_names[p->interpolation]);
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
