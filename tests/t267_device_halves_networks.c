/* Networks with activations of 16 bits on a device against those in float, with the stand-in for
 * cuBLASLt and without; and what the plan of a device spares them. */
#include "kernels/cuda/runtime.h"
#include "tests/cuda/emulator.h"
#include "tests/device_net.h"

#include <stdlib.h>

static const double through_networks = 4e-2;

/* Some ReLUs behind batch norms of a few rows: one that a rounding turns is much of the gradient.
 * t263 has such networks large enough. */
static const char *const too_small[] = {"bottleneck", "pad_shortcut", "clip resnet"};

static size_t halves_of(const struct net *n) {
    size_t halves = 0;
    for (int i = 0; i < n->graph.n; i++)
        halves += n->graph.tensors[i]->half;
    return halves;
}

/* Both residuals of both blocks of the ViT end in a norm that copies and sums their gradients. */
static void check_handed(const struct net *n, const char *name) {
    int handed = 0;
    for (int i = 0; i < n->graph.n; i++)
        handed += n->graph.tensors[i]->handed;
    if (!strcmp(name, "vit"))
        assert_int_equal(handed, 4);
    if (!strcmp(name, "stack"))
        assert_int_equal(handed, 0);
}

/* Every batch norm whose input nothing else reads leaves its gradient to what takes the moments. */
static void check_left(const struct net *n, const char *name) {
    int left = 0, norms = 0;
    for (int i = 0; i < n->graph.n; i++) {
        const struct tensor *t = n->graph.tensors[i];
        norms += t->op && t->op->finisher && t->needs_grad;
        left += t->left != NULL;
    }
    if (norms > 3) /* whole ResNets and AlexNets */
        assert_int_equal(left, norms);
    if (!strcmp(name, "resnet"))
        assert_int_equal(left, 8);
    if (!strcmp(name, "batch norm"))
        assert_int_equal(left, 1); /* the other's input has another reader */
}

static int is_too_small(const char *name) {
    int found = 0;
    for (size_t i = 0; i < sizeof too_small / sizeof *too_small; i++)
        found |= !strcmp(name, too_small[i]);
    return found;
}

static void compare_networks(const char *cudnn, int libraries) {
    static struct outcome here, there;
    struct device *d;
    struct error err;
    size_t halves = 0;
    emulated_schedule(EMULATED_RANDOM, 5);
    setenv("SSVBENCH_CUDNN", cudnn, 1);
    setenv("SSVBENCH_CUBLASLT", "none", 1);
    if (libraries)
        unsetenv("SSVBENCH_CUBLASLT");
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_BF16, &err), 0);
    unsetenv("SSVBENCH_CUBLASLT");
    assert_true(d->halves);
    for (int i = 0; i < CASES; i++) {
        struct net n;
        struct exec *x;
        void *data[8] = {NULL};
        open_net(&n, &cases[i], &(struct net_run){.threads = 1, .device = d}, &x, data);
        halves += halves_of(&n);
        check_handed(&n, cases[i].name);
        check_left(&n, cases[i].name);
        close_net(&n, x, data);
        if (is_too_small(cases[i].name))
            continue;
        run_net(&cases[i], NULL, &here);
        run_net(&cases[i], d, &there);
        if (d->check(d, &err))
            fail_msg("%s: %s", cases[i].name, err.message);
        compare_outcomes(cases[i].name, &there, &here, through_networks);
    }
    assert_true(halves > 0);
    cuda_device_close(d);
}

static void networks_with_libraries(void **state) {
    (void)state;
    compare_networks(STAND_IN, 1);
}

static void networks_without(void **state) {
    (void)state;
    compare_networks("none", 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_with_libraries),
        cmocka_unit_test(networks_without),
    };
    return cmocka_run_group_tests_name("networks with halves", tests, NULL, NULL);
}
