/* loader.c -- a ring of batches between threads that fill them and one that takes them in order.
 *
 * Batch b lives in place b % depth.  A thread takes the next batch that nobody has, as long as its
 * place is free, fills it without a lock and marks it full.  The order of an epoch is a function of
 * (seed, epoch, place), never written down.
 */
#include "data/loader.h"

#include "core/clock.h"
#include "core/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 4096, MOST_THREADS = 1024 };

/* Between the readings of an image that the machine failed to give; after the last one it is an
 * error. */
static const double pauses[] = {0.1, 0.5, 2};
enum { PAUSES = sizeof pauses / sizeof *pauses };

struct place {
    struct batch batch;
    int pinned; /* slots, the first ones */
    int full, status;
    struct error error;
};

struct worker {
    struct loader *loader;
    pthread_t thread;
    struct record record;
};

struct loader {
    struct loader_config config; /* slots, subset and wanted point at copies */
    struct loader_slot slots[LOADER_SLOTS];
    int32_t *subset;
    char *wanted;
    long samples, per_epoch, end; /* samples and batches of an epoch; batches of all */

    struct place *ring; /* (depth) */
    int depth;
    struct worker *workers;
    int running; /* threads that were started */

    pthread_mutex_t lock; /* guards what follows, and full of every place */
    pthread_cond_t room, filled;
    long next;  /* the first batch that no thread has taken */
    long first; /* the batch in the caller's hands, or the next one for it */
    int in_hand;
    atomic_int stop; /* also read without the lock, so that a thread leaves in mid-batch */
};

static long samples_of(const struct loader_config *c) {
    return c->subset ? c->subset_n : c->data->count[c->split];
}

long loader_batches_per_epoch(const struct loader_config *config) {
    long n = samples_of(config);
    return config->drop_last ? n / config->batch : (n + config->batch - 1) / config->batch;
}

/* Sample number `at` of an epoch. */
static int32_t sample_of(const struct loader *l, int epoch, long at) {
    const struct loader_config *c = &l->config;
    if (c->shuffle)
        at = rng_shuffled((struct rng_key){c->seed, RNG_ORDER}, (uint32_t)epoch,
                          (uint32_t)l->samples, (uint32_t)at);
    return l->subset ? l->subset[at] : (int32_t)at;
}

static void pause_for(const struct loader *l, double seconds) {
    const struct timespec tick = {.tv_nsec = 10000000};
    double end = clock_seconds() + seconds;
    while (!atomic_load(&l->stop) && clock_seconds() < end)
        nanosleep(&tick, NULL);
}

/* A disk or network that fails once need not fail again; broken data would. */
static int read_patiently(struct worker *w, struct batch *b, long sample, struct error *err) {
    const struct loader *l = w->loader;
    const struct loader_config *c = &l->config;
    int status = dataset_read(c->data, c->split, sample, &w->record, err);
    for (int i = 0; i < PAUSES && status == STATUS_MACHINE && !atomic_load(&l->stop); i++) {
        log_message(LOG_WARN, "%s; it is read again", err->message);
        pause_for(l, pauses[i]);
        b->retries++;
        status = dataset_read(c->data, c->split, sample, &w->record, err);
    }
    return status;
}

static int fill_sample(struct worker *w, struct batch *b, int row, struct error *err) {
    const struct loader_config *c = &w->loader->config;
    void *slots[LOADER_SLOTS];
    long sample = b->index[row];
    struct rng rng =
        rng_at((struct rng_key){c->seed, RNG_VIEW}, (uint32_t)b->epoch, (uint32_t)sample);
    for (int s = 0; s < c->n_slots; s++)
        slots[s] = (char *)b->slots[s] + (size_t)row * c->slots[s].per_sample * 4;
    int status = 0;
    w->record.no_mask = !c->masks;
    TRY(read_patiently(w, b, sample, err));
    TRY(c->prepare(c->self, &w->record, sample, b->epoch, &rng, slots, err));
out:
    if (status)
        error_prefix(err, "%s, %s image %ld", c->data->name,
                     c->split == SPLIT_TRAIN ? "training" : "test", sample);
    return status;
}

static void fill(struct worker *w, struct place *p, long number) {
    struct loader *l = w->loader;
    const struct loader_config *c = &l->config;
    struct batch *b = &p->batch;
    long at = number % l->per_epoch * c->batch, left = l->samples - at;
    b->number = number;
    b->epoch = (int)(number / l->per_epoch);
    b->n = left < c->batch ? (int)left : c->batch;
    b->retries = 0;
    p->status = 0;
    for (int i = 0; i < b->n; i++)
        b->index[i] = sample_of(l, b->epoch, at + i);
    for (int i = 0; i < b->n && !p->status && !atomic_load(&l->stop); i++)
        if (!l->wanted || l->wanted[i])
            p->status = fill_sample(w, b, i, &p->error);
    for (int s = 0; s < c->n_slots; s++) {
        size_t one = c->slots[s].per_sample * 4;
        memset((char *)b->slots[s] + (size_t)b->n * one, 0, (size_t)(c->batch - b->n) * one);
    }
}

static void *work(void *self) {
    struct worker *w = self;
    struct loader *l = w->loader;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!atomic_load(&l->stop) && l->next < l->end && l->next >= l->first + l->depth)
            pthread_cond_wait(&l->room, &l->lock);
        if (atomic_load(&l->stop) || l->next >= l->end)
            break;
        long number = l->next++;
        struct place *p = &l->ring[number % l->depth];
        pthread_mutex_unlock(&l->lock);
        fill(w, p, number);
        pthread_mutex_lock(&l->lock);
        p->full = 1;
        if (number == l->first)
            pthread_cond_signal(&l->filled);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void check_config(const struct loader_config *c) {
    CHECK(c->data && c->prepare && c->batch > 0 && c->epochs >= 0 && c->start_batch >= 0,
          "batch %d, epochs %d, start %ld", c->batch, c->epochs, c->start_batch);
    CHECK(c->threads > 0 && c->threads <= MOST_THREADS, "%d threads", c->threads);
    CHECK(c->n_slots >= 0 && c->n_slots <= LOADER_SLOTS, "%d slots", c->n_slots);
    for (long i = 0; c->subset && i < c->subset_n; i++)
        CHECK(c->subset[i] >= 0 && c->subset[i] < c->data->count[c->split], "subset: image %d",
              c->subset[i]);
}

static int no_memory(const struct loader *l, struct error *err) {
    return error_set(err, STATUS_MACHINE,
                     "no memory for %d batches of %d images: use a smaller batch or fewer "
                     "loader threads",
                     l->depth, l->config.batch);
}

/* Whole pages, so that no two pieces share one. */
static size_t room(size_t count, size_t size) {
    return (count * size / PAGE + 1) * PAGE;
}

static void *aligned(size_t count, size_t size) {
    if (size && count > (SIZE_MAX / 2) / size)
        return NULL;
    return aligned_alloc(PAGE, room(count, size));
}

/* As many slots as can be; the first that cannot be is the last that is tried. */
static void pin(struct loader *l) {
    const struct loader_config *c = &l->config;
    struct error err;
    if (!c->pins.pin)
        return;
    for (int i = 0; i < l->depth; i++) {
        struct place *p = &l->ring[i];
        for (; p->pinned < c->n_slots; p->pinned++) {
            size_t bytes = room((size_t)c->batch, c->slots[p->pinned].per_sample * 4);
            if (!c->pins.pin(c->pins.self, p->batch.slots[p->pinned], bytes, &err))
                continue;
            log_message(LOG_WARN, "%s: batches are copied from memory that is not pinned",
                        err.message);
            return;
        }
    }
}

static int make_ring(struct loader *l, struct error *err) {
    const struct loader_config *c = &l->config;
    for (int i = 0; i < l->depth; i++) {
        struct batch *b = &l->ring[i].batch;
        b->index = aligned((size_t)c->batch, sizeof *b->index);
        if (!b->index)
            return no_memory(l, err);
        for (int s = 0; s < c->n_slots; s++) {
            CHECK(c->slots[s].per_sample < SIZE_MAX / 8, "slot %s", c->slots[s].name);
            b->slots[s] = aligned((size_t)c->batch, c->slots[s].per_sample * 4);
            if (!b->slots[s])
                return no_memory(l, err);
            if (l->wanted)
                memset(b->slots[s], 0, (size_t)c->batch * c->slots[s].per_sample * 4);
        }
    }
    return 0;
}

/* Signals are the main thread's business. */
static int start(struct loader *l, struct error *err) {
    sigset_t all, before;
    int failed = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (l->running < l->config.threads && !failed) {
        struct worker *w = &l->workers[l->running];
        w->loader = l;
        failed = pthread_create(&w->thread, NULL, work, w);
        l->running += !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? error_set(err, STATUS_MACHINE, "cannot start %d loader threads: %s",
                              l->config.threads, strerror(failed))
                  : 0;
}

static struct loader *make_loader(const struct loader_config *config) {
    struct loader *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->config = *config;
    l->depth = config->threads + 2;
    l->samples = samples_of(config);
    l->per_epoch = loader_batches_per_epoch(config);
    l->end = l->per_epoch * config->epochs;
    l->next = l->first = config->start_batch < l->end ? config->start_batch : l->end;
    if (config->n_slots)
        memcpy(l->slots, config->slots, (size_t)config->n_slots * sizeof *l->slots);
    l->config.slots = l->slots;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->room, NULL);
    pthread_cond_init(&l->filled, NULL);
    l->ring = calloc((size_t)l->depth, sizeof *l->ring);
    l->workers = calloc((size_t)config->threads, sizeof *l->workers);
    if (config->subset)
        l->subset = malloc((size_t)l->samples * sizeof *l->subset + 1);
    if (l->subset)
        memcpy(l->subset, config->subset, (size_t)l->samples * sizeof *l->subset);
    if (config->wanted)
        l->wanted = malloc((size_t)config->batch);
    if (l->wanted && config->wanted)
        memcpy(l->wanted, config->wanted, (size_t)config->batch);
    return l;
}

int loader_open(struct loader **out, const struct loader_config *config, struct error *err) {
    *out = NULL;
    check_config(config);
    struct loader *l = make_loader(config);
    int status = 0;
    if (!l || !l->ring || !l->workers || (config->subset && !l->subset) ||
        (config->wanted && !l->wanted)) {
        status =
            error_set(err, STATUS_MACHINE, "no memory for the loader of %s", config->data->name);
        goto out;
    }
    TRY(make_ring(l, err));
    pin(l);
    TRY(start(l, err));
    *out = l;
out:
    if (status)
        loader_close(l);
    return status;
}

int loader_next(struct loader *l, struct batch *batch, struct error *err) {
    pthread_mutex_lock(&l->lock);
    if (l->in_hand) {
        l->ring[l->first % l->depth].full = 0;
        l->first++;
        l->in_hand = 0;
        pthread_cond_signal(&l->room); /* one place, one thread */
    }
    if (l->first >= l->end) {
        pthread_mutex_unlock(&l->lock);
        *batch = (struct batch){.number = l->end, .epoch = l->config.epochs};
        return 0;
    }
    struct place *p = &l->ring[l->first % l->depth];
    double since = p->full ? 0 : clock_seconds();
    while (!p->full)
        pthread_cond_wait(&l->filled, &l->lock);
    l->in_hand = 1;
    pthread_mutex_unlock(&l->lock);
    *batch = p->batch;
    batch->waited = since ? clock_seconds() - since : 0;
    if (p->status) {
        batch->n = 0;
        *err = p->error;
    }
    return p->status;
}

int loader_peek(struct loader *l, struct batch *batch) {
    pthread_mutex_lock(&l->lock);
    long next = l->first + l->in_hand;
    const struct place *p = &l->ring[next % l->depth];
    int there = next < l->end && p->full && !p->status;
    pthread_mutex_unlock(&l->lock);
    if (there)
        *batch = p->batch;
    return there;
}

static void free_ring(struct loader *l) {
    for (int i = 0; l->ring && i < l->depth; i++) {
        for (int s = 0; s < l->ring[i].pinned; s++)
            l->config.pins.unpin(l->config.pins.self, l->ring[i].batch.slots[s]);
        free(l->ring[i].batch.index);
        for (int s = 0; s < LOADER_SLOTS; s++)
            free(l->ring[i].batch.slots[s]);
    }
    free(l->ring);
}

void loader_close(struct loader *l) {
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    atomic_store(&l->stop, 1);
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->running; i++)
        pthread_join(l->workers[i].thread, NULL);
    for (int i = 0; l->workers && i < l->config.threads; i++)
        record_free(&l->workers[i].record);
    free_ring(l);
    free(l->workers);
    free(l->subset);
    free(l->wanted);
    pthread_cond_destroy(&l->room);
    pthread_cond_destroy(&l->filled);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
