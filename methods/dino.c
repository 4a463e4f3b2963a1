/* dino.c -- self-distillation with no labels.  Caron et al. 2021, arXiv:2104.14294.
 *
 * A student sees two large crops of an image and several small ones, a teacher the large ones only.
 * Both are encoder and head (section 3.1, "Network architecture"): three linear layers with GELU, a
 * bottleneck, rows of length 1, and a last layer whose K weight vectors have length 1.  With a view
 * x of the teacher and another view x' of the student, eq. (1) to (3):
 *
 *     P_t = softmax((g_t(x) - centre) / teacher temperature)
 *     P_s = softmax(g_s(x') / student temperature)
 *     loss = mean over pairs x != x' of  - sum P_t log P_s
 *
 * After the step the centre follows the batch's mean of g_t, eq. (4), and the teacher the student,
 * with a momentum that rises to 1 along a cosine.  The student's last layer stands still in the
 * first epoch, the weight decay rises along a cosine, and gradients are clipped tensor by tensor,
 * as in the authors' code.  Evaluation uses the teacher's encoder without the head.
 *
 * As the loss is linear in P_t, a small crop is compared with the mean of the two teachers' views
 * once instead of with each.
 *
 * Departures: defaults for small images and short runs, the paper's in the options' help and in the
 * preset `paper`; no blur by default (its width in pixels is for 224) and a base rate of 2e-3
 * (5e-4); the teacher's temperature warms up by steps instead of epochs; the rate ends at 0 (1e-6);
 * stochastic depth drops the same branches for all crops of an image; with head_norm large and
 * small crops are normalised apart, as in the encoder of a ResNet.  An AlexNet is left out: its
 * pooling has no room in small crops.
 */
#include "methods/method.h"
#include "methods/show.h"
#include "methods/views.h"

#include <math.h>
#include <string.h>

struct dino {
    int prototypes, head_hidden, head_norm, bottleneck;
    int local_crops, local_side;
    double global_area, local_area, strength, blur, solarize;
    double student_temperature, teacher_temperature, teacher_temperature_start, temperature_warmup;
    double momentum, centre_momentum, freeze_epochs, weight_decay_end;
    const char *evaluate;
};

static const struct option_def options[] = {
    OPTION_INT(struct dino, prototypes, 1024, 2, 1048576, "outputs of the head; paper: 65536"),
    OPTION_INT(struct dino, head_hidden, 512, 1, 16384,
               "width of the head's hidden layers; paper: 2048"),
    OPTION_BOOL(struct dino, head_norm, 0, "batch norm in the head's hidden layers; paper: no"),
    OPTION_INT(struct dino, bottleneck, 128, 1, 16384,
               "width in front of the last layer; paper: 256"),
    OPTION_INT(struct dino, local_crops, 4, 0, 32, "small crops of an image; paper: 8"),
    OPTION_INT(struct dino, local_side, 0, 0, 1024,
               "side of the small crops; 0: half of the image in whole patches; paper: 96 of 224"),
    OPTION_REAL(struct dino, global_area, 0.4, 0.01, 1,
                "smallest share of the image in a large crop"),
    OPTION_REAL(struct dino, local_area, 0.05, 0.01, 1,
                "smallest share of the image in a small crop, whose largest is global_area"),
    OPTION_REAL(struct dino, strength, 1, 0, 5, "of the colour jitter; 1: as in the paper"),
    OPTION_REAL(struct dino, blur, 0, 0, 1, "how often views are blurred; 1: as in the paper"),
    OPTION_REAL(struct dino, solarize, 0.2, 0, 1, "share of solarized second large crops"),
    OPTION_REAL(struct dino, student_temperature, 0.1, 0.001, 10, "of the student's softmax"),
    OPTION_REAL(struct dino, teacher_temperature, 0.04, 0.001, 10,
                "of the teacher's softmax; paper: up to 0.07"),
    OPTION_REAL(struct dino, teacher_temperature_start, 0.04, 0.001, 10, "its value at first"),
    OPTION_REAL(struct dino, temperature_warmup, 0.3, 0, 1,
                "share of the steps in which it changes linearly"),
    OPTION_REAL(struct dino, momentum, 0.996, 0, 1, "of the teacher at first; 1 at the end"),
    OPTION_REAL(struct dino, centre_momentum, 0.9, 0, 1, "of the centre"),
    OPTION_REAL(struct dino, freeze_epochs, 1, 0, 1e6, "in which the last layer stands still"),
    OPTION_REAL(struct dino, weight_decay_end, 0.4, 0, 10, "weight decay at the end"),
    OPTION_TEXT(struct dino, evaluate, "teacher", "teacher|student", "whose encoder is evaluated"),
    OPTION_END};

enum { GLOBALS, LOCALS, GLOBAL_CROPS = 2 };

/* What the steps need of the graph. */
struct runtime {
    struct tensor *sharpening; /* 1 / temperature of the teacher */
    struct tensor *outputs;    /* (N,2,K) of the teacher */
    const struct param *centre;
    int local_side;
};

enum { ENCODER, HEAD, PROTOTYPES, PARTS };

static void find_groups(struct builder *b, int student[PARTS], int teacher[PARTS]) {
    static const char *const of_teacher[PARTS] = {"teacher", "teacher_head", "teacher_prototypes"};
    student[ENCODER] = b->encoder;
    student[HEAD] = builder_group(b, "head");
    student[PROTOTYPES] = builder_group(b, "prototypes");
    for (int i = 0; i < PARTS; i++)
        teacher[i] = builder_group(b, of_teacher[i]);
}

static int choose_local_side(const struct dino *d, const struct backbone *b, int *side,
                             struct error *err) {
    int patch = b->kind == BACKBONE_VIT ? b->vit.patch : 1;
    *side = d->local_side ? d->local_side : b->image / 2 / patch * patch;
    if (!d->local_crops)
        return 0;
    if (!*side || *side > b->image || *side % patch)
        return error_set(err, STATUS_USAGE,
                         "dino.local_side %d: small crops need a side of at most %d that patches "
                         "of %d fill: choose another side or patch",
                         *side, b->image, patch);
    if (b->kind == BACKBONE_VIT && b->vit.relative_positions && *side != b->image)
        return error_set(err, STATUS_USAGE,
                         "dino's small crops have other positions than its large ones: leave out "
                         "--relative-positions or set dino.local_crops to 0");
    return 0;
}

/* The K unit vectors that outputs are cosines with.  Only directions count, but the length of the
 * parameter is what a step turns them by: that of PyTorch's linear layers. */
static struct tensor *directions(const struct dino *d, struct graph *g, int group) {
    const int dim[] = {d->prototypes, d->bottleneck};
    double std = 1 / sqrt(3.0 * d->bottleneck);
    struct tensor *w = graph_param(g, group, "weight", 2, dim, INIT_NORMAL, std);
    return op_l2norm(g, "directions", w, 1e-12);
}

/* (N,V,K) from features (N,V,dim) */
static struct tensor *project(const struct dino *d, struct graph *g, int group, struct tensor *x,
                              struct tensor *unit) {
    static const struct {
        const char *fc, *bn;
    } names[] = {{"fc1", "bn1"}, {"fc2", "bn2"}, {"fc3", NULL}};
    enum { LAYERS = sizeof names / sizeof *names };
    for (int i = 0; i < LAYERS; i++) {
        int last = i == LAYERS - 1, norm = d->head_norm && !last;
        struct linear_spec layer = {.group = group,
                                    .out = last ? d->bottleneck : d->head_hidden,
                                    .act = last || norm ? ACT_NONE : ACT_GELU,
                                    .init = INIT_TRUNC_NORMAL,
                                    .scale = 0.02};
        x = op_linear(g, names[i].fc, x, &layer, NULL);
        if (norm) {
            x = op_batchnorm(g, names[i].bn, group, x, NULL, 0, 0);
            x = op_activation(g, names[i].bn, x, ACT_GELU);
        }
    }
    return op_matmul(g, "outputs", op_l2norm(g, "bottleneck", x, 1e-12), unit);
}

/* P_t (N,2,K); no gradient leads into it. */
static struct tensor *teach(const struct dino *d, struct builder *b, const int group[PARTS],
                            struct tensor *globals) {
    struct runtime *r = b->runtime;
    struct graph *g = b->g;
    struct encoded e;
    graph_freeze(g, 1);
    backbone_encode(g, group[ENCODER], b->backbone, globals, NULL, ENCODE_POOLED, &e);
    r->outputs = project(d, g, group[HEAD], e.pooled, directions(d, g, group[PROTOTYPES]));
    int statistics = builder_group(b, "centre");
    struct tensor *centre = graph_param(g, statistics, "centre", 1, &d->prototypes, INIT_ZERO, 0);
    graph_freeze(g, 0);
    centre->param->statistic = 1;
    model_hold(b->model, statistics);
    for (int i = 0; i < PARTS; i++)
        model_hold(b->model, group[i]);
    r->centre = centre->param;
    r->sharpening = builder_scalar(b, "sharpening", 1 / d->teacher_temperature_start);
    struct tensor *x =
        op_add_broadcast(g, "centred", r->outputs, op_scale(g, "minus_centre", centre, -1, NULL));
    x = op_scale(g, "sharpened", x, 1, r->sharpening);
    graph_sums(g, r->outputs);
    builder_watch(b, WATCH_LOGITS, x);
    return op_softmax(g, "targets", x, 1, NULL);
}

/* The student's outputs for images (N,V,C,side,side). */
static struct tensor *study(const struct dino *d, struct builder *b, int group,
                            struct tensor *images, struct tensor *unit) {
    struct encoded e;
    builder_encode(b, images, ENCODE_POOLED, &e);
    return project(d, b->g, group, e.pooled, unit);
}

/* The target of every small crop: the mean of the teacher's two. */
static struct tensor *local_target(const struct dino *d, struct builder *b, struct tensor *target) {
    struct graph *g = b->g;
    int32_t *first = ARENA_ARRAY(b->arena, int32_t, d->local_crops); /* 0, 0, ... */
    struct tensor *same = graph_const_index(g, "same", d->local_crops, first);
    struct tensor *mean = op_mean_rows(g, "mean_target", target, 0, GLOBAL_CROPS);
    mean = op_reshape(g, "mean_target", mean, 2, (const int[]){1, d->prototypes});
    return op_gather(g, "local_targets", mean, same, NULL);
}

static int build(const void *self, struct builder *b, struct error *err) {
    const struct dino *d = self;
    struct runtime *r = ARENA_NEW(b->arena, struct runtime);
    int student[PARTS], teacher[PARTS];
    if (d->local_crops && d->local_area > d->global_area)
        return error_set(err, STATUS_USAGE,
                         "dino.local_area %g is more than dino.global_area %g, the largest share "
                         "of a small crop: choose a smaller one",
                         d->local_area, d->global_area);
    int status = choose_local_side(d, b->backbone, &r->local_side, err);
    if (status)
        return status;
    b->runtime = r;
    find_groups(b, student, teacher);
    struct graph *g = b->g;
    double pairs = GLOBAL_CROPS * (GLOBAL_CROPS + d->local_crops) - GLOBAL_CROPS;
    double scale = 1 / d->student_temperature;
    struct tensor *globals = builder_images(b, "globals", GLOBAL_CROPS, 0);
    struct tensor *unit = directions(d, g, student[PROTOTYPES]);
    struct tensor *x = study(d, b, student[HEAD], globals, unit);
    struct tensor *target = teach(d, b, teacher, globals);
    static const int32_t other[GLOBAL_CROPS] = {1, 0};
    struct tensor *swap = graph_const_index(g, "other", GLOBAL_CROPS, other);
    struct tensor *swapped = op_gather(g, "global_targets", target, swap, NULL);
    builder_objective(b, "global", op_soft_xent(g, "global_loss", x, swapped, scale), 1 / pairs);
    if (d->local_crops) {
        struct tensor *locals = builder_images(b, "locals", d->local_crops, r->local_side);
        x = study(d, b, student[HEAD], locals, unit);
        x = op_soft_xent(g, "local_loss", x, local_target(d, b, target), scale);
        builder_objective(b, "local", x, GLOBAL_CROPS / pairs);
    }
    builder_uniform_loss(b, log(d->prototypes));
    return 0;
}

static void prepare(const void *self, const struct sample *s) {
    const struct dino *d = self;
    const struct runtime *r = s->runtime;
    struct view_recipe global[GLOBAL_CROPS] = {view_recipe_dino_global_1,
                                               view_recipe_dino_global_2};
    struct view_recipe local = view_recipe_dino_local;
    global[1].solarize = d->solarize;
    for (int i = 0; i < GLOBAL_CROPS; i++) {
        global[i].min_area = d->global_area;
        global[i].blur_p *= d->blur;
        view_recipe_scale_jitter(&global[i], d->strength);
        sample_view(s, GLOBALS, i, s->backbone->image, &global[i]);
    }
    local.min_area = d->local_area;
    local.max_area = d->global_area;
    local.blur_p *= d->blur;
    view_recipe_scale_jitter(&local, d->strength);
    for (int i = 0; i < d->local_crops; i++)
        sample_view(s, LOCALS, i, r->local_side, &local);
}

static void start(const void *self, struct step *s) {
    (void)self;
    int student[PARTS], teacher[PARTS];
    find_groups(s->b, student, teacher);
    for (int i = 0; i < PARTS; i++)
        model_copy(s->b->model, student[i], teacher[i]);
}

static double temperature(const struct dino *d, const struct step *s) {
    double steps = d->temperature_warmup * (double)s->total;
    double share = (double)s->done < steps ? (double)s->done / steps : 1;
    return d->teacher_temperature_start +
           (d->teacher_temperature - d->teacher_temperature_start) * share;
}

/* Everything here is a function of the step's number: a run that was stopped goes on the same. */
static void before(const void *self, struct step *s) {
    const struct dino *d = self;
    const struct runtime *r = s->b->runtime;
    builder_set(s->b, r->sharpening, 1 / temperature(d, s));
    s->weight_decay = schedule_cosine(s->done, s->total, 0, s->weight_decay, d->weight_decay_end);
    model_freeze(s->b->model, builder_group(s->b, "prototypes"),
                 lround(d->freeze_epochs * (double)s->per_epoch));
}

/* Eq. (4): centre = m centre + (1 - m) mean over the batch of the teacher's outputs. */
static void move_centre(const struct dino *d, const struct step *s) {
    const struct runtime *r = s->b->runtime;
    const double rows = (double)s->n * GLOBAL_CROPS, m = d->centre_momentum;
    s->kernels->axpby(&s->ctx, r->centre->count, (real)((1 - m) / rows),
                      exec_column_sums(s->exec, r->outputs, s->n), (real)m,
                      s->values + r->centre->offset);
    s->b->model->version++;
}

static void after(const void *self, struct step *s) {
    const struct dino *d = self;
    int student[PARTS], teacher[PARTS];
    find_groups(s->b, student, teacher);
    move_centre(d, s);
    double momentum = schedule_cosine(s->done, s->total, 0, d->momentum, 1);
    for (int i = 0; i < PARTS; i++)
        model_ema(s->b->model, s->kernels, &s->ctx, s->values, student[i], teacher[i], momentum);
}

static void encode(const void *self, struct builder *b, struct tensor *images,
                   struct encoded *out) {
    const struct dino *d = self;
    if (!strcmp(d->evaluate, "teacher"))
        b->encoder = builder_group(b, "teacher");
    backbone_encode(b->g, b->encoder, b->backbone, images, NULL, ENCODE_LAYERS, out);
}

static const struct recipe paper = {.lr = 5e-4, .weight_decay = 0.04, .warmup = 0.1};

const struct method method_dino = {
    .name = "dino",
    .title = "DINO",
    .version = 2, /* the centre's sums by lanes */
    .cite = "Caron et al. 2021, arXiv:2104.14294",
    .trains = 1,
    .mixes_samples = 1, /* the centre is of the whole batch */
    .options = options,
    .paper = "prototypes=65536 head_hidden=2048 bottleneck=256 local_crops=8 blur=1 "
             "teacher_temperature=0.07",
    .paper_recipe = &paper,
    .state_size = sizeof(struct dino),
    .show = show_dino,
    .backbones = BACKBONE_VIT | BACKBONE_RESNET,
    .encode = encode,
    .n_stages = 1,
    .stages = {{.name = "pretrain",
                .recipe = {.optimizer = OPTIMIZER_ADAMW,
                           .lr = 2e-3,
                           .weight_decay = 0.04,
                           .b1 = 0.9,
                           .b2 = 0.999,
                           .clip = 3,
                           .clip_each = 1,
                           .warmup = 0.1},
                .build = build,
                .prepare = prepare,
                .start = start,
                .before = before,
                .after = after}},
};
