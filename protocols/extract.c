/* extract.c -- frozen features, once per checkpoint; of several ranks each takes some batches, for
 * the first one, which judges. */
#include "protocols/cell_internal.h"
#include "protocols/each.h"

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/sha256.h"
#include "nn/safetensors.h"

#include <stdio.h>
#include <string.h>

enum { EXTRACT_BATCH = 64 };

/* What the features are a function of: weights, data, and the number of images. */
static void feature_key(const struct cell *c, enum split split, char key[160]) {
    char groups[MODEL_GROUPS][65] = {{0}}, weights[65];
    for (int i = 0; i < c->encode.n; i++) {
        const struct param *p = c->encode.tensors[i]->param;
        const struct group *group = p ? &c->model.groups[p->group] : NULL;
        if (p && !*groups[p->group])
            sha256_hex(c->model.value + group->offset, group->count * sizeof(real),
                       groups[p->group]);
    }
    sha256_hex(groups, sizeof groups, weights);
    snprintf(key, 160, "%.64s %.64s %ld", weights, c->judged->root_hash, c->judged->count[split]);
}

static struct feature_split *split_of(struct cell *c, enum split split) {
    return split == SPLIT_TRAIN ? &c->features.train : &c->features.test;
}

static size_t reals_of(const struct cell *c) {
    size_t all = 0;
    for (int r = 0; r < c->features.n_representations; r++)
        all += c->wanted[r] ? (size_t)c->features.dim[r] : 0;
    return all;
}

/* The slab of a split: every representation that is wanted (n, dim), then the labels (n). */
static int allocate(struct cell *c, enum split split, struct error *err) {
    struct feature_set *f = &c->features;
    const size_t n = (size_t)c->judged->count[split], all = n * reals_of(c);
    int status =
        slab_alloc(&c->feature_slab[split], (all + n) * sizeof(float), "extracted features", err);
    if (status)
        return status;
    struct feature_split *s = split_of(c, split);
    float *x = c->feature_slab[split].data;
    void *labels = x + all;
    s->n = (int)n;
    for (int r = 0; r < f->n_representations; r++) {
        s->x[r] = c->wanted[r] ? x : NULL;
        x += c->wanted[r] ? n * (size_t)f->dim[r] : 0;
    }
    s->label = labels;
    return 0;
}

struct taking {
    const struct cell *c;
    struct feature_split *into;
};

static int take(void *to, const struct each_batch *b, struct error *err) {
    (void)err;
    const struct taking *t = to;
    for (int r = 0; r < t->c->features.n_representations; r++) {
        if (!t->c->wanted[r])
            continue;
        size_t dim = (size_t)t->c->features.dim[r];
        memcpy((float *)t->into->x[r] + (size_t)b->at * dim,
               exec_output(b->x, t->c->encoded.representation[r]),
               sizeof(float) * dim * (size_t)b->n);
    }
    memcpy((int32_t *)t->into->label + b->at, b->label, sizeof(int32_t) * (size_t)b->n);
    return 0;
}

/* Where nothing but labels is wanted no image is decoded; every rank reads all of them. */
static int read_labels(struct cell *c, enum split split, struct error *err) {
    struct record r = {.no_pixels = 1, .no_mask = 1};
    const struct feature_split *s = split_of(c, split);
    int status = 0;
    for (long i = 0; i < s->n; i++) {
        if (i % EXTRACT_BATCH == 0)
            TRY(subject_stopped(&c->subject, "reading labels", err));
        TRY(dataset_read(c->judged, split, i, &r, err));
        ((int32_t *)s->label)[i] = r.label;
    }
out:
    record_free(&r);
    return status;
}

static int compute(struct cell *c, enum split split, struct communicator *ranks,
                   struct error *err) {
    char during[96];
    struct protocol_input in = cell_input(c, NULL);
    struct taking taking = {c, split_of(c, split)};
    in.ranks = ranks;
    snprintf(during, sizeof during, "features of %s/%s", c->judged->name, split_names[split]);
    const struct each e = {.in = &in,
                           .graph = &c->encode,
                           .images = c->encode_images,
                           .during = during,
                           .shows = 1,
                           .split = split,
                           .n = c->judged->count[split],
                           .batch = EXTRACT_BATCH};
    return each_image(&e, take, &taking, err);
}

/* What other ranks have computed, to the first one; rows of `bytes`. */
static void collect(struct communicator *ranks, void *rows, long n, size_t bytes,
                    struct communicator_block *to, struct communicator_block *from) {
    for (int p = 0; p < ranks->size; p++) {
        size_t first = (size_t)communicator_share(ranks, n, EXTRACT_BATCH, p),
               end = (size_t)communicator_share(ranks, n, EXTRACT_BATCH, p + 1);
        from[p] = to[p] = (struct communicator_block){0, 0};
        if (p && !ranks->rank)
            from[p] = (struct communicator_block){first * bytes, (end - first) * bytes};
        if (p == ranks->rank && p)
            to[0] = (struct communicator_block){first * bytes, (end - first) * bytes};
    }
    communicator_exchange(ranks, rows, to, rows, from);
}

static void collect_split(struct cell *c, enum split split, struct communicator *ranks) {
    struct arena scratch = {0};
    struct feature_split *s = split_of(c, split);
    struct communicator_block *to = ARENA_ARRAY(&scratch, struct communicator_block, ranks->size);
    struct communicator_block *from = ARENA_ARRAY(&scratch, struct communicator_block, ranks->size);
    for (int r = 0; r < c->features.n_representations; r++)
        if (c->wanted[r])
            collect(ranks, (float *)s->x[r], s->n, sizeof(float) * (size_t)c->features.dim[r], to,
                    from);
    collect(ranks, (int32_t *)s->label, s->n, sizeof(int32_t), to, from);
    arena_free(&scratch);
}

static char *cache_path(struct cell *c, enum split split) {
    const char *own = c->judged == c->data ? "" : c->judged->name;
    return arena_printf(&c->arena, "%s/features-%s%s%s.safetensors", c->folder, own,
                        *own ? "-" : "", split_names[split]);
}

/* The arrays that a cache of the split holds, in *list (n_representations + 1); their number. */
static int cached_arrays(const struct cell *c, enum split split, struct st_tensor *list) {
    const struct feature_set *f = &c->features;
    const struct feature_split *s = split == SPLIT_TRAIN ? &f->train : &f->test;
    int n = 0;
    for (int r = 0; r < f->n_representations; r++)
        if (c->wanted[r])
            list[n++] =
                (struct st_tensor){.name = f->names[r],
                                   .dtype = "F32",
                                   .ndim = 2,
                                   .dim = {s->n, f->dim[r]},
                                   .data = s->x[r],
                                   .bytes = sizeof(float) * (size_t)s->n * (size_t)f->dim[r]};
    list[n++] = (struct st_tensor){.name = "label",
                                   .dtype = "I32",
                                   .ndim = 1,
                                   .dim = {s->n},
                                   .data = s->label,
                                   .bytes = sizeof(int32_t) * (size_t)s->n};
    return n;
}

/* 1 when the split's slab was filled from the cache, which may hold more than is wanted. */
static int load_cache(struct cell *c, enum split split, const char *key) {
    struct st_tensor list[MAX_REPRESENTATIONS + 1];
    struct st_file *f = NULL;
    struct error ignored;
    const char *path = cache_path(c, split);
    if (!file_exists(path) || st_open(&f, path, &ignored))
        return 0;
    const char *stored = st_meta(f, "key");
    const int n = cached_arrays(c, split, list);
    int hit = stored && !strcmp(stored, key) && !st_check(f, &ignored);
    for (int i = 0; i < n && hit; i++) {
        const struct st_tensor *t = st_find(f, list[i].name);
        hit = t && t->bytes == list[i].bytes;
        if (hit)
            memcpy((void *)list[i].data, t->data, t->bytes);
    }
    st_close(f);
    return hit;
}

static int save_cache(struct cell *c, enum split split, const char *key, struct error *err) {
    struct st_tensor list[MAX_REPRESENTATIONS + 1];
    if (c->feature_slab[split].bytes > (size_t)c->context->machine->cache_mib << 20)
        return 0;
    const struct st_meta meta[] = {{"key", key}, {ST_HASH, NULL}};
    return st_write(cache_path(c, split), list, cached_arrays(c, split, list), meta, 2, err);
}

/* By all ranks; the folder is the first one's. */
static int extract_split(struct cell *c, enum split split, struct communicator *ranks,
                         struct error *err) {
    char key[160];
    const int images = reals_of(c) > 0, keeps = c->folder && images && !communicator_rank(ranks);
    int hit = 0, status = allocate(c, split, err);
    if (!status && keeps) {
        feature_key(c, split, key);
        hit = load_cache(c, split, key);
    }
    TRY(communicator_agree(ranks, WAIT_LONG, status, err));
    if (!images) {
        status = communicator_agree(ranks, WAIT_LONG, read_labels(c, split, err), err);
        goto out;
    }
    communicator_broadcast(ranks, WAIT_LIMITED, &hit, sizeof hit);
    if (hit)
        goto out;
    TRY(compute(c, split, ranks, err));
    if (ranks)
        collect_split(c, split, ranks);
    status = keeps ? save_cache(c, split, key, err) : 0;
    status = communicator_agree(ranks, WAIT_LONG, status, err);
out:
    return status;
}

/* Both splits lie in memory until the data are others'. */
static void ask_room(const struct cell *c) {
    const double images =
        (double)c->judged->count[SPLIT_TRAIN] + (double)c->judged->count[SPLIT_TEST];
    const double needed = images * (double)(reals_of(c) + 1) * sizeof(float);
    const double there = (double)memory_available();
    if (needed <= there || !there)
        return;
    log_message(LOG_WARN,
                "%s: features of %s need %s of memory, %s are free: it may end there; "
                "--PROTOCOL.representations final takes those of the last layer alone",
                c->run.run_id, c->judged->name, memory_text(needed).text, memory_text(there).text);
}

static int extract(struct cell *c, struct communicator *ranks, struct error *err) {
    int status = 0, lacks = !c->labelled;
    for (int r = 0; r < c->features.n_representations; r++) {
        lacks |= c->wanted[r] && !c->extracted[r];
        c->wanted[r] |= c->extracted[r]; /* it stays */
    }
    if (ranks) /* the first one may have tried alone */
        communicator_broadcast(ranks, WAIT_LIMITED, &lacks, sizeof lacks);
    if (!lacks)
        return 0;
    TRY(cell_check_sizes(c, c->judged, err));
    c->labelled = 0;
    for (int split = 0; split < SPLITS; split++)
        slab_free(&c->feature_slab[split]);
    ask_room(c);
    for (int split = 0; split < SPLITS; split++)
        TRY(extract_split(c, (enum split)split, ranks, err));
    memcpy(c->extracted, c->wanted, sizeof c->extracted);
    c->labelled = 1;
out:
    if (status) { /* who asks next may want less */
        memset(c->wanted, 0, sizeof c->wanted);
        memset(c->extracted, 0, sizeof c->extracted);
    }
    return status;
}

int cell_extract(struct cell *c, struct error *err) {
    return extract(c, NULL, err);
}

int cell_extract_shared(struct cell *c, const struct dataset *data, int wanted, struct error *err) {
    struct communicator *ranks = c->context->ranks;
    if (communicator_size(ranks) == 1)
        return 0;
    communicator_broadcast(ranks, WAIT_LONG, &wanted, sizeof wanted);
    if (!wanted)
        return 0;
    /* A rank that had nothing left to train has the weights as they were drawn. */
    communicator_broadcast(ranks, WAIT_LIMITED, c->model.slab.data, c->model.slab.bytes);
    if (communicator_rank(ranks))
        c->model.version++;
    cell_judge(c, data);
    communicator_broadcast(ranks, WAIT_LIMITED, c->wanted, sizeof c->wanted);
    return extract(c, ranks, err);
}
