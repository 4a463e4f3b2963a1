/* Batches that are copied to a device while it computes the one before: the same bits as when each
 * waits for its copy, whether copies come as late as they can or as early; and a wait that is left
 * out shows. */
#include "kernels/cuda/runtime.h"
#include "tests/cuda/emulator.h"
#include "tests/method_fixture.h"

enum { N = 4, STEPS = 5, RING = 3, PAGES = 16 << 10, MOST = 1 << 16 };

struct how {
    int ahead, pinned, parts, mixes;
    int looks;      /* at the parts of a gradient, between two steps */
    int refills;    /* planted: a batch is written over as soon as it was announced */
    int no_mark;    /* planted: copies wait for nothing */
    int no_receive; /* planted: nothing waits for copies */
    enum emulated_copies copies;
};

struct outcome {
    double loss[STEPS];
    size_t count;
    real value[MOST];
};

struct ring { /* of batches, each with images and labels in pages of its own */
    void *slots[RING][2];
};

static void nothing(struct device *d) {
    (void)d;
}

static void open_ring(struct ring *r, struct device *pins) {
    struct error err;
    for (int i = 0; i < RING; i++)
        for (int s = 0; s < 2; s++) {
            r->slots[i][s] = aligned_alloc(4096, PAGES);
            assert_non_null(r->slots[i][s]);
            if (pins)
                assert_int_equal(pins->pin(pins, r->slots[i][s], PAGES, &err), 0);
        }
}

static void close_ring(struct ring *r, struct device *pins) {
    for (int i = 0; i < RING; i++)
        for (int s = 0; s < 2; s++) {
            if (pins)
                pins->unpin(pins, r->slots[i][s]);
            free(r->slots[i][s]);
        }
}

static void fill(const struct fixture *f, struct ring *r, int number) {
    float *images = r->slots[number % RING][0];
    int32_t *labels = r->slots[number % RING][1];
    size_t n = f->builder.slots[0].per_sample * N;
    assert_true(n * sizeof *images <= PAGES);
    for (size_t i = 0; i < n; i++)
        images[i] = (float)sin(0.37 * (double)i + number);
    for (int i = 0; i < N; i++)
        labels[i] = (number + i) % 10;
}

/* Whoever still reads it does not train on it. */
static void spoil(struct ring *r, int number) {
    memset(r->slots[number % RING][0], 0, PAGES);
    memset(r->slots[number % RING][1], 0, PAGES);
}

static void train(struct fixture *f, const struct how *how, struct ring *r, struct outcome *out) {
    double norms[METHOD_OBJECTIVES];
    fill(f, r, 0);
    for (int k = 0; k < STEPS; k++) {
        fill(f, r, k + 1);
        if (how->ahead)
            trainer_ahead(&f->trainer, r->slots[(k + 1) % RING], N, k + 1);
        trainer_step(&f->trainer, r->slots[k % RING], N, k);
        out->loss[k] = f->trainer.loss;
        if (how->refills)
            spoil(r, k + 1);
        if (how->looks)
            trainer_part_norms(&f->trainer, N / how->parts, norms);
        spoil(r, k);
    }
    trainer_fetch(&f->trainer);
    out->count = f->model.count;
    assert_true(out->count <= MOST);
    memcpy(out->value, f->model.value, out->count * sizeof(real));
}

/* Each image gets something of the one opposite, another share in each step. */
static void mix(const void *self, struct step *s) {
    (void)self;
    const size_t count = s->b->slots[0].per_sample;
    float *x = s->slots[0];
    for (int i = 0; i < s->n / 2; i++)
        for (size_t k = 0; k < count; k++)
            x[(size_t)i * count + k] +=
                0.25F * (float)(s->done + 1) * x[(size_t)(s->n - 1 - i) * count + k];
}

static void run(const struct how *how, struct outcome *out) {
    const struct backbone vit = fixture_vit();
    struct device *d;
    struct error err;
    struct fixture f;
    struct ring ring;
    emulated_copying(how->copies);
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_FP32, &err), 0);
    if (how->no_mark)
        d->mark = nothing;
    if (how->no_receive)
        d->receive = nothing;
    struct method method = method_supervised;
    method.stages[0].mix = how->mixes ? mix : NULL;
    fixture_open(&f, &method_supervised, 0, &vit, N, NULL, NULL, kernels_ref());
    struct trainer_config config = f.trainer.config;
    trainer_close(&f.trainer);
    config.method = &method;
    config.exec.device = d;
    config.exec.ahead = how->ahead;
    config.accumulate = how->parts;
    assert_int_equal(trainer_open(&f.trainer, &config, &err), 0);
    open_ring(&ring, how->pinned ? d : NULL);
    memset(out, 0, sizeof *out);
    train(&f, how, &ring, out);
    close_ring(&ring, how->pinned ? d : NULL); /* a copy of a batch that never comes is under way */
    assert_int_equal(emulated_pinned(), 0);
    if (d->check(d, &err))
        fail_msg("%s", err.message);
    fixture_close(&f);
    cuda_device_close(d);
}

static int same(const struct outcome *a, const struct outcome *b) {
    return !memcmp(a, b, sizeof *a);
}

static void the_bits_are_those_of_copies_that_wait(void **state) {
    (void)state;
    static struct outcome waiting, ahead;
    for (int parts = 1; parts <= 2; parts++) {
        run(&(struct how){.parts = parts}, &waiting);
        for (int i = parts - 1; i < 8; i += parts == 1 ? 1 : 4) { /* of parts, pinned ones */
            const struct how how = {.ahead = 1,
                                    .parts = parts,
                                    .pinned = i & 1,
                                    .looks = i >> 1 & 1,
                                    .copies = (enum emulated_copies)(i >> 2)};
            run(&how, &ahead);
            if (!same(&waiting, &ahead))
                fail_msg("%d parts, pinned %d, looks %d, copies %d", parts, how.pinned, how.looks,
                         (int)how.copies);
        }
    }
}

/* Before it is copied, once. */
static void a_batch_that_is_announced_is_mixed(void **state) {
    (void)state;
    static struct outcome plain, waiting, ahead;
    run(&(struct how){.parts = 1}, &plain);
    run(&(struct how){.parts = 1, .mixes = 1}, &waiting);
    run(&(struct how){.parts = 1, .mixes = 1, .ahead = 1, .pinned = 1}, &ahead);
    assert_true(same(&waiting, &ahead));
    assert_false(same(&waiting, &plain));
}

/* Each shows when copies are early, or when they are late. */
static void waits_are_needed(void **state) {
    (void)state;
    static const struct how mistakes[] = {
        {.ahead = 1, .pinned = 1, .parts = 1, .no_receive = 1, .copies = EMULATED_LATE},
        {.ahead = 1, .pinned = 1, .parts = 1, .no_mark = 1, .copies = EMULATED_EARLY},
        {.ahead = 1, .pinned = 1, .parts = 1, .refills = 1, .copies = EMULATED_LATE},
    };
    static struct outcome right, wrong;
    run(&(struct how){.parts = 1}, &right);
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        run(&mistakes[i], &wrong);
        if (same(&right, &wrong))
            fail_msg("mistake %zu does not show", i);
    }
}

/* The next inputs' place is what is needed more, and is counted. */
static void room_for_it_is_counted(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    struct device *d;
    struct error err;
    struct fixture f;
    struct trainer_needs needs[2];
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_FP32, &err), 0);
    fixture_open(&f, &method_supervised, 0, &vit, N, NULL, NULL, kernels_ref());
    struct trainer_config config = f.trainer.config;
    trainer_close(&f.trainer);
    config.exec.device = d;
    for (int ahead = 0; ahead < 2; ahead++) {
        config.exec.ahead = ahead;
        assert_int_equal(trainer_needs(&config, &needs[ahead], &err), 0);
    }
    size_t inputs = (f.builder.slots[0].per_sample + f.builder.slots[1].per_sample) * 4 * N;
    assert_int_equal(needs[1].bytes - needs[0].bytes, inputs);
    assert_int_equal(trainer_open(&f.trainer, &config, &err), 0);
    for (int k = 0; k < 3; k++) {
        trainer_ahead(&f.trainer, f.slots, N, k + 1);
        assert_true(trainer_step(&f.trainer, f.slots, N, k));
    }
    assert_int_equal(emulated_bytes(), needs[1].bytes);
    fixture_close(&f);
    cuda_device_close(d);
    assert_int_equal(emulated_bytes(), 0);
}

static void what_cannot_be_pinned_is_said(void **state) {
    (void)state;
    struct device *d;
    struct error err;
    void *memory = aligned_alloc(4096, PAGES);
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_OWN, &err), 0);
    emulated_most_pinned(PAGES - 1);
    assert_int_equal(d->pin(d, memory, PAGES, &err), STATUS_MACHINE);
    assert_string_equal(err.message, "cuda:0: pinning 0.0 MiB of memory: out of memory");
    emulated_most_pinned(SIZE_MAX);
    assert_int_equal(d->pin(d, memory, PAGES, &err), 0);
    assert_int_equal(d->pin(d, memory, PAGES, &err), STATUS_MACHINE);
    d->unpin(d, memory);
    assert_int_equal(d->check(d, &err), 0);
    cuda_device_close(d);
    free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bits_are_those_of_copies_that_wait),
        cmocka_unit_test(a_batch_that_is_announced_is_mixed),
        cmocka_unit_test(waits_are_needed),
        cmocka_unit_test(room_for_it_is_counted),
        cmocka_unit_test(what_cannot_be_pinned_is_said),
    };
    setenv("SSVBENCH_CUDNN", "none", 1);
    return cmocka_run_group_tests_name("batches ahead", tests, NULL, NULL);
}
