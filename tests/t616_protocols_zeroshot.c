/* Zero-shot: prompts, classes from texts, scores; and a text tower tuned against frozen features,
 * which must learn what the features say and nothing when they say nothing. */
#include "protocols/lit.h"
#include "protocols/zeroshot.h"

#include "tests/subject_fixture.h"

#include <math.h>

enum { TEST = 120, CLASSES = 10, DIM = 12 };

static void near(double got, double want) {
    if (!(fabs(got - want) <= 1e-6))
        fail_msg("%.9g instead of %.9g", got, want);
}

static void templates_go_around_names(void **state) {
    (void)state;
    static const char *const names[] = {"cat", "fire_truck"};
    struct arena a = {0};
    struct error err;
    const char **texts;
    int n;
    assert_int_equal(zeroshot_prompts("a {}.|{}|the {} here", names, 2, &a, &texts, &n, &err), 0);
    assert_int_equal(n, 3);
    static const char *const want[] = {"a cat.",        "cat",        "the cat here",
                                       "a fire truck.", "fire truck", "the fire truck here"};
    for (int i = 0; i < 6; i++)
        assert_string_equal(texts[i], want[i]);
    static const char *const wrong[] = {"a cat", "{} and {}", "{}|none", "", "|"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(zeroshot_prompts(wrong[i], names, 2, &a, &texts, &n, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, "zeroshot.templates"));
    }
    arena_free(&a);
}

/* (3,4) and (5,0) have the unit vectors (.6,.8) and (1,0); their mean (.8,.4) has length .894427.
 */
static void a_class_is_the_mean_of_unit_vectors(void **state) {
    (void)state;
    static const float texts[] = {3, 4, 5, 0, 0, 0, 0, -2}; /* two classes of two texts */
    float classes[4], scores[6];
    zeroshot_classes(texts, 2, 2, 2, classes);
    near((double)classes[0], 0.8 / sqrt(0.8));
    near((double)classes[1], 0.4 / sqrt(0.8));
    near((double)classes[2], 0);
    near((double)classes[3], -1);
    static const float images[] = {0, 7, 1, 0, 0, 0};
    zeroshot_scores(images, 3, classes, 2, 2, scores);
    near((double)scores[0], 0.4 / sqrt(0.8));
    near((double)scores[1], -1);
    near((double)scores[2], 0.8 / sqrt(0.8));
    near((double)scores[3], 0);
    near((double)scores[4], 0);
    near((double)scores[5], 0);
}

/* Features (n,DIM) that say the class with strength `signal`, and noise. */
static void draw_features(struct subject_fixture *f, double signal) {
    struct feature_set *set = &f->cell.features;
    struct feature_split *splits[SPLITS] = {&set->train, &set->test};
    set->n_representations = 2;
    set->dim[0] = set->dim[1] = DIM;
    strcpy(set->names[0], "layer1.cls");
    strcpy(set->names[1], "layer2.cls");
    for (int s = 0; s < SPLITS; s++) {
        int n = splits[s]->n = (int)f->data.count[s];
        float *x = ARENA_ARRAY(&f->arena, float, n *DIM);
        int32_t *label = ARENA_ARRAY(&f->arena, int32_t, n);
        struct record r = {0};
        struct error err;
        for (int i = 0; i < n; i++) {
            struct rng rng = rng_at((struct rng_key){9, RNG_TEST}, (uint32_t)s, (uint32_t)i);
            assert_int_equal(dataset_read(&f->data, (enum split)s, i, &r, &err), 0);
            label[i] = r.label;
            for (int k = 0; k < DIM; k++)
                x[i * DIM + k] = (float)(0.3 * rng_normal(&rng) + (k == r.label) * signal + 5);
        }
        record_free(&r);
        splits[s]->label = label;
        splits[s]->x[0] = ARENA_ARRAY(&f->arena, float, n *DIM); /* zeros: of another layer */
        splits[s]->x[1] = x;
    }
}

/* The protocol with a small tower. */
static double zeroshot(struct subject_fixture *f, struct eval *e) {
    struct settings *s = f->settings;
    struct error err = {0};
    int at = 0;
    while (protocols[at] != &protocol_zeroshot)
        at++;
    if (options_load_text(&s->options,
                          "[zeroshot]\nlit_epochs = 12\nlit_batch = 50\nlit_lr = 3e-2\n"
                          "lit_text_dim = 32\nlit_text_depth = 1\nlit_text_heads = 2\n"
                          "lit_vocabulary_size = 600\n",
                          "test", &err) ||
        protocol_zeroshot.run(s->protocol[at], &f->in, e, &err))
        fail_msg("%s", err.message);
    assert_int_equal(e->n_seeds, 1);
    assert_int_equal(e->n_samples, TEST);
    return e->top1[0];
}

static void a_tower_learns_what_the_features_say(void **state) {
    (void)state;
    static const char *const spec = "train=300,test=120";
    struct subject_fixture *f = malloc(sizeof *f);
    for (int captions = 0; captions < 2; captions++) {
        struct eval e = {.outcome = OUTCOME_OK}, none = {.outcome = OUTCOME_OK};
        subject_open(f, "mae", "vit-micro", spec, 2);
        f->data.has_caption = captions; /* else the classes' prompts */
        draw_features(f, 3);
        double top1 = zeroshot(f, &e);
        if (top1 < 0.9)
            fail_msg("%s: %.3f of features that say the class", captions ? "captions" : "prompts",
                     top1);
        draw_features(f, 0);
        top1 = zeroshot(f, &none);
        if (top1 > 0.3)
            fail_msg("%.3f of noise", top1);
        subject_close(f);
    }
    free(f);
}

static void threads_change_nothing(void **state) {
    (void)state;
    struct eval e[2] = {{.outcome = OUTCOME_OK}, {.outcome = OUTCOME_OK}};
    struct subject_fixture *f = malloc(2 * sizeof *f);
    for (int i = 0; i < 2; i++) {
        subject_open(&f[i], "mae", "vit-micro", "train=300,test=120", 1 + 2 * i);
        draw_features(&f[i], 0.6);
        zeroshot(&f[i], &e[i]);
    }
    assert_memory_equal(e[0].pred, e[1].pred, TEST * sizeof *e[0].pred);
    for (int i = 0; i < 2; i++)
        subject_close(&f[i]);
    free(f);
}

/* CLIP's own tower is taken as it is, and same names give same scores: the first is answered. */
static void a_method_with_texts_is_not_tuned(void **state) {
    (void)state;
    struct subject_fixture *f = malloc(sizeof *f);
    struct error err = {0};
    struct lit *l;
    subject_open(f, "clip", "vit-micro", "train=24,test=10", 2);
    assert_non_null(f->cell.subject.text);
    struct feature_set *set = &f->cell.features;
    int last = set->n_representations - 1, width = set->dim[last];
    float *x = ARENA_ARRAY(&f->arena, float, 10 * width);
    for (int i = 0; i < 10 * width; i++)
        x[i] = (float)sin(i * 0.7);
    set->test.n = 10;
    set->test.x[last] = x;
    const struct lit_options unread = {0};
    assert_int_equal(lit_open(&l, &f->in, &unread, NULL, &err), 0);
    assert_false(lit_tuned(l));
    assert_int_equal(lit_width(l), width);
    assert_ptr_equal(lit_images(l), x);
    static const char *const texts[] = {"a circle", "a star", "a circle"};
    float *z = ARENA_ARRAY(&f->arena, float, 3 * width), scores[30];
    assert_int_equal(lit_texts(l, texts, 3, z, &err), 0);
    assert_memory_equal(z, z + (ptrdiff_t)2 * width, sizeof *z * (size_t)width);
    assert_memory_not_equal(z, z + width, sizeof *z * (size_t)width);
    float *classes = ARENA_ARRAY(&f->arena, float, 3 * width);
    zeroshot_classes(z, 3, 1, width, classes);
    zeroshot_scores(x, 10, classes, 3, width, scores);
    for (int i = 0; i < 10; i++)
        assert_true(scores[3 * i] == scores[3 * i + 2]);
    lit_close(l);
    subject_close(f);
    free(f);
}

static void wrong_settings_are_named(void **state) {
    (void)state;
    struct subject_fixture *f = malloc(sizeof *f);
    struct error err = {0};
    struct lit *l;
    subject_open(f, "mae", "vit-micro", "train=24,test=10", 1);
    draw_features(f, 1);
    struct lit_options o = {.text_dim = 10, .text_heads = 4, .context = 8, .vocabulary = ""};
    assert_int_equal(lit_open(&l, &f->in, &o, NULL, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "lit_text_dim 10"));
    lit_close(l);
    o.text_dim = 8, o.text_depth = 1, o.vocabulary_size = 600, o.dim = 4, o.epochs = 1, o.batch = 4;
    f->data.has_caption = 0;
    assert_int_equal(lit_open(&l, &f->in, &o, NULL, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "neither captions nor classes"));
    lit_close(l);
    subject_close(f);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_go_around_names),
        cmocka_unit_test(a_class_is_the_mean_of_unit_vectors),
        cmocka_unit_test(a_tower_learns_what_the_features_say),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(a_method_with_texts_is_not_tuned),
        cmocka_unit_test(wrong_settings_are_named),
    };
    return cmocka_run_group_tests_name("zeroshot", tests, NULL, NULL);
}
