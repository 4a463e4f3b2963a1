#include "weights/family.h"

#include "core/options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct family *const families[] = {&family_cifar_resnet,
                                         &family_timm_dinov3,
                                         &family_hf_dinov3,
                                         &family_beit,
                                         &family_hf_dinov2_registers,
                                         &family_hf_dinov2,
                                         &family_hf_vit,
                                         &family_hf_clip,
                                         &family_openai_clip,
                                         &family_open_clip,
                                         &family_mae,
                                         &family_dino_vit,
                                         &family_dinov2_registers,
                                         &family_dinov2,
                                         &family_timm_vit,
                                         &family_dino_resnet,
                                         &family_torchvision,
                                         &family_simclr,
                                         &family_lightly,
                                         &family_simclr_v2,
                                         NULL};

/* What trainers put in front of names when they save more than the network. */
static const char *const prefixes[] = {"",
                                       "module.",
                                       "model.",
                                       "backbone.",
                                       "encoder.",
                                       "module.backbone.",
                                       "module.encoder.",
                                       "model.backbone.",
                                       "teacher.backbone.",
                                       "teacher.module.backbone.",
                                       "student.module.backbone.",
                                       "encoder_q.",
                                       "module.encoder_q.",
                                       "base_encoder.",
                                       "module.base_encoder.",
                                       "online_encoder.",
                                       "module.online_encoder.",
                                       "student_backbone.",
                                       "_feature_blocks.",
                                       "trunk._feature_blocks.",
                                       "base_model.model.trunk._feature_blocks.",
                                       "classy_state_dict.base_model.model.trunk._feature_blocks.",
                                       "state_dict.",
                                       NULL};

struct source_tensor *family_find(const struct family *f, const struct source *s,
                                  const char *name) {
    struct source_tensor *t = source_find(s, name);
    return t || !f->inner ? t : source_findf(s, "%s%s", f->inner, name);
}

/* Some tensor of the file, its prefix included. */
static int some_ends_with(const struct source *s, const char *end) {
    size_t length = strlen(end);
    for (int i = 0; i < s->n; i++) {
        size_t n = strlen(s->tensors[i].t->name);
        if (n >= length && !strcmp(s->tensors[i].t->name + n - length, end))
            return 1;
    }
    return 0;
}

static int has_signs(const struct family *f, const struct source *s) {
    for (int i = 0; f->signs[i]; i++) {
        int absent = f->signs[i][0] == '!', anywhere = f->signs[i][0] == '*';
        if (anywhere && !some_ends_with(s, f->signs[i] + 1))
            return 0;
        if (!anywhere && (family_find(f, s, f->signs[i] + absent) != NULL) == absent)
            return 0;
    }
    return 1;
}

static const struct family *find_named(const char *name, struct error *err) {
    const char *names[32];
    char valid[512] = "";
    size_t at = 0;
    int n = 0;
    for (; families[n]; n++) {
        if (!strcmp(families[n]->name, name))
            return families[n];
        names[n] = families[n]->name;
        at += (size_t)snprintf(valid + at, sizeof valid - at, "%s%s", n ? ", " : "", names[n]);
    }
    const char *near = nearest_name(name, names, n);
    error_set(err, STATUS_USAGE, "there is no family \"%s\" of weights%s%s%s; there are: %s", name,
              near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "", valid);
    return NULL;
}

static int fail_unrecognised(struct source *s, const struct family *named, struct error *err) {
    source_strip(s, "");
    const char *first = s->n ? s->tensors[0].name : "nothing";
    if (named)
        return error_set(err, STATUS_USAGE,
                         "%s: not weights of %s: its %d tensors (\"%.80s\", ...) lack %s; another "
                         "--weights.as, or a --weights.prefix that stands in front of the names?",
                         s->path, named->name, s->n, first, named->signs[0]);
    return error_set(err, STATUS_USAGE,
                     "%s: the names of its %d tensors (\"%.80s\", ...) are those of no family that "
                     "is known; see docs/weights.md, --weights.as and --weights.prefix",
                     s->path, s->n, first);
}

int family_recognise(struct source *s, const struct network_options *o, const struct family **out,
                     struct error *err) {
    const struct family *named = NULL;
    const char *const own[] = {o->prefix, NULL};
    const char *const *tried = o->prefix && *o->prefix ? own : prefixes;
    if (o->as && *o->as && !(named = find_named(o->as, err)))
        return err->status;
    for (int p = 0; tried[p]; p++) {
        if (!source_strip(s, tried[p]))
            continue;
        for (int f = 0; families[f]; f++)
            if (!named && has_signs(families[f], s)) {
                *out = families[f];
                return 0;
            }
        if (named && family_find(named, s, named->signs[0])) { /* the user knows better */
            *out = named;
            return 0;
        }
    }
    return fail_unrecognised(s, named, err);
}

/* ---- what describes share ---- */

int describe_image(const char *text, int unit, int height, int width, struct network *n,
                   struct error *err) {
    if (text && *text) {
        char *end;
        height = width = (int)strtol(text, &end, 10);
        if (*end == 'x')
            width = (int)strtol(end + 1, &end, 10);
        if (*end || height < 1 || width < 1 || height > 1024 || width > 1024)
            return error_set(err, STATUS_USAGE,
                             "image \"%s\" is neither a side such as 224 nor a height and a width "
                             "such as 192x256, up to 1024",
                             text);
    }
    if (height % unit || width % unit)
        return error_set(err, STATUS_USAGE,
                         "images of %d x %d are not filled by patches of %d: choose multiples of "
                         "that",
                         height, width, unit);
    struct backbone *b = &n->backbone;
    b->image = n->preprocessing.height = height;
    n->preprocessing.width = width;
    b->wide = width == height ? 0 : width;
    return 0;
}

int describe_activation(const struct source *s, const struct network_options *o, const char *path,
                        enum activation otherwise, enum activation *act, struct error *err) {
    const char *name = source_text(s, path, "");
    *act = !strcmp(name, "gelu")         ? ACT_GELU
           : !strcmp(name, "quick_gelu") ? ACT_QUICK_GELU
                                         : otherwise;
    if (!*name || !strcmp(name, "gelu") || !strcmp(name, "quick_gelu") ||
        (o->activation && *o->activation))
        return 0;
    return error_set(
        err, STATUS_USAGE,
        "%s: %s beside it is \"%.40s\", which is not here: gelu and quick_gelu are, and "
        "--weights.activation takes one of them in its place",
        s->path, path, name);
}

int usual_heads(int dim) {
    static const struct {
        int dim, heads;
    } others[] = {{1280, 16}, {1408, 16}, {1664, 16}}; /* ViT-H, g, G */
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].dim == dim)
            return others[i].heads;
    return dim % 64 ? 0 : dim / 64;
}

static int find_heads(const struct source *s, const struct vit_names *names, int said, int dim,
                      struct error *err) {
    int heads = said           ? said
                : names->heads ? source_int(s, names->heads, usual_heads(dim))
                               : usual_heads(dim);
    if (heads > 0 && dim % heads == 0)
        return heads;
    error_set(err, STATUS_USAGE,
              "%s: how many heads attention has cannot be told from a width of %d: say it with "
              "--weights.heads",
              s->path, dim);
    return 0;
}

static void name_vit(struct network *n) {
    static const struct {
        const char *name;
        int dim, depth;
    } known[] = {{"vit-micro", 128, 6},  {"vit-tiny", 192, 12},   {"vit-small", 384, 12},
                 {"vit-base", 768, 12},  {"vit-large", 1024, 24}, {"vit-huge", 1280, 32},
                 {"vit-giant", 1536, 40}};
    const struct vit *v = &n->backbone.vit;
    snprintf(n->name, sizeof n->name, "vit-%dx%d", v->dim, v->depth);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].dim == v->dim && known[i].depth == v->depth)
            snprintf(n->name, sizeof n->name, "%s", known[i].name);
}

int family_dim(const struct family *f, const struct source *s, const char *name, int i) {
    const struct source_tensor *t = name ? family_find(f, s, name) : NULL;
    return t && i < t->t->ndim && t->t->dim[i] < 1 << 30 ? (int)t->t->dim[i] : 0;
}

int side_of_tokens(size_t tokens) {
    enum { MOST = 1024 };
    int side = tokens > 1 ? (int)lround(sqrt((double)(tokens - 1))) : 0;
    return side >= 1 && side <= MOST && (size_t)side * (size_t)side + 1 == tokens ? side : 0;
}

/* The grid of images that are not square, which the files beside the weights say; 0: none that
 * would have so many tokens. */
static int find_listed_grid(const struct source *s, const struct vit_names *names, size_t tokens,
                            struct network *n) {
    static const char *const paths[] = {"model_args.img_size", "image_size",
                                        "pretrained_cfg.input_size"};
    const int patch = n->backbone.vit.patch;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        double side[3];
        const int listed = source_list(s, paths[i], side, 3);
        if (listed < 2)
            continue;
        const double rows = floor(side[listed - 2] / patch), cols = floor(side[listed - 1] / patch);
        const double lacking = rows * cols + 1 - (double)tokens;
        if (rows < 1 || cols < 1 || lacking < 0 || lacking > (names->may_lack_cls ? 1 : 0))
            continue;
        n->own_rows = (int)rows;
        n->own_cols = (int)cols;
        n->own_lack_cls = lacking > 0;
        return 1;
    }
    return 0;
}

/* Positions are (1,1+T,dim) or (1+T,dim), of a square grid where nothing says another one. */
static int find_grid(const struct family *f, const struct source *s, const struct vit_names *names,
                     struct network *n, struct error *err) {
    const struct source_tensor *t = names->positions ? family_find(f, s, names->positions) : NULL;
    if (!t && !names->may_lack_positions)
        return error_set(err, STATUS_USAGE, "%s: %s is not there", s->path, names->positions);
    if (!t) {
        n->backbone.vit.position = POSITION_NONE;
        return 0;
    }
    size_t tokens = source_entries(t) / (size_t)n->backbone.vit.dim;
    n->backbone.vit.position = POSITION_LEARNED;
    if (find_listed_grid(s, names, tokens, n))
        return 0;
    int side = side_of_tokens(tokens);
    if (!side && names->may_lack_cls) {
        side = side_of_tokens(tokens + 1);
        n->own_lack_cls = side > 0;
    }
    if (!side)
        return error_set(err, STATUS_USAGE,
                         "%s: %s is for %zu tokens, which are no square of patches and a CLS token",
                         s->path, t->name, tokens);
    n->own_rows = n->own_cols = side;
    return 0;
}

static int count_blocks(const struct family *f, const struct source *s, const char *format) {
    char inner[128];
    int n = source_count(s, format);
    if (n || !f->inner)
        return n;
    snprintf(inner, sizeof inner, "%s%s", f->inner, format);
    return source_count(s, inner);
}

static int check_tokens(const struct vit *v, struct error *err) {
    if (attention_fits(vit_tokens(v) + v->registers, v->dim / v->heads))
        return 0;
    return error_set(err, STATUS_USAGE,
                     "images of %d x %d in patches of %d are %d tokens, more than attention takes "
                     "here: choose a smaller image",
                     v->image, v->wide ? v->wide : v->image, v->patch, vit_tokens(v));
}

/* Where fc1 has twice the rows that fc2 has columns, half of them are gates. */
static void find_mlp(const struct family *f, const struct source *s, const struct vit_names *names,
                     struct vit *v) {
    const int made = family_dim(f, s, names->fc1, 0);
    const int taken = names->fc2 ? family_dim(f, s, names->fc2, 1) : made;
    v->gated |= taken > 0 && taken < made && made == 2 * taken;
    v->mlp = v->gated ? taken : made;
}

int describe_vit(const struct family *f, const struct source *s, const struct vit_names *names,
                 const struct network_options *o, struct network *n, struct error *err) {
    enum { USUAL_IMAGE = 224 };
    struct backbone *b = &n->backbone;
    struct vit *v = &b->vit;
    int status = 0;
    b->kind = BACKBONE_VIT;
    b->dim = v->dim = family_dim(f, s, names->patch, 0);
    b->channels = v->channels = family_dim(f, s, names->patch, 1);
    v->patch = family_dim(f, s, names->patch, 2);
    v->depth = count_blocks(f, s, names->block);
    find_mlp(f, s, names, v);
    n->classes = family_dim(f, s, names->head, 0);
    if (!v->dim || !v->channels || v->channels > 4 || !v->patch ||
        v->patch != family_dim(f, s, names->patch, 3) || !v->depth || !v->mlp ||
        v->depth > BACKBONE_LAYERS / 2 - 2)
        return error_set(err, STATUS_USAGE,
                         "%s: its tensors do not make a %s: patches %d x %d of %d channels, width "
                         "%d, %d blocks",
                         s->path, f->name, v->patch, family_dim(f, s, names->patch, 3), v->channels,
                         v->dim, v->depth);
    if (!(v->heads = find_heads(s, names, o->heads, v->dim, err)))
        return err->status;
    TRY(find_grid(f, s, names, n, err));
    int height = n->own_rows ? n->own_rows * v->patch : USUAL_IMAGE;
    int width = n->own_rows ? n->own_cols * v->patch : USUAL_IMAGE;
    TRY(describe_image(o->image, v->patch, height, width, n, err));
    v->image = b->image;
    v->wide = b->wide;
    n->rows = vit_rows(v);
    n->cols = vit_cols(v);
    name_vit(n);
    status = check_tokens(v, err);
out:
    return status;
}
