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

/* Rows i and n - 1 - i of x (n,count) become lambda of themselves and the rest of each other. */
static void blend_opposite(double lambda, int n, size_t count, float *x) {
    const float own = (float)lambda, other = (float)(1 - lambda);
    for (int i = 0; i < n / 2; i++) {
        float *a = x + (size_t)i * count, *b = x + (size_t)(n - 1 - i) * count;
        for (size_t k = 0; k < count; k++) {
            float p = a[k], q = b[k];
            a[k] = own * p + other * q;
            b[k] = own * q + other * p;
        }
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

void mix_images(const struct mix *m, int n, int channels, int height, int width, float *images) {
    size_t count = (size_t)channels * (size_t)height * (size_t)width;
    if (m->lambda == 1)
        return;
    if (!m->cut) {
        blend_opposite(m->lambda, n, count, images);
        return;
    }
    for (int i = 0; i < n / 2; i++)
        swap_boxes(m, channels, height, width, images + (size_t)i * count,
                   images + (size_t)(n - 1 - i) * count);
}

void mix_targets(const struct mix *m, int n, int classes, float *targets) {
    if (m->lambda != 1)
        blend_opposite(m->lambda, n, (size_t)classes, targets);
}

void smooth_target(int label, int classes, double smoothing, float *target) {
    CHECK(label >= 0 && label < classes, "label %d of %d classes", label, classes);
    for (int c = 0; c < classes; c++)
        target[c] = (float)(smoothing / classes + (c == label ? 1 - smoothing : 0));
}
