/* Segmentation on frozen features: heads of places against plain loops over pixels, features that
 * are the same whether kept or computed again, and the whole protocol on any number of threads. */
#include "protocols/dense.h"
#include "protocols/pixel_heads.h"

#include "tests/subject_fixture.h"

#include <math.h>

static struct rng dice(uint32_t n) {
    return rng_at((struct rng_key){614, RNG_TEST}, 0, n);
}

/* ---- heads ---- */

enum { PLACES = 12, DIM = 5, CLASSES = 3, PIXELS = 7, STEPS = 12, HEADS = 3 };

struct problem {
    float x[PLACES][DIM], target[PLACES][CLASSES];
    int pixel[PLACES][PIXELS]; /* -1: of no class */
    float mean[DIM], rstd[DIM];
};

static struct problem make_problem(void) {
    struct problem p = {0};
    struct rng r = dice(0);
    for (int d = 0; d < DIM; d++) {
        p.mean[d] = (float)rng_normal(&r);
        p.rstd[d] = (float)rng_range(&r, 0.5, 2);
    }
    for (int i = 0; i < PLACES; i++) {
        for (int d = 0; d < DIM; d++)
            p.x[i][d] = (float)rng_normal(&r);
        for (int k = 0; k < PIXELS; k++) {
            p.pixel[i][k] = i == 4 ? -1 : (int)rng_below(&r, CLASSES + 1) - 1;
            if (p.pixel[i][k] >= 0)
                p.target[i][p.pixel[i][k]] += 1;
        }
    }
    return p;
}

static const double lr[HEADS] = {0.3, 0.05, 0.1}, decay[HEADS] = {0.01, 0, 0.1};

/* Pixel after pixel in double precision, w (CLASSES, DIM + 1) with the bias behind; PyTorch's SGD
 * with Nesterov momentum. */
static void by_pixels(const struct problem *p, double rate, double wd, double *w) {
    enum { ROW = DIM + 1, ALL = CLASSES * ROW };
    double v[ALL] = {0};
    for (int step = 0; step < STEPS; step++) {
        double g[ALL] = {0}, n = 0;
        for (int i = 0; i < PLACES * PIXELS; i++) {
            double x[ROW], z[CLASSES], sum = 0;
            int place = i / PIXELS, truth = p->pixel[place][i % PIXELS];
            if (truth < 0)
                continue;
            n++;
            for (int d = 0; d < DIM; d++)
                x[d] = ((double)p->x[place][d] - (double)p->mean[d]) * (double)p->rstd[d];
            x[DIM] = 1;
            for (int c = 0; c < CLASSES; c++) {
                z[c] = 0;
                for (int d = 0; d < ROW; d++)
                    z[c] += w[c * ROW + d] * x[d];
                sum += z[c] = exp(z[c]);
            }
            for (int c = 0; c < CLASSES; c++)
                for (int d = 0; d < ROW; d++)
                    g[c * ROW + d] += (z[c] / sum - (c == truth)) * x[d];
        }
        for (int k = 0; k < ALL; k++) {
            g[k] = g[k] / n + (k % ROW < DIM ? wd * w[k] : 0);
            v[k] = step ? 0.9 * v[k] + g[k] : g[k];
            w[k] -= rate * (g[k] + 0.9 * v[k]);
        }
    }
}

static struct pixel_heads *train(const struct kernels *k, const struct problem *p, int first, int n,
                                 int threads) {
    const struct pixel_heads_config config = {.kernels = k,
                                              .heads = n,
                                              .dim = DIM,
                                              .classes = CLASSES,
                                              .rows = PLACES + 3,
                                              .threads = threads,
                                              .mean = p->mean,
                                              .rstd = p->rstd};
    struct pixel_heads *h;
    struct error err = {0};
    assert_int_equal(pixel_heads_open(&h, &config, &err), 0);
    for (int step = 0; step < STEPS; step++) {
        const struct pixel_heads_rates r = {lr + first, decay + first, 0.9, step == 0};
        pixel_heads_load(h, 0, PLACES / 2, p->x[0]);
        pixel_heads_load(h, PLACES / 2, PLACES / 2, p->x[PLACES / 2]);
        pixel_heads_step(h, PLACES, p->target[0], &r);
    }
    pixel_heads_forward(h, PLACES);
    return h;
}

static void shares_stand_for_pixels(void **state) {
    (void)state;
    const struct problem p = make_problem();
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        struct pixel_heads *h = train(*k, &p, 0, HEADS, 2);
        for (int head = 0; head < HEADS; head++) {
            double w[CLASSES * (DIM + 1)] = {0};
            float logits[PLACES][CLASSES];
            by_pixels(&p, lr[head], decay[head], w);
            pixel_heads_logits(h, head, 0, PLACES, logits[0]);
            for (int i = 0; i < PLACES; i++)
                for (int c = 0; c < CLASSES; c++) {
                    double z = w[c * (DIM + 1) + DIM];
                    for (int d = 0; d < DIM; d++)
                        z += w[c * (DIM + 1) + d] * ((double)p.x[i][d] - (double)p.mean[d]) *
                             (double)p.rstd[d];
                    if (!(fabs(z - (double)logits[i][c]) < 1e-4))
                        fail_msg("%s: %g, not %g", (*k)->name, (double)logits[i][c], z);
                }
            assert_false(pixel_heads_diverged(h, head));
        }
        pixel_heads_close(h);
    }
}

static void heads_do_not_see_each_other(void **state) {
    (void)state;
    const struct problem p = make_problem();
    struct pixel_heads *all = train(kernels_cpu(), &p, 0, HEADS, 3);
    for (int head = 0; head < HEADS; head++) {
        struct pixel_heads *one = train(kernels_cpu(), &p, head, 1, 1);
        float a[PLACES][CLASSES], b[PLACES][CLASSES], part[2][CLASSES];
        pixel_heads_logits(all, head, 0, PLACES, a[0]);
        pixel_heads_logits(one, 0, 0, PLACES, b[0]);
        pixel_heads_logits(one, 0, 5, 2, part[0]);
        assert_memory_equal(a, b, sizeof a);
        assert_memory_equal(a[5], part, sizeof part);
        pixel_heads_close(one);
    }
    pixel_heads_close(all);
}

/* ---- features ---- */

enum { TRAIN = 11, TEST = 6 };
static const char *const few = "train=11,test=6";

static const struct {
    const char *method, *backbone;
    int heads, side;
} subjects[] = {{"mae", "vit-micro", 4, 4},
                {"split_brain", "vit-micro", 4, 4},
                {"supervised", "resnet-micro", 0, 4},
                {"split_brain", "alexnet-micro", 0, 0},
                {"clip", "vit-micro", 4, 4}};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

struct seen {
    const struct dense_shape *shape;
    struct arena arena;
    float *x[TRAIN], *attention[TRAIN];
    int order[TRAIN], n;
};

static int note(void *to, const struct dense_batch *b, struct error *err) {
    (void)err;
    struct seen *s = to;
    size_t reals = (size_t)(s->shape->places * s->shape->dim);
    size_t looks = (size_t)(s->shape->heads * s->shape->places);
    for (int i = 0; i < b->n; i++) {
        int k = b->index[i];
        s->order[s->n++] = k;
        s->x[k] = ARENA_ARRAY(&s->arena, float, reals);
        memcpy(s->x[k], b->x[i], reals * sizeof(float));
        if (!b->attention)
            continue;
        s->attention[k] = ARENA_ARRAY(&s->arena, float, looks);
        memcpy(s->attention[k], b->attention + (size_t)i * looks, looks * sizeof(float));
    }
    return 0;
}

static struct seen see(struct dense *d, enum split split, const int32_t *index, int n, int batch) {
    struct seen s = {.shape = dense_shape_of(d)};
    struct error err = {0};
    if (dense_each(d, split, index, n, batch, note, &s, &err))
        fail_msg("%s", err.message);
    assert_int_equal(s.n, n);
    for (int i = 0; i < n; i++)
        assert_int_equal(s.order[i], index[i]);
    return s;
}

static void kept_or_computed_features_are_the_same(void **state) {
    (void)state;
    static const int32_t index[] = {7, 0, 10, 3, 4}, all[] = {0, 1, 2, 3, 4, 5};
    struct subject_fixture *one = malloc(sizeof *one), *three = malloc(sizeof *three);
    for (int i = 0; i < SUBJECTS; i++) {
        struct dense *kept, *computed;
        struct error err = {0};
        subject_open(one, subjects[i].method, subjects[i].backbone, few, 1);
        subject_open(three, subjects[i].method, subjects[i].backbone, few, 3);
        assert_int_equal(dense_open(&kept, &one->in, 1 << 30, &err), 0);
        assert_int_equal(dense_open(&computed, &three->in, 0, &err), 0);
        const struct dense_shape *shape = dense_shape_of(kept);
        size_t bytes = sizeof(float) * (size_t)(shape->places * shape->dim);
        struct seen a = see(kept, SPLIT_TRAIN, index, 5, 2);
        struct seen b = see(computed, SPLIT_TRAIN, index, 5, 3);
        for (int k = 0; k < 5; k++) {
            assert_memory_equal(a.x[index[k]], b.x[index[k]], bytes);
            assert_null(a.attention[index[k]]);
            assert_null(b.attention[index[k]]);
        }
        struct seen c = see(kept, SPLIT_TEST, all, TEST, 4);
        struct seen d = see(computed, SPLIT_TEST, all, TEST, 6);
        assert_int_equal(shape->heads, subjects[i].heads);
        assert_int_equal(shape->places, shape->grid.height * shape->grid.width);
        if (subjects[i].side)
            assert_int_equal(shape->grid.height, subjects[i].side);
        for (int k = 0; k < TEST; k++) {
            assert_memory_equal(c.x[k], d.x[k], bytes);
            for (int h = 0; h < shape->heads; h++) {
                double sum = 0;
                for (int p = 0; p < shape->places; p++) {
                    sum += (double)c.attention[k][h * shape->places + p];
                    assert_true(c.attention[k][h * shape->places + p] ==
                                d.attention[k][h * shape->places + p]);
                }
                assert_true(sum > 0 && sum < 1); /* the rest goes to the class token itself */
            }
        }
        struct seen *const used[] = {&a, &b, &c, &d};
        for (int k = 0; k < 4; k++)
            arena_free(&used[k]->arena);
        dense_close(kept);
        dense_close(computed);
        subject_close(one);
        subject_close(three);
    }
    free(one);
    free(three);
}

/* The mean over places is what the linear probe gets as the last layer's mean. */
static void places_are_those_that_other_protocols_average(void **state) {
    (void)state;
    static const int32_t all[] = {0, 1, 2, 3, 4, 5};
    struct subject_fixture *f = malloc(sizeof *f);
    for (int i = 0; i < SUBJECTS; i++) {
        struct dense *d;
        struct error err = {0};
        struct exec *x;
        struct record r = {0};
        subject_open(f, subjects[i].method, subjects[i].backbone, few, 1);
        if (f->cell.backbone.kind == BACKBONE_ALEXNET) { /* its map is pooled once more */
            subject_close(f);
            continue;
        }
        const struct subject *s = &f->cell.subject;
        int last = 0;
        for (int q = 0; q < s->encoded->n_representations; q++)
            if (strstr(s->encoded->representation_name[q], ".mean"))
                last = q;
        assert_int_equal(dense_open(&d, &f->in, 0, &err), 0);
        struct seen seen = see(d, SPLIT_TEST, all, TEST, TEST);
        float *images = ARENA_ARRAY(&f->arena, float, TEST * s->images->per_sample);
        for (int k = 0; k < TEST; k++) {
            struct rng rng = dice(1);
            assert_int_equal(dataset_read(s->data, SPLIT_TEST, k, &r, &err), 0);
            subject_view(s, &r, &rng, images + (size_t)k * s->images->per_sample);
        }
        const struct exec_config config = {.kernels = f->in.kernels, .threads = 1, .batch = TEST};
        assert_int_equal(exec_open(&x, s->encode, &config, &err), 0);
        exec_bind(x, s->images, images);
        exec_run(x, TEST);
        const struct tensor *t = s->encoded->representation[last];
        assert_int_equal(t->per_sample, seen.shape->dim);
        for (int k = 0; k < TEST; k++)
            for (int c = 0; c < seen.shape->dim; c++) {
                double mean = 0;
                for (int p = 0; p < seen.shape->places; p++)
                    mean += (double)seen.x[k][p * seen.shape->dim + c] / seen.shape->places;
                double want = (double)exec_output(x, t)[k * seen.shape->dim + c];
                assert_true(fabs(mean - want) < 1e-4 * (1 + fabs(want)));
            }
        exec_close(x);
        record_free(&r);
        arena_free(&seen.arena);
        dense_close(d);
        subject_close(f);
    }
    free(f);
}

/* ---- the protocol ---- */

static const char *const some = "train=40,test=12";

static struct eval evaluate(struct subject_fixture *f, const char *more) {
    struct eval e = {0};
    struct error err = {0};
    unsigned char *state = ARENA_ARRAY(&f->arena, unsigned char, 512);
    int number = 0;
    while (protocols[number] != &protocol_segment)
        number++;
    char *text = arena_printf(&f->arena, "[segment]\nepochs = 8\nprobe_seeds = 2\n%s", more);
    if (options_load_text(&f->settings->options, text, "test", &err))
        fail_msg("%s", err.message);
    memcpy(state, f->settings->protocol[number], protocol_segment.state_size);
    if (protocol_segment.run(state, &f->in, &e, &err))
        fail_msg("%s", err.message);
    return e;
}

static void expect_equal(const struct eval *a, const struct eval *b) {
    assert_int_equal(a->n_metrics, b->n_metrics);
    for (int i = 0; i < a->n_metrics; i++) {
        assert_string_equal(a->metrics[i].name, b->metrics[i].name);
        assert_int_equal(a->metrics[i].seed, b->metrics[i].seed);
        assert_memory_equal(&a->metrics[i].value, &b->metrics[i].value, sizeof(double));
    }
    for (int i = 0; i < a->n_grid; i++)
        assert_true(a->grid[i].val_top1 == b->grid[i].val_top1);
    assert_memory_equal(a->confusion, b->confusion,
                        sizeof(int32_t) * (size_t)(2 * a->n_classes * a->n_classes));
}

static void threads_and_memory_change_nothing(void **state) {
    (void)state;
    struct subject_fixture *one = malloc(sizeof *one), *three = malloc(sizeof *three);
    for (int i = 1; i < 3; i++) { /* split_brain on a ViT, a ResNet */
        subject_open(one, subjects[i].method, subjects[i].backbone, some, 1);
        subject_open(three, subjects[i].method, subjects[i].backbone, some, 3);
        struct eval a = evaluate(one, ""), b = evaluate(three, "memory = 0\n");
        expect_equal(&a, &b);
        subject_close(one);
        subject_close(three);
    }
    free(one);
    free(three);
}

static double metric(const struct eval *e, const char *name, int seed) {
    for (int i = 0; i < e->n_metrics; i++)
        if (!strcmp(e->metrics[i].name, name) && e->metrics[i].seed == seed)
            return e->metrics[i].value;
    fail_msg("there is no %s of seed %d", name, seed);
    return NAN;
}

static void a_row_holds_what_the_counts_say(void **state) {
    (void)state;
    struct subject_fixture *f = malloc(sizeof *f);
    subject_open(f, "mae", "vit-micro", some, 2);
    struct eval e = evaluate(f, "");
    enum { N = 11 };
    assert_int_equal(e.n_classes, N);
    assert_int_equal(e.n_seeds, 2);
    assert_string_equal(e.class_name[0], "background");
    assert_string_equal(e.metrics[0].name, "miou");
    assert_string_equal(e.metrics[1].name, "miou");
    assert_string_equal(e.metrics[2].name, "pixel_accuracy");
    assert_string_equal(e.selected_on, "val");
    assert_int_equal(strlen(e.split_sha256), 64);
    int chosen = 0;
    double best = 0;
    for (int i = 0; i < e.n_grid; i++) {
        chosen += e.grid[i].chosen;
        best = fmax(best, e.grid[i].val_top1);
    }
    assert_int_equal(chosen, 1);
    for (int i = 0; i < e.n_grid; i++)
        assert_true(!e.grid[i].chosen || e.grid[i].val_top1 == best);
    for (int s = 0; s < 2; s++) {
        int64_t confusion[N * N], all = 0;
        double iou[N], miou, accuracy;
        for (int i = 0; i < N * N; i++)
            all += confusion[i] = e.confusion[s * N * N + i];
        assert_int_equal(all, 12 * 16 * 16);
        confusion_scores(confusion, N, iou, &miou, &accuracy);
        assert_true(metric(&e, "miou", s) == miou);
        assert_true(metric(&e, "pixel_accuracy", s) == accuracy);
        assert_true(metric(&e, "iou.background", s) == iou[0]);
    }
    double most = metric(&e, "jaccard_best_head", 0), mean = metric(&e, "jaccard_mean_head", 0);
    assert_true(most > mean && mean > 0 && most < 1);
    subject_close(f);
    subject_open(f, "supervised", "resnet-micro", some, 2);
    e = evaluate(f, "");
    for (int i = 0; i < e.n_metrics; i++)
        assert_null(strstr(e.metrics[i].name, "jaccard"));
    subject_close(f);
    free(f);
}

static void one_image_is_too_few(void **state) {
    (void)state;
    struct subject_fixture *f = malloc(sizeof *f);
    struct eval e = {0};
    struct error err = {0};
    int number = 0;
    subject_open(f, "mae", "vit-micro", "train=4,test=4", 1);
    f->data.count[SPLIT_TRAIN] = 1;
    while (protocols[number] != &protocol_segment)
        number++;
    assert_int_equal(protocol_segment.run(f->settings->protocol[number], &f->in, &e, &err),
                     STATUS_USAGE);
    assert_non_null(strstr(err.message, "segment.val_share 0.1"));
    f->data.count[SPLIT_TRAIN] = 4;
    volatile sig_atomic_t stop = 1;
    f->cell.subject.stop = &stop;
    assert_int_equal(protocol_segment.run(f->settings->protocol[number], &f->in, &e, &err),
                     STATUS_INTERRUPTED);
    subject_close(f);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_stand_for_pixels),
        cmocka_unit_test(heads_do_not_see_each_other),
        cmocka_unit_test(kept_or_computed_features_are_the_same),
        cmocka_unit_test(places_are_those_that_other_protocols_average),
        cmocka_unit_test(threads_and_memory_change_nothing),
        cmocka_unit_test(a_row_holds_what_the_counts_say),
        cmocka_unit_test(one_image_is_too_few),
    };
    return cmocka_run_group_tests_name("segmentation of places", tests, NULL, NULL);
}
