#include "protocols/dense.h"

#include "protocols/each.h"

#include <math.h>
#include <string.h>

enum { ENCODE_BATCH = 16 };

struct dense {
    struct arena arena;
    const struct protocol_input *in;
    struct dense_shape shape;
    struct graph graph;
    struct builder builder;
    struct tensor *images;
    struct tensor *features; /* tokens or map */
    int registers;           /* tokens behind the places */
    size_t skip;             /* reals of the features before the first place: the class token */
    const struct tensor **attention; /* (parts) last of each part of a split network */
    int parts;
    struct slab kept; /* (training images, places, dim) */
    int is_kept;
};

const struct dense_shape *dense_shape_of(const struct dense *d) {
    return &d->shape;
}

/* ---- the graph ---- */

/* A network's blocks are in order, and so are the parts of a split one: the last block of a part is
 * every depth-th. */
static void find_attention(struct dense *d) {
    const struct graph *g = &d->graph;
    int depth = d->in->subject->backbone->vit.depth, seen = 0;
    d->attention = ARENA_ARRAY(&d->arena, const struct tensor *, g->n);
    for (int i = 0; i < g->n; i++) {
        const struct tensor *t = g->tensors[i];
        if (!t->op || strcmp(t->op->name, "attention") != 0 || ++seen % depth)
            continue;
        int tokens = t->dim[0];
        CHECK(tokens == 1 + d->shape.places + d->registers, "%s: %d tokens for %d places", t->name,
              tokens, d->shape.places);
        d->attention[d->parts++] = t;
        d->shape.heads += attention_heads(t);
    }
}

static void build(struct dense *d) {
    const struct subject *s = d->in->subject;
    struct encoded e;
    graph_init(&d->graph, s->encode->model); /* all its parameters are there: nothing is added */
    d->graph.evaluating = 1;
    d->graph.away = d->in->device != NULL;
    d->builder = (struct builder){.g = &d->graph,
                                  .model = s->encode->model,
                                  .backbone = s->backbone,
                                  .data = s->data,
                                  .norm = s->norm,
                                  .prefix = "",
                                  .weight = 1,
                                  .arena = &d->arena,
                                  .classes = s->data->classes,
                                  .seed = s->seed,
                                  .encoder = model_group(s->encode->model, "encoder"),
                                  .batch = ENCODE_BATCH};
    d->images = builder_images(&d->builder, "images", 0, 0);
    subject_encode(s, &d->builder, d->images, ENCODE_TOKENS, &e);
    d->features = e.tokens ? e.tokens : e.map;
    const int *dim = d->features->dim;
    if (e.tokens) {
        int rows = vit_rows(&s->backbone->vit), cols = vit_cols(&s->backbone->vit);
        d->shape = (struct dense_shape){{rows, cols}, rows * cols, dim[1], 0};
        d->skip = (size_t)dim[1];
        d->registers = s->backbone->vit.registers;
        find_attention(d);
    } else {
        d->shape = (struct dense_shape){{dim[0], dim[1]}, dim[0] * dim[1], dim[2], 0};
    }
    CHECK(d->skip + (size_t)(d->shape.places + d->registers) * (size_t)d->shape.dim ==
              d->features->per_sample,
          "%s: not %d places", d->features->name, d->shape.places);
    graph_output(&d->graph, d->features);
    for (int i = 0; i < d->parts; i++)
        graph_output(&d->graph, d->attention[i]->src[0]);
    graph_plan(&d->graph);
}

/* ---- visits ---- */

static size_t image_reals(const struct dense *d) {
    return (size_t)d->shape.places * (size_t)d->shape.dim;
}

/* attention (n, heads, places) of the images that x just ran. */
static void look(const struct dense *d, const struct exec *x, int n, float *attention) {
    struct arena scratch = {0};
    size_t places = (size_t)d->shape.places, tokens = places + 1 + (size_t)d->registers;
    float *p = ARENA_ARRAY(&scratch, float, (size_t)d->shape.heads *tokens);
    for (int i = 0; i < n; i++)
        for (int part = 0; part < d->parts; part++) {
            const struct tensor *t = d->attention[part], *qkv = t->src[0];
            const struct tensor *bias = t->n_src > 1 ? t->src[1] : NULL;
            attention_of_token(t, exec_output(x, qkv) + (size_t)i * qkv->per_sample,
                               bias ? exec_shared(x, bias) : NULL, 0, p);
            for (int h = 0; h < attention_heads(t); h++, attention += places)
                memcpy(attention, p + (size_t)h * tokens + 1, sizeof *p * places);
        }
    arena_free(&scratch);
}

static int check(const struct dense *d, const float *const *x, int n, struct error *err) {
    for (int i = 0; i < n; i++)
        for (size_t j = 0; j < image_reals(d); j++)
            if (!isfinite(x[i][j]))
                return error_set(err, STATUS_USAGE,
                                 "%s: a feature is not finite: the encoder diverged",
                                 d->in->subject->name);
    return 0;
}

struct encoding_of {
    struct dense *d;
    const float **rows; /* (batch) */
    float *attention;   /* (batch, heads, places); NULL: unwanted */
    dense_visit *visit;
    void *to;
};

static int visit_encoded(void *to, const struct each_batch *b, struct error *err) {
    const struct encoding_of *e = to;
    const struct dense *d = e->d;
    const struct tensor *t = d->features;
    for (int i = 0; i < b->n; i++)
        e->rows[i] = exec_output(b->x, t) + (size_t)i * t->per_sample + d->skip;
    int status = check(d, e->rows, b->n, err);
    if (status)
        return status;
    if (e->attention)
        look(d, b->x, b->n, e->attention);
    const struct dense_batch out = {b->n, b->index, e->rows, e->attention};
    return e->visit(e->to, &out, err);
}

static int encode_each(struct dense *d, enum split split, const int32_t *index, int n, int batch,
                       dense_visit *visit, void *to, struct error *err) {
    struct arena scratch = {0};
    struct encoding_of encoding = {d, ARENA_ARRAY(&scratch, const float *, batch), NULL, visit, to};
    if (d->parts && split == SPLIT_TEST)
        encoding.attention = ARENA_ARRAY(
            &scratch, float, (size_t)batch *(size_t)d->shape.heads *(size_t)d->shape.places);
    const struct each e = {.in = d->in,
                           .graph = &d->graph,
                           .images = d->images,
                           .during = "segment",
                           .whole = 1,
                           .split = split,
                           .subset = index,
                           .n = n,
                           .batch = batch};
    int status = each_image(&e, visit_encoded, &encoding, err);
    arena_free(&scratch);
    return status;
}

static int visit_kept(struct dense *d, const int32_t *index, int n, int batch, dense_visit *visit,
                      void *to, struct error *err) {
    struct arena scratch = {0};
    const float **rows = ARENA_ARRAY(&scratch, const float *, batch);
    int32_t *row = ARENA_ARRAY(&scratch, int32_t, batch);
    int status = 0;
    for (int first = 0; first < n; first += batch) {
        const struct dense_batch b = {
            .n = n - first < batch ? n - first : batch, .index = row, .x = rows};
        TRY(subject_stopped(d->in->subject, "segment", err));
        for (int i = 0; i < b.n; i++) {
            row[i] = index ? index[first + i] : first + i;
            rows[i] = (const float *)d->kept.data + (size_t)row[i] * image_reals(d);
        }
        TRY(visit(to, &b, err));
    }
out:
    arena_free(&scratch);
    return status;
}

static int keep(void *to, const struct dense_batch *b, struct error *err) {
    (void)err;
    struct dense *d = to;
    for (int i = 0; i < b->n; i++)
        memcpy((float *)d->kept.data + (size_t)b->index[i] * image_reals(d), b->x[i],
               sizeof(float) * image_reals(d));
    return 0;
}

int dense_each(struct dense *d, enum split split, const int32_t *index, int n, int batch,
               dense_visit *visit, void *to, struct error *err) {
    if (split == SPLIT_TRAIN && d->is_kept)
        return visit_kept(d, index, n, batch, visit, to, err);
    return encode_each(d, split, index, n, batch, visit, to, err);
}

static int keep_all(struct dense *d, struct error *err) {
    int n = (int)d->in->subject->data->count[SPLIT_TRAIN], status = 0;
    TRY(slab_alloc(&d->kept, sizeof(float) * image_reals(d) * (size_t)n, "features of places",
                   err));
    TRY(encode_each(d, SPLIT_TRAIN, NULL, n, ENCODE_BATCH, keep, d, err));
    d->is_kept = 1;
out:
    return status;
}

int dense_open(struct dense **out, const struct protocol_input *in, size_t memory,
               struct error *err) {
    struct arena arena = {0};
    struct dense *d = ARENA_NEW(&arena, struct dense);
    size_t images = (size_t)in->subject->data->count[SPLIT_TRAIN];
    int status = 0;
    d->arena = arena;
    d->in = in;
    build(d);
    if (images <= memory / (sizeof(float) * image_reals(d)))
        TRY(keep_all(d, err));
out:
    if (status) {
        dense_close(d);
        d = NULL;
    }
    *out = d;
    return status;
}

void dense_close(struct dense *d) {
    if (!d)
        return;
    graph_free(&d->graph);
    slab_free(&d->kept);
    struct arena arena = d->arena; /* d lies in its own arena */
    arena_free(&arena);
}
