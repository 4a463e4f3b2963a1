/* conv_window.c -- where the windows of a convolution are; blocks of pictures with zeros. */
#include "kernels/cpu/conv_window.h"

enum { BLOCK_REALS = 1 << 17 };
_Static_assert(2 * BLOCK_REALS <= KERNEL_WORKSPACE, "a block takes half of the workspace");

struct conv_axis ISA_NAME(conv_forward_axis)(int size, int k, int stride, int pad) {
    int windows = window_count(size, k, stride, pad);
    return (struct conv_axis){.source = size,
                              .margin = pad,
                              .step = stride,
                              .reach = k,
                              .places = windows,
                              .taps = k,
                              .out = windows,
                              .out_step = 1};
}

struct conv_axis ISA_NAME(conv_backward_axis)(int size, int k, int stride, int pad) {
    int reach = (k + stride - 1) / stride;
    return (struct conv_axis){.source = window_count(size, k, stride, pad),
                              .margin = reach - 1,
                              .step = 1,
                              .reach = reach,
                              .places = size ? (size - 1 + pad) / stride + 1 : 0,
                              .taps = k,
                              .out = size,
                              .out_step = stride,
                              .before = pad};
}

struct conv_phase ISA_NAME(conv_phase)(const struct conv_axis *a, int p) {
    int step = a->out_step, first = a->before - p;
    return (struct conv_phase){.taps = (a->taps - p + step - 1) / step,
                               .first = first > 0 ? (first + step - 1) / step : 0,
                               .end = (a->out - 1 + a->before - p + step) / step,
                               .out = p - a->before};
}

static int padded(const struct conv_axis *a, int places) {
    return places ? (places - 1) * a->step + a->reach : 0;
}

static int needs_no_zeros(const struct conv_axis *a) {
    return a->margin == 0 && padded(a, a->places) <= a->source;
}

static int at_least_one(size_t n) {
    return n ? (int)n : 1;
}

struct conv_plan ISA_NAME(conv_plan)(const struct kctx *c, int n, struct conv_axis y,
                                     struct conv_axis x, int channels, const float *source) {
    struct conv_plan plan = {.y = y, .x = x, .n = n, .channels = channels, .source = source};
    size_t row = (size_t)padded(&x, x.places) * (size_t)channels;
    size_t picture = row * (size_t)padded(&y, y.places);
    size_t fit = BLOCK_REALS / (row + 1), reach = (size_t)y.reach;
    plan.room = c->workspace;
    plan.as_it_is = needs_no_zeros(&y) && needs_no_zeros(&x);
    plan.rows = y.places;
    plan.images = at_least_one(BLOCK_REALS / (picture + 1));
    if (picture > BLOCK_REALS)
        plan.rows = at_least_one(fit < reach ? 0 : (fit - reach) / (size_t)y.step + 1);
    CHECK(plan.as_it_is || 2 * (size_t)padded(&y, plan.rows) * row <= KERNEL_WORKSPACE,
          "a row of windows is larger than half of the workspace");
    return plan;
}

/* Rows from..to-1 of a padded picture. */
static void fill(const struct conv_plan *plan, int image, int from, int to, float *out) {
    const struct conv_axis *y = &plan->y, *x = &plan->x;
    size_t channels = (size_t)plan->channels, width = (size_t)padded(x, x->places);
    size_t left = (size_t)x->margin, source = (size_t)x->source;
    left = left < width ? left : width;
    source = source < width - left ? source : width - left;
    size_t right = width - left - source;
    const float *picture =
        plan->source + (size_t)image * (size_t)y->source * (size_t)x->source * channels;
    for (int r = from - y->margin; r < to - y->margin; r++, out += width * channels) {
        if (r < 0 || r >= y->source) {
            memset(out, 0, width * channels * sizeof *out);
            continue;
        }
        const float *in = picture + (size_t)r * (size_t)x->source * channels;
        memset(out, 0, left * channels * sizeof *out);
        memcpy(out + left * channels, in, source * channels * sizeof *out);
        memset(out + (left + source) * channels, 0, right * channels * sizeof *out);
    }
}

int ISA_NAME(conv_next_block)(const struct conv_plan *plan, struct conv_block *b) {
    const struct conv_axis *y = &plan->y;
    int more = b->images && b->end < y->places; /* rows of this image */
    b->first = more ? b->end : 0;
    b->image += more ? 0 : b->images;
    b->images = plan->n - b->image < plan->images ? plan->n - b->image : plan->images;
    b->end = y->places - b->first < plan->rows ? y->places : b->first + plan->rows;
    if (b->images <= 0 || !y->places || !plan->x.places)
        return 0;
    size_t channels = (size_t)plan->channels;
    int from = b->first * y->step, to = from + padded(y, b->end - b->first);
    if (plan->as_it_is) {
        b->row = (size_t)plan->x.source * channels;
        b->picture = (size_t)y->source * b->row;
        b->data = plan->source + (size_t)b->image * b->picture + (size_t)from * b->row;
        return 1;
    }
    b->row = (size_t)padded(&plan->x, plan->x.places) * channels;
    b->picture = (size_t)(to - from) * b->row;
    b->data = plan->room;
    for (int i = 0; i < b->images; i++)
        fill(plan, b->image + i, from, to, plan->room + (size_t)i * b->picture);
    return 1;
}

static int most(int a, int b) {
    return a > b ? a : b;
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* n windows, or as many as there is room for; first and the steps: of `from`, then of `to` */
static int append(struct conv_windows *w, int n, size_t from, size_t to, size_t from_step,
                  size_t to_step) {
    n = most(0, least(n, CONV_WINDOWS - w->n));
    for (int i = 0; i < n; i++) {
        w->from[w->n + i] = from + (size_t)i * from_step;
        w->to[w->n + i] = to + (size_t)i * to_step;
    }
    w->n += n;
    return n;
}

int ISA_NAME(conv_next_windows)(const struct conv_plan *plan, const struct conv_block *b,
                                const struct conv_phase *y, const struct conv_phase *x,
                                int out_channels, struct conv_windows *w) {
    const struct conv_axis *ay = &plan->y, *ax = &plan->x;
    size_t channels = (size_t)plan->channels, out = (size_t)out_channels;
    int first = most(b->first, y->first), rows = least(b->end, y->end) - first;
    w->n = 0;
    while (w->image < b->images && w->y < rows && w->n < CONV_WINDOWS) {
        int gy = first + w->y, gx = x->first + w->x;
        size_t row = (size_t)((gy - b->first) * ay->step + ay->reach - y->taps);
        size_t column = (size_t)(gx * ax->step + ax->reach - x->taps);
        size_t to =
            (size_t)(b->image + w->image) * (size_t)ay->out + (size_t)(gy * ay->out_step + y->out);
        to = to * (size_t)ax->out + (size_t)(gx * ax->out_step + x->out);
        w->x +=
            append(w, x->end - gx, (size_t)w->image * b->picture + row * b->row + column * channels,
                   to * out, (size_t)ax->step * channels, (size_t)ax->out_step * out);
        if (x->first + w->x < x->end)
            continue;
        w->x = 0;
        if (++w->y < rows)
            continue;
        w->y = 0;
        w->image++;
    }
    for (int i = w->n; i % CONV_TILE; i++)
        w->from[i] = w->from[i - 1];
    return w->n;
}
