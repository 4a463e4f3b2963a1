/* extract.c -- frozen features, once per checkpoint; of several ranks each takes some batches, for
 * the first one, which judges. */
#include "protocols/cell_internal.h"
#include "protocols/each.h"

#include "core/file.h"
#include "core/log.h"
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

/* The slab of a split: every representation (n, dim), then the labels (n). */
static int allocate(struct cell *c, enum split split, struct error *err) {
    struct feature_set *f = &c->features;
    size_t n = (size_t)c->judged->count[split], all = 0;
    for (int r = 0; r < f->n_representations; r++)
        all += n * (size_t)f->dim[r];
    slab_free(&c->feature_slab[split]);
    int status =
        slab_alloc(&c->feature_slab[split], (all + n) * sizeof(float), "extracted features", err);
    if (status)
        return status;
    struct feature_split *s = split_of(c, split);
    float *x = c->feature_slab[split].data;
    void *labels = x + all;
    s->n = (int)n;
    for (int r = 0; r < f->n_representations; r++) {
        s->x[r] = x;
        x += n * (size_t)f->dim[r];
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
        size_t dim = (size_t)t->c->features.dim[r];
        memcpy((float *)t->into->x[r] + (size_t)b->at * dim,
               exec_output(b->x, t->c->encoded.representation[r]),
               sizeof(float) * dim * (size_t)b->n);
    }
    memcpy((int32_t *)t->into->label + b->at, b->label, sizeof(int32_t) * (size_t)b->n);
    return 0;
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

/* 1 when the split's slab was filled from the cache. */
static int load_cache(struct cell *c, enum split split, const char *key) {
    struct st_file *f = NULL;
    struct error ignored;
    const char *path = cache_path(c, split);
    if (!file_exists(path) || st_open(&f, path, &ignored))
        return 0;
    const struct st_tensor *t = st_find(f, "features");
    const char *stored = st_meta(f, "key");
    int hit = t && stored && !strcmp(stored, key) && t->bytes == c->feature_slab[split].bytes &&
              !st_check(f, &ignored);
    if (hit)
        memcpy(c->feature_slab[split].data, t->data, t->bytes);
    st_close(f);
    return hit;
}

static int save_cache(struct cell *c, enum split split, const char *key, struct error *err) {
    const struct slab *s = &c->feature_slab[split];
    if (s->bytes > (size_t)c->context->machine->cache_mib << 20)
        return 0;
    const struct st_tensor t = {.name = "features",
                                .dtype = "F32",
                                .ndim = 1,
                                .dim = {(int64_t)(s->bytes / sizeof(float))},
                                .data = s->data,
                                .bytes = s->bytes};
    const struct st_meta meta[] = {{"key", key}, {ST_HASH, NULL}};
    return st_write(cache_path(c, split), &t, 1, meta, 2, err);
}

/* By all ranks; the folder is the first one's. */
static int extract_split(struct cell *c, enum split split, struct communicator *ranks,
                         struct error *err) {
    char key[160];
    const int keeps = c->folder && !communicator_rank(ranks);
    int hit = 0, status = allocate(c, split, err);
    if (!status && keeps) {
        feature_key(c, split, key);
        hit = load_cache(c, split, key);
    }
    TRY(communicator_agree(ranks, WAIT_LONG, status, err));
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

static int extract(struct cell *c, struct communicator *ranks, struct error *err) {
    int status = 0;
    for (int split = 0; split < SPLITS && !c->extracted; split++)
        TRY(extract_split(c, (enum split)split, ranks, err));
    c->extracted = 1;
out:
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
    return extract(c, ranks, err);
}
