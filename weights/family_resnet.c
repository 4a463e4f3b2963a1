/* family_resnet.c -- residual networks with torchvision's names: torchvision's own, SimCLR's and
 * DINO's ResNets, and those of the CIFAR papers as Akamaster's code has them.
 *
 * Sizes are all in the shapes.  The three with the same names differ in what happens to an image:
 * torchvision's see ImageNet's mean and deviation, bilinear; SimCLR's [0,1] as it is; DINO's
 * (without a classifier) bicubic.
 */
#include "weights/family.h"

#include <stdio.h>
#include <string.h>

static const struct spare_rule counters[] = {
    {"*num_batches_tracked", "batch norm's count of batches, of training"}, {NULL, NULL}};

static const struct weight_rule rules[] = {
    {"head.fc.*", "fc.*", WEIGHT_SAME}, {"encoder.*", "*", WEIGHT_SAME}, {NULL, NULL, WEIGHT_SAME}};

static void name_resnet(struct network *n, int by_layers) {
    static const struct {
        int depth, blocks[RESNET_STAGES], bottleneck;
    } known[] = {{18, {2, 2, 2, 2}, 0},
                 {34, {3, 4, 6, 3}, 0},
                 {50, {3, 4, 6, 3}, 1},
                 {101, {3, 4, 23, 3}, 1},
                 {152, {3, 8, 36, 3}, 1}};
    const struct resnet *r = &n->backbone.resnet;
    int depth = by_layers, width = 1;
    for (size_t i = 0; i < sizeof known / sizeof *known && !by_layers; i++)
        if (!memcmp(known[i].blocks, r->blocks, sizeof r->blocks) &&
            known[i].bottleneck == r->bottleneck)
            depth = known[i].depth;
    width = by_layers ? 1 : r->width / 64;
    if (!depth || (!by_layers && r->width % 64))
        snprintf(n->name, sizeof n->name, "resnet-%d-%d-%d-%d-w%d", r->blocks[0], r->blocks[1],
                 r->blocks[2], r->blocks[3], r->width);
    else if (width > 1)
        snprintf(n->name, sizeof n->name, "resnet%dx%d", depth, width);
    else
        snprintf(n->name, sizeof n->name, "resnet%d", depth);
}

int describe_resnet(const struct source *s, const struct network_options *o, struct network *n,
                    struct error *err) {
    enum { LARGE = 224, SMALL = 32, LARGE_STEM = 7, SMALL_STEM = 3 };
    struct backbone *b = &n->backbone;
    struct resnet *r = &b->resnet;
    b->kind = BACKBONE_RESNET;
    r->width = source_dim(s, "conv1.weight", 0);
    b->channels = source_dim(s, "conv1.weight", 1);
    int stem = source_dim(s, "conv1.weight", 2);
    r->small_stem = stem == SMALL_STEM;
    r->bottleneck = source_find(s, "layer1.0.conv3.weight") != NULL;
    for (int i = 0; i < RESNET_STAGES; i++) {
        char format[40];
        snprintf(format, sizeof format, "layer%d.%%d.conv1.weight", i + 1);
        r->blocks[i] = source_count(s, format);
    }
    if (!r->width || !b->channels || b->channels > 4 || (stem != LARGE_STEM && stem != SMALL_STEM))
        return error_set(err, STATUS_USAGE,
                         "%s: a first convolution of %d x %d for %d channels is that of no ResNet "
                         "that is known here (7 x 7 or 3 x 3)",
                         s->path, stem, stem, b->channels);
    b->dim = resnet_dim(r);
    n->classes = source_dim(s, "fc.weight", 0);
    int side = r->small_stem ? SMALL : LARGE;
    name_resnet(n, 0);
    return describe_image(o->image, 1, side, side, n, err);
}

static int describe_torchvision(const struct source *s, const struct network_options *o,
                                struct network *n, struct error *err) {
    n->preprocessing.norm = norm_imagenet;
    n->preprocessing.crop = 0.875;
    n->preprocessing.interpolation = INTERPOLATION_BILINEAR;
    snprintf(n->remark, sizeof n->remark,
             "SimCLR's and DINO's ResNets have the same names and another preparation of images: "
             "--weights.as simclr, --weights.as dino-resnet");
    return describe_resnet(s, o, n, err);
}

static int describe_simclr(const struct source *s, const struct network_options *o,
                           struct network *n, struct error *err) {
    n->preprocessing.norm = norm_none;
    n->preprocessing.crop = 0.875;
    n->preprocessing.interpolation = INTERPOLATION_BICUBIC;
    return describe_resnet(s, o, n, err);
}

static int describe_dino(const struct source *s, const struct network_options *o, struct network *n,
                         struct error *err) {
    n->preprocessing.norm = norm_imagenet;
    n->preprocessing.crop = 0.875;
    n->preprocessing.interpolation = INTERPOLATION_BICUBIC;
    return describe_resnet(s, o, n, err);
}

/* 6 n + 2 layers of three stages, behind a stem of 3 x 3; shortcuts of option A have no weights. */
static int describe_cifar(const struct source *s, const struct network_options *o,
                          struct network *n, struct error *err) {
    int status = describe_resnet(s, o, n, err);
    struct resnet *r = &n->backbone.resnet;
    r->pad_shortcut = !source_find(s, "layer2.0.shortcut.0.weight");
    n->classes = source_dim(s, "linear.weight", 0);
    n->preprocessing.norm = norm_imagenet; /* which the authors of the code took for CIFAR too */
    n->preprocessing.crop = 1;
    n->preprocessing.interpolation = INTERPOLATION_BILINEAR;
    name_resnet(
        n, r->blocks[0] == r->blocks[1] && r->blocks[1] == r->blocks[2] ? 6 * r->blocks[0] + 2 : 0);
    return status;
}

static const struct weight_rule cifar_rules[] = {
    {"head.fc.*", "linear.*", WEIGHT_SAME},
    {"encoder.layer*.*.downsample.*", "layer*.*.shortcut.*", WEIGHT_SAME},
    {"encoder.*", "*", WEIGHT_SAME},
    {NULL, NULL, WEIGHT_SAME}};

static const char *const cifar_signs[] = {"conv1.weight", "layer3.0.conv1.weight", "linear.weight",
                                          "!layer4.0.conv1.weight", NULL};
static const char *const signs[] = {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight",
                                    "layer1.0.bn1.weight", NULL};

const struct family family_cifar_resnet = {
    .name = "cifar-resnet",
    .title = "ResNet-20 to 110 for CIFAR, option A or B",
    .cite = "He et al. 2016, section 4.2; github.com/akamaster/pytorch_resnet_cifar10",
    .signs = cifar_signs,
    .rules = cifar_rules,
    .spare = counters,
    .describe = describe_cifar};

const struct family family_torchvision = {.name = "torchvision",
                                          .title = "torchvision's ResNets, 18 to 152",
                                          .cite = "He et al. 2016; pytorch.org/vision",
                                          .signs = signs,
                                          .rules = rules,
                                          .spare = counters,
                                          .describe = describe_torchvision};

const struct family family_simclr = {.name = "simclr",
                                     .title = "SimCLR's ResNet-50, 1x to 4x, as converted",
                                     .cite = "Chen et al. 2020, arXiv:2002.05709",
                                     .signs = signs,
                                     .rules = rules,
                                     .spare = counters,
                                     .describe = describe_simclr};

static const struct spare_rule dino_spare[] = {
    {"*num_batches_tracked", "batch norm's count of batches, of training"},
    {"head.*", "DINO's projection head, of training"},
    {NULL, NULL}};

const struct family family_dino_resnet = {.name = "dino-resnet",
                                          .title = "DINO's ResNet-50",
                                          .cite = "Caron et al. 2021, arXiv:2104.14294",
                                          .signs = signs,
                                          .rules = rules,
                                          .spare = dino_spare,
                                          .describe = describe_dino};
