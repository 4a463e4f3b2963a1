/* family_resnet.c -- residual networks with torchvision's names: torchvision's own, SimCLR's and
 * DINO's ResNets, and those of the CIFAR papers as Akamaster's code has them.
 *
 * Other names of the same networks: children of an nn.Sequential, and those that SimCLR's second
 * version has after its conversion.
 *
 * Sizes are all in the shapes.  The three with torchvision's names differ in what happens to an
 * image: torchvision's see ImageNet's mean and deviation, bilinear; SimCLR's [0,1] as it is; DINO's
 * (without a classifier) bicubic.
 */
#include "weights/family.h"

#include <stdio.h>
#include <string.h>

#define COUNTERS                                                                                   \
    { "*num_batches_tracked", "batch norm's count of batches, of training" }

/* What is trained on top: MoCo's and SimCLR's fc of layers, SwAV's, solo-learn's. */
static const struct spare_rule spare[] = {COUNTERS,
                                          {"fc.*.*", "a projection head, of training"},
                                          {"projection_head.*", "a projection head, of training"},
                                          {"projector.*", "a projection head, of training"},
                                          {"predictor.*", "a predictor, of training"},
                                          {"prototypes.*", "prototypes, of training"},
                                          {NULL, NULL}};
static const struct spare_rule counters[] = {COUNTERS, {NULL, NULL}};

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

void describe_stages(const struct source *s, const struct resnet_names *names, struct backbone *b) {
    enum { MOST_WIDTH = 1 << 14 };
    struct resnet *r = &b->resnet;
    b->kind = BACKBONE_RESNET;
    b->channels = source_dim(s, names->stem, 1);
    r->width = source_dim(s, names->first, 0);
    if (r->width > MOST_WIDTH)
        r->width = 0;
    r->bottleneck = source_find(s, names->third) != NULL;
    for (int i = 0; i < RESNET_STAGES; i++)
        r->blocks[i] = source_count(s, names->blocks[i]);
    b->dim = resnet_dim(r);
}

static int describe_sizes(const struct source *s, const struct resnet_names *names,
                          const struct network_options *o, struct network *n, struct error *err) {
    enum { LARGE = 224, SMALL = 32, LARGE_STEM = 7, SMALL_STEM = 3 };
    struct backbone *b = &n->backbone;
    struct resnet *r = &b->resnet;
    int stem = source_dim(s, names->stem, 2);
    describe_stages(s, names, b);
    r->small_stem = stem == SMALL_STEM;
    if (!r->width || !b->channels || b->channels > 4 || (stem != LARGE_STEM && stem != SMALL_STEM))
        return error_set(
            err, STATUS_USAGE,
            "%s: a first convolution of %d x %d for %d channels, and %d behind it, are "
            "those of no ResNet that is known here (7 x 7 or 3 x 3)",
            s->path, stem, stem, b->channels, r->width);
    int side = r->small_stem ? SMALL : LARGE;
    name_resnet(n, 0);
    return describe_image(o->image, 1, side, side, n, err);
}

static int describe_plain(const struct source *s, const struct network_options *o,
                          struct network *n, struct error *err) {
    static const struct resnet_names names = {"conv1.weight",
                                              "layer1.0.conv1.weight",
                                              "layer1.0.conv3.weight",
                                              {"layer1.%d.conv1.weight", "layer2.%d.conv1.weight",
                                               "layer3.%d.conv1.weight", "layer4.%d.conv1.weight"}};
    n->classes = source_dim(s, "fc.weight", 0);
    return describe_sizes(s, &names, o, n, err);
}

static int describe_torchvision(const struct source *s, const struct network_options *o,
                                struct network *n, struct error *err) {
    snprintf(n->remark, sizeof n->remark,
             "SimCLR's and DINO's ResNets have the same names and another preparation of images: "
             "--weights.as simclr, --weights.as dino-resnet");
    return describe_plain(s, o, n, err);
}

/* Children of torchvision's network in their order: conv1, bn1, relu, maxpool, four stages. */
static int describe_lightly(const struct source *s, const struct network_options *o,
                            struct network *n, struct error *err) {
    static const struct resnet_names names = {
        "0.weight",
        "4.0.conv1.weight",
        "4.0.conv3.weight",
        {"4.%d.conv1.weight", "5.%d.conv1.weight", "6.%d.conv1.weight", "7.%d.conv1.weight"}};
    return describe_sizes(s, &names, o, n, err);
}

static int describe_simclr_v2(const struct source *s, const struct network_options *o,
                              struct network *n, struct error *err) {
    static const struct resnet_names names = {
        "net.0.0.weight",
        "net.1.blocks.0.net.0.weight",
        "net.1.blocks.0.net.4.weight",
        {"net.1.blocks.%d.net.0.weight", "net.2.blocks.%d.net.0.weight",
         "net.3.blocks.%d.net.0.weight", "net.4.blocks.%d.net.0.weight"}};
    if (source_find(s, "net.0.2.weight"))
        return error_set(err, STATUS_USAGE,
                         "%s: a ResNet with selective kernels (sk1), which are not here; those "
                         "without (sk0) are",
                         s->path);
    n->classes = source_dim(s, "fc.weight", 0);
    return describe_sizes(s, &names, o, n, err);
}

/* 6 n + 2 layers of three stages, behind a stem of 3 x 3; shortcuts of option A have no weights. */
static int describe_cifar(const struct source *s, const struct network_options *o,
                          struct network *n, struct error *err) {
    int status = describe_plain(s, o, n, err);
    struct resnet *r = &n->backbone.resnet;
    r->pad_shortcut = !source_find(s, "layer2.0.shortcut.0.weight");
    n->classes = source_dim(s, "linear.weight", 0);
    name_resnet(
        n, r->blocks[0] == r->blocks[1] && r->blocks[1] == r->blocks[2] ? 6 * r->blocks[0] + 2 : 0);
    return status;
}

static const struct weight_rule cifar_rules[] = {
    {"head.fc.*", "linear.*", WEIGHT_SAME},
    {"encoder.layer*.*.downsample.*", "layer*.*.shortcut.*", WEIGHT_SAME},
    {"encoder.*", "*", WEIGHT_SAME},
    {NULL, NULL, WEIGHT_SAME}};

#define SIMCLR_IMAGES                                                                              \
    { .norm = NORM_NONE, .crop = 0.875, .interpolation = INTERPOLATION_BICUBIC }
/* ImageNet's, as torchvision evaluates. */
#define PLAIN_IMAGES                                                                               \
    { .norm = NORM_IMAGENET, .crop = 0.875, .interpolation = INTERPOLATION_BILINEAR }

static const char *const cifar_signs[] = {"conv1.weight", "layer3.0.conv1.weight", "linear.weight",
                                          "!layer4.0.conv1.weight", NULL};
static const char *const signs[] = {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight",
                                    "layer1.0.bn1.weight", NULL};

const struct family family_cifar_resnet = {
    .name = "cifar-resnet",
    .title = "ResNet-20 to 110 for CIFAR, option A or B",
    .cite = "He et al. 2016, section 4.2; github.com/akamaster/pytorch_resnet_cifar10",
    .variants = "ResNet-20 to 110, any width",
    /* ImageNet's, which the authors of the code took for CIFAR too */
    .images = {.norm = NORM_IMAGENET, .crop = 1, .interpolation = INTERPOLATION_BILINEAR},
    .signs = cifar_signs,
    .rules = cifar_rules,
    .spare = counters,
    .describe = describe_cifar};

const struct family family_torchvision = {.name = "torchvision",
                                          .title = "torchvision's ResNets, 18 to 152",
                                          .cite = "He et al. 2016; pytorch.org/vision",
                                          .variants =
                                              "ResNet-18 to 152, any width; MoCo, SwAV, VISSL",
                                          .images = PLAIN_IMAGES,
                                          .signs = signs,
                                          .rules = rules,
                                          .spare = spare,
                                          .describe = describe_torchvision};

static const struct weight_rule lightly_rules[] = {{"encoder.conv1.*", "0.*", WEIGHT_SAME},
                                                   {"encoder.bn1.*", "1.*", WEIGHT_SAME},
                                                   {"encoder.layer1.*", "4.*", WEIGHT_SAME},
                                                   {"encoder.layer2.*", "5.*", WEIGHT_SAME},
                                                   {"encoder.layer3.*", "6.*", WEIGHT_SAME},
                                                   {"encoder.layer4.*", "7.*", WEIGHT_SAME},
                                                   {NULL, NULL, WEIGHT_SAME}};

static const char *const lightly_signs[] = {"0.weight", "1.running_mean", "4.0.conv1.weight",
                                            "4.0.bn1.weight", NULL};

const struct family family_lightly = {.name = "lightly",
                                      .title = "torchvision's ResNets without fc in nn.Sequential",
                                      .cite = "github.com/lightly-ai/lightly",
                                      .variants = "ResNet-18 to 152, any width",
                                      .images = PLAIN_IMAGES,
                                      .signs = lightly_signs,
                                      .rules = lightly_rules,
                                      .spare = counters,
                                      .describe = describe_lightly};

const struct family family_simclr = {.name = "simclr",
                                     .title = "SimCLR's ResNet-50, 1x to 4x, as converted",
                                     .cite = "Chen et al. 2020, arXiv:2002.05709",
                                     .variants = "ResNet-50 1x, 2x, 4x",
                                     .images = SIMCLR_IMAGES,
                                     .signs = signs,
                                     .rules = rules,
                                     .spare = spare,
                                     .describe = describe_plain};

static const struct spare_rule dino_spare[] = {
    COUNTERS, {"head.*", "DINO's projection head, of training"}, {NULL, NULL}};

/* Of the whole checkpoint; the encoder alone has torchvision's names. */
static const char *const dino_signs[] = {"conv1.weight", "bn1.running_mean",
                                         "layer1.0.conv1.weight", "*head.mlp.0.weight", NULL};

const struct family family_dino_resnet = {
    .name = "dino-resnet",
    .title = "DINO's ResNet-50",
    .cite = "Caron et al. 2021, arXiv:2104.14294",
    .variants = "ResNet-50, any depth and width",
    .images = {.norm = NORM_IMAGENET, .crop = 0.875, .interpolation = INTERPOLATION_BICUBIC},
    .signs = dino_signs,
    .rules = rules,
    .spare = dino_spare,
    .describe = describe_plain};

/* ---- SimCLR, version 2 ---- */

#define BLOCK(ours, theirs)                                                                        \
    { "encoder.layer*.*." ours ".*", "net.*.blocks.*." theirs ".*", WEIGHT_SAME }

static const struct weight_rule v2_rules[] = {{"head.fc.*", "fc.*", WEIGHT_SAME},
                                              {"encoder.conv1.*", "net.0.0.*", WEIGHT_SAME},
                                              {"encoder.bn1.*", "net.0.1.0.*", WEIGHT_SAME},
                                              BLOCK("conv1", "net.0"),
                                              BLOCK("bn1", "net.1.0"),
                                              BLOCK("conv2", "net.2"),
                                              BLOCK("bn2", "net.3.0"),
                                              BLOCK("conv3", "net.4"),
                                              BLOCK("bn3", "net.5.0"),
                                              BLOCK("downsample.0", "projection.shortcut"),
                                              BLOCK("downsample.1", "projection.bn.0"),
                                              {NULL, NULL, WEIGHT_SAME}};

static const char *const v2_signs[] = {"net.0.0.weight", "net.1.blocks.0.net.0.weight", NULL};

const struct family family_simclr_v2 = {.name = "simclr-v2",
                                        .title = "SimCLR's ResNets, version 2, as converted",
                                        .cite = "Chen et al. 2020, arXiv:2006.10029",
                                        .variants =
                                            "ResNet-18 to 152, 1x to 3x, without selective kernels",
                                        .images = SIMCLR_IMAGES,
                                        .signs = v2_signs,
                                        .rules = v2_rules,
                                        .spare = counters,
                                        .describe = describe_simclr_v2};
