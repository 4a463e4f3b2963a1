/* Fine-tuning: it learns what is easy to tell apart, on every kind of network; without its
 * augmentations it is plain training; threads change nothing; what it stores. */
#include "protocols/cell.h"
#include "protocols/tune.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TRAIN = 64, TEST = 32, CLASSES = 4, SIDE = 16 };

/* A dataset that anybody can tell apart: the class is where the bright quarter of the image is. */
static int read_quarter(const struct dataset *d, enum split split, long index, struct record *out,
                        struct error *err) {
    (void)d;
    struct rng rng = rng_at((struct rng_key){5, RNG_TEST}, (uint32_t)split, (uint32_t)index);
    int status = record_reserve(out, SIDE, SIDE, 3, 0, err);
    if (status)
        return status;
    out->label = (int)(index % CLASSES);
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        int y = i / 3 / SIDE, x = i / 3 % SIDE;
        int bright = y / (SIDE / 2) * 2 + x / (SIDE / 2) == out->label;
        out->pixels[i] = (uint8_t)(20 + 180 * bright + (int)rng_below(&rng, 40));
    }
    return 0;
}

static const struct dataset_source quarters = {.name = "quarters", .read = read_quarter};
static const char *const class_names[CLASSES] = {"a", "b", "c", "d"};

/* A pretrained run, drawn instead of trained, and its protocol's input. */
struct fixture {
    struct settings settings;
    struct dataset data;
    struct context context;
    struct cell cell;
    struct feature_set set;
    struct protocol_input in;
    int32_t label[TRAIN];
    struct arena arena;
    int number; /* of the protocol */
};

static struct fixture *open_fixture(const char *method, const char *backbone, int threads,
                                    const char *options) {
    struct fixture *f = calloc(1, sizeof *f);
    struct error err = {0};
    f->context =
        (struct context){.kernels = kernels_cpu(), .threads = threads, .loader_threads = threads};
    f->data = (struct dataset){.name = "quarters",
                               .spec = "quarters",
                               .source = &quarters,
                               .count = {TRAIN, TEST},
                               .height = SIDE,
                               .width = SIDE,
                               .channels = 3,
                               .classes = CLASSES,
                               .class_names = class_names,
                               .mean = {0.33, 0.33, 0.33},
                               .std = {0.3, 0.3, 0.3}};
    settings_init(&f->settings);
    char *text = arena_printf(&f->arena,
                              "methods = %s\nseeds = 3\npatch = 4\nbatch = 4\nchunk = 4\n"
                              "backbone = %s\n[finetune]\nbatch = 16\n%s",
                              method, backbone, options);
    if (options_load_text(&f->settings.options, text, "test", &err) ||
        cell_build(&f->cell, &f->settings, method_find(method), &f->data, 3, &f->context, 0, &err))
        fail_msg("%s", err.message);
    for (int i = 0; i < TRAIN; i++)
        f->label[i] = i % CLASSES;
    f->set = (struct feature_set){.classes = CLASSES,
                                  .train = {.n = TRAIN, .label = f->label},
                                  .test = {.n = TEST, .label = f->label}};
    f->in = (struct protocol_input){.subject = &f->cell.subject,
                                    .features = &f->set,
                                    .kernels = f->context.kernels,
                                    .threads = threads,
                                    .arena = &f->arena};
    while (strcmp(protocols[f->number]->name, "finetune"))
        f->number++;
    return f;
}

static int run(struct fixture *f, struct eval *e, struct error *err) {
    *e = (struct eval){0};
    return protocols[f->number]->run(f->settings.protocol[f->number], &f->in, e, err);
}

static struct eval evaluate(struct fixture *f) {
    struct eval e;
    struct error err = {0};
    if (run(f, &e, &err))
        fail_msg("%s", err.message);
    return e;
}

static void close_fixture(struct fixture *f) {
    cell_close(&f->cell);
    settings_free(&f->settings);
    arena_free(&f->arena);
    free(f);
}

#define PLAIN                                                                                      \
    "drop_path = 0\nsmoothing = 0\nmin_area = 1\nflip = false\nrandaugment = 0\nerasing = 0\n"

/* Mirrors would change the class. */
static void it_learns_what_is_easy(void **state) {
    (void)state;
    static const struct {
        const char *method, *backbone, *options;
    } cases[] = {
        {"mae", "vit-micro", "epochs = 16\nlr = 4e-3\nflip = false\nmix_share = 0.2\n"},
        {"split_brain", "vit-micro", "epochs = 6\nlr = 8e-3\nmix_share = 0\n" PLAIN},
        {"simclr", "resnet-micro", "epochs = 6\nlr = 0.32\nflip = false\n"},
        {"random", "alexnet-micro", "epochs = 6\nlr = 0.32\nflip = false\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture *f = open_fixture(cases[i].method, cases[i].backbone, 1, cases[i].options);
        struct eval e = evaluate(f);
        print_message("%s on %s: %.3f\n", cases[i].method, cases[i].backbone, e.top1[0]);
        if (!(e.top1[0] > 0.6)) /* chance: 0.25 */
            fail_msg("%s on %s: %.3f", cases[i].method, cases[i].backbone, e.top1[0]);
        close_fixture(f);
    }
}

static void same_eval(const struct eval *a, const struct eval *b) {
    assert_int_equal(a->n_grid, b->n_grid);
    for (int i = 0; i < a->n_grid; i++) {
        assert_true(a->grid[i].lr == b->grid[i].lr);
        assert_true(a->grid[i].val_top1 == b->grid[i].val_top1 ||
                    (isnan(a->grid[i].val_top1) && isnan(b->grid[i].val_top1)));
        assert_int_equal(a->grid[i].chosen, b->grid[i].chosen);
    }
    assert_memory_equal(a->pred, b->pred, sizeof *a->pred * (size_t)(a->n_seeds * a->n_samples));
    assert_memory_equal(a->confusion, b->confusion, sizeof *a->confusion * CLASSES * CLASSES);
}

static void threads_change_nothing(void **state) {
    (void)state;
    static const char *const backbones[] = {"vit-micro", "resnet-micro"};
    for (int i = 0; i < 2; i++) {
        const char *options = "epochs = 2\nval_share = 0.5\n";
        struct fixture *one = open_fixture("random", backbones[i], 1, options);
        struct fixture *three = open_fixture("random", backbones[i], 3, options);
        struct eval a = evaluate(one), b = evaluate(three);
        same_eval(&a, &b);
        close_fixture(one);
        close_fixture(three);
    }
}

/* The test's own task: labels by the same head, images as protocols see them. */
static struct tensor *plain_answer(const void *self, struct builder *b, const struct encoded *e) {
    (void)self;
    int task = builder_group(b, TUNE_GROUP);
    struct tensor *x = op_mean_rows(b->g, "mean", e->tokens, 1, e->tokens->dim[0]);
    x = op_layernorm(b->g, "fc_norm", task, x, 1e-6);
    const struct linear_spec head = {
        .group = task, .out = b->classes, .init = INIT_TRUNC_NORMAL, .scale = 2e-5};
    return op_linear(b->g, "head", x, &head, NULL);
}

static int plain_objective(const void *self, struct builder *b, struct tensor *logits,
                           struct error *err) {
    (void)self, (void)err;
    struct tensor *targets = builder_reals(b, "targets", b->classes);
    builder_objective(b, "labels", op_soft_xent(b->g, "loss", logits, targets, 1), 1);
    return 0;
}

static void plain_prepare(const void *self, const struct subject *subject, const struct sample *s) {
    (void)self;
    float *target = s->slots[1];
    subject_view(subject, s->record, s->view, s->slots[0]);
    for (int c = 0; c < CLASSES; c++)
        target[c] = (float)(c == s->record->label);
}

static const struct tune_task plain_task = {
    .name = "plain",
    .recipe = {.optimizer = OPTIMIZER_ADAMW, .b1 = 0.9, .b2 = 0.999},
    .answer = plain_answer,
    .objective = plain_objective,
    .prepare = plain_prepare};

static void plain_predictions(struct fixture *f, int16_t pred[TEST]) {
    const struct tune_config config = {.in = &f->in,
                                       .task = &plain_task,
                                       .epochs = 3,
                                       .batch = 16,
                                       .lr = 4e-3,
                                       .weight_decay = 0.05,
                                       .warmup = 0.1,
                                       .layer_decay = 0.75};
    struct tuned *t;
    struct error err = {0};
    float logits[TEST * CLASSES];
    if (tune_train(&t, &config, &err) || tune_answers(t, SPLIT_TEST, NULL, TEST, logits, &err))
        fail_msg("%s", err.message);
    for (int i = 0; i < TEST; i++) {
        pred[i] = 0;
        for (int c = 1; c < CLASSES; c++)
            if (logits[i * CLASSES + c] > logits[i * CLASSES + pred[i]])
                pred[i] = (int16_t)c;
    }
    tune_close(t);
}

/* Each of the augmentations alone changes what comes out; without all of them it is plain. */
static void without_augmentation_it_is_plain(void **state) {
    (void)state;
    static const char *const one_on[] = {"",
                                         "mixup = 0\ncutmix = 0\nmix_share = 1\n",
                                         "mix_share = 1\n",
                                         "drop_path = 0.5\n",
                                         "smoothing = 0.5\n",
                                         "min_area = 0.2\n",
                                         "flip = true\n",
                                         "randaugment = 9\n",
                                         "erasing = 1\n",
                                         "layer_decay = 0.2\n",
                                         "warmup = 0.9\n"};
    enum { PLAINLY = 2 };
    int16_t plain[TEST];
    for (int i = 0; i < (int)(sizeof one_on / sizeof *one_on); i++) {
        char options[512];
        snprintf(options, sizeof options, "epochs = 3\nlr = 4e-3\n%s%s%s", PLAIN,
                 strstr(one_on[i], "mix_share") ? "" : "mix_share = 0\n", one_on[i]);
        struct fixture *f = open_fixture("random", "vit-micro", 1, options);
        if (!i)
            plain_predictions(f, plain);
        struct eval e = evaluate(f);
        if (!memcmp(e.pred, plain, sizeof plain) != (i < PLAINLY))
            fail_msg("\"%s\" %s the predictions", one_on[i], i < PLAINLY ? "changes" : "leaves");
        close_fixture(f);
    }
}

static void what_is_chosen_is_the_best_and_stored(void **state) {
    (void)state;
    struct fixture *f =
        open_fixture("random", "vit-micro", 1, "epochs = 4\nval_share = 0.5\nprobe_seeds = 2\n");
    struct eval e = evaluate(f);
    int chosen = -1, total = 0;
    assert_int_equal(e.n_grid, 3);
    for (int i = 0; i < e.n_grid; i++) {
        assert_string_equal(e.grid[i].representation, "encoder");
        assert_true(e.grid[i].val_top1 >= 0 && e.grid[i].weight_decay == 0.05);
        assert_true(!i || e.grid[i].lr > e.grid[i - 1].lr);
        if (e.grid[i].chosen) {
            assert_int_equal(chosen, -1);
            chosen = i;
        }
    }
    for (int i = 0; i < e.n_grid; i++)
        assert_true(i < chosen ? e.grid[i].val_top1 < e.grid[chosen].val_top1
                               : e.grid[i].val_top1 <= e.grid[chosen].val_top1);
    assert_string_equal(e.selected_on, "val");
    assert_int_equal(strlen(e.split_sha256), 64);
    assert_int_equal(e.n_seeds, 2);
    for (int i = 0; i < CLASSES * CLASSES; i++)
        total += e.confusion[i];
    assert_int_equal(total, TEST);
    /* The two fits differ in their draws, and the first is that of the same rate, given. */
    char *given = arena_printf(&f->arena, "epochs = 4\nlr = %.17g\n", e.grid[chosen].lr);
    struct fixture *g = open_fixture("random", "vit-micro", 1, given);
    struct eval h = evaluate(g);
    assert_memory_equal(h.pred, e.pred, sizeof *e.pred * TEST);
    assert_string_equal(h.selected_on, "none");
    assert_string_equal(h.split_sha256, "");
    assert_true(h.n_grid == 1 && h.grid[0].chosen && isnan(h.grid[0].val_top1));
    close_fixture(g);
    close_fixture(f);
}

/* Weights grow 600 times a step. */
static void a_fit_that_diverges_is_an_outcome(void **state) {
    (void)state;
    struct fixture *f = open_fixture("random", "resnet-micro", 1,
                                     "epochs = 8\nlr = 1000\nweight_decay = 10\nwarmup = 0\n");
    struct eval e = evaluate(f);
    assert_int_equal(e.outcome, OUTCOME_DIVERGED);
    assert_string_equal(e.reason, "fine-tuning diverged");
    assert_true(!e.top1 && !e.n_seeds);
    close_fixture(f);
}

static void too_few_images_are_refused(void **state) {
    (void)state;
    struct fixture *f = open_fixture("random", "vit-micro", 1, "epochs = 1\n");
    struct eval e;
    struct error err = {0};
    f->set.train.n = 1;
    assert_int_equal(run(f, &e, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "finetune.val_share"));
    assert_non_null(strstr(err.message, "no class has two of the 1 training images"));
    close_fixture(f);
}

static void a_stop_ends_it(void **state) {
    (void)state;
    struct fixture *f = open_fixture("random", "vit-micro", 1, "epochs = 1\n");
    volatile sig_atomic_t stop = 1;
    struct eval e;
    struct error err = {0};
    f->cell.subject.stop = &stop;
    assert_int_equal(run(f, &e, &err), STATUS_INTERRUPTED);
    close_fixture(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_what_is_easy),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(without_augmentation_it_is_plain),
        cmocka_unit_test(what_is_chosen_is_the_best_and_stored),
        cmocka_unit_test(a_fit_that_diverges_is_an_outcome),
        cmocka_unit_test(too_few_images_are_refused),
        cmocka_unit_test(a_stop_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
