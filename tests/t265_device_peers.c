/* Devices of several processes that send to each other: what arrives, in which order with other
 * work, and what is said when one does not answer. */
#include "core/communicator.h"
#include "kernels/cuda/runtime.h"
#include "tests/cuda/emulator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RANKS = 3, MOST = 4000, ROUNDS = 5 };

/* One process; a wrong number ends it, and its exit code is the line. */
#define DEMAND(c) ((c) ? (void)0 : _exit(__LINE__ % 250 + 1))

static struct device *d;

static real *room(size_t n) {
    struct error err;
    void *out;
    DEMAND(!d->allocate(d, &out, n * sizeof(real), "a test", &err));
    return out;
}

/* Rank p's message to q in a round: how many reals, where it lies on both sides, and what is in it.
 */
static size_t length(int p, int q, int round) {
    return p == q ? 3 : (size_t)(p * 700 + q * 90 + round * 13) * (round != 2 || q);
}

static real number(int p, int q, int round, size_t i) {
    return (real)(p * 1e5 + q * 1e4 + round * 1e3 + (double)(i % 997));
}

static void place(struct communicator_block *out, int own, int round, int comes) {
    size_t at = 0;
    for (int p = 0; p < RANKS; p++) {
        size_t n = comes ? length(p, own, round) : length(own, p, round);
        out[p] = (struct communicator_block){at * sizeof(real), n * sizeof(real)};
        at += n + 5;
    }
}

/* What is sent was computed just before, and is written over just after, all in the queue. */
static void exchange(int rank) {
    const struct kctx c = {.threads = 1, .device = d->queue};
    real here[3 * MOST], *half = room(3 * MOST), *send = room(3 * MOST), *in = room(3 * MOST);
    struct communicator_block to[RANKS], from[RANKS];
    for (int round = 0; round < ROUNDS; round++) {
        place(to, rank, round, 0);
        place(from, rank, round, 1);
        for (int p = 0; p < RANKS; p++)
            for (size_t i = 0; i < to[p].bytes / sizeof(real); i++)
                here[to[p].offset / sizeof(real) + i] = number(rank, p, round, i) / 2;
        d->copy_in(d, half, here, sizeof here);
        d->kernels->axpby(&c, 3 * MOST, 2, half, 0, send);
        d->exchange(d, round % 2, send, to, in, from);
        d->arrive(d, round % 2);
        d->kernels->axpby(&c, 3 * MOST, 0, half, 0, send);
        d->kernels->axpby(&c, 3 * MOST, 1, in, 0, half);
        d->copy_out(d, here, half, sizeof here);
        for (int p = 0; p < RANKS; p++)
            for (size_t i = 0; p != rank && i < from[p].bytes / sizeof(real); i++)
                DEMAND(here[from[p].offset / sizeof(real) + i] == number(p, rank, round, i));
    }
}

/* Ragged blocks, one of them empty. */
static void gather(int rank) {
    struct communicator_block blocks[RANKS];
    real here[3 * MOST], *all = room(3 * MOST);
    size_t at = 0;
    for (int p = 0; p < RANKS; p++) {
        size_t n = p == 1 ? 0 : 100 + 900 * (size_t)p;
        blocks[p] = (struct communicator_block){at * sizeof(real), n * sizeof(real)};
        for (size_t i = 0; i < n; i++)
            here[at + i] = p == rank ? number(p, p, 0, i) : -1;
        at += n;
    }
    d->copy_in(d, all, here, sizeof here);
    d->gather(d, COMMUNICATOR_SLOTS, all, blocks);
    d->arrive(d, COMMUNICATOR_SLOTS);
    d->copy_out(d, here, all, sizeof here);
    for (int p = 0; p < RANKS; p++)
        for (size_t i = 0; i < blocks[p].bytes / sizeof(real); i++)
            DEMAND(here[blocks[p].offset / sizeof(real) + i] == number(p, p, 0, i));
}

static void work(int rank) {
    struct error err;
    exchange(rank);
    gather(rank);
    exchange(rank);
    DEMAND(!d->check(d, &err));
}

static const struct communicator_block ten = {0, 10 * sizeof(real)};

/* Rank 1 ends without a word; the others are let go, in a wait or before the next exchange. */
static void be_late(int rank) {
    struct communicator_block to[RANKS] = {{0}}, from[RANKS] = {{0}};
    real *data = room(10), here[10];
    struct error err;
    if (rank == 1)
        return;
    to[1] = from[1] = ten;
    d->exchange(d, 0, data, to, data, from);
    d->arrive(d, 0);
    if (rank == 2)
        d->exchange(d, 1, data, to, data, from);
    else
        d->copy_out(d, here, data, sizeof here);
    DEMAND(d->check(d, &err) == STATUS_MACHINE);
    DEMAND(
        strstr(err.message, "another rank's device has not answered for 0.3 s (--rank_seconds)"));
    d->exchange(d, 0, data, to, data, from); /* and now at once */
    DEMAND(d->check(d, &err) == STATUS_MACHINE);
    d->leave(d);
    d->copy_out(d, here, data, sizeof here);
    DEMAND(!d->check(d, &err));
}

static void run(int rank, const char *invitation, double seconds, void (*what)(int rank)) {
    struct device_party party = {.rank = rank, .size = RANKS, .seconds = seconds};
    struct error err;
    alarm(120);
    memcpy(party.invitation, invitation, sizeof party.invitation);
    DEMAND(!cuda_device_open(&d, 0, DEVICE_OWN, &err));
    DEMAND(!d->join(d, &party, &err) && d->joined == RANKS);
    what(rank);
    cuda_device_close(d);
}

/* In a process each, of which this one is the first's parent. */
static void on_all(double seconds, void (*what)(int rank)) {
    char invitation[DEVICE_INVITATION];
    pid_t pid[RANKS];
    struct error err;
    struct device *first;
    assert_int_equal(cuda_device_open(&first, 0, DEVICE_OWN, &err), 0);
    assert_int_equal(first->invite(first, NULL, &err), 0);
    assert_int_equal(first->invite(first, invitation, &err), 0);
    cuda_device_close(first);
    for (int p = 0; p < RANKS; p++)
        if (!(pid[p] = fork())) {
            run(p, invitation, seconds, what);
            _exit(0);
        }
    for (int p = 0; p < RANKS; p++) {
        int status;
        assert_int_equal(waitpid(pid[p], &status, 0), pid[p]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void test_messages(void **state) {
    (void)state;
    for (int when = 0; when < EMULATED_COPIES; when++) {
        emulated_copying((enum emulated_copies)when);
        on_all(60, work);
    }
}

static void test_late(void **state) {
    (void)state;
    on_all(0.3, be_late);
}

/* A rank that does not come. */
static void test_alone(void **state) {
    struct device_party party = {.rank = 0, .size = 2, .seconds = 0.2};
    struct device *one;
    struct error err;
    (void)state;
    assert_int_equal(cuda_device_open(&one, 0, DEVICE_OWN, &err), 0);
    assert_int_equal(one->invite(one, party.invitation, &err), 0);
    assert_int_equal(one->join(one, &party, &err), STATUS_MACHINE);
    assert_non_null(strstr(err.message, "has not answered for 0.2 s"));
    assert_int_equal(one->joined, 0);
    one->leave(one); /* nothing */
    setenv("SSVBENCH_NCCL", "none", 1);
    assert_int_equal(one->invite(one, NULL, &err), STATUS_MACHINE);
    assert_string_equal(err.message, "no NCCL: SSVBENCH_NCCL is \"none\"");
    unsetenv("SSVBENCH_NCCL");
    cuda_device_close(one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
