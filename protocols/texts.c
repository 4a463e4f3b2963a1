#include "protocols/texts.h"

#include "protocols/each.h"

#include <string.h>

enum { TEXT_BATCH = 64 };

void texts_add(struct text_list *all, const char *text, int32_t image) {
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

int texts_read(struct text_list *all, const struct dataset *d, enum split split,
               struct error *err) {
    struct record r = {.no_pixels = 1};
    int status = 0;
    for (long i = 0; i < d->count[split]; i++) {
        TRY(dataset_read(d, split, i, &r, err));
        for (int k = 0; k < r.n_captions; k++)
            texts_add(all, record_caption(&r, k), (int32_t)i);
    }
out:
    record_free(&r);
    return status;
}

void texts_free(struct text_list *all) {
    arena_free(&all->arena);
}

/* Texts (n) into the inputs of the tower. */
static void fill(const struct text_coder *t, const char *const *texts, int n, void *const *inputs) {
    const struct builder *b = t->builder;
    for (int i = 0; i < n; i++) {
        void *slots[METHOD_INPUTS];
        for (int s = 0; s < b->n_inputs; s++)
            slots[s] = (char *)inputs[s] + sizeof(float) * b->slots[s].per_sample * (size_t)i;
        t->fill(t->self, b->runtime, texts[i], slots);
    }
}

int texts_encode(const struct text_coder *t, const struct protocol_input *in,
                 const char *const *texts, int n, float *out, struct error *err) {
    const struct exec_config config = each_exec(in, TEXT_BATCH);
    const struct builder *b = t->builder;
    struct arena scratch = {0};
    struct exec *exec = NULL;
    void *inputs[METHOD_INPUTS];
    size_t width = t->features->per_sample;
    int status = 0;
    TRY(exec_open(&exec, t->graph, &config, err));
    for (int s = 0; s < b->n_inputs; s++) {
        inputs[s] = ARENA_ARRAY(&scratch, float, b->slots[s].per_sample *TEXT_BATCH);
        exec_bind(exec, b->inputs[s], inputs[s]);
    }
    for (int first = 0; first < n; first += TEXT_BATCH) {
        int some = n - first < TEXT_BATCH ? n - first : TEXT_BATCH;
        TRY(subject_stopped(in->subject, "features of texts", err));
        fill(t, texts + first, some, inputs);
        exec_run(exec, some);
        memcpy(out + width * (size_t)first, exec_output(exec, t->features),
               sizeof *out * width * (size_t)some);
    }
out:
    exec_close(exec);
    arena_free(&scratch);
    return status;
}
