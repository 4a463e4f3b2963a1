#include "data/mixup.h"

#include "core/error.h"

#include <math.h>
#include <stddef.h>

const struct mixing mixing_mae = {.mixup = 0.8, .cutmix = 1, .cut_share = 0.5};

/* In logarithms: powers of 1 / alpha may be too small for a double. */
double draw_beta(double alpha, struct rng *rng) {
    CHECK(alpha > 0 && alpha <= 1, "Beta(%g, %g)", alpha, alpha);
    for (;;) {
        double x = log(1 - rng_uniform(rng)) / alpha, y = log(1 - rng_uniform(rng)) / alpha;
        if (exp(x) + exp(y) <= 1)
            return 1 / (1 + exp(y - x));
    }
}

static int within(int i, int n) {
    return i < 0 ? 0 : i < n ? i : n;
}

static void draw_box(struct mix *m, int height, int width, struct rng *rng) {
    double share = sqrt(1 - m->lambda);
    int h = (int)(height * share), w = (int)(width * share);
    int top = (int)rng_below(rng, (uint32_t)height) - h / 2;
    int left = (int)rng_below(rng, (uint32_t)width) - w / 2;
    m->top = within(top, height), m->bottom = within(top + h, height);
    m->left = within(left, width), m->right = within(left + w, width);
    m->lambda = 1 - (double)(m->bottom - m->top) * (m->right - m->left) / ((double)height * width);
}

struct mix mix_draw(const struct mixing *o, int height, int width, struct rng *rng) {
    struct mix m = {.lambda = 1};
    if (o->mixup <= 0 && o->cutmix <= 0)
        return m;
    m.cut = o->cutmix > 0 && (o->mixup <= 0 || rng_uniform(rng) < o->cut_share);
    m.lambda = draw_beta(m.cut ? o->cutmix : o->mixup, rng);
    if (m.cut)
        draw_box(&m, height, width, rng);
    return m;
}

/* Both become lambda of themselves and the rest of each other. */
static void blend(double lambda, size_t count, float *a, float *b) {
    const float own = (float)lambda, other = (float)(1 - lambda);
    for (size_t k = 0; k < count; k++) {
        float p = a[k], q = b[k];
        a[k] = own * p + other * q;
        b[k] = own * q + other * p;
    }
}

static void swap_row(float *a, float *b, int count) {
    for (int i = 0; i < count; i++) {
        float t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

static void swap_boxes(const struct mix *m, int channels, int height, int width, float *a,
                       float *b) {
    for (int c = 0; c < channels; c++)
        for (int y = m->top; y < m->bottom; y++) {
            size_t at = ((size_t)c * (size_t)height + (size_t)y) * (size_t)width + (size_t)m->left;
            swap_row(a + at, b + at, m->right - m->left);
        }
}

/* The i-th of a batch is mixed with its opposite for somebody here. */
static int asked_for(const struct mix_batch *b, int i) {
    return !b->mine || b->mine[i] || b->mine[b->n - 1 - i];
}

void mix_images(const struct mix *m, const struct mix_batch *b, int channels, int height, int width,
                float *images) {
    const size_t count = (size_t)channels * (size_t)height * (size_t)width;
    const int pairs = m->lambda == 1 ? 0 : b->n / 2;
#pragma omp parallel for num_threads(b->threads) schedule(static)
    for (int i = 0; i < pairs; i++) {
        float *one = images + (size_t)i * count, *other = images + (size_t)(b->n - 1 - i) * count;
        if (!asked_for(b, i))
            continue;
        if (m->cut)
            swap_boxes(m, channels, height, width, one, other);
        else
            blend(m->lambda, count, one, other);
    }
}

void mix_targets(const struct mix *m, const struct mix_batch *b, int classes, float *targets) {
    const size_t count = (size_t)classes;
    for (int i = 0; i < b->n / 2 && m->lambda != 1; i++)
        if (asked_for(b, i))
            blend(m->lambda, count, targets + (size_t)i * count,
                  targets + (size_t)(b->n - 1 - i) * count);
}

void smooth_target(int label, int classes, double smoothing, float *target) {
    CHECK(label >= 0 && label < classes, "label %d of %d classes", label, classes);
    for (int c = 0; c < classes; c++)
        target[c] = (float)(smoothing / classes + (c == label ? 1 - smoothing : 0));
}
