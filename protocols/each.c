#include "protocols/each.h"

#include "core/log.h"
#include "protocols/pinned.h"

enum { IMAGES, LABEL, SLOTS };

struct walk {
    const struct each *e;
    struct arena arena;
    struct exec *x;
    struct loader *loader;
    long first, n, done; /* this rank's images: n from first on */
};

static int prepare(const void *self, const struct record *record, long sample, int epoch,
                   struct rng *rng, void *const slots[], struct error *err) {
    (void)sample, (void)epoch, (void)err;
    const struct each *e = self;
    if (e->whole)
        subject_view_whole(e->in->subject, record, rng, slots[IMAGES]);
    else
        subject_view(e->in->subject, record, rng, slots[IMAGES]);
    *(int32_t *)slots[LABEL] = record->label;
    return 0;
}

struct exec_config each_exec(const struct protocol_input *in, int batch) {
    return (struct exec_config){.kernels = in->kernels,
                                .device = in->device,
                                .threads = in->threads,
                                .batch = batch,
                                .chunk = in->subject->chunk};
}

/* The loader is told of no more than this rank's part: what lies behind it is not read. */
static const int32_t *rows_of(struct walk *w) {
    const struct each *e = w->e;
    if (e->subset)
        return e->subset + w->first;
    int32_t *rows = ARENA_ARRAY(&w->arena, int32_t, w->n);
    for (long i = 0; i < w->n; i++)
        rows[i] = (int32_t)(w->first + i);
    return rows;
}

static int open_walk(struct walk *w, struct error *err) {
    const struct each *e = w->e;
    const struct loader_slot slots[SLOTS] = {
        [IMAGES] = {"images", e->images->per_sample}, [LABEL] = {"label", 1}};
    const struct loader_config loading = {.data = e->in->subject->data,
                                          .split = e->split,
                                          .subset = rows_of(w),
                                          .subset_n = w->n,
                                          .batch = e->batch,
                                          .threads = e->in->subject->loader_threads,
                                          .epochs = 1,
                                          .slots = slots,
                                          .n_slots = SLOTS,
                                          .prepare = prepare,
                                          .self = e,
                                          .pins = pinned_by(e->in->device)};
    struct exec_config config = each_exec(e->in, e->batch);
    config.ahead = config.device != NULL;
    int status = exec_open(&w->x, e->graph, &config, err);
    return status ? status : loader_open(&w->loader, &loading, err);
}

static int next_batch(struct walk *w, struct batch *batch, struct error *err) {
    int status = subject_stopped(w->e->in->subject, w->e->during, err);
    return status ? status : loader_next(w->loader, batch, err);
}

static int run_batch(struct walk *w, const struct batch *batch, each_visit *visit, void *to,
                     struct error *err) {
    struct batch next;
    CHECK(batch->n, "%s: %ld images of %ld", w->e->during, w->done, w->n);
    exec_bind(w->x, w->e->images, batch->slots[IMAGES]);
    if (loader_peek(w->loader, &next))
        exec_ahead(w->x, w->e->images, next.slots[IMAGES], next.n);
    exec_run(w->x, batch->n);
    const struct each_batch b = {.n = batch->n,
                                 .at = w->first + w->done,
                                 .index = batch->index,
                                 .label = batch->slots[LABEL],
                                 .x = w->x};
    w->done += b.n;
    return visit(to, &b, err);
}

int each_image(const struct each *e, each_visit *visit, void *to, struct error *err) {
    struct communicator *ranks = e->in->ranks;
    const int rank = communicator_rank(ranks);
    struct walk w = {.e = e, .first = communicator_share(ranks, e->n, e->batch, rank)};
    struct progress progress;
    w.n = communicator_share(ranks, e->n, e->batch, rank + 1) - w.first;
    const int shows = e->shows && w.n;
    if (shows)
        progress_begin(&progress, e->during, w.n);
    int status = w.n ? open_walk(&w, err) : 0;
    TRY(communicator_agree(ranks, WAIT_LONG, status, err));
    for (long i = communicator_rounds(ranks, e->n, e->batch); i; i--) {
        struct batch batch = {.n = 0};
        if (!status && w.done < w.n)
            status = next_batch(&w, &batch, err);
        TRY(communicator_agree(ranks, WAIT_LIMITED, status, err));
        if (w.done == w.n)
            continue;
        status = run_batch(&w, &batch, visit, to, err);
        if (shows)
            progress_update(&progress, w.done, "");
    }
    status = communicator_agree(ranks, WAIT_LIMITED, status, err);
out:
    if (shows)
        progress_end(&progress);
    loader_close(w.loader);
    exec_close(w.x);
    arena_free(&w.arena);
    return status;
}
