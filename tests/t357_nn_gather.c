/* Everybody's blocks for all: in two levels on several machines, with as many bytes and messages as
 * that takes and no more, in the processor's memory and in that of devices that send by themselves
 * or not. */
#include "nn/gather.h"
#include "tests/thread_ranks.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MOST = 4096 };
enum where { HERE, STAGED, JOINED };

/* Sizes of blocks, in bytes: of rank p one + (p + round) % more. */
struct round {
    size_t one, more;
};

static const struct round rounds[] = {{4 * sizeof(real), 1}, {0, 3}, {7, 1}, {sizeof(real), 5}};
enum { ROUNDS = sizeof rounds / sizeof *rounds };

struct attempt {
    enum where where;
    int wrong; /* ranks */
    pthread_mutex_t turn;
};

/* ---- a device that is the processor ---- */

struct fake {
    struct device base;
    struct communicator *c;
    long rows; /* calls of copy_rows, which the kernels' context leads to */
    struct kernels kernels;
};

static int allocate(struct device *d, void **out, size_t bytes, const char *what,
                    struct error *err) {
    (void)d, (void)what, (void)err;
    *out = calloc(1, bytes + 1);
    return *out ? 0 : STATUS_MACHINE;
}

static void release(struct device *d, void *memory) {
    (void)d;
    free(memory);
}

static void copy(struct device *d, void *to, const void *from, size_t bytes) {
    (void)d;
    memcpy(to, from, bytes);
}

static int idle(struct device *d) {
    (void)d;
    return 1;
}

static void exchange(struct device *d, int slot, const void *send,
                     const struct communicator_block *to, void *receive,
                     const struct communicator_block *from) {
    struct communicator *c = ((struct fake *)d)->c;
    c->start(c, slot, send, to, receive, from);
}

static void gather(struct device *d, int slot, void *data,
                   const struct communicator_block *blocks) {
    struct communicator *c = ((struct fake *)d)->c;
    struct communicator_block own[THREAD_RANKS];
    for (int p = 0; p < c->size; p++)
        own[p] = blocks[c->rank];
    c->start(c, slot, data, own, data, blocks);
}

static void arrive(struct device *d, int slot) {
    struct communicator *c = ((struct fake *)d)->c;
    c->finish(c, slot, 60);
}

static void counted_copy_rows(const struct kctx *c, int rows, int cols, const real *x, int ldx,
                              int acc, real *y, int ldy) {
    ++*(long *)c->device;
    kernels_cpu()->copy_rows(c, rows, cols, x, ldx, acc, y, ldy);
}

static void fake_open(struct fake *f, struct communicator *c, int joined) {
    *f = (struct fake){.c = c, .kernels = *kernels_cpu()};
    f->kernels.copy_rows = counted_copy_rows;
    f->base = (struct device){.kernels = &f->kernels,
                              .queue = &f->rows,
                              .joined = joined ? c->size : 0,
                              .allocate = allocate,
                              .release = release,
                              .copy_in = copy,
                              .copy_out = copy,
                              .copy = copy,
                              .exchange = exchange,
                              .gather = gather,
                              .arrive = arrive,
                              .idle = idle};
}

/* ---- each rank ---- */

static size_t size_of(int round, int rank) {
    return rounds[round].one + (size_t)(rank + round) % rounds[round].more;
}

static char byte_of(int round, size_t at) {
    return (char)(at * 31 + (size_t)round * 7 + 1);
}

static size_t place(struct communicator_block *blocks, int size, int round) {
    size_t at = 0;
    for (int p = 0; p < size; p++) {
        blocks[p] = (struct communicator_block){at, size_of(round, p)};
        at += blocks[p].bytes;
    }
    return at;
}

static int is_wrong(struct gather *g, const struct communicator *c, int round) {
    struct communicator_block blocks[THREAD_RANKS];
    _Alignas(64) char data[MOST];
    const size_t all = place(blocks, c->size, round);
    const struct communicator_block own = blocks[c->rank];
    int wrong = 0;
    memset(data, 0x55, sizeof data);
    for (size_t i = own.offset; i < own.offset + own.bytes; i++)
        data[i] = byte_of(round, i);
    gather_blocks(g, data, blocks);
    for (size_t i = 0; i < MOST; i++)
        wrong |= data[i] != (i < all ? byte_of(round, i) : 0x55);
    return wrong;
}

static void as_rank(struct communicator *c, void *self) {
    struct attempt *a = self;
    struct arena arena = {0};
    struct error err;
    struct gather *g;
    struct fake device;
    fake_open(&device, c, a->where == JOINED);
    int wrong = gather_open(&g, &arena, c, a->where == HERE ? NULL : &device.base, MOST, &err);
    for (int round = 0; round < ROUNDS && !wrong; round++)
        wrong |= is_wrong(g, c, round);
    gather_close(g);
    arena_free(&arena);
    pthread_mutex_lock(&a->turn);
    a->wrong += wrong != 0;
    pthread_mutex_unlock(&a->turn);
}

/* ---- what is sent ---- */

/* Of a round what goes from p to q: with G ranks of each machine the own block to those of its
 * number, and to those of its machine what all of its number have; G = 1: the own block to all. */
static size_t bytes_from(int round, int p, int q, int size, int ranks) {
    size_t bytes = 0;
    if (ranks == 1 || p % ranks == q % ranks)
        return size_of(round, p);
    for (int i = p % ranks; i < size && p / ranks == q / ranks; i += ranks)
        bytes += size_of(round, i);
    return bytes;
}

static void check_sent(const struct thread_sent *sent, int size, int ranks) {
    for (int p = 0; p < size; p++)
        for (int q = 0; q < size; q++) {
            size_t bytes = 0;
            long messages = 0;
            for (int round = 0; round < ROUNDS && p != q; round++) {
                const size_t one = bytes_from(round, p, q, size, ranks);
                bytes += one;
                messages += one > 0;
            }
            assert_int_equal(sent->bytes[p][q], bytes);
            assert_int_equal(sent->messages[p][q], messages);
        }
}

static void gather_on(const char *machines, int ranks) {
    static struct thread_sent sent;
    for (enum where where = HERE; where <= JOINED; where++) {
        struct attempt a = {.where = where};
        pthread_mutex_init(&a.turn, NULL);
        with_ranks_on(machines, as_rank, &a, &sent);
        assert_int_equal(a.wrong, 0);
        check_sent(&sent, (int)strlen(machines), ranks);
    }
}

static void a_block_goes_to_each_machine_once(void **state) {
    (void)state;
    gather_on("aabb", 2);
    gather_on("aabbccdd", 2);
    gather_on("aaaabbbb", 4);
    gather_on("aaabbbccc", 3);
    gather_on("aaaabbbbccccdddd", 4);
}

static void or_straight_to_all(void **state) {
    (void)state;
    gather_on("aaaa", 1);
    gather_on("abc", 1);
    gather_on("aaab", 1);
    gather_on("abab", 1);
}

/* Equal blocks of whole reals are copied from the second buffer in one go. */
static void rows_are_copied_together(struct communicator *c, void *self) {
    struct attempt *a = self;
    struct arena arena = {0};
    struct error err;
    struct gather *g;
    struct fake device;
    fake_open(&device, c, 1);
    int wrong = gather_open(&g, &arena, c, &device.base, MOST, &err) || is_wrong(g, c, 0) ||
                device.rows != 2 || is_wrong(g, c, 2) || device.rows != 2;
    gather_close(g);
    arena_free(&arena);
    pthread_mutex_lock(&a->turn);
    a->wrong += wrong;
    pthread_mutex_unlock(&a->turn);
}

static void a_device_is_asked_for_few_copies(void **state) {
    (void)state;
    struct attempt a = {.where = JOINED};
    pthread_mutex_init(&a.turn, NULL);
    with_ranks_on("aabbccdd", rows_are_copied_together, &a, NULL);
    assert_int_equal(a.wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_goes_to_each_machine_once),
        cmocka_unit_test(or_straight_to_all),
        cmocka_unit_test(a_device_is_asked_for_few_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
