/* A graph on a device: the CUDA kernels by the emulator, whose memory the processor cannot touch.
 * Losses, gradients and running statistics are those of the reference kernels, with convolutions by
 * the kernels of kernels/cuda and by cuDNN's stand-in. */
#include "kernels/cuda/runtime.h"
#include "tests/cuda/cuda_runtime_api.h"
#include "tests/cuda/emulator.h"
#include "tests/device_net.h"

#include <stdlib.h>

static const double tolerance = 2e-4; /* of sums in float, through whole networks */

static void compare_networks(enum device_math math) {
    static struct outcome here, there;
    struct error err;
    struct device *d;
    assert_int_equal(cuda_device_open(&d, 0, math, &err), 0);
    emulated_schedule(EMULATED_RANDOM, 5);
    for (int i = 0; i < CASES; i++) {
        run_net(&cases[i], NULL, &here);
        unsigned long before = emulated_launches();
        run_net(&cases[i], d, &there);
        assert_true(emulated_launches() > before);
        if (d->check(d, &err))
            fail_msg("%s: %s", cases[i].name, err.message);
        compare_outcomes(cases[i].name, &there, &here, tolerance);
    }
    cuda_device_close(d);
}

static void networks_are_those_of_the_processor(void **state) {
    (void)state;
    compare_networks(DEVICE_OWN);
}

/* By the stand-in of tests/cuda/blas_standin.c. */
static void products_by_a_library_are_too(void **state) {
    (void)state;
    compare_networks(DEVICE_FP32);
}

/* The same bits twice, in whatever order threads run, and with outputs of norms that are computed
 * twice. */
static void a_device_repeats_itself(void **state) {
    (void)state;
    static struct outcome first, again;
    struct error err;
    struct device *d;
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_FP32, &err), 0);
    for (int i = 0; i < CASES; i += 3) {
        emulated_schedule(EMULATED_FORWARD, 0);
        run_net(&cases[i], d, &first);
        emulated_schedule(EMULATED_REVERSE, 0);
        for (int norms_again = 0; norms_again < 2; norms_again++) {
            run_net_as(&cases[i],
                       &(struct net_run){.threads = 1, .device = d, .norms_again = norms_again},
                       &again);
            assert_memory_equal(first.gradient, again.gradient, first.count * sizeof(real));
            assert_memory_equal(first.loss, again.loss, sizeof first.loss);
        }
    }
    cuda_device_close(d);
}

static void what_a_device_lacks_is_said(void **state) {
    (void)state;
    struct error err;
    struct device *d;
    void *memory;
    assert_int_equal(cuda_device_open(&d, 1, DEVICE_OWN, &err), STATUS_MACHINE);
    assert_non_null(strstr(err.message, "cuda:1: "));
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_FP32, &err), 0);
    assert_int_equal(d->allocate(d, &memory, (size_t)1 << 40, "activations", &err), STATUS_MACHINE);
    assert_non_null(strstr(err.message, "cuda:0: activations needs 1048576.0 MiB, "));
    assert_int_equal(d->check(d, &err), 0);
    assert_int_equal(d->record(d), 0);
    assert_int_equal(d->allocate(d, &memory, 1, "activations", &err), STATUS_MACHINE);
    assert_string_equal(err.message, "cuda:0: memory for activations: operation not permitted when "
                                     "stream is capturing");
    assert_false(err.no_room);
    assert_null(d->recorded(d));
    struct cuda_queue *q = d->queue; /* an operation failed that nobody has asked about yet */
    q->error = cudaErrorInvalidValue;
    q->where = "it";
    assert_int_not_equal(d->record(d), 0);
    assert_int_equal(d->check(d, &err), STATUS_MACHINE);
    assert_string_equal(err.message, "cuda:0: it: invalid argument");
    cuda_device_close(d);
    setenv("SSV_EMULATED_OLD", "1", 1);
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_OWN, &err), STATUS_MACHINE);
    unsetenv("SSV_EMULATED_OLD");
    assert_string_equal(err.message, "cuda:0: this build has no kernels for emulated, compute "
                                     "capability 9.0; they can be built for 8.0 and later");
}

enum { WEIGHTS = 8, HALF = WEIGHTS / 2 };

/* Two steps of AdamW, the first half of the weights and the rest at another rate. */
static void step_twice(struct device *d, real out[WEIGHTS]) {
    const struct device_range range = {
        .count = HALF, .scale = 1, .lr = 1, .correct1 = 1, .correct2 = 1};
    struct device_range rest = range;
    const real ones[WEIGHTS] = {1, 1, 1, 1, 1, 1, 1, 1};
    struct error err;
    void *memory[4]; /* value, gradient, moments */
    rest.offset = HALF, rest.lr = 2;
    for (int i = 0; i < 4; i++)
        assert_int_equal(d->allocate(d, &memory[i], sizeof ones, "it", &err), 0);
    d->copy_in(d, memory[1], ones, sizeof ones);
    d->adamw(d, 1, &range, memory[0], memory[1], memory[2], memory[3], (real)0.5, (real)0.5, 1);
    d->adamw(d, 1, &rest, memory[0], memory[1], memory[2], memory[3], (real)0.5, (real)0.5, 1);
    d->copy_out(d, out, memory[0], sizeof ones);
    assert_int_equal(d->check(d, &err), 0);
    for (int i = 0; i < 4; i++)
        d->release(d, memory[i]);
}

static void lists_stay_until_they_are_read(void **state) {
    (void)state;
    real once[WEIGHTS], late[WEIGHTS];
    struct error err;
    struct device *d;
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_OWN, &err), 0);
    step_twice(d, once);
    assert_true(once[0] < 0 && once[HALF] < once[0]);
    emulated_reads_pages(1);
    step_twice(d, late);
    emulated_reads_pages(0);
    assert_memory_equal(once, late, sizeof once);
    cuda_device_close(d);
}

static int with_own_kernels(void **state) {
    (void)state;
    return setenv("SSVBENCH_CUDNN", "none", 1);
}

static int with_cudnn(void **state) {
    (void)state;
    return setenv("SSVBENCH_CUDNN", STAND_IN, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(networks_are_those_of_the_processor, with_own_kernels),
        cmocka_unit_test_setup(products_by_a_library_are_too, with_cudnn),
        cmocka_unit_test_setup(a_device_repeats_itself, with_own_kernels),
        cmocka_unit_test_setup(a_device_repeats_itself, with_cudnn),
        cmocka_unit_test_setup(what_a_device_lacks_is_said, with_own_kernels),
        cmocka_unit_test_setup(lists_stay_until_they_are_read, with_own_kernels),
    };
    return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
