/* op_views.c -- views of images, made in the graph from what a loader drew. */
#include "kernels/views.h"
#include "nn/ops.h"

enum { PIXELS, TASKS, NORM };
enum { VIEWS, CHANNELS, SIDE };

static struct view_shape shape_of(const struct tensor *t) {
    return (struct view_shape){.views = t->attr[VIEWS],
                               .channels = t->attr[CHANNELS],
                               .side = t->attr[SIDE],
                               .words = t->src[PIXELS]->dim[0]};
}

static void render_forward(const struct chunk *c, const struct tensor *t) {
    const struct view_shape shape = shape_of(t);
    int pixels_apart, tasks_apart;
    const int32_t *pixels = chunk_index(c, t->src[PIXELS], &pixels_apart);
    const int32_t *tasks = chunk_index(c, t->src[TASKS], &tasks_apart);
    c->k->render_views(&c->ctx, c->n, &shape, pixels, tasks, chunk_value(c, t->src[NORM]),
                       chunk_saved(c, t, 0), chunk_result(c, t));
}

/* No part of what a step is said to cost: the same work on a loader's thread is none, either. */
static void render_flops(const struct tensor *t, double *f, double *b) {
    (void)t;
    *f = *b = 0;
}

static const struct op render = {
    .name = "render", .forward = render_forward, .flops = render_flops, .alias_src = -1};

struct tensor *op_views(struct graph *g, const char *name, struct tensor *pixels,
                        struct tensor *tasks, struct tensor *norm, int ndim, const int *dim) {
    const int *image = dim + ndim - 3;
    int views = ndim == 4 ? dim[0] : 1;
    CHECK(ndim >= 3 && ndim <= 4 && image[0] <= VIEW_CHANNELS && image[1] == image[2] &&
              image[1] <= VIEW_SIDE,
          "%s: views (N,[V,]C,side,side)", name);
    CHECK(tasks->dim[0] == views * VIEW_WORDS && norm->per_sample == 2 * (size_t)image[0],
          "%s: a task for each of %d views, norm (2,C)", name, views);
    struct tensor *t =
        graph_value(g, &render, name, ndim, dim, (struct tensor *const[]){pixels, tasks, norm}, 3);
    t->attr[VIEWS] = views;
    t->attr[CHANNELS] = image[0];
    t->attr[SIDE] = image[1];
    const struct view_shape shape = shape_of(t);
    t->saved_per_sample[0] = view_scratch(&shape);
    return t;
}
