/* A copy of an encoder trained further: it starts as the pretrained one, leaves that one alone,
 * moves its layers by their own rates, and gives the same answers on any number of threads. */
#include "protocols/tune.h"

#include "tests/subject_fixture.h"

#include <stdio.h>

enum { TEST = 10, CLASSES = 10 };
static const char *const few = "train=24,test=10";

/* The task: labels by a linear head; or the pooled features themselves as answers. */
static struct tensor *logits(const void *self, struct builder *b, const struct encoded *e) {
    (void)self;
    const struct linear_spec head = {.group = builder_group(b, TUNE_GROUP),
                                     .out = CLASSES,
                                     .init = INIT_TRUNC_NORMAL,
                                     .scale = 0.01};
    return op_linear(b->g, "fc", e->pooled, &head, NULL);
}

static int labels(const void *self, struct builder *b, struct tensor *answers, struct error *err) {
    (void)self, (void)err;
    struct tensor *label = builder_index(b, "labels", 1);
    builder_objective(b, "labels", op_softmax_xent(b->g, "loss", answers, label, 0), 1);
    return 0;
}

static void plain(const void *self, const struct subject *subject, const struct sample *s) {
    (void)self;
    subject_view(subject, s->record, s->view, s->slots[0]);
    *(int32_t *)s->slots[1] = s->record->label;
}

static const struct tune_task classify = {
    .name = "classify",
    .recipe = {.optimizer = OPTIMIZER_ADAMW, .b1 = 0.9, .b2 = 0.999},
    .answer = logits,
    .objective = labels,
    .prepare = plain};

static struct tensor *pooled(const void *self, struct builder *b, const struct encoded *e) {
    (void)self, (void)b;
    return e->pooled;
}

static int labels_of_pooled(const void *self, struct builder *b, struct tensor *answers,
                            struct error *err) {
    struct encoded e = {.pooled = answers};
    return labels(self, b, logits(self, b, &e), err);
}

static const struct tune_task look = {.name = "look",
                                      .recipe = {.optimizer = OPTIMIZER_SGD, .momentum = 0.9},
                                      .answer = pooled,
                                      .objective = labels_of_pooled,
                                      .prepare = plain};

static struct tuned *tune(struct subject_fixture *f, const struct tune_task *task, double lr,
                          double epochs) {
    const struct tune_config config = {.in = &f->in,
                                       .task = task,
                                       .seed = 7,
                                       .epochs = epochs,
                                       .batch = 8,
                                       .lr = lr,
                                       .layer_decay = 0.5};
    struct tuned *t;
    struct error err = {0};
    if (tune_train(&t, &config, &err))
        fail_msg("%s", err.message);
    return t;
}

static float *answers(struct tuned *t, struct subject_fixture *f) {
    struct error err = {0};
    float *out = ARENA_ARRAY(&f->arena, float, TEST *tune_width(t));
    if (tune_answers(t, SPLIT_TEST, NULL, TEST, out, &err))
        fail_msg("%s", err.message);
    return out;
}

static const struct {
    const char *method, *backbone;
} subjects[] = {{"mae", "vit-micro"},
                {"dino", "vit-micro"},
                {"split_brain", "vit-micro"},
                {"simclr", "resnet-micro"},
                {"split_brain", "alexnet-micro"}};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

/* At rate 0 the copy gives what the protocols' own graph gives. */
static void a_copy_starts_as_the_encoder(void **state) {
    (void)state;
    struct subject_fixture *f = malloc(sizeof *f);
    for (int i = 0; i < SUBJECTS; i++) {
        subject_open(f, subjects[i].method, subjects[i].backbone, few, 1);
        struct tuned *still = tune(f, &look, 0, 1), *moved = tune(f, &look, 0.5, 3);
        float *a = answers(still, f), *b = answers(moved, f);
        size_t n = TEST * tune_width(still), width = tune_width(still);
        assert_memory_not_equal(a, b, n * sizeof *a);

        struct exec *x;
        struct error err = {0};
        const struct exec_config config = {
            .kernels = f->context.kernels, .threads = 1, .batch = TEST, .chunk = 4};
        float *images = ARENA_ARRAY(&f->arena, float, TEST * f->cell.encode_images->per_sample);
        struct record r = {0};
        struct rng rng = rng_at((struct rng_key){0, RNG_VIEW}, 0, 0);
        for (int k = 0; k < TEST; k++) {
            assert_int_equal(dataset_read(&f->data, SPLIT_TEST, k, &r, &err), 0);
            subject_view(&f->cell.subject, &r, &rng,
                         images + (size_t)k * f->cell.encode_images->per_sample);
        }
        record_free(&r);
        assert_int_equal(exec_open(&x, &f->cell.encode, &config, &err), 0);
        exec_bind(x, f->cell.encode_images, images);
        exec_run(x, TEST);
        int last = f->cell.encoded.n_representations - 1, found = 0;
        for (int q = 0; q <= last; q++) {
            const struct tensor *t = f->cell.encoded.representation[q];
            found |= t->per_sample == width && !memcmp(exec_output(x, t), a, n * sizeof *a);
        }
        /* batch norm's running statistics move even at rate 0, and are the copy's own */
        if (!found && f->cell.backbone.kind == BACKBONE_VIT)
            fail_msg("%s on %s: no representation equals what the copy gives", subjects[i].method,
                     subjects[i].backbone);
        exec_close(x);
        tune_close(still);
        tune_close(moved);
        subject_close(f);
    }
    free(f);
}

static void the_encoder_is_left_alone_and_threads_change_nothing(void **state) {
    (void)state;
    struct subject_fixture *one = malloc(sizeof *one), *three = malloc(sizeof *three);
    for (int i = 0; i < SUBJECTS; i++) {
        subject_open(one, subjects[i].method, subjects[i].backbone, few, 1);
        subject_open(three, subjects[i].method, subjects[i].backbone, few, 3);
        size_t bytes = one->cell.model.count * sizeof(real);
        real *before = malloc(bytes);
        memcpy(before, one->cell.model.value, bytes);
        struct tuned *a = tune(one, &classify, 0.05, 4), *b = tune(three, &classify, 0.05, 4);
        assert_memory_equal(before, one->cell.model.value, bytes);
        assert_int_equal(tune_width(a), CLASSES);
        float *x = answers(a, one), *y = answers(b, three);
        assert_memory_equal(x, y, sizeof *x * TEST * CLASSES);
        assert_true(tune_loss(a) == tune_loss(b) && !tune_diverged(a));
        free(before);
        tune_close(a);
        tune_close(b);
        subject_close(one);
        subject_close(three);
    }
    free(one);
    free(three);
}

/* What an answer is does not depend on which others are asked for. */
static void answers_do_not_depend_on_company(void **state) {
    (void)state;
    struct subject_fixture *f = malloc(sizeof *f);
    subject_open(f, "mae", "vit-micro", few, 2);
    struct tuned *t = tune(f, &classify, 0.05, 2);
    struct error err = {0};
    static const int32_t some[] = {9, 4, 0};
    float all[TEST * CLASSES], three[3 * CLASSES];
    assert_int_equal(tune_answers(t, SPLIT_TEST, NULL, TEST, all, &err), 0);
    assert_int_equal(tune_answers(t, SPLIT_TEST, some, 3, three, &err), 0);
    for (int i = 0; i < 3; i++)
        assert_memory_equal(three + (ptrdiff_t)i * CLASSES, all + some[i] * CLASSES,
                            CLASSES * sizeof *all);
    tune_close(t);
    subject_close(f);
    free(f);
}

static void parameters_belong_to_layers(void **state) {
    (void)state;
    static const struct {
        const char *backbone, *parameter;
        int layer, n;
    } cases[] = {{"vit-micro", "patch_embed.proj.weight", 0, 6},
                 {"vit-micro", "cls_token", 0, 6},
                 {"vit-micro", "pos_embed", 0, 6},
                 {"vit-micro", "blocks.0.attn.qkv.weight", 1, 6},
                 {"vit-micro", "blocks.5.mlp.fc2.bias", 6, 6},
                 {"vit-micro", "norm.weight", 7, 6},
                 {"resnet-micro", "conv1.weight", 0, 4},
                 {"resnet-micro", "bn1.bias", 0, 4},
                 {"resnet-micro", "layer1.0.conv1.weight", 1, 4},
                 {"resnet-micro", "layer4.1.bn2.weight", 4, 4},
                 {"alexnet-micro", "conv1.weight", 1, 5},
                 {"alexnet-micro", "bn5.weight", 5, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct backbone b;
        struct error err = {0};
        int n;
        const struct backbone_options o = {.image = 32, .channels = 3, .patch = 8};
        assert_int_equal(backbone_make(&b, cases[i].backbone, &o, &err), 0);
        assert_int_equal(tune_layer(&b, cases[i].parameter, &n), cases[i].layer);
        assert_int_equal(n, cases[i].n);
    }
}

/* He et al. 2022, as their code has it: 0.5^(depth + 1 - id), what embeds has id 0, the head 1. */
static void rates_decay_from_the_head_down(void **state) {
    (void)state;
    struct subject_fixture *f = malloc(sizeof *f);
    subject_open(f, "mae", "vit-micro", few, 1);
    struct tuned *t = tune(f, &classify, 0, 1);
    const struct model *m = tune_model(t);
    int facts = 0;
    for (int g = 0; g < m->n_groups; g++)
        for (const struct param *p = m->groups[g].first; p; p = p->next) {
            int depth = 6, block, id = 0;
            if (sscanf(p->name, "blocks.%d.", &block) == 1)
                id = block + 1;
            else if (!strncmp(p->name, "norm.", 5) || !strcmp(m->groups[g].name, TUNE_GROUP))
                id = depth + 1;
            for (int i = 0; i < m->n_facts; i++)
                if (m->facts[i].offset == p->offset) {
                    assert_true(m->facts[i].lr_scale == (real)(1.0 / (1 << (depth + 1 - id))));
                    facts++;
                }
        }
    assert_int_equal(facts, m->n_facts);
    tune_close(t);
    subject_close(f);
    free(f);
}

static void a_stop_is_not_an_answer(void **state) {
    (void)state;
    struct subject_fixture *f = malloc(sizeof *f);
    volatile sig_atomic_t stop = 1;
    subject_open(f, "mae", "vit-micro", few, 1);
    f->cell.subject.stop = &stop;
    const struct tune_config config = {
        .in = &f->in, .task = &classify, .epochs = 1, .batch = 8, .lr = 0.1, .layer_decay = 1};
    struct tuned *t;
    struct error err = {0};
    assert_int_equal(tune_train(&t, &config, &err), STATUS_INTERRUPTED);
    assert_null(t);
    subject_close(f);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_starts_as_the_encoder),
        cmocka_unit_test(the_encoder_is_left_alone_and_threads_change_nothing),
        cmocka_unit_test(answers_do_not_depend_on_company),
        cmocka_unit_test(parameters_belong_to_layers),
        cmocka_unit_test(rates_decay_from_the_head_down),
        cmocka_unit_test(a_stop_is_not_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
