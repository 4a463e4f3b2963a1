#include "methods/views.h"

#include "kernels/views.h"
#include "nn/ops.h"

#include <math.h>
#include <string.h>

_Static_assert((int)VIEW_BRIGHTNESS == (int)JITTER_BRIGHTNESS &&
                   (int)VIEW_CONTRAST == (int)JITTER_CONTRAST &&
                   (int)VIEW_SATURATION == (int)JITTER_SATURATION &&
                   (int)VIEW_HUE == (int)JITTER_HUE,
               "operations have one order");

enum { BYTES = sizeof(int32_t) };

static size_t pixels_of(const struct sample *s, int side) {
    return (size_t)s->record->channels * (size_t)side * (size_t)side;
}

static float *image_of(const struct sample *s, int slot, int view, int side) {
    return (float *)s->slots[slot] + (size_t)view * pixels_of(s, side);
}

/* ---- tasks ---- */

/* Weights beyond 6 sigma are left out, as on the processor (data/view_blur.c). */
static int32_t radius_of(const struct view_plan *plan) {
    int far = (int)(6 * plan->sigma) + 1;
    int radius = plan->blur_radius < far ? plan->blur_radius : far;
    CHECK(plan->sigma < VIEW_SIDE && radius <= VIEW_BLUR, "a blur of sigma %g, radius %d",
          plan->sigma, radius);
    return radius;
}

static void put_task(const struct sample *s, int slot, int view, const struct view_plan *plan) {
    struct view_task t = {.top = (float)plan->box.top,
                          .left = (float)plan->box.left,
                          .height = (float)plan->box.height,
                          .width = (float)plan->box.width,
                          .image_height = s->record->height,
                          .image_width = s->record->width,
                          .ready = -1,
                          .flip = plan->flip,
                          .cubic = plan->interpolation == INTERPOLATION_BICUBIC,
                          .jitter = plan->jitter,
                          .grey = plan->grey,
                          .sigma = (float)plan->sigma,
                          .radius = plan->sigma > 0 ? radius_of(plan) : 0,
                          .solarize = plan->solarize};
    for (int i = 0; i < VIEW_OPERATIONS; i++) {
        t.order[i] = plan->order[i];
        t.factor[i] = (float)plan->factor[i];
    }
    memcpy((int32_t *)s->slots[slot] + (size_t)view * VIEW_WORDS, &t, sizeof t);
}

static struct view_plan plan_of(const struct view_task *t) {
    struct view_plan plan = {
        .box = {(double)t->top, (double)t->left, (double)t->height, (double)t->width},
        .flip = t->flip,
        .interpolation = t->cubic ? INTERPOLATION_BICUBIC : INTERPOLATION_BILINEAR,
        .jitter = t->jitter,
        .grey = t->grey,
        .sigma = (double)t->sigma,
        .blur_radius = t->radius,
        .solarize = t->solarize};
    for (int i = 0; i < JITTER_OPERATIONS; i++) {
        plan.order[i] = t->order[i];
        plan.factor[i] = (double)t->factor[i];
    }
    return plan;
}

void sample_view(const struct sample *s, int slot, int view, int side,
                 const struct view_recipe *recipe) {
    if (!s->renders) {
        view_random(s->record, s->norm, recipe, s->view, side, image_of(s, slot, view, side));
        return;
    }
    const struct view_plan plan = view_draw(s->record, recipe, s->view, side);
    put_task(s, slot, view, &plan);
}

void sample_crop(const struct sample *s, int slot, int view, int side, const struct crop_box *box,
                 int flip) {
    const struct view_plan plan = {
        .box = *box, .flip = flip, .interpolation = INTERPOLATION_BILINEAR};
    if (s->renders)
        put_task(s, slot, view, &plan);
    else
        view_crop(s->record, s->norm, box, flip, side, image_of(s, slot, view, side));
}

const char *views_of_its_own(const struct method *m, const void *self) {
    return m->own_views ? m->own_views(self) : NULL;
}

/* ---- slots ---- */

static size_t row_words(int width, int channels) {
    return ((size_t)width * (size_t)channels + BYTES - 1) / BYTES;
}

/* That the largest image takes; each row begins with a word, and there are at most as many rows as
 * in the narrowest one that is so large. */
static size_t words_of_image(const struct dataset *d) {
    size_t channels = (size_t)d->channels, pixels = (size_t)dataset_most_pixels(d);
    if (pixels == (size_t)d->height * (size_t)d->width)
        return (size_t)d->height * row_words(d->width, d->channels);
    size_t narrowest = (size_t)(d->height < d->width ? d->height : d->width);
    return (pixels * channels + (BYTES - 1) * (pixels / narrowest + 1)) / BYTES + 1;
}

/* Means and the inverses of the deviations. */
static struct tensor *normalization_of(struct builder *b) {
    const int dim[] = {2, b->backbone->channels};
    real norm[2 * VIEW_CHANNELS];
    CHECK(dim[1] <= VIEW_CHANNELS, "views of %d channels", dim[1]);
    for (int c = 0; c < dim[1]; c++) {
        norm[c] = (real)b->norm->mean[c];
        norm[dim[1] + c] = (real)(1 / b->norm->std[c]);
    }
    return graph_const(b->g, "normalization", 2, dim, norm);
}

struct tensor *views_declare(struct builder *b, const char *name, int ndim, const int *dim) {
    int views = ndim == 4 ? dim[0] : 1, slot = b->n_inputs;
    struct tensor *tasks = builder_index(b, name, views * VIEW_WORDS);
    if (!b->pixels)
        b->pixels = graph_index(b->g, "pixels", 1);
    b->rendered[slot] = op_views(b->g, name, b->pixels, tasks, normalization_of(b), ndim, dim);
    b->rendered_words += b->rendered[slot]->per_sample;
    size_t most = words_of_image(b->data);
    size_t words = b->rendered_words < most ? b->rendered_words : most;
    CHECK(words <= INT32_MAX, "%zu words of pixels", words);
    graph_widen(b->g, b->pixels, (int)words);
    return b->rendered[slot];
}

/* ---- pixels ---- */

/* Part of a record. */
struct region {
    int top, left, bottom, right; /* the last two excluded */
};

/* Through the tasks of a sample. */
struct walk {
    const struct builder *b;
    void *const *slots;
    int slot, view;
    /* of next_task */
    struct view_task task;
    int32_t *at; /* where it lies */
    int side;
};

/* The next task of a sample; 0 behind the last. */
static int next_task(struct walk *w) {
    for (; w->slot < w->b->n_inputs; w->slot++, w->view = 0) {
        const struct tensor *made = w->b->rendered[w->slot];
        if (!made || w->view == (made->ndim == 4 ? made->dim[0] : 1))
            continue;
        w->at = (int32_t *)w->slots[w->slot] + (size_t)w->view++ * VIEW_WORDS;
        w->side = made->dim[made->ndim - 1];
        memcpy(&w->task, w->at, sizeof w->task);
        return 1;
    }
    return 0;
}

static void change_task(const struct walk *w) {
    memcpy(w->at, &w->task, sizeof w->task);
}

static int clamp(double x, int most) {
    return x < 0 ? 0 : x > most ? most : (int)x;
}

static void include(struct region *r, const struct view_task *t) {
    const int h = t->image_height, w = t->image_width;
    const struct region box = {clamp(floor((double)t->top), h), clamp(floor((double)t->left), w),
                               clamp(ceil((double)t->top + (double)t->height), h),
                               clamp(ceil((double)t->left + (double)t->width), w)};
    if (box.top >= box.bottom || box.left >= box.right)
        return;
    r->top = box.top < r->top ? box.top : r->top;
    r->left = box.left < r->left ? box.left : r->left;
    r->bottom = box.bottom > r->bottom ? box.bottom : r->bottom;
    r->right = box.right > r->right ? box.right : r->right;
}

static struct region region_of(const struct builder *b, const struct record *r,
                               void *const *slots) {
    struct region all = {.top = r->height, .left = r->width};
    struct walk w = {.b = b, .slots = slots};
    while (next_task(&w))
        include(&all, &w.task);
    return all.bottom ? all : (struct region){0}; /* all boxes are outside */
}

/* The region, into room for so many bytes; what is left of it becomes 0. */
static void copy_region(const struct record *r, const struct region *part, unsigned char *out,
                        size_t bytes) {
    size_t channels = (size_t)r->channels, width = (size_t)(part->right - part->left) * channels;
    size_t apart = row_words(part->right - part->left, r->channels) * BYTES;
    const uint8_t *from =
        r->pixels + ((size_t)part->top * (size_t)r->width + (size_t)part->left) * channels;
    unsigned char *end = out + bytes;
    for (int y = part->top; y < part->bottom; y++, from += (size_t)r->width * channels) {
        memcpy(out, from, width);
        memset(out + width, 0, apart - width);
        out += apart;
    }
    memset(out, 0, (size_t)(end - out));
}

static void send_pixels(const struct builder *b, const struct record *r,
                        const struct region *region, void *const *slots, int32_t *pixels) {
    struct walk w = {.b = b, .slots = slots};
    while (next_task(&w)) {
        w.task.first_row = region->top;
        w.task.first_column = region->left;
        w.task.row_words = (int32_t)row_words(region->right - region->left, r->channels);
        change_task(&w);
    }
    copy_region(r, region, (unsigned char *)pixels, b->pixels->per_sample * BYTES);
}

static void send_views(const struct builder *b, const struct record *r, void *const *slots,
                       int32_t *pixels) {
    struct walk w = {.b = b, .slots = slots};
    int32_t used = 0;
    while (next_task(&w)) {
        const struct view_plan plan = plan_of(&w.task);
        float *out = (float *)(void *)(pixels + used);
        CHECK((size_t)(used + r->channels * w.side * w.side) <= b->pixels->per_sample,
              "an image of %d x %d is larger than the data's largest", r->height, r->width);
        view_render(r, b->norm, &plan, w.side, out);
        w.task.ready = used;
        change_task(&w);
        used += r->channels * w.side * w.side;
    }
}

void views_pack(const struct builder *b, const struct record *r, void *const *slots) {
    int32_t *pixels = slots[b->n_inputs + (b->drop != NULL)];
    const struct region region = region_of(b, r, slots);
    size_t words =
        (size_t)(region.bottom - region.top) * row_words(region.right - region.left, r->channels);
    if (words <= b->pixels->per_sample)
        send_pixels(b, r, &region, slots, pixels);
    else
        send_views(b, r, slots, pixels);
}

int views_ready(const struct builder *b, void *const *slots, int n, const char *mine) {
    int ready = 0;
    for (int i = 0; b->pixels && i < n; i++) {
        void *of_sample[METHOD_INPUTS];
        for (int s = 0; s < b->n_inputs; s++)
            of_sample[s] = (int32_t *)slots[s] + b->slots[s].per_sample * (size_t)i;
        struct walk w = {.b = b, .slots = of_sample};
        if ((!mine || mine[i]) && next_task(&w))
            ready += w.task.ready >= 0;
    }
    return ready;
}
