/* The loader: one stream of batches, whatever the number of threads, from wherever it begins. */
#include "data/loader.h"
#include "tests/data_files.h"

#include <sched.h>
#include <stdatomic.h>

enum { FEATURES = 3, FAILS_NEVER = -1 };

/* What the test's own prepare function is to do. */
struct plan {
    long fails_at; /* sample */
    int status;
    int dawdles; /* gives other threads the processor, as often as the sample says */
};

static int prepare(const void *self, const struct record *r, long sample, int epoch,
                   struct rng *rng, void *const slots[], struct error *err) {
    const struct plan *p = self;
    float *x = slots[0];
    int32_t *i = slots[1];
    if (sample == p->fails_at)
        return error_set(err, p->status, "this one is broken");
    for (int k = 0; p->dawdles && k < (int)(sample * 7 % 5); k++)
        sched_yield();
    for (int k = 0; k < FEATURES; k++)
        x[k] = (float)rng_uniform(rng) + 1;
    i[0] = (int32_t)sample;
    i[1] = epoch;
    i[2] = r->label;
    i[3] = r->pixels[sample % 700];
    return 0;
}

static const struct loader_slot slots[] = {{"x", FEATURES}, {"i", 4}};
static const struct plan sound = {.fails_at = FAILS_NEVER, .dawdles = 1};

static struct loader_config config_of(const struct dataset *d) {
    return (struct loader_config){.data = d,
                                  .split = SPLIT_TRAIN,
                                  .batch = 7,
                                  .shuffle = 1,
                                  .seed = 11,
                                  .threads = 1,
                                  .epochs = 3,
                                  .slots = slots,
                                  .n_slots = 2,
                                  .prepare = prepare,
                                  .self = &sound};
}

struct stream { /* everything that a loader gave */
    long batches, samples;
    int n[256], epoch[256];
    int32_t index[2048];
    float x[2048][FEATURES];
    int32_t i[2048][4];
};

static void take_all(const struct loader_config *c, struct stream *out) {
    struct loader *l;
    struct error err = {0};
    struct batch b;
    memset(out, 0, sizeof *out);
    assert_int_equal(loader_open(&l, c, &err), 0);
    for (;;) {
        assert_int_equal(loader_next(l, &b, &err), 0);
        if (!b.n)
            break;
        assert_int_equal(b.number, c->start_batch + out->batches);
        out->n[out->batches] = b.n;
        out->epoch[out->batches++] = b.epoch;
        memcpy(out->index + out->samples, b.index, (size_t)b.n * sizeof *b.index);
        memcpy(out->x + out->samples, b.slots[0], (size_t)b.n * sizeof *out->x);
        memcpy(out->i + out->samples, b.slots[1], (size_t)b.n * sizeof *out->i);
        out->samples += b.n;
        for (int k = b.n * FEATURES; k < c->batch * FEATURES; k++)
            assert_true(((float *)b.slots[0])[k] == 0);
        for (int k = b.n * 4; k < c->batch * 4; k++)
            assert_int_equal(((int32_t *)b.slots[1])[k], 0);
    }
    for (int again = 0; again < 3; again++) {
        assert_int_equal(loader_next(l, &b, &err), 0);
        assert_int_equal(b.n, 0);
    }
    loader_close(l);
}

static int open_data(void **state) {
    struct dataset *d = malloc(sizeof *d);
    struct error err = {0};
    *state = d;
    return dataset_open(d, "shapes:size=16,train=45,test=20", &err);
}

static int close_data(void **state) {
    dataset_close(*state);
    free(*state);
    return 0;
}

static void test_the_number_of_threads_changes_nothing(void **state) {
    static struct stream one, many;
    struct loader_config c = config_of(*state);
    take_all(&c, &one);
    assert_int_equal(one.batches, 21);
    assert_int_equal(one.samples, 135);
    static const int threads[] = {2, 5, 16};
    for (int i = 0; i < 3; i++) {
        c.threads = threads[i];
        take_all(&c, &many);
        assert_memory_equal(&one, &many, sizeof one);
    }
    c.seed = 12;
    take_all(&c, &many);
    assert_memory_not_equal(one.index, many.index, sizeof one.index);
}

static void test_what_a_sample_gets_depends_on_epoch_and_sample_only(void **state) {
    static struct stream a, b;
    struct loader_config c = config_of(*state);
    take_all(&c, &a);
    c.batch = 20;
    c.shuffle = 0;
    c.threads = 3;
    take_all(&c, &b);
    for (long i = 0; i < a.samples; i++) {
        long j = a.i[i][1] * 45L + a.i[i][0];
        assert_memory_equal(a.i[i], b.i[j], sizeof a.i[i]);
        assert_memory_equal(a.x[i], b.x[j], sizeof a.x[i]);
    }
    for (long i = 0; i + 45 < b.samples; i++) /* and every epoch has others */
        assert_memory_not_equal(b.x[i], b.x[i + 45], sizeof b.x[i]);
}

/* The order and the draws are those that rng.h promises. */
static void test_order_and_draws_have_their_keys(void **state) {
    static struct stream s;
    struct loader_config c = config_of(*state);
    int32_t order[45];
    take_all(&c, &s);
    for (uint32_t i = 0; i < 45; i++)
        order[i] = (int32_t)rng_shuffled((struct rng_key){11, RNG_ORDER}, 2, 45, i);
    assert_memory_equal(s.index + 90, order, sizeof order);
    struct rng r = rng_at((struct rng_key){11, RNG_VIEW}, 2, (uint32_t)order[4]);
    assert_true(s.x[94][0] == (float)rng_uniform(&r) + 1);
    assert_true(s.x[94][1] == (float)rng_uniform(&r) + 1);
}

static void test_an_epoch_has_every_sample_once(void **state) {
    static struct stream s;
    struct loader_config c = config_of(*state);
    c.threads = 2;
    take_all(&c, &s);
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen[45] = {0}, moved = 0;
        for (int i = 0; i < 45; i++) {
            seen[s.index[epoch * 45 + i]]++;
            moved += s.index[epoch * 45 + i] != i;
            assert_int_equal(s.index[epoch * 45 + i], s.i[epoch * 45 + i][0]);
            assert_int_equal(s.i[epoch * 45 + i][1], epoch);
        }
        for (int i = 0; i < 45; i++)
            assert_int_equal(seen[i], 1);
        assert_true(moved > 20);
        assert_int_equal(s.n[epoch * 7 + 6], 3); /* the rest */
        assert_int_equal(s.epoch[epoch * 7 + 6], epoch);
    }
    assert_memory_not_equal(s.index, s.index + 45, 45 * sizeof *s.index);
}

static void test_drop_last_and_no_shuffle(void **state) {
    static struct stream s;
    struct loader_config c = config_of(*state);
    c.drop_last = 1;
    c.shuffle = 0;
    assert_int_equal(loader_batches_per_epoch(&c), 6);
    take_all(&c, &s);
    assert_int_equal(s.batches, 18);
    for (int b = 0; b < 18; b++) {
        assert_int_equal(s.n[b], 7);
        assert_int_equal(s.epoch[b], b / 6);
    }
    for (int i = 0; i < 126; i++)
        assert_int_equal(s.index[i], i % 42);
    c.batch = 46;
    assert_int_equal(loader_batches_per_epoch(&c), 0);
    take_all(&c, &s);
    assert_int_equal(s.batches, 0);
    c.drop_last = 0;
    take_all(&c, &s);
    assert_int_equal(s.batches, 3);
    c.epochs = 0;
    take_all(&c, &s);
    assert_int_equal(s.batches, 0);
}

static void test_a_subset(void **state) {
    static struct stream s;
    struct loader_config c = config_of(*state);
    int32_t subset[] = {40, 3, 17, 8, 29, 44, 0, 12, 13};
    int32_t copy[9];
    memcpy(copy, subset, sizeof copy);
    c.subset = subset;
    c.subset_n = 9;
    c.batch = 4;
    c.threads = 3;
    assert_int_equal(loader_batches_per_epoch(&c), 3);
    take_all(&c, &s);
    assert_int_equal(s.samples, 27);
    for (int epoch = 0; epoch < 3; epoch++)
        for (int k = 0; k < 9; k++) {
            int count = 0;
            for (int i = 0; i < 9; i++)
                count += s.index[epoch * 9 + i] == copy[k];
            assert_int_equal(count, 1);
        }
    c.shuffle = 0;
    take_all(&c, &s);
    assert_memory_equal(s.index, copy, sizeof copy);
}

static void test_resuming_gives_the_same_stream(void **state) {
    static struct stream whole, rest;
    struct loader_config c = config_of(*state);
    take_all(&c, &whole);
    long before[22] = {0};
    for (int b = 0; b < 21; b++)
        before[b + 1] = before[b] + whole.n[b];
    for (long start = 0; start <= 23; start += start < 6 ? 1 : 4) {
        c.start_batch = start;
        c.threads = 1 + (int)start % 3;
        take_all(&c, &rest);
        if (start >= 21) {
            assert_int_equal(rest.batches, 0);
            continue;
        }
        assert_int_equal(rest.batches, 21 - start);
        long from = before[start];
        size_t n = (size_t)(whole.samples - from);
        assert_int_equal(rest.samples, n);
        assert_memory_equal(rest.index, whole.index + from, n * sizeof *rest.index);
        assert_memory_equal(rest.x, whole.x + from, n * sizeof *rest.x);
        assert_memory_equal(rest.i, whole.i + from, n * sizeof *rest.i);
    }
}

static void test_an_error_comes_with_its_batch(void **state) {
    const struct plan broken = {.fails_at = 23, .status = STATUS_USAGE};
    struct loader_config c = config_of(*state);
    c.self = &broken;
    c.shuffle = 0;
    for (c.threads = 1; c.threads <= 4; c.threads++) {
        struct loader *l;
        struct error err = {0};
        assert_int_equal(loader_open(&l, &c, &err), 0);
        for (int number = 0; number < 21; number++) {
            struct batch b;
            int status = loader_next(l, &b, &err);
            assert_int_equal(b.number, number);
            if (number % 7 != 3) {
                assert_int_equal(status, 0);
                assert_int_equal(b.n, number % 7 == 6 ? 3 : 7);
                continue;
            }
            assert_int_equal(status, STATUS_USAGE);
            assert_int_equal(err.status, STATUS_USAGE);
            assert_int_equal(b.n, 0);
            assert_string_equal(err.message, "shapes, training image 23: this one is broken");
        }
        loader_close(l);
    }
}

/* A dataset whose disk fails `failures` times for one image. */
struct flaky {
    const struct dataset *real;
    long sample;
    atomic_int failures;
};

static int read_flaky(const struct dataset *d, enum split split, long index, struct record *out,
                      struct error *err) {
    struct flaky *f = d->state;
    if (index == f->sample && atomic_fetch_sub(&f->failures, 1) > 0)
        return error_set(err, STATUS_MACHINE, "the disk does not answer");
    return dataset_read(f->real, split, index, out, err);
}

static void test_a_failure_of_the_disk_is_tried_again(void **state) {
    static const struct dataset_source source = {.read = read_flaky};
    static struct stream good, again;
    struct loader_config c = config_of(*state);
    struct dataset d = *(struct dataset *)*state;
    struct flaky flaky = {.real = *state, .sample = 30, .failures = 1};
    c.epochs = 1;
    take_all(&c, &good);
    d.state = &flaky;
    d.source = &source;
    c.data = &d;
    take_all(&c, &again);
    assert_memory_equal(&good, &again, sizeof good);
    assert_true(flaky.failures < 0);

    struct loader *l;
    struct error err = {0};
    struct batch b;
    int retries = 0, status = 0;
    flaky.failures = 1000;
    assert_int_equal(loader_open(&l, &c, &err), 0);
    for (int i = 0; i < 7 && !status; i++) {
        status = loader_next(l, &b, &err);
        retries += b.retries;
    }
    assert_int_equal(status, STATUS_MACHINE);
    assert_int_equal(retries, 3);
    assert_non_null(strstr(err.message, "training image 30: the disk does not answer"));
    assert_true(b.waited > 0);
    loader_close(l);
}

static void test_closing_at_any_time(void **state) {
    struct loader_config c = config_of(*state);
    c.epochs = 1000000;
    for (int i = 0; i < 60; i++) {
        struct loader *l;
        struct error err = {0};
        struct batch b;
        c.threads = 1 + i % 6;
        assert_int_equal(loader_open(&l, &c, &err), 0);
        for (int k = 0; k < i % 7; k++)
            assert_int_equal(loader_next(l, &b, &err), 0);
        for (int k = 0; k < i; k++)
            sched_yield();
        loader_close(l);
    }
    loader_close(NULL);
}

/* A batch stays as it is until the next call, while the threads go on. */
static void test_a_batch_stays_in_hand(void **state) {
    struct loader_config c = config_of(*state);
    struct loader *l;
    struct error err = {0};
    struct batch b;
    c.threads = 4;
    c.epochs = 100;
    assert_int_equal(loader_open(&l, &c, &err), 0);
    for (int k = 0; k < 50; k++) {
        float copy[7 * FEATURES];
        assert_int_equal(loader_next(l, &b, &err), 0);
        assert_int_equal((uintptr_t)b.slots[0] % 64, 0);
        memcpy(copy, b.slots[0], (size_t)b.n * FEATURES * sizeof *copy);
        for (int i = 0; i < 20; i++)
            sched_yield();
        assert_memory_equal(copy, b.slots[0], (size_t)b.n * FEATURES * sizeof *copy);
    }
    loader_close(l);
}

/* The batch that comes next can be read before it is asked for, and until the one behind it is; a
 * batch in hand stays as it is. */
static void test_the_next_batch_is_seen_before(void **state) {
    struct loader_config c = config_of(*state);
    struct loader *l;
    struct error err = {0};
    struct batch b, next;
    c.threads = 3;
    assert_int_equal(loader_open(&l, &c, &err), 0);
    long end = c.epochs * loader_batches_per_epoch(&c);
    for (long k = 0; k < end; k++) {
        float copy[7 * FEATURES];
        assert_int_equal(loader_next(l, &b, &err), 0);
        while (k < end - 1 && !loader_peek(l, &next))
            sched_yield();
        if (k == end - 1)
            break;
        assert_int_equal(next.number, k + 1);
        assert_ptr_not_equal(next.slots[0], b.slots[0]);
        memcpy(copy, next.slots[0], (size_t)next.n * FEATURES * sizeof *copy);
        assert_int_equal(loader_next(l, &b, &err), 0);
        k++;
        assert_int_equal(b.number, next.number);
        assert_int_equal(b.n, next.n);
        assert_ptr_equal(b.slots[0], next.slots[0]);
        assert_memory_equal(copy, b.slots[0], (size_t)b.n * FEATURES * sizeof *copy);
    }
    assert_false(loader_peek(l, &next));
    loader_close(l);
}

/* What comes with an error is not shown before the error is. */
static void test_a_broken_batch_is_not_seen_before(void **state) {
    const struct plan broken = {.fails_at = 3, .status = STATUS_USAGE};
    struct loader_config c = config_of(*state);
    struct loader *l;
    struct error err = {0};
    struct batch b, next;
    c.self = &broken;
    c.shuffle = 0;
    c.threads = 2;
    assert_int_equal(loader_open(&l, &c, &err), 0);
    for (int i = 0; i < 1000; i++) {
        assert_false(loader_peek(l, &next) && next.number == 0);
        sched_yield();
    }
    assert_int_equal(loader_next(l, &b, &err), STATUS_USAGE);
    loader_close(l);
}

struct pins {
    int most, pinned, refused;
    void *at[64];
};

static int pin(void *self, void *memory, size_t bytes, struct error *err) {
    struct pins *p = self;
    assert_int_equal((uintptr_t)memory % 4096, 0);
    assert_int_equal(bytes % 4096, 0);
    if (p->pinned == p->most) {
        p->refused++;
        return error_set(err, STATUS_MACHINE, "no more than %d can be pinned", p->most);
    }
    memset(memory, 0, bytes); /* all of it is there */
    p->at[p->pinned++] = memory;
    return 0;
}

static void unpin(void *self, void *memory) {
    struct pins *p = self;
    int i = 0;
    while (i < p->pinned && p->at[i] != memory)
        i++;
    assert_true(i < p->pinned);
    p->at[i] = p->at[--p->pinned];
}

/* Every slot of every batch, or as many as can be, without another stream. */
static void test_memory_of_batches_is_pinned(void **state) {
    static struct stream with, without;
    struct loader_config c = config_of(*state);
    struct loader *l;
    struct error err = {0};
    c.threads = 2;
    take_all(&c, &without);
    const int all = 2 * (c.threads + 2), most[] = {all + 1, all, 3, 0};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        struct pins pins = {.most = most[i]};
        c.pins = (struct loader_pins){&pins, pin, unpin};
        assert_int_equal(loader_open(&l, &c, &err), 0);
        assert_int_equal(pins.pinned, most[i] < all ? most[i] : all);
        assert_int_equal(pins.refused, most[i] < all);
        loader_close(l);
        assert_int_equal(pins.pinned, 0);
        take_all(&c, &with);
        assert_memory_equal(&with, &without, sizeof with);
    }
}

static void test_the_test_split(void **state) {
    static struct stream s;
    struct loader_config c = config_of(*state);
    struct record r = {0};
    c.split = SPLIT_TEST;
    c.shuffle = 0;
    c.epochs = 1;
    c.threads = 2;
    take_all(&c, &s);
    assert_int_equal(s.samples, 20);
    for (long i = 0; i < 20; i++) {
        reads(*state, SPLIT_TEST, i, &r);
        assert_int_equal(s.i[i][2], r.label);
        assert_int_equal(s.i[i][3], r.pixels[i]);
    }
    record_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_number_of_threads_changes_nothing),
        cmocka_unit_test(test_what_a_sample_gets_depends_on_epoch_and_sample_only),
        cmocka_unit_test(test_order_and_draws_have_their_keys),
        cmocka_unit_test(test_an_epoch_has_every_sample_once),
        cmocka_unit_test(test_drop_last_and_no_shuffle),
        cmocka_unit_test(test_a_subset),
        cmocka_unit_test(test_resuming_gives_the_same_stream),
        cmocka_unit_test(test_an_error_comes_with_its_batch),
        cmocka_unit_test(test_a_failure_of_the_disk_is_tried_again),
        cmocka_unit_test(test_closing_at_any_time),
        cmocka_unit_test(test_a_batch_stays_in_hand),
        cmocka_unit_test(test_the_next_batch_is_seen_before),
        cmocka_unit_test(test_a_broken_batch_is_not_seen_before),
        cmocka_unit_test(test_memory_of_batches_is_pinned),
        cmocka_unit_test(test_the_test_split),
    };
    return cmocka_run_group_tests(tests, open_data, close_data);
}
