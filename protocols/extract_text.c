/* extract_text.c -- features of the captions of the test split. */
#include "protocols/cell.h"

#include "core/log.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_BATCH = 64 };

struct captions {
    const char **text; /* (n) */
    int32_t *image;    /* (n) */
    int n, room;
    struct arena arena;
};

static void add(struct captions *all, const char *text, int32_t image) {
    if (all->n == all->room) {
        int more = all->room ? 2 * all->room : 1024;
        const char **texts = ARENA_ARRAY(&all->arena, const char *, more);
        int32_t *images = ARENA_ARRAY(&all->arena, int32_t, more);
        if (all->n) {
            memcpy(texts, all->text, sizeof *texts * (size_t)all->n);
            memcpy(images, all->image, sizeof *images * (size_t)all->n);
        }
        all->text = texts;
        all->image = images;
        all->room = more;
    }
    all->text[all->n] = arena_strdup(&all->arena, text);
    all->image[all->n++] = image;
}

static int read_captions(const struct dataset *d, struct captions *all, struct error *err) {
    struct record r = {0};
    int status = 0;
    for (long i = 0; i < d->count[SPLIT_TEST]; i++) {
        TRY(dataset_read(d, SPLIT_TEST, i, &r, err));
        for (int k = 0; k < r.n_captions; k++)
            add(all, record_caption(&r, k), (int32_t)i);
    }
out:
    record_free(&r);
    return status;
}

/* Texts from `first` on into the inputs of the text tower. */
static void fill(const struct cell *c, const struct captions *all, int first, int n,
                 void *const *inputs) {
    const struct builder *b = &c->text_builder;
    for (int i = 0; i < n; i++) {
        void *slots[METHOD_INPUTS];
        for (int s = 0; s < b->n_inputs; s++)
            slots[s] = (char *)inputs[s] + sizeof(float) * b->slots[s].per_sample * (size_t)i;
        c->method->text(settings_method(&c->settings, c->method), b->runtime, all->text[first + i],
                        slots);
    }
}

static int compute(struct cell *c, const struct captions *all, float *x, struct error *err) {
    const struct exec_config config = {.kernels = c->context->kernels,
                                       .threads = c->context->threads,
                                       .batch = TEXT_BATCH,
                                       .chunk = c->settings.plan.chunk};
    const struct builder *b = &c->text_builder;
    struct arena scratch = {0};
    struct exec *exec = NULL;
    void *inputs[METHOD_INPUTS];
    size_t dim = c->text_features->per_sample;
    int status = 0;
    TRY(exec_open(&exec, &c->encode_text, &config, err));
    for (int s = 0; s < b->n_inputs; s++) {
        inputs[s] = ARENA_ARRAY(&scratch, float, b->slots[s].per_sample *TEXT_BATCH);
        exec_bind(exec, b->inputs[s], inputs[s]);
    }
    for (int first = 0; first < all->n; first += TEXT_BATCH) {
        int n = all->n - first < TEXT_BATCH ? all->n - first : TEXT_BATCH;
        if (c->context->stop && *c->context->stop)
            TRY(error_set(err, STATUS_INTERRUPTED, "%s stopped during features of captions",
                          c->run.run_id));
        fill(c, all, first, n, inputs);
        exec_run(exec, n);
        memcpy(x + dim * (size_t)first, exec_output(exec, c->text_features),
               sizeof *x * dim * (size_t)n);
    }
out:
    exec_close(exec);
    arena_free(&scratch);
    return status;
}

static int find_projection(const struct cell *c) {
    const struct feature_set *f = &c->features;
    int r = 0;
    while (r < f->n_representations && strcmp(f->names[r], METHOD_PROJECTION))
        r++;
    CHECK(r < f->n_representations && f->dim[r] == (int)c->text_features->per_sample,
          "%s has no %s of images like that of texts", c->method->name, METHOD_PROJECTION);
    return r;
}

int cell_extract_texts(struct cell *c, struct error *err) {
    struct captions all = {0};
    int status = 0;
    if (c->texts.n)
        return 0;
    TRY(read_captions(c->data, &all, err));
    size_t count = (size_t)all.n * c->text_features->per_sample;
    TRY(slab_alloc(&c->text_slab, sizeof(float) * (count + (size_t)all.n), "features of captions",
                   err));
    float *x = c->text_slab.data;
    void *images = x + count;
    TRY(compute(c, &all, x, err));
    if (all.n)
        memcpy(images, all.image, sizeof *all.image * (size_t)all.n);
    c->texts = (struct text_set){
        .n = all.n, .x = x, .image = images, .representation = find_projection(c)};
out:
    if (status)
        slab_free(&c->text_slab);
    arena_free(&all.arena);
    return status;
}
