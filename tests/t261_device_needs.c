/* What a training needs of a device, counted before: the bytes that it has handed out when steps
 * are over, to the byte, with the memory that cuDNN and the optimizer work in; and nothing of it is
 * taken by counting. */
#include "kernels/cuda/runtime.h"
#include "tests/cuda/emulator.h"
#include "tests/method_fixture.h"

#include "core/memory.h"
#include "methods/method.h"

enum { N = 4 };

static struct backbone resnet(void) {
    return (struct backbone){.name = "resnet",
                             .kind = BACKBONE_RESNET,
                             .image = 16,
                             .channels = 3,
                             .dim = 16,
                             .resnet = {.width = 8, .blocks = {1, 1}, .small_stem = 1}};
}

static void open_case(struct fixture *f, const struct method *m, const struct backbone *b) {
    fixture_open(f, m, 0, b, N, NULL, NULL, kernels_ref());
    for (int i = 0; i < f->builder.n_inputs; i++)
        if (f->builder.inputs[i]->kind == TENSOR_INPUT)
            fixture_fill(f, f->builder.slots[i].name, 0.37, 0.2 + i);
}

/* The same training, on d from here on. */
static struct trainer_config move_to(struct fixture *f, struct device *d, int accumulate) {
    struct trainer_config config = f->trainer.config;
    trainer_close(&f->trainer);
    config.exec.device = d;
    config.accumulate = accumulate;
    return config;
}

static void count_and_train(struct device *d, const struct method *m, const struct backbone *b,
                            int accumulate) {
    struct fixture f;
    struct error err;
    struct trainer_needs needs;
    open_case(&f, m, b);
    const struct trainer_config config = move_to(&f, d, accumulate);
    size_t before = emulated_bytes();
    unsigned long launches = emulated_launches();
    long version = f.model.version;
    assert_int_equal(trainer_needs(&config, &needs, &err), 0);
    assert_int_equal(emulated_bytes(), before);
    assert_int_equal(emulated_launches(), launches);
    assert_int_equal(f.model.version, version);
    if (trainer_open(&f.trainer, &config, &err))
        fail_msg("%s: %s", m->name, err.message);
    for (int step = 0; step < 3; step++)
        assert_true(trainer_step(&f.trainer, f.slots, N, step));
    if (d->check(d, &err))
        fail_msg("%s: %s", m->name, err.message);
    if (emulated_bytes() != needs.bytes)
        fail_msg("%s: %zu bytes counted, %zu taken", m->name, needs.bytes, emulated_bytes());
    assert_true(needs.available > needs.bytes);
    fixture_close(&f);
}

static void every_byte_is_counted(struct device *d) {
    const struct backbone vit = fixture_vit(), convolutions = resnet();
    count_and_train(d, &method_supervised, &vit, 1);
    count_and_train(d, &method_supervised, &vit, 2);
    count_and_train(d, &method_mae, &vit, 1);
    count_and_train(d, &method_simclr, &vit, 1);
    count_and_train(d, &method_simclr, &convolutions, 1);
    count_and_train(d, &method_context_encoder, &convolutions, 1);
    /* After a larger one: what the device keeps is counted too. */
    count_and_train(d, &method_supervised, &vit, 1);
}

static void test_counted(const char *cudnn, enum device_math math) {
    struct device *d;
    struct error err;
    setenv("SSVBENCH_CUDNN", cudnn, 1);
    assert_int_equal(cuda_device_open(&d, 0, math, &err), 0);
    every_byte_is_counted(d);
    cuda_device_close(d);
    assert_int_equal(emulated_bytes(), 0);
}

static void with_own_kernels(void **state) {
    (void)state;
    test_counted("none", DEVICE_OWN);
}

static void with_libraries(void **state) {
    (void)state;
    test_counted(STAND_IN, DEVICE_FP32);
}

/* A graph planned for activations of 16 bits, or for attention without probabilities; its trainer
 * still to be opened. */
struct planned {
    int halves, away;
};

static struct trainer_config plan_for(struct fixture *f, struct device *d, const struct backbone *b,
                                      struct planned as) {
    struct error err;
    struct loader_slot slots[METHOD_SLOTS];
    assert_int_equal(fixture_build(f, &method_supervised, 0, b, NULL, NULL, &err), 0);
    f->graph.halves = as.halves;
    f->graph.away = as.away;
    graph_plan(&f->graph);
    assert_int_equal(model_allocate(&f->model, 0, 1, &err), 0);
    fixture_parameters(&f->model);
    int n = trainer_slots(&f->builder, slots);
    for (int i = 0; i < n; i++)
        f->slots[i] = ARENA_ARRAY(&f->arena, float, slots[i].per_sample *(size_t)N);
    return (struct trainer_config){
        .method = &method_supervised,
        .self = settings_method(&f->settings, &method_supervised),
        .builder = &f->builder,
        .exec = {.batch = N, .kernels = d->kernels, .threads = 1, .device = d},
        .lr = -1,
        .weight_decay = -1,
        .warmup = -1,
        .total = 100,
        .per_epoch = 10};
}

/* What is needed of a new device, which is what three steps then take. */
static size_t needed(const char *cudnn, const struct backbone *b, struct planned as) {
    struct device *d;
    struct error err;
    struct trainer_needs needs;
    struct fixture f;
    setenv("SSVBENCH_CUDNN", cudnn, 1);
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_BF16, &err), 0);
    const struct trainer_config config = plan_for(&f, d, b, as);
    assert_int_equal(trainer_needs(&config, &needs, &err), 0);
    assert_int_equal(trainer_open(&f.trainer, &config, &err), 0);
    for (int step = 0; step < 3; step++)
        assert_true(trainer_step(&f.trainer, f.slots, N, step));
    assert_int_equal(d->check(d, &err), 0);
    assert_int_equal(emulated_bytes(), needs.bytes);
    fixture_close(&f);
    cuda_device_close(d);
    return needs.bytes;
}

/* Less is needed where activations are of 16 bits; convolutions by own kernels, and by cuDNN, whose
 * gradients of weights need room then. */
static void with_halves(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit(), convolutions = resnet();
    const struct planned wide = {0, 1}, half = {1, 1};
    assert_true(needed("none", &vit, half) < needed("none", &vit, wide));
    /* attention by cuDNN, which works in memory of its own */
    assert_true(needed(STAND_IN, &vit, half) > needed("none", &vit, half));
    assert_true(needed("none", &convolutions, half) < needed("none", &convolutions, wide));
    assert_true(needed(STAND_IN, &convolutions, half) < needed(STAND_IN, &convolutions, wide));
}

/* Probabilities of all blocks and their padding, against a number a query. */
static void without_probabilities(void **state) {
    (void)state;
    const struct backbone b = fixture_vit();
    const size_t tokens = (size_t)vit_tokens(&b.vit), heads = (size_t)b.vit.heads;
    size_t queries = N * heads * tokens * (size_t)(b.vit.depth - 1); /* the last block has one */
    size_t padded = (size_t)attention_stride((int)tokens);
    for (int halves = 0; halves < 2; halves++) {
        size_t bytes = halves ? sizeof(uint16_t) : sizeof(real);
        size_t with = needed("none", &b, (struct planned){halves, 0});
        size_t without = needed("none", &b, (struct planned){halves, 1});
        /* Less a few lines of cache, to which buffers are rounded. */
        assert_true(with - without > queries * (padded * bytes - sizeof(real)) * 9 / 10);
    }
}

/* What other work has taken is not available, what the device keeps for itself is. */
static void what_is_available(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    struct device *d;
    struct error err;
    struct fixture f;
    struct trainer_needs alone, beside;
    void *other;
    enum { OTHER = 1 << 20 };
    setenv("SSVBENCH_CUDNN", "none", 1);
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_FP32, &err), 0);
    open_case(&f, &method_supervised, &vit);
    const struct trainer_config config = move_to(&f, d, 1);
    assert_int_equal(trainer_needs(&config, &alone, &err), 0);
    assert_int_equal(d->allocate(d, &other, OTHER, "other work", &err), 0);
    assert_int_equal(trainer_needs(&config, &beside, &err), 0);
    assert_int_equal(beside.bytes, alone.bytes);
    assert_int_equal(beside.available, alone.available - OTHER);
    d->release(d, other);
    fixture_close(&f);
    cuda_device_close(d);
}

/* With a part of the optimizer's state: the rest of it has no place on the device. */
static void of_one_of_several(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    for (int rank = 0; rank < 3; rank++) {
        static const char *const hosts[] = {"here", "here", "here"};
        struct communicator ranks = {.rank = rank, .host = hosts, .size = 3, .seconds = 60};
        communicator_mute(&ranks); /* nobody answers, nor is waited for */
        struct device *d;
        struct error err;
        struct fixture f;
        struct trainer_needs shared, whole;
        assert_int_equal(cuda_device_open(&d, 0, DEVICE_OWN, &err), 0);
        open_case(&f, &method_mae, &vit);
        struct trainer_config config = move_to(&f, d, 1);
        config.exec.ranks = &ranks;
        config.exec.lanes = 4;
        config.moments = moments_open(&f.arena, &ranks, &f.model);
        assert_int_equal(trainer_needs(&config, &shared, &err), 0);
        assert_int_equal(trainer_open(&f.trainer, &config, &err), 0);
        for (int step = 0; step < 3; step++)
            trainer_step(&f.trainer, f.slots, N, step);
        assert_int_equal(d->check(d, &err), 0);
        assert_int_equal(emulated_bytes(), shared.bytes);
        size_t spared = moments_spared(config.moments);
        trainer_close(&f.trainer);
        config.moments = NULL;
        assert_int_equal(trainer_needs(&config, &whole, &err), 0);
        assert_true(spared > f.model.count * sizeof(real)); /* more than a half of two */
        assert_true(whole.bytes >= shared.bytes + spared);
        assert_true(whole.bytes < shared.bytes + spared + (1 << 14)); /* and lists */
        assert_int_equal(trainer_open(&f.trainer, &config, &err), 0);
        fixture_close(&f);
        cuda_device_close(d);
        assert_int_equal(emulated_bytes(), 0);
    }
}

/* Of the processor: what a step works in, as exec_peak_bytes has it. */
static void the_processor_too(void **state) {
    (void)state;
    const struct backbone vit = fixture_vit();
    struct fixture f;
    struct error err;
    struct trainer_needs needs;
    open_case(&f, &method_supervised, &vit);
    assert_int_equal(trainer_needs(&f.trainer.config, &needs, &err), 0);
    assert_int_equal(needs.bytes, exec_peak_bytes(f.trainer.exec));
    assert_true(needs.available > needs.bytes);
    fixture_close(&f);
}

static void how_sizes_are_written(void **state) {
    (void)state;
    const double mib = 1 << 20, gib = 1 << 30;
    assert_string_equal(memory_text(3.4 * mib).text, "3.4 MiB");
    assert_string_equal(memory_text(gib - 1).text, "1024.0 MiB");
    assert_string_equal(memory_text(11.25 * gib).text, "11.2 GiB");
    assert_string_equal(memory_text(0).text, "0.0 MiB");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_own_kernels),      cmocka_unit_test(with_libraries),
        cmocka_unit_test(with_halves),           cmocka_unit_test(what_is_available),
        cmocka_unit_test(without_probabilities), cmocka_unit_test(the_processor_too),
        cmocka_unit_test(how_sizes_are_written), cmocka_unit_test(of_one_of_several),
    };
    return cmocka_run_group_tests_name("device needs", tests, NULL, NULL);
}
