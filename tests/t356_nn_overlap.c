/* Gradients on their way while the way back is still being computed: what this process asks of
 * other ranks, which are not there, in which order with its own operations. */
#include "core/clock.h"
#include "kernels/cuda/runtime.h"
#include "nn/buckets.h"
#include "nn/transit.h"
#include "tests/gradient_net.h"

#include <pthread.h>

/* Layer norms of the ViT: two in each of its blocks and one behind them. */
enum { NORMS = 5, EVENTS_MOST = 1 << 14 };

/* An operation of the way back; the first half of a bucket's way is asked for, and waited for, as
 * is the second. */
enum what { OPERATION, SEND, SUM, WAIT };

struct event {
    enum what what;
    int slot;
};

/* Kernels know nobody to ask, so that this cannot be handed to them. */
static struct {
    pthread_mutex_t turn;
    struct event events[EVENTS_MOST];
    int n;
    int late; /* nothing comes before it is waited for */
    /* Of two threads each has a lane, and the one that sends is behind the other one: this waits in
     * its first operation until the other has begun, and the other then for all of this one's. */
    pthread_t sends;
    int two, own, others; /* operations of who sends, of the other one */
    const struct kernels *kernels;
} seen = {.turn = PTHREAD_MUTEX_INITIALIZER};

static void note(enum what what, int slot) {
    pthread_mutex_lock(&seen.turn);
    if (slot < COMMUNICATOR_SLOTS) { /* rows go by another one */
        assert_true(seen.n < EVENTS_MOST);
        seen.events[seen.n++] = (struct event){what, slot};
    }
    *(pthread_equal(pthread_self(), seen.sends) ? &seen.own : &seen.others) += what == OPERATION;
    pthread_mutex_unlock(&seen.turn);
}

static int is_ahead(void) {
    pthread_mutex_lock(&seen.turn);
    int ahead = pthread_equal(pthread_self(), seen.sends) ? seen.others < NORMS : !seen.own;
    ahead &= seen.two;
    pthread_mutex_unlock(&seen.turn);
    return ahead;
}

static void layernorm_backward(const struct kctx *c, int rows, int cols, const real *x,
                               const real *gamma, const real *mean, const real *rstd,
                               const real *dy, int acc, real *dx, real *dgamma, real *dbeta,
                               real *narrow, real *sums) {
    seen.kernels->layernorm_backward(c, rows, cols, x, gamma, mean, rstd, dy, acc, dx, dgamma,
                                     dbeta, narrow, sums);
    note(OPERATION, 0);
    for (const double until = clock_seconds() + 20; is_ahead() && clock_seconds() < until;)
        clock_rest(1);
}

static enum what half_of(int slot) {
    return slot < TRANSIT_SETS ? SEND : SUM;
}

static void start(struct communicator *c, int slot, const void *send,
                  const struct communicator_block *to, void *receive,
                  const struct communicator_block *from) {
    (void)c, (void)send, (void)to, (void)receive, (void)from;
    note(half_of(slot), slot);
}

static int finish(struct communicator *c, int slot, double seconds) {
    (void)c;
    if (seconds > 0)
        note(WAIT, slot);
    return seconds > 0 || !seen.late ? -1 : 1;
}

static void move(struct communicator *c) {
    (void)c;
}

static void exchange(struct device *d, int slot, const void *send,
                     const struct communicator_block *to, void *receive,
                     const struct communicator_block *from) {
    (void)d, (void)send, (void)to, (void)receive, (void)from;
    note(half_of(slot), slot);
}

static void gather(struct device *d, int slot, void *data,
                   const struct communicator_block *blocks) {
    (void)d, (void)data, (void)blocks;
    note(half_of(slot), slot);
}

static void arrive(struct device *d, int slot) {
    (void)d;
    note(WAIT, slot);
}

static const struct net_case *case_named(const char *name) {
    for (int i = 0; i < CASES; i++)
        if (!strcmp(cases[i].name, name))
            return &cases[i];
    fail_msg("no case %s", name);
    return NULL;
}

/* Of which the others are not there: two on machines of their own, four on two. */
static struct communicator stand_in(int size, int rank) {
    static const char *const hosts[] = {"here", "here", "there", "there"};
    return (struct communicator){.rank = rank,
                                 .size = size,
                                 .engine = "none",
                                 .host = size == 2 ? hosts + 1 : hosts,
                                 .seconds = 60,
                                 .start = start,
                                 .finish = finish,
                                 .move = move};
}

struct attempt {
    int size, rank, lanes, threads, late;
    size_t bucket;
    struct device *device;
};

/* One run of the ViT. */
static void run(const struct attempt *a) {
    struct communicator ranks = stand_in(a->size, a->rank);
    const struct kernels *own = a->device ? a->device->kernels : kernels_cpu();
    struct kernels noting = *own;
    struct net n;
    struct exec *x;
    void *data[8] = {NULL};
    seen.kernels = own;
    seen.n = 0;
    seen.late = a->late;
    seen.sends = pthread_self();
    seen.own = seen.others = 0;
    seen.two = a->threads == 2;
    noting.layernorm_backward = layernorm_backward;
    if (a->device)
        a->device->kernels = &noting;
    open_net(&n, case_named("vit"),
             &(struct net_run){.threads = a->threads,
                               .kernels = &noting,
                               .device = a->device,
                               .chunk = 1,
                               .lanes = a->lanes,
                               .bucket = a->bucket,
                               .ranks = &ranks},
             &x, data);
    exec_run(x, BATCH);
    close_net(&n, x, data);
    if (a->device)
        a->device->kernels = own;
}

static int count(enum what what, int end) {
    int n = 0;
    for (int i = 0; i < end; i++)
        n += seen.events[i].what == what;
    return n;
}

static int last_operation(void) {
    int i = seen.n - 1;
    while (i >= 0 && seen.events[i].what != OPERATION)
        i--;
    return i;
}

/* The last operations of each block's lanes are far from each other, and so are the sends. */
static int operations_behind_first_send(void) {
    int i = 0;
    while (i < seen.n && seen.events[i].what != SEND)
        i++;
    return count(OPERATION, seen.n) - count(OPERATION, i);
}

enum { FEW = 300, MANY = 1 << 20 };

/* Both halves are begun, added and written back in the order of buckets, everything once. */
static void everything_is_sent_once(void) {
    int all = count(SEND, seen.n), sends = 0, sums = 0;
    assert_true(all > 0);
    assert_int_equal(count(SUM, seen.n), all);
    assert_int_equal(count(WAIT, seen.n), 2 * all);
    for (int i = 0; i < seen.n; i++) {
        const struct event *e = &seen.events[i];
        if (e->what == SEND)
            assert_int_equal(e->slot, sends++ % 2);
        if (e->what == SUM)
            assert_int_equal(e->slot, 2 + sums++ % 2);
        assert_true(sums <= sends);
    }
}

static void while_threads_compute(int threads, int lanes, int chunks) {
    run(&(struct attempt){.size = 2, .lanes = lanes, .threads = threads, .bucket = FEW});
    int end = last_operation();
    everything_is_sent_once();
    assert_int_equal(count(OPERATION, seen.n), NORMS * chunks);
    assert_true(count(SEND, end) >= 4);
    assert_true(count(SUM, end) >= 3);
    assert_true(operations_behind_first_send() >= 3);
}

static void buckets_go_while_the_rest_is_computed(void **state) {
    (void)state;
    while_threads_compute(1, 2, 2);
    while_threads_compute(1, 4, 2); /* the first lane ends long before */
    while_threads_compute(2, 4, 2);
}

/* A bucket that has all goes when all is there: the first test could fail. */
static void one_bucket_goes_at_the_end(void **state) {
    (void)state;
    run(&(struct attempt){.size = 2, .lanes = 2, .threads = 1, .bucket = MANY});
    everything_is_sent_once();
    assert_int_equal(count(SEND, seen.n), 1);
    assert_int_equal(count(SEND, last_operation()), 0);
}

/* As many as have a place are on their way; the thread that computes waits for none of them. */
static void nobody_waits_while_there_is_work(void **state) {
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        run(&(struct attempt){.size = 2, .lanes = 4, .threads = threads, .late = 1, .bucket = FEW});
        int end = last_operation();
        everything_is_sent_once();
        assert_int_equal(count(SEND, end), 2);
        assert_int_equal(count(WAIT, end), 0);
    }
}

/* It sends nothing of its own, but adds what others send. */
static void a_rank_without_lanes_takes_part(void **state) {
    (void)state;
    run(&(struct attempt){.size = 2, .rank = 0, .lanes = 1, .threads = 1, .bucket = FEW});
    everything_is_sent_once();
    assert_int_equal(count(OPERATION, seen.n), 0);
}

/* Launches are in the order in which they are asked for, so what is asked for is what overlaps: a
 * bucket is waited for when the next one has begun, or behind all operations. */
static void a_device_sends_while_it_computes(void **state) {
    struct error err;
    struct device *d;
    (void)state;
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_OWN, &err), 0);
    d->joined = 2;
    d->exchange = exchange;
    d->gather = gather;
    d->arrive = arrive;
    for (int lanes = 2; lanes <= 4; lanes *= 2) {
        run(&(struct attempt){.size = 2, .lanes = lanes, .threads = 1, .bucket = FEW, .device = d});
        int end = last_operation(), begun[2] = {0}, arrived[2] = {0};
        everything_is_sent_once();
        assert_true(count(SEND, end) >= 4);
        for (int i = 0; i < end; i++) {
            const struct event *e = &seen.events[i];
            begun[0] += e->what == SEND;
            begun[1] += e->what == SUM;
            if (e->what != WAIT)
                continue;
            int half = e->slot >= 2;
            assert_int_equal(e->slot, 2 * half + arrived[half] % 2);
            assert_true(++arrived[half] < begun[half]);
        }
        assert_true(arrived[0] >= 3 && arrived[1] >= 2);
    }
    d->joined = 0;
    assert_int_equal(d->check(d, &err), 0);
    cuda_device_close(d);
}

/* What goes through the processor's memory is sent as soon, and nobody waits for what is late. */
static void without_a_way_of_its_own_too(void **state) {
    struct error err;
    struct device *d;
    (void)state;
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_OWN, &err), 0);
    for (int late = 0; late < 2; late++) {
        run(&(struct attempt){
            .size = 2, .lanes = 4, .threads = 1, .late = late, .bucket = FEW, .device = d});
        int end = last_operation();
        everything_is_sent_once();
        assert_true(late ? count(SEND, end) == 2 : count(SEND, end) >= 4);
        assert_true(!late || !count(WAIT, end));
    }
    assert_int_equal(d->check(d, &err), 0);
    cuda_device_close(d);
}

/* What is asked of the others in two levels, in one order on all ranks: on those whose lanes
 * complete one segment after the other, and on those that have no lanes and send all at once. */
static void devices_ask_in_one_order(void **state) {
    static int slots[EVENTS_MOST];
    struct error err;
    struct device *d;
    int n[2] = {0};
    (void)state;
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_OWN, &err), 0);
    d->joined = 4;
    d->exchange = exchange;
    d->gather = gather;
    d->arrive = arrive;
    for (int rank = 0; rank < 2; rank++) {
        run(&(struct attempt){
            .size = 4, .rank = rank, .lanes = 2, .threads = 1, .bucket = FEW, .device = d});
        assert_true((count(OPERATION, seen.n) > 0) == rank);
        for (int i = 0; i < seen.n; i++) {
            if (seen.events[i].what != SEND && seen.events[i].what != SUM)
                continue;
            if (rank)
                assert_int_equal(seen.events[i].slot, slots[n[1]]);
            slots[n[rank]++] = seen.events[i].slot;
        }
    }
    assert_int_equal(n[0], n[1]);
    assert_true(n[0] >= 4 * 6); /* four exchanges of a bucket */
    assert_int_equal(count(WAIT, seen.n), n[0]);
    d->joined = 0;
    assert_int_equal(d->check(d, &err), 0);
    cuda_device_close(d);
}

/* Of an R-th to each of R ranks: 128 KiB at least, as long as memory allows. */
static void buckets_grow_with_the_number_of_ranks(void **state) {
    static const struct {
        int ranks;
        size_t reals;
    } usual[] = {{1, 1 << 21},   {64, 1 << 21},  {96, 3 << 20},
                 {128, 1 << 22}, {256, 1 << 23}, {1024, 1 << 23}};
    (void)state;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        assert_int_equal(buckets_usual(usual[i].ranks), usual[i].reals);
}

static void (*copy_in)(struct device *d, void *to, const void *from, size_t bytes);
static size_t copied;

static void counting_copy_in(struct device *d, void *to, const void *from, size_t bytes) {
    copied += bytes;
    copy_in(d, to, from, bytes);
}

/* Bytes that a run copies to the device when the weights are there, for so many samples in all. */
static size_t bytes_in(struct device *d, struct communicator *ranks, int samples) {
    struct net n;
    struct exec *x;
    void *data[8] = {NULL};
    open_net(&n, case_named("vit"),
             &(struct net_run){.threads = 1, .device = d, .lanes = 2, .ranks = ranks}, &x, data);
    exec_run(x, BATCH);
    copied = 0;
    exec_run(x, samples);
    close_net(&n, x, data);
    return copied;
}

/* Of five samples, in two chunks, the first of two ranks has three; of two, in one, none. */
static void a_rank_copies_its_own_samples(void **state) {
    struct error err;
    struct device *d;
    (void)state;
    assert_int_equal(cuda_device_open(&d, 0, DEVICE_OWN, &err), 0);
    copy_in = d->copy_in;
    d->copy_in = counting_copy_in;
    const size_t one = bytes_in(d, NULL, BATCH) / BATCH;
    assert_int_equal(one, (2 * 8 * 8 + 1) * sizeof(real)); /* an image and its label */
    d->joined = 2;
    d->exchange = exchange;
    d->gather = gather;
    d->arrive = arrive;
    for (int rank = 0; rank < 2; rank++) {
        struct communicator ranks = stand_in(2, rank);
        assert_int_equal(bytes_in(d, &ranks, BATCH), one * (rank ? 2 : 3));
        assert_int_equal(bytes_in(d, &ranks, 2), one * (rank ? 2 : 0));
    }
    d->joined = 0;
    assert_int_equal(d->check(d, &err), 0);
    cuda_device_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_go_while_the_rest_is_computed),
        cmocka_unit_test(one_bucket_goes_at_the_end),
        cmocka_unit_test(nobody_waits_while_there_is_work),
        cmocka_unit_test(a_rank_without_lanes_takes_part),
        cmocka_unit_test(a_device_sends_while_it_computes),
        cmocka_unit_test(without_a_way_of_its_own_too),
        cmocka_unit_test(devices_ask_in_one_order),
        cmocka_unit_test(buckets_grow_with_the_number_of_ranks),
        cmocka_unit_test(a_rank_copies_its_own_samples),
    };
    return cmocka_run_group_tests_name("overlap", tests, NULL, NULL);
}
