/* A batch shared among ranks: losses, gradients, running statistics and outputs are those of one
 * process, bit for bit, for networks that together use every operation; what a rank does not have
 * the inputs of it does not read. */
#include "tests/gradient_net.h"
#include "tests/thread_ranks.h"

#include "core/file.h"
#include "nn/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { RUNS = 4, IN_PARTS = 1, REALS_MOST = 1 << 16, TENSORS_MOST = 64 };

static const int samples[RUNS] = {BATCH, BATCH - 1, 1, BATCH}; /* of each run, one is few */

struct outcome {
    size_t count, trained;
    size_t rows, sums; /* bytes of results that all ranks get, of all samples and of each lane */
    double loss[RUNS], own[RUNS];
    real gradient[RUNS][REALS_MOST], value[REALS_MOST];
};

struct attempt {
    const struct net_case *net;
    int lanes, chunk, threads, recompute, owned;
    size_t bucket;
    struct outcome one, all; /* of one process, of every rank in turn */
    pthread_mutex_t turn;
    const char *differs;
};

static void poison(const struct net *n, const struct exec *x, int rows, void **data) {
    int first, end;
    exec_share(x, rows, &first, &end);
    for (int i = 0; i < n->n_input; i++)
        for (int row = 0; row < rows; row++) {
            const struct tensor *t = n->input[i];
            size_t bytes = t->per_sample * sizeof(real);
            if (t->kind != TENSOR_SCALAR && (row < first || row >= end))
                memset((char *)data[i] + bytes * (size_t)row, 0xff, bytes); /* NaN, or -1 */
        }
}

static void refill(const struct net *n, void **data) {
    for (int i = 0; i < n->n_input; i++) {
        void *fresh = draw_input(n->input[i], (uint32_t)i);
        memcpy(data[i], fresh, n->input[i]->per_sample * BATCH * sizeof(real));
        free(fresh);
    }
}

/* Of what others own a rank may have anything, but for the probe. */
static void pass_over(const struct attempt *a, const struct model *m, const int *owner, int rank,
                      int run, struct outcome *out) {
    for (int i = 0; i < m->n_facts && run < RUNS - 1; i++)
        if (owner[i] != rank)
            memcpy(out->gradient[run] + m->facts[i].offset,
                   a->one.gradient[run] + m->facts[i].offset, m->facts[i].count * sizeof(real));
}

/* The last one leaves no trace; one is in two parts, where samples do not meet. */
static double run_one(struct exec *x, int run, int n) {
    if (run == RUNS - 1)
        return exec_probe(x, n);
    if (run != IN_PARTS || exec_mixes_samples(x))
        return exec_run(x, n);
    double loss = exec_run_part(x, n, 2 * n, 1, 0);
    return loss + exec_run_part(x, n, 2 * n, 0, 1);
}

/* For the losses of each part, which are all ranks' of any other run anyway. */
static size_t times_gathered(const struct exec *x, const struct tensor *t, int run) {
    return run == IN_PARTS && t->objective && !exec_mixes_samples(x) ? 2 : 1;
}

/* An output of a run. */
static void look_at(struct exec *x, const struct tensor *t, int run, struct outcome *out) {
    const size_t cols = t->ndim ? (size_t)t->dim[t->ndim - 1] : 1, n = (size_t)samples[run];
    if (t->summed) {
        const real *sums = exec_column_sums(x, t, samples[run]);
        for (size_t i = 0; i < cols; i++)
            out->own[run] += (double)(i + 1) * (double)sums[i];
        out->sums += cols * sizeof(real);
    } else if (t->output) {
        out->own[run] += exec_loss(x, t, samples[run]);
        out->rows += times_gathered(x, t, run) * t->per_sample * sizeof(real) * n;
    }
}

static void run_all(const struct attempt *a, struct communicator *ranks, struct outcome *out) {
    struct net n;
    struct exec *x;
    void *data[8] = {NULL};
    int owner[TENSORS_MOST];
    for (int i = 0; i < TENSORS_MOST; i++)
        owner[i] =
            ((5 * i + 2) / 3 + 1) % communicator_size(ranks); /* some in a row, not 0 first */
    open_net(&n, a->net,
             &(struct net_run){.threads = a->threads,
                               .recompute = a->recompute,
                               .kernels = kernels_cpu(),
                               .chunk = a->chunk,
                               .lanes = a->lanes,
                               .bucket = a->bucket,
                               .owners = a->owned && ranks ? owner : NULL,
                               .ranks = ranks},
             &x, data);
    out->count = n.model.count;
    out->trained = out->rows = out->sums = 0;
    for (int i = 0; i < n.model.n_facts; i++)
        out->trained += n.model.facts[i].count;
    assert_true(out->count <= REALS_MOST && n.model.n_facts <= TENSORS_MOST);
    for (int i = 0; i < RUNS; i++) {
        refill(&n, data);
        poison(&n, x, samples[i], data);
        out->loss[i] = run_one(x, i, samples[i]);
        out->own[i] = 0;
        for (int t = 0; t < n.graph.n; t++)
            look_at(x, n.graph.tensors[t], i, out);
        memcpy(out->gradient[i], exec_gradient(x), out->count * sizeof(real));
        if (a->owned && ranks)
            pass_over(a, &n.model, owner, ranks->rank, i, out);
    }
    memcpy(out->value, n.model.value, out->count * sizeof(real));
    close_net(&n, x, data);
}

static const char *difference(const struct outcome *one, const struct outcome *all) {
    if (one->count != all->count)
        return "another model";
    if (memcmp(one->loss, all->loss, sizeof one->loss) != 0)
        return "another loss";
    if (memcmp(one->own, all->own, sizeof one->own) != 0)
        return "other outputs";
    for (int i = 0; i < RUNS; i++)
        if (memcmp(one->gradient[i], all->gradient[i], one->count * sizeof(real)) != 0)
            return "another gradient";
    if (memcmp(one->value, all->value, one->count * sizeof(real)) != 0)
        return "other running statistics";
    return NULL;
}

static void as_rank(struct communicator *c, void *self) {
    struct attempt *a = self;
    struct outcome *out = malloc(sizeof *out);
    run_all(a, c, out);
    pthread_mutex_lock(&a->turn);
    const char *differs = difference(&a->one, out);
    if (differs)
        a->differs = differs;
    pthread_mutex_unlock(&a->turn);
    free(out);
}

/* On numbers of ranks that are powers of two and others, and more than there are lanes or samples.
 */
static void compare(struct attempt *a) {
    static const int sizes[] = {2, 3, 4, 7};
    run_all(a, NULL, &a->one);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        a->differs = NULL;
        with_ranks(sizes[i], as_rank, a);
        if (a->differs)
            fail_msg("%s on %d ranks, %d lanes: %s", a->net->name, sizes[i], a->lanes, a->differs);
    }
}

static void ranks_are_one_process(void **state) {
    (void)state;
    static struct attempt a = {.lanes = 4, .chunk = 1, .threads = 1};
    pthread_mutex_init(&a.turn, NULL);
    for (int i = 0; i < CASES; i++) {
        a.net = &cases[i];
        compare(&a);
    }
}

static void with_recomputation_and_threads_too(void **state) {
    (void)state;
    static struct attempt a = {.lanes = 4, .chunk = 1, .threads = 2, .recompute = 1, .bucket = 64};
    pthread_mutex_init(&a.turn, NULL);
    for (int i = 0; i < CASES; i += 2) {
        a.net = &cases[i];
        compare(&a);
    }
}

/* As in a large model: there are always some on their way. */
static void in_small_buckets_too(void **state) {
    (void)state;
    static struct attempt a = {.lanes = 8, .chunk = 1, .threads = 1, .bucket = 48};
    pthread_mutex_init(&a.turn, NULL);
    for (int i = 0; i < CASES; i += 2) {
        a.net = &cases[i];
        compare(&a);
    }
}

static void owners_get_the_sum_of_theirs(void **state) {
    (void)state;
    static struct attempt a = {.lanes = 8, .chunk = 1, .threads = 2, .owned = 1, .bucket = 100};
    pthread_mutex_init(&a.turn, NULL);
    for (int i = 0; i < CASES; i++) {
        a.net = &cases[i];
        compare(&a);
    }
}

/* ---- on several machines ---- */

/* Two levels, the second of which adds one branch of each machine, or, of three machines, some; and
 * one, where a machine has one rank, more than others, or ranks that are not in a row. */
static const char *const machines[] = {"aabb",   "aabbccdd", "aaaabbbb", "aabbcc",
                                       "aaabbb", "abcd",     "aaab",     "abab"};

static void compare_on_machines(struct attempt *a) {
    for (int i = 0; i < CASES; i += 3) {
        a->net = &cases[i];
        run_all(a, NULL, &a->one);
        for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
            a->differs = NULL;
            with_ranks_on(machines[m], as_rank, a, NULL);
            if (a->differs)
                fail_msg("%s on %s, %d lanes: %s", a->net->name, machines[m], a->lanes, a->differs);
        }
    }
}

static void machines_are_one_process(void **state) {
    (void)state;
    static struct attempt a = {.lanes = 8, .chunk = 1, .threads = 1, .bucket = 48};
    pthread_mutex_init(&a.turn, NULL);
    compare_on_machines(&a);
}

/* In large buckets; some ranks have no lanes. */
static void with_few_lanes_too(void **state) {
    (void)state;
    static struct attempt a = {.lanes = 4, .chunk = 1, .threads = 2};
    pthread_mutex_init(&a.turn, NULL);
    compare_on_machines(&a);
}

static void owners_on_machines_get_theirs(void **state) {
    (void)state;
    static struct attempt a = {.lanes = 8, .chunk = 1, .threads = 1, .owned = 1, .bucket = 100};
    pthread_mutex_init(&a.turn, NULL);
    compare_on_machines(&a);
}

static const struct net_case *case_named(const char *name) {
    int i = 0;
    while (strcmp(cases[i].name, name) != 0)
        i++;
    return &cases[i];
}

/* Of a machine's G ranks each sends a G-th of the gradient's branch to the others of its number,
 * and of the sum, cut between the M machines; to ranks of its own machine it sends all but its own
 * slice of its branch, and slices of the sum.  Rows go to those of its number, and with theirs to
 * its own machine. */
static void check_bytes(const struct thread_sent *sent, int hosts, int ranks,
                        const struct outcome *one) {
    const double gradients = (double)(RUNS * one->trained * sizeof(real));
    const double rows = (double)one->rows;
    double between = 0, within = 0;
    const int n = hosts * ranks;
    for (int p = 0; p < n; p++)
        for (int q = 0; q < n; q++) {
            if (p / ranks == q / ranks)
                within += (double)sent->bytes[p][q];
            else if (p % ranks == q % ranks)
                between += (double)sent->bytes[p][q];
            else
                assert_int_equal(sent->bytes[p][q], 0);
        }
    assert_true(between == 2.0 * (hosts - 1) * gradients + (hosts - 1) * rows);
    if (n <= BATCH) /* as many have lanes, and so a branch to send */
        assert_true(within == 2.0 * (ranks - 1) * hosts * gradients + (ranks - 1) * hosts * rows);
}

static void a_machine_sends_one_gradient_to_each_other(void **state) {
    (void)state;
    static struct attempt a = {.lanes = 8, .chunk = 1, .threads = 1, .bucket = 48};
    static struct thread_sent sent;
    pthread_mutex_init(&a.turn, NULL);
    a.net = case_named("vit");
    run_all(&a, NULL, &a.one);
    with_ranks_on("aabb", as_rank, &a, &sent);
    check_bytes(&sent, 2, 2, &a.one);
    with_ranks_on("aabbccdd", as_rank, &a, &sent);
    check_bytes(&sent, 4, 2, &a.one);
    with_ranks_on("aaaabbbb", as_rank, &a, &sent);
    check_bytes(&sent, 2, 4, &a.one);
    with_ranks_on("abab", as_rank, &a, &sent);
    assert_true(sent.bytes[0][3] > sent.bytes[0][1] / 2); /* straight ahead to all */
    assert_null(a.differs);
}

/* Of each lane a row of sums, to all others; and no row of a sample. */
static void sums_go_instead_of_rows(void **state) {
    (void)state;
    enum { LANES = 4 };
    static struct attempt a = {.lanes = LANES, .chunk = 1, .threads = 1};
    static struct thread_sent sent;
    size_t all = 0;
    pthread_mutex_init(&a.turn, NULL);
    a.net = case_named("sums");
    run_all(&a, NULL, &a.one);
    with_ranks_on("abcd", as_rank, &a, &sent);
    assert_null(a.differs);
    for (int p = 0; p < 4; p++)
        for (int q = 0; q < 4; q++)
            all += sent.bytes[p][q];
    const size_t one = 2 * RUNS * a.one.trained * sizeof(real) + a.one.rows + LANES * a.one.sums;
    assert_int_equal(all, 3 * one);
}

/* ---- the optimizer's state ---- */

enum { STEPS = 3, TENSORS = 7 };

struct moving {
    struct optimizer optimizer;
    const struct model *one;
    char path[64], path_of_one[64];
    int wrong; /* on any rank */
    pthread_mutex_t turn;
};

/* Tensors of unlike sizes in two groups, of which one is a teacher's; more ranks than some have. */
static void make_model(struct model *m) {
    struct error err;
    model_init(m);
    const int groups[] = {model_group(m, "encoder"), model_group(m, "teacher")};
    for (int i = 0; i < TENSORS; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", i);
        model_param(m, groups[i % 3 == 2], name, 2, (int[]){3 + 40 * i, 11 + i}, INIT_NORMAL, 1);
    }
    model_param(m, groups[0], "conv", 4, (int[]){5, 3, 2, 7}, INIT_NORMAL, 1)->channels_last = 1;
    model_hold(m, groups[1]);
    assert_int_equal(model_allocate(m, 5, 1, &err), 0);
}

static void move_model(const struct optimizer *o, struct model *m, struct moments *s, long from,
                       long to) {
    struct arena a = {0};
    struct slab workspace;
    struct error err;
    struct carrier *carrier = NULL;
    assert_int_equal(slab_alloc(&workspace, KERNEL_WORKSPACE * sizeof(real), "test", &err), 0);
    if (s)
        assert_int_equal(
            carrier_open(&carrier, &a, moments_ranks(s), NULL, moments_carried(s), 0, &err), 0);
    const struct kctx c = {.threads = 1, .workspace = workspace.data};
    real *gradient = ARENA_ARRAY(&a, real, m->count);
    struct optim_state state = model_optim_state(m, gradient);
    state.mine = s ? moments_mine(s) : NULL;
    for (long t = from; t <= to; t++) {
        for (size_t i = 0; i < m->count; i++)
            gradient[i] = (real)(1 + (double)((i * 7 + (size_t)t * 13) % 29) - 15);
        for (int i = 0; i < m->n_facts && s; i++)
            if (!state.mine[i]) /* it is not there */
                memset(gradient + m->facts[i].offset, 0xff, m->facts[i].count * sizeof(real));
        double *squares = optimizer_squares(&a, o, kernels_cpu(), &c, &state, t);
        if (s)
            moments_share_squares(s, squares);
        optimizer_step(o, kernels_cpu(), &c, &state, squares, 0.01, t);
        if (s)
            moments_send_values(s, carrier, m->value, 0);
    }
    carrier_close(carrier);
    slab_free(&workspace);
    arena_free(&a);
}

static int all_zero(const real *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
            return 0;
    return 1;
}

static int kept_alone(const struct model *m, const struct moments *s) {
    int alone = moments_spared(s) < 2 * m->count * sizeof(real);
    for (int i = 0; i < m->n_facts; i++)
        if (!moments_mine(s)[i])
            alone &= all_zero(m->m + m->facts[i].offset, m->facts[i].count) &&
                     all_zero(m->v + m->facts[i].offset, m->facts[i].count);
    return alone;
}

static int same_files(const char *one, const char *other) {
    struct arena a = {0};
    struct error err;
    char *data[2];
    size_t bytes[2];
    int same = !file_read(one, &a, &data[0], &bytes[0], &err) &&
               !file_read(other, &a, &data[1], &bytes[1], &err) && bytes[0] == bytes[1] &&
               !memcmp(data[0], data[1], bytes[0]);
    arena_free(&a);
    return same;
}

/* Two steps and a checkpoint, from which another model goes on, as after an interruption. */
static void move_as_rank(struct communicator *c, void *self) {
    struct moving *all = self;
    struct model m, again;
    struct arena a = {0};
    struct error err;
    long step = 0;
    make_model(&m);
    make_model(&again);
    struct moments *s = moments_open(&a, c, &m), *t = moments_open(&a, c, &again);
    move_model(&all->optimizer, &m, s, 1, STEPS - 1);
    int wrong = checkpoint_save(all->path, &m, s, STEPS - 1, "", "", &err) || !kept_alone(&m, s);
    if (!c->rank)
        wrong |= checkpoint_load(all->path, &again, t, &step, &err) || step != STEPS - 1;
    communicator_broadcast(c, WAIT_LIMITED, again.value, again.count * sizeof(real));
    wrong |= checkpoint_hand_on(all->path, &again, t, &err);
    move_model(&all->optimizer, &again, t, STEPS, STEPS);
    wrong |= memcmp(again.value, all->one->value, m.count * sizeof(real)) != 0;
    wrong |= checkpoint_save(all->path, &again, t, STEPS, "", "", &err) || !kept_alone(&again, t);
    wrong |= !c->rank && !same_files(all->path, all->path_of_one);
    /* A folder that is not there: the first rank's error, for which nobody waits. */
    int failed = checkpoint_save("/nowhere/x.safetensors", &again, t, STEPS, "", "", &err);
    wrong |= failed != (c->rank ? 0 : STATUS_MACHINE);
    pthread_mutex_lock(&all->turn);
    all->wrong |= wrong;
    pthread_mutex_unlock(&all->turn);
    arena_free(&a);
    model_free(&m);
    model_free(&again);
}

static void shared_moments_move_as_one_process(void **state) {
    (void)state;
    static const struct optimizer kinds[] = {
        {OPTIMIZER_ADAMW, .b1 = 0.9, .b2 = 0.95, .eps = 1e-8, .weight_decay = 0.1, .clip = 1},
        {OPTIMIZER_ADAMW, .b1 = 0.9, .b2 = 0.95, .eps = 1e-8, .clip = 1, .clip_each = 1},
        {OPTIMIZER_SGD, .momentum = 0.9, .nesterov = 1, .weight_decay = 0.1, .clip = 2},
        {OPTIMIZER_LARS, .momentum = 0.9, .trust = 0.001, .weight_decay = 0.1}};
    struct moving all = {.wrong = 0};
    struct error err;
    const char *folder = getenv("TMPDIR");
    snprintf(all.path, sizeof all.path, "%s/t355-%d-ranks", folder ? folder : "/tmp", getpid());
    snprintf(all.path_of_one, sizeof all.path_of_one, "%s/t355-%d-one", folder ? folder : "/tmp",
             getpid());
    pthread_mutex_init(&all.turn, NULL);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct model one;
        make_model(&one);
        all.optimizer = kinds[i];
        all.one = &one;
        move_model(&kinds[i], &one, NULL, 1, STEPS);
        assert_int_equal(checkpoint_save(all.path_of_one, &one, NULL, STEPS, "", "", &err), 0);
        for (int ranks = 2; ranks <= 6; ranks++) {
            with_ranks(ranks, move_as_rank, &all);
            if (all.wrong)
                fail_msg("optimizer %zu on %d ranks", i, ranks);
        }
        model_free(&one);
    }
    unlink(all.path);
    unlink(all.path_of_one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_are_one_process),
        cmocka_unit_test(with_recomputation_and_threads_too),
        cmocka_unit_test(in_small_buckets_too),
        cmocka_unit_test(owners_get_the_sum_of_theirs),
        cmocka_unit_test(machines_are_one_process),
        cmocka_unit_test(with_few_lanes_too),
        cmocka_unit_test(owners_on_machines_get_theirs),
        cmocka_unit_test(a_machine_sends_one_gradient_to_each_other),
        cmocka_unit_test(sums_go_instead_of_rows),
        cmocka_unit_test(shared_moments_move_as_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
