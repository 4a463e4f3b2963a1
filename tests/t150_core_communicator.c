/* Ranks on MPI: this program launches itself through mpirun; what it says then is looked at here.
 * Skipped where there is no MPI. */
#include "core/communicator.h"

#include "core/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SAID = 1 << 14, MOST = 8 };

/* ---- as one of several ranks ---- */

/* How many bytes `from` sends to `to`: none, a few, and more than MPI sends at once. */
static size_t bytes_between(int from, int to) {
    return (from + to) % 3 == 2 ? 0 : (size_t)(1000 * from + to) * (size_t)(from == 1 ? 1021 : 1);
}

static unsigned char byte_of(int from, int to, size_t i) {
    return (unsigned char)(17 * from + 5 * to + (int)(i % 251));
}

struct parcel {
    struct communicator_block to[MOST], from[MOST];
    unsigned char *send, *receive;
};

/* What is sent differs by `salt`. */
static void pack(struct parcel *a, const struct communicator *c, int salt) {
    size_t out = 0, in = 0;
    for (int p = 0; p < c->size; p++) {
        a->to[p] = (struct communicator_block){out, bytes_between(c->rank, p)};
        a->from[p] = (struct communicator_block){in, bytes_between(p, c->rank)};
        out += a->to[p].bytes;
        in += a->from[p].bytes;
    }
    a->send = malloc(out + 1);
    a->receive = calloc(in + 1, 1);
    if (!a->send || !a->receive)
        abort();
    for (int p = 0; p < c->size; p++)
        for (size_t i = 0; i < a->to[p].bytes; i++)
            a->send[a->to[p].offset + i] = (unsigned char)(byte_of(c->rank, p, i) + salt);
}

static int unpack(struct parcel *a, const struct communicator *c, int salt) {
    int right = 1;
    for (int p = 0; p < c->size; p++)
        for (size_t i = 0; i < a->from[p].bytes && right; i++)
            right =
                a->receive[a->from[p].offset + i] == (unsigned char)(byte_of(p, c->rank, i) + salt);
    free(a->send);
    free(a->receive);
    return right;
}

static int exchange_is_right(struct communicator *c) {
    struct parcel a;
    pack(&a, c, 0);
    communicator_exchange(c, a.send, a.to, a.receive, a.from);
    return unpack(&a, c, 0);
}

/* All slots at a time, used twice, and something else in between; each rank finishes them in an
 * order of its own. */
static int slots_are_right(struct communicator *c) {
    struct parcel all[COMMUNICATOR_SLOTS];
    int right = 1, gathered[MOST] = {0};
    struct communicator_block blocks[MOST];
    for (int p = 0; p < c->size; p++)
        blocks[p] = (struct communicator_block){(size_t)p * sizeof *gathered, sizeof *gathered};
    for (int round = 0; round < 2; round++) {
        for (int i = 1; i < COMMUNICATOR_SLOTS; i++) {
            pack(&all[i], c, 10 * round + i);
            communicator_start(c, i, all[i].send, all[i].to, all[i].receive, all[i].from);
        }
        gathered[c->rank] = c->rank + 7 + round;
        communicator_start_gather(c, 0, gathered, blocks);
        right &= communicator_sum(c, 1) == c->size;
        communicator_move(c);
        for (int k = 0; k < COMMUNICATOR_SLOTS; k++) {
            int i = (k + c->rank) % COMMUNICATOR_SLOTS;
            for (double start = clock_seconds(); k % 2 && !communicator_arrived(c, i);)
                clock_rest(clock_seconds() - start);
            communicator_finish(c, i);
            right &= !i || unpack(&all[i], c, 10 * round + i);
        }
        for (int p = 0; p < c->size; p++)
            right &= gathered[p] == p + 7 + round;
    }
    return right;
}

static int gather_is_right(struct communicator *c) {
    int all[MOST] = {0}, right = 1;
    struct communicator_block blocks[MOST];
    for (int p = 0; p < c->size; p++) /* in reverse, the last one empty */
        blocks[p] = (struct communicator_block){(size_t)(c->size - 1 - p) * sizeof *all,
                                                p < c->size - 1 ? sizeof *all : 0};
    all[c->size - 1 - c->rank] = c->rank < c->size - 1 ? c->rank + 1 : 0;
    communicator_gather(c, all, blocks);
    for (int p = 0; p < c->size; p++)
        right &= all[c->size - 1 - p] == (p < c->size - 1 ? p + 1 : 0);
    return right;
}

static int agreement_is_right(struct communicator *c) {
    struct error err = {0};
    int right = communicator_agree(c, WAIT_LIMITED, 0, &err) == 0;
    int own = c->rank == 1 ? error_set(&err, STATUS_USAGE, "no such file") : 0;
    right &= communicator_agree(c, WAIT_LONG, own, &err) == STATUS_USAGE;
    right &= strncmp(err.message, "rank 1 of ", 10) == 0 && strstr(err.message, ": no such file");
    double x = c->rank ? 0 : 0.1;
    communicator_broadcast(c, WAIT_LIMITED, &x, sizeof x);
    return right && x == 0.1 && !communicator_compare(c, &x, sizeof x, "", &err);
}

/* The last rank takes part in what is in slot 1, but not in what is in slot 0. */
static void go_on_without(struct communicator *c, int last) {
    struct parcel a, b;
    pack(&a, c, 1);
    pack(&b, c, 2);
    if (!last)
        communicator_start(c, 0, a.send, a.to, a.receive, a.from);
    communicator_start(c, 1, b.send, b.to, b.receive, b.from);
    communicator_finish(c, 1);
    int too_early = !last && communicator_arrived(c, 0);
    printf("%s\n", unpack(&b, c, 2) && !too_early ? "right" : "wrong");
    fflush(stdout);
    c->seconds = 0.5;
    if (last)
        for (;;)
            pause();
    communicator_finish(c, 0);
}

static int as_rank(const char *what) {
    struct communicator *c;
    struct error err = {0};
    int status = communicator_open(&c, &err);
    if (status || !c) {
        fprintf(stderr, "%s\n", status ? err.message : "alone");
        return status;
    }
    int last = c->rank == c->size - 1;
    if (!strcmp(what, "table"))
        for (int i = 0; i < 3; i++)
            printf("%s\n", exchange_is_right(c) && gather_is_right(c) && agreement_is_right(c) &&
                                   slots_are_right(c)
                               ? "right"
                               : "wrong");
    if (!strcmp(what, "late"))
        go_on_without(c, last);
    if (!strcmp(what, "stuck") && last)
        for (;;)
            pause();
    if (!strcmp(what, "killed") && last)
        raise(SIGKILL);
    c->seconds = 0.5;
    if (strcmp(what, "table") != 0)
        communicator_agree(c, !strcmp(what, "stuck") ? WAIT_LIMITED : WAIT_LONG, 0, &err);
    communicator_close(c);
    return 0;
}

/* ---- launching them ---- */

static char said[SAID];

/* What `size` ranks say, and the exit code of all. */
static int launch(int size, const char *what, const char *plugin) {
    char path[4096], command[3 * 4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    assert_true(n > 0);
    path[n] = '\0';
    snprintf(command, sizeof command,
             "SSVBENCH_MPI_PLUGIN='%s' OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
             "OMPI_MCA_rmaps_base_oversubscribe=1 ASAN_OPTIONS=detect_leaks=0 "
             "timeout 60 mpirun -n %d '%s' %s 2>&1",
             plugin, size, path, what);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    size_t length = fread(said, 1, SAID - 1, p);
    said[length] = '\0';
    while (fgetc(p) != EOF) {
    }
    int status = pclose(p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int times_said(const char *word) {
    int n = 0;
    for (const char *at = said; (at = strstr(at, word)); at++)
        n++;
    return n;
}

static void need_mpi(void) {
    if (!*MPI_PLUGIN || system("command -v mpirun >/dev/null"))
        skip();
}

static void everybody_gets_what_is_theirs(void **state) {
    (void)state;
    need_mpi();
    for (int size = 2; size <= 4; size++) {
        int status = launch(size, "table", MPI_PLUGIN);
        if (status || times_said("right") != 3 * size)
            fail_msg("%d ranks, exit code %d: %s", size, status, said);
    }
}

static void a_stuck_rank_is_named(void **state) {
    (void)state;
    need_mpi();
    double start = clock_seconds();
    int status = launch(3, "stuck", MPI_PLUGIN);
    if (status != STATUS_MACHINE || !strstr(said, "rank 2 of 3, on ") ||
        !strstr(said, "has not answered rank"))
        fail_msg("exit code %d: %s", status, said);
    assert_true(clock_seconds() - start < 60); /* by itself, not by the limit of `launch` */
}

static void a_rank_that_is_late_in_one_slot_is_named(void **state) {
    (void)state;
    need_mpi();
    int status = launch(2, "late", MPI_PLUGIN);
    if (status != STATUS_MACHINE || times_said("right") != 2 ||
        !strstr(said, "has not answered rank 0 for 0.5 s"))
        fail_msg("exit code %d: %s", status, said);
}

static void a_killed_rank_ends_the_job(void **state) {
    (void)state;
    need_mpi();
    int status = launch(3, "killed", MPI_PLUGIN);
    if (status == 0 || status == 124 || !strstr(said, "rank 2") || !strstr(said, "signal 9"))
        fail_msg("exit code %d: %s", status, said);
}

static void without_the_plugin_nobody_runs(void **state) {
    (void)state;
    need_mpi();
    int status = launch(2, "table", "/nowhere/libssvbench_mpi.so");
    assert_int_equal(status, STATUS_MACHINE);
    assert_non_null(strstr(said, "2 processes were started to work together, but the MPI part "
                                 "cannot be loaded: /nowhere/libssvbench_mpi.so: "));
}

static void none_means_alone(void **state) {
    (void)state;
    need_mpi();
    assert_int_equal(launch(2, "table", "none"), 0);
    assert_int_equal(times_said("alone"), 2);
}

/* ---- what launchers say, without any ---- */

static void launchers_are_recognised(void **state) {
    (void)state;
    static const struct {
        const char *set[8];
        int size, rank, first;
    } cases[] = {
        {{NULL}, 1, 0, 1},
        {{"OMPI_COMM_WORLD_SIZE=4", "OMPI_COMM_WORLD_RANK=3", "OMPI_COMM_WORLD_LOCAL_RANK=1"},
         4,
         3,
         0},
        {{"PMI_SIZE=2", "PMI_RANK=1", "MPI_LOCALRANKID=0"}, 2, 1, 1},
        {{"SLURM_STEP_NUM_TASKS=8", "SLURM_PROCID=5"}, 1, 0, 1}, /* copies on purpose */
        {{"SLURM_STEP_NUM_TASKS=8", "SLURM_PROCID=5", "SLURM_LOCALID=1", "PMIX_RANK=5"}, 8, 5, 0},
        {{"PMI_SIZE=one", "PMI_RANK=1"}, 1, 0, 1},
        {{"PMI_SIZE=2", "PMI_RANK=1", "SSVBENCH_MPI_PLUGIN=none"}, 1, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int rank, first;
        for (int k = 0; cases[i].set[k]; k++)
            putenv((char *)cases[i].set[k]);
        assert_int_equal(communicator_launched(&rank, &first), cases[i].size);
        assert_int_equal(rank, cases[i].rank);
        assert_int_equal(first, cases[i].first);
        for (int k = 0; cases[i].set[k]; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s", cases[i].set[k]);
            *strchr(name, '=') = '\0';
            unsetenv(name);
        }
    }
}

/* As it would be without a launcher. */
static void forget_launchers(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK",
                                        "SSVBENCH_MPI_PLUGIN"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

int main(int argc, char **argv) {
    if (argc > 1)
        return as_rank(argv[1]);
    forget_launchers();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launchers_are_recognised),
        cmocka_unit_test(everybody_gets_what_is_theirs),
        cmocka_unit_test(a_stuck_rank_is_named),
        cmocka_unit_test(a_rank_that_is_late_in_one_slot_is_named),
        cmocka_unit_test(a_killed_rank_ends_the_job),
        cmocka_unit_test(without_the_plugin_nobody_runs),
        cmocka_unit_test(none_means_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
