/* Kernels that watch: what they say of a call are the numbers of the case that made it, so what is
 * timed for a network is what the network does. */
#include "kernels/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    const struct kernel_case *kernel;
    const int *dim;
    int calls, others;
};

/* Lists of shapes serve several kernels: the bits of a number that this one's calls show. */
static const struct shown {
    const char *kernel;
    int number, bits;
} shown[] = {
    {"batchnorm_moments", 3, 0}, /* how the input was made */
    {"gather_forward", 4, 3},
    {"branch_forward", 3, 15},
    {"branch_backward", 3, 59},
    {"attention_flash_forward", 4, 3},
    {"conv2d_pack", 9, 0},
    {"conv2d_forward", 9, 1},
    {"channelwise_fc_forward", 4, 1},
    {"batchnorm_sums", 3, 5},
    {"render_views", 5, 0}, /* what tasks ask for */
};

static void forget_the_unseen(const char *kernel, int dim[CASE_DIMS]) {
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (!strcmp(kernel, shown[i].kernel))
            dim[shown[i].number] &= shown[i].bits;
    if (!strcmp(kernel, "gemm") && dim[5] == 3)
        dim[5] = 0; /* alpha */
    if (!strncmp(kernel, "gather_", 7) && !dim[2])
        dim[4] |= 1; /* rows of no indices are one row */
}

static void note(void *self, const char *kernel, const int dim[CASE_DIMS], unsigned halves) {
    struct seen *s = self;
    int wanted[CASE_DIMS], used = kernel_case_dims(s->kernel);
    if (strcmp(kernel, s->kernel->name) != 0) {
        s->others++; /* what packs for it, or uses what it packed */
        return;
    }
    s->calls++;
    assert_int_equal(halves, 0);
    memcpy(wanted, s->dim, sizeof wanted);
    forget_the_unseen(kernel, wanted);
    for (int i = 0; i < used; i++)
        if (dim[i] != wanted[i])
            fail_msg("%s: number %d of \"%s\" is %d, not %d", kernel, i, s->kernel->dims, dim[i],
                     wanted[i]);
}

static int is_of_sizes(const char *kernel) {
    return strstr(kernel, "_pack_size") != NULL;
}

static void they_say_what_was_asked_for(void **state) {
    (void)state;
    const struct kernel_case *kc;
    for (int i = 0; (kc = kernel_case_at(i)); i++)
        for (int s = 0; s < kc->n_shapes; s++) {
            struct seen seen = {.kernel = kc, .dim = kc->shape[s]};
            const struct kernel_watch watch = {.note = note, .self = &seen};
            const struct kctx c = {.threads = 1, .watch = &watch};
            struct case_run run;
            case_open(&run, kc, kc->shape[s], kernels_watching(), 0, 0);
            case_call(&run, &c);
            if (is_of_sizes(kc->name))
                assert_int_equal(seen.calls, 0);
            else if (!seen.calls)
                fail_msg("%s: no call", kc->name);
            case_close(&run);
        }
}

static double bytes_of(const char *name, const int dim[CASE_DIMS]) {
    const struct kernel_case *kc;
    for (int i = 0; (kc = kernel_case_at(i)); i++)
        if (!strcmp(kc->name, name))
            return case_cost(kc, dim, 0).bytes;
    fail_msg("%s: no case", name);
    return 0;
}

/* Counted by hand: what a call need not look at is not among its bytes. */
static void bytes_are_those_that_must_move(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int dim[CASE_DIMS];
        double numbers;
    } known[] = {
        {"axpby", {10, 0}, 10 + 2 * 10},
        {"gemm", {5, 7, 11, 0, 0, 0, 2}, 5 * 11 + 11 * 7 + 5 * 7},
        {"gather_forward", {8, 64, 16, 192, 0}, 8 * 16 * 192 + 8 * 16 + 8 * 16 * 192},
        {"gather_forward", {8, 17, 65, 192, 2}, 8 * 17 * 192 + 8 * 65 + 192 + 8 * 65 * 192},
        {"gather_backward", {2, 65, 17, 67, 4}, 2 * 17 * 67 + 2 * 17 + 2 * (2 * 17 * 67)},
        {"gather_backward", {2, 65, 17, 67, 0}, 2 * 17 * 67 + 2 * 17 + 2 * 65 * 67},
        {"mean_rows_forward", {2, 5, 7, 1, 4}, 2 * 3 * 7 + 2 * 7},
        {"attention_row_forward", {2, 9, 3, 4, 4}, 2 * (2 * 9 * 12 + 12) + 1 + 2 * 3 * 16 + 2 * 12},
        {"conv2d_forward", {3, 6, 5, 17, 9, 1, 1, 2, 0, 0}, 3 * 9 * 17 + 17 * 9 + 3 * 9 * 9},
        {"conv2d_forward", {2, 8, 8, 4, 5, 3, 3, 1, 1, 0}, 2 * 64 * 4 + 5 * 9 * 4 + 2 * 64 * 5},
        {"conv2d_backward_data",
         {3, 6, 5, 17, 9, 1, 1, 2, 0, 2},
         3 * 9 * 9 + 17 * 9 + 2 * (3 * 9 * 17)},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double bytes = bytes_of(known[i].name, known[i].dim);
        if (bytes != known[i].numbers * sizeof(real))
            fail_msg("%s, %zu: %g bytes, not %g", known[i].name, i, bytes,
                     known[i].numbers * sizeof(real));
    }
}

/* What a call costs is told without its buffers, and is what it costs with them. */
static void costs_need_no_memory(void **state) {
    (void)state;
    const struct kernel_case *kc;
    for (int i = 0; (kc = kernel_case_at(i)); i++)
        for (int s = 0; s < kc->n_shapes; s++) {
            const struct case_cost cost = case_cost(kc, kc->shape[s], 0);
            struct case_run run;
            case_open(&run, kc, kc->shape[s], kernels_ref(), 0, 0);
            assert_true(cost.flops == run.flops);
            assert_true(cost.bytes == case_bytes(&run));
            case_close(&run);
        }
}

static void they_tell_nobody_without_a_watch(void **state) {
    (void)state;
    const struct kctx c = {.threads = 1};
    const struct kernels *k = kernels_watching();
    real y = 3;
    k->axpby(&c, 1, 1, &y, 0, &y);
    assert_true(k->sum_squares(&c, 1, &y) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_say_what_was_asked_for),
        cmocka_unit_test(bytes_are_those_that_must_move),
        cmocka_unit_test(costs_need_no_memory),
        cmocka_unit_test(they_tell_nobody_without_a_watch),
    };
    return cmocka_run_group_tests_name("watching", tests, NULL, NULL);
}
