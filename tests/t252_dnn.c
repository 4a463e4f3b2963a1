/* Convolutions through cuDNN's interface, by the stand-in of tests/cuda: against ref with every
 * shape of the cases; which engines are chosen; what is said where the library, a plan or memory is
 * missing. */
#include "kernels/cuda/dnn.h"
#include "kernels/cuda/runtime.h"
#include "tests/cuda/cuda_runtime_api.h"
#include "tests/cuda/emulator.h"
#include "tests/kernel_checks.h"

#include <math.h>
#include <stdlib.h>

static const char *const convolutions[] = {"conv2d_forward", "conv2d_backward_data",
                                           "conv2d_backward_weight", NULL};

static struct device *open_device(const char *library) {
    struct device *d;
    struct error err;
    setenv("SSVBENCH_CUDNN", library, 1);
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_FP32, &err), 0);
    return d;
}

static struct dnn *dnn_of(struct device *d) {
    return ((struct cuda_queue *)d->queue)->dnn;
}

/* check of one kernel's shapes on a device of its own, so that its memory is given back */
static void walk_shapes(const struct kernel_case *kc, check_one *check) {
    struct device *d = open_device(STAND_IN);
    struct error err;
    void *workspace;
    assert_non_null(dnn_of(d));
    assert_int_equal(d->allocate(d, &workspace, sizeof(real) * KERNEL_WORKSPACE, "it", &err), 0);
    const struct kctx c = {.threads = 1, .workspace = workspace, .device = d->queue};
    checked_device = d;
    check_shapes(check, &c, d->kernels, kc);
    checked_device = NULL;
    d->release(d, workspace);
    cuda_device_close(d);
}

static void walk(check_one *check) {
    emulated_schedule(EMULATED_RANDOM, 3);
    for (int i = 0; kernel_case_at(i); i++)
        for (int k = 0; convolutions[k]; k++)
            if (!strcmp(kernel_case_at(i)->name, convolutions[k]))
                walk_shapes(kernel_case_at(i), check);
}

static void test_against_ref(void **state) {
    (void)state;
    walk(check_against_ref);
}

static void test_restore(void **state) {
    (void)state;
    walk(check_restore);
}

static void test_rows(void **state) {
    (void)state;
    walk(check_rows);
}

enum { N = 2, SIDE = 6, IN = 5, OUT = 7, KERNEL = 3 };
enum { X = N * SIDE * SIDE * IN, W = OUT * KERNEL * KERNEL * IN, Y = N * SIDE * SIDE * OUT };
static const struct conv_shape shape = {SIDE, SIDE, IN, OUT, KERNEL, KERNEL, 1, 1};

struct arrays {
    _Alignas(64) float x[X];
    _Alignas(64) float w[W];
    _Alignas(64) float y[Y];
};

static struct arrays *there(void) {
    struct arrays here;
    void *p;
    for (int i = 0; i < X; i++)
        here.x[i] = sinf((float)i);
    for (int i = 0; i < W; i++)
        here.w[i] = cosf((float)i);
    for (int i = 0; i < Y; i++)
        here.y[i] = NAN;
    assert_int_equal(cudaMalloc(&p, sizeof here), cudaSuccess);
    cudaMemcpyAsync(p, &here, sizeof here, cudaMemcpyHostToDevice, NULL);
    return p;
}

/* How far a forward convolution is from that of ref. */
static double distance(int tf32) {
    static struct arrays here;
    static real y[Y], packed[2 * 64 * 64 * 16], workspace[KERNEL_WORKSPACE];
    const struct kctx c = {.threads = 1, .workspace = workspace};
    const struct kernels *ref = kernels_ref();
    struct arrays *a = there();
    struct dnn *d;
    struct error err;
    double apart = 0, size = 0;
    setenv("SSVBENCH_CUDNN", STAND_IN, 1);
    assert_int_equal(dnn_open(&d, NULL, tf32, &err), 0);
    assert_int_equal(dnn_conv_forward(d, N, &shape, 0, a->x, a->w, a->y), 0);
    cudaMemcpyAsync(&here, a, sizeof here, cudaMemcpyDeviceToHost, NULL);
    assert_true(ref->conv2d_pack_size(&shape, 0) <= sizeof packed / sizeof *packed);
    ref->conv2d_pack(&c, &shape, 0, here.w, packed);
    ref->conv2d_forward(&c, N, &shape, here.x, packed, NULL, y);
    for (int i = 0; i < Y; i++) {
        apart += pow((double)here.y[i] - (double)y[i], 2);
        size += pow((double)y[i], 2);
    }
    assert_string_equal(dnn_note(d), "");
    dnn_close(d);
    cudaFree(a);
    return sqrt(apart / size);
}

/* The stand-in's first engine computes NaN, its second rounds, its third has no plan. */
static void test_engines(void **state) {
    (void)state;
    assert_true(distance(0) < tolerance);
    double rounded = distance(1);
    assert_true(rounded > 1e-5 && rounded < 1e-3);
}

/* One that does not say what a configuration works in has plans, too. */
static void test_an_older_library(void **state) {
    (void)state;
    setenv("CUDNN_STANDIN_VERSION", "90100", 1);
    assert_true(distance(0) < tolerance);
    unsetenv("CUDNN_STANDIN_VERSION");
}

/* Nothing of it is computed by a kernel here but a bias, and what there is no plan for. */
static void test_who_computes(void **state) {
    (void)state;
    struct device *d = open_device(STAND_IN);
    struct arrays *a = there();
    const struct kctx c = {.threads = 1, .device = d->queue};
    const struct conv_shape padded = {
        .h = 2, .w = 2, .in = 1, .out = 1, .kh = 1, .kw = 1, .stride = 1, .pad = 3};
    unsigned long before = emulated_launches();
    d->kernels->conv2d_forward(&c, N, &shape, a->x, a->w, NULL, a->y);
    d->kernels->conv2d_backward_data(&c, N, &shape, a->y, a->w, NULL, 1, a->x);
    d->kernels->conv2d_backward_weight(&c, N, &shape, a->x, a->y, a->w);
    assert_int_equal(emulated_launches(), before);
    d->kernels->conv2d_forward(&c, N, &shape, a->x, a->w, a->w, a->y);
    assert_int_equal(emulated_launches(), before + 1);
    assert_string_equal(d->note, "");
    for (int i = 0; i < 2; i++)
        d->kernels->conv2d_forward(&c, 1, &padded, a->x, a->w, NULL, a->y);
    assert_int_equal(emulated_launches(), before + 3);
    assert_string_equal(d->note, "own kernels for 1 convolutions, the first (kind n h w in out kh "
                                 "kw stride pad) forward 1 2 2 1 1 1 1 1 3: "
                                 "CUDNN_STATUS_NOT_SUPPORTED_SHAPE");
    cudaFree(a);
    cuda_device_close(d);
}

static void test_no_memory(void **state) {
    (void)state;
    struct device *d = open_device(STAND_IN);
    struct arrays *a = there();
    void *rest = NULL, *more;
    for (size_t bytes = (size_t)1 << 28; bytes >= 256; bytes /= 2) /* all that there is */
        while (cudaMalloc(&more, bytes) == cudaSuccess)
            rest = more;
    assert_non_null(rest);
    assert_int_equal(dnn_conv_forward(dnn_of(d), N, &shape, 0, a->x, a->w, a->y), -1);
    assert_non_null(strstr(d->note, ": no memory for its workspace"));
    cuda_device_close(d);
}

/* A recorded convolution writes to its work memory when it is repeated, whatever came in between.
 */
static void test_recordings_keep_their_memory(void **state) {
    (void)state;
    const struct conv_shape larger = {2 * SIDE, SIDE, IN, OUT, KERNEL, KERNEL, 1, 1};
    struct device *d = open_device(STAND_IN);
    struct dnn *dnn = dnn_of(d);
    struct arrays *a = there();
    void *room;
    assert_int_equal(cudaMalloc(&room, sizeof(float) * 64 * X * Y), cudaSuccess);
    assert_int_equal(dnn_conv_forward(dnn, N, &shape, 0, a->x, a->w, a->y), 0);
    size_t small = dnn_workspace(dnn);
    assert_true(small > 0);
    assert_int_equal(d->record(d), 0);
    void *recording = d->recorded(d);
    assert_int_equal(dnn_conv_forward(dnn, N, &larger, 0, room, a->w, room), 0);
    size_t both = dnn_workspace(dnn);
    assert_true(both > 2 * small);
    assert_int_equal(dnn_conv_forward(dnn, 2 * N, &larger, 0, room, a->w, room), 0);
    assert_int_equal(dnn_workspace(dnn), small + 2 * (both - small)); /* the one between is free */
    d->forget(d, recording);
    cudaFree(room);
    cudaFree(a);
    cuda_device_close(d);
}

static void test_errors_are_kept(void **state) {
    (void)state;
    struct device *d = open_device(STAND_IN);
    struct arrays *a = there();
    struct error err;
    const struct kctx c = {.threads = 1, .device = d->queue};
    setenv("CUDNN_STANDIN_FAILS", "1", 1);
    d->kernels->conv2d_backward_weight(&c, N, &shape, a->x, a->y, a->w);
    unsetenv("CUDNN_STANDIN_FAILS");
    assert_int_equal(d->check(d, &err), STATUS_MACHINE);
    assert_string_equal(err.message,
                        "cuda:0: cuda_conv2d_backward_weight: CUDNN_STATUS_EXECUTION_FAILED");
    assert_int_equal(d->check(d, &err), 0);
    cudaFree(a);
    cuda_device_close(d);
}

static void test_what_is_missing_is_said(void **state) {
    (void)state;
    static const struct {
        const char *library, *says;
    } missing[] = {{"/nowhere/libcudnn.so.9", "no cuDNN: /nowhere/libcudnn.so.9: "},
                   {"libm.so.6", "no cuDNN: its library has no cudnnGetVersion"}};
    for (int i = 0; i < 2; i++) {
        struct device *d = open_device(missing[i].library);
        assert_null(dnn_of(d));
        assert_int_equal(strncmp(d->note, missing[i].says, strlen(missing[i].says)), 0);
        assert_null(strchr(d->note, '\n'));
        cuda_device_close(d);
    }
}

/* One library is not there, and the other cannot do all: both are said. */
static void test_all_that_is_missing_is_said(void **state) {
    (void)state;
    setenv("SSVBENCH_CUBLASLT", "none", 1);
    struct device *d = open_device(STAND_IN);
    unsetenv("SSVBENCH_CUBLASLT");
    struct arrays *a = there();
    struct error err;
    const struct kctx c = {.threads = 1, .device = d->queue};
    const struct conv_shape padded = {
        .h = 2, .w = 2, .in = 1, .out = 1, .kh = 1, .kw = 1, .stride = 1, .pad = 3};
    d->kernels->conv2d_forward(&c, 1, &padded, a->x, a->w, NULL, a->y);
    assert_int_equal(d->check(d, &err), 0);
    assert_non_null(strstr(d->note, "none is not found"));
    assert_non_null(strstr(d->note, "; own kernels for 1 convolutions, the first "));
    cudaFree(a);
    cuda_device_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_ref),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_engines),
        cmocka_unit_test(test_an_older_library),
        cmocka_unit_test(test_who_computes),
        cmocka_unit_test(test_recordings_keep_their_memory),
        cmocka_unit_test(test_errors_are_kept),
        cmocka_unit_test(test_what_is_missing_is_said),
        cmocka_unit_test(test_all_that_is_missing_is_said),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("dnn", tests, NULL, NULL);
}
