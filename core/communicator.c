#include "core/communicator.h"

#include "core/arena.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- who was started ---- */

static int number_in(const char *name, int otherwise) {
    const char *text = getenv(name);
    char *end;
    if (!text || !*text)
        return otherwise;
    long value = strtol(text, &end, 10);
    return *end || value < 0 || value > 1 << 20 ? otherwise : (int)value;
}

/* What launchers tell their processes.  Slurm says how many it started in any case; that they are
 * meant to find each other shows in PMIx being there. */
static const struct launcher {
    const char *size, *rank, *local, *also;
} launchers[] = {
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", NULL},
    {"PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID", NULL},
    {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID", "PMIX_RANK"},
};

int communicator_launched(int *rank, int *first_on_its_machine) {
    const char *plugin = getenv("SSVBENCH_MPI_PLUGIN");
    int size = 1, own = 0, local = 0;
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers && size == 1; i++) {
        const struct launcher *l = &launchers[i];
        if (l->also && !getenv(l->also))
            continue;
        size = number_in(l->size, 1);
        own = size > 1 ? number_in(l->rank, 0) : 0;
        local = size > 1 ? number_in(l->local, own) : 0;
    }
    if (size < 1 || (plugin && !strcmp(plugin, "none")))
        size = 1;
    if (rank)
        *rank = size > 1 ? own : 0;
    if (first_on_its_machine)
        *first_on_its_machine = size == 1 || !local;
    return size;
}

/* ---- opening ---- */

static int load(const struct communicator_plugin **out, int n, struct error *err) {
    const char *asked = getenv("SSVBENCH_MPI_PLUGIN");
    char beside[FILE_PATH];
    int status = 0;
    if (!asked || !*asked)
        TRY(file_beside_program("libssvbench_mpi.so", beside, err));
    const char *path = asked && *asked ? asked : beside;
    /* MPI opens libraries of its own, which look for MPI's names in the program. */
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library)
        return error_set(err, STATUS_MACHINE,
                         "%d processes were started to work together, but the MPI part cannot be "
                         "loaded: %s; build it (make, with mpicc), or start one process",
                         n, dlerror());
    const struct communicator_plugin *(*plugin)(void);
    void *symbol = dlsym(library, "communicator_plugin");
    memcpy(&plugin, &symbol, sizeof plugin);
    *out = symbol ? plugin() : NULL;
    if (!*out || (*out)->abi != COMMUNICATOR_ABI)
        status = error_set(err, STATUS_MACHINE,
                           "%s is not of this version of the program: build both", path);
out:
    return status;
}

int communicator_open(struct communicator **c, struct error *err) {
    const struct communicator_plugin *plugin = NULL;
    int started = communicator_launched(NULL, NULL);
    *c = NULL;
    if (started == 1)
        return 0;
    int status = load(&plugin, started, err);
    if (plugin && !status)
        status = plugin->open(c, err);
    if (*c && (*c)->size != started) {
        status = error_set(err, STATUS_MACHINE,
                           "%d processes were started to work together, but MPI (%s) knows of %d: "
                           "use the launcher of the MPI that this was built with",
                           started, (*c)->engine, (*c)->size);
        (*c)->close(*c);
        *c = NULL;
    }
    return status;
}

static void start_nothing(struct communicator *c, int slot, const void *send,
                          const struct communicator_block *to, void *receive,
                          const struct communicator_block *from) {
    (void)c, (void)slot, (void)send, (void)to, (void)receive, (void)from;
}

static int finish_nothing(struct communicator *c, int slot, double seconds) {
    (void)c, (void)slot, (void)seconds;
    return -1;
}

static void move_nothing(struct communicator *c) {
    (void)c;
}

void communicator_mute(struct communicator *copy) {
    copy->start = start_nothing;
    copy->finish = finish_nothing;
    copy->move = move_nothing;
}

int communicator_rank(const struct communicator *c) {
    return c ? c->rank : 0;
}

int communicator_size(const struct communicator *c) {
    return c ? c->size : 1;
}

/* ---- together ---- */

static _Noreturn void end_job(struct communicator *c, int late, double seconds) {
    log_setup(LOG_ERROR);
    log_message(LOG_ERROR,
                "rank %d of %d, on %s, has not answered rank %d for %.4g s (--rank_seconds): the "
                "job ends; the same command goes on from the last checkpoint",
                late, c->size, c->host[late], c->rank, seconds);
    c->abort(c, STATUS_MACHINE);
    exit(STATUS_MACHINE);
}

static void start(struct communicator *c, int slot, const void *send,
                  const struct communicator_block *to, void *receive,
                  const struct communicator_block *from) {
    for (int p = 0; p < c->size; p++)
        c->sent += p == c->rank ? 0 : (double)to[p].bytes;
    c->start(c, slot, send, to, receive, from);
}

static void finish(struct communicator *c, enum communicator_patience patience, int slot) {
    double began = clock_seconds(), seconds = patience == WAIT_LONG ? INFINITY : c->seconds;
    int late = c->finish(c, slot, seconds);
    if (late >= 0)
        end_job(c, late, seconds);
    c->waited += patience == WAIT_LONG ? 0 : clock_seconds() - began;
}

/* In the slot that is nobody else's. */
static void exchange(struct communicator *c, enum communicator_patience patience, const void *send,
                     const struct communicator_block *to, void *receive,
                     const struct communicator_block *from) {
    start(c, COMMUNICATOR_SLOTS, send, to, receive, from);
    finish(c, patience, COMMUNICATOR_SLOTS);
}

static void keep_own(const struct communicator *c, const void *send,
                     const struct communicator_block *to, void *receive,
                     const struct communicator_block *from) {
    CHECK(c, "one process exchanges nothing");
    CHECK(to[c->rank].bytes == from[c->rank].bytes, "a rank's own block");
    if (to[c->rank].bytes)
        memmove((char *)receive + from[c->rank].offset, (const char *)send + to[c->rank].offset,
                to[c->rank].bytes);
}

void communicator_exchange(struct communicator *c, const void *send,
                           const struct communicator_block *to, void *receive,
                           const struct communicator_block *from) {
    keep_own(c, send, to, receive, from);
    exchange(c, WAIT_LIMITED, send, to, receive, from);
}

static int is_slot(int slot) {
    return slot >= 0 && slot < COMMUNICATOR_SLOTS;
}

void communicator_start(struct communicator *c, int slot, const void *send,
                        const struct communicator_block *to, void *receive,
                        const struct communicator_block *from) {
    CHECK(is_slot(slot), "slot %d", slot);
    keep_own(c, send, to, receive, from);
    start(c, slot, send, to, receive, from);
}

void communicator_finish(struct communicator *c, int slot) {
    CHECK(c && is_slot(slot), "slot %d", slot);
    finish(c, WAIT_LIMITED, slot);
}

int communicator_arrived(struct communicator *c, int slot) {
    CHECK(c && is_slot(slot), "slot %d", slot);
    return c->finish(c, slot, 0) < 0;
}

void communicator_move(struct communicator *c) {
    if (c)
        c->move(c);
}

static void start_gather(struct communicator *c, int slot, void *data,
                         const struct communicator_block *blocks) {
    struct arena scratch = {0};
    struct communicator_block *own = ARENA_ARRAY(&scratch, struct communicator_block, c->size);
    for (int p = 0; p < c->size; p++)
        own[p] = blocks[c->rank];
    start(c, slot, data, own, data, blocks);
    arena_free(&scratch);
}

static void gather(struct communicator *c, enum communicator_patience patience, void *data,
                   const struct communicator_block *blocks) {
    start_gather(c, COMMUNICATOR_SLOTS, data, blocks);
    finish(c, patience, COMMUNICATOR_SLOTS);
}

void communicator_gather(struct communicator *c, void *data,
                         const struct communicator_block *blocks) {
    if (c)
        gather(c, WAIT_LIMITED, data, blocks);
}

void communicator_start_gather(struct communicator *c, int slot, void *data,
                               const struct communicator_block *blocks) {
    CHECK(c && is_slot(slot), "slot %d", slot);
    start_gather(c, slot, data, blocks);
}

static void send_from(struct communicator *c, enum communicator_patience patience, int root,
                      void *data, size_t bytes) {
    struct arena scratch = {0};
    struct communicator_block *to = ARENA_ARRAY(&scratch, struct communicator_block, c->size);
    struct communicator_block *from = ARENA_ARRAY(&scratch, struct communicator_block, c->size);
    for (int p = 0; p < c->size && c->rank == root; p++)
        to[p].bytes = bytes;
    if (c->rank != root)
        from[root].bytes = bytes;
    exchange(c, patience, data, to, data, from);
    arena_free(&scratch);
}

void communicator_broadcast(struct communicator *c, enum communicator_patience patience, void *data,
                            size_t bytes) {
    if (c)
        send_from(c, patience, 0, data, bytes);
}

/* Equal blocks of `bytes` one after the other. */
static void gather_equal(struct communicator *c, enum communicator_patience patience, void *data,
                         size_t bytes) {
    struct arena scratch = {0};
    struct communicator_block *blocks = ARENA_ARRAY(&scratch, struct communicator_block, c->size);
    for (int p = 0; p < c->size; p++)
        blocks[p] = (struct communicator_block){(size_t)p * bytes, bytes};
    gather(c, patience, data, blocks);
    arena_free(&scratch);
}

int communicator_agree(struct communicator *c, enum communicator_patience patience, int status,
                       struct error *err) {
    if (!c)
        return status;
    struct arena scratch = {0};
    int *all = ARENA_ARRAY(&scratch, int, c->size), first = 0;
    all[c->rank] = status;
    gather_equal(c, patience, all, sizeof *all);
    while (first < c->size && !all[first])
        first++;
    int agreed = first < c->size ? all[first] : 0;
    arena_free(&scratch);
    if (!agreed)
        return 0;
    if (first == c->rank)
        err->status = status;
    send_from(c, WAIT_LIMITED, first, err, sizeof *err);
    return first && agreed != STATUS_INTERRUPTED
               ? error_prefix(err, "rank %d of %d, on %s", first, c->size, c->host[first])
               : agreed;
}

double communicator_sum(struct communicator *c, double own) {
    if (!c)
        return own;
    struct arena scratch = {0};
    double *all = ARENA_ARRAY(&scratch, double, c->size), sum = 0;
    all[c->rank] = own;
    gather_equal(c, WAIT_LIMITED, all, sizeof *all);
    for (int p = 0; p < c->size; p++)
        sum += all[p];
    arena_free(&scratch);
    return sum;
}

void communicator_add(struct communicator *c, int64_t *counts, size_t n) {
    if (!c)
        return;
    struct arena scratch = {0};
    int64_t *all = ARENA_ARRAY(&scratch, int64_t, (size_t)c->size * n);
    memcpy(all + (size_t)c->rank * n, counts, n * sizeof *counts);
    gather_equal(c, WAIT_LIMITED, all, n * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        counts[i] = 0;
        for (int p = 0; p < c->size; p++)
            counts[i] += all[(size_t)p * n + i];
    }
    arena_free(&scratch);
}

long communicator_share(const struct communicator *c, long n, int grain, int rank) {
    const long grains = (n + grain - 1) / grain;
    const long first = grains * rank / communicator_size(c) * grain;
    return first < n ? first : n;
}

long communicator_rounds(const struct communicator *c, long n, int grain) {
    const long grains = (n + grain - 1) / grain, size = communicator_size(c);
    return (grains + size - 1) / size;
}

int communicator_compare(struct communicator *c, const void *bytes, size_t n, const char *what,
                         struct error *err) {
    if (!c)
        return 0;
    struct arena scratch = {0};
    char *all = ARENA_ARRAY(&scratch, char, n *(size_t)c->size);
    int status = 0;
    memcpy(all + n * (size_t)c->rank, bytes, n);
    gather_equal(c, WAIT_LIMITED, all, n);
    for (int p = 1; p < c->size && !status; p++)
        if (memcmp(all, all + n * (size_t)p, n) != 0)
            status = error_set(err, STATUS_MACHINE, "rank %d of %d, on %s, %s", p, c->size,
                               c->host[p], what);
    arena_free(&scratch);
    return status;
}

void communicator_close(struct communicator *c) {
    if (!c)
        return;
    struct arena scratch = {0};
    gather_equal(c, WAIT_LONG, ARENA_ARRAY(&scratch, char, c->size), 1);
    arena_free(&scratch);
    c->close(c);
}
