/* The weights of a head are rows (classes, dim), so that a batch is packed once for all heads, and
 * a row of gemm_packed does not depend on the other rows (kernels.h). */
#include "protocols/pixel_heads.h"

#include "core/arena.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { LINE_REALS = 16 }; /* reals in a cache line: no two threads write to the same one */

struct head {
    float *w, *v, *g;   /* (classes, dim): weights, momentum, gradient */
    float *b, *bv, *bg; /* (classes): the same of the biases */
    float *z;           /* (classes, rows): logits, then the gradient of the loss by them */
    float *peak, *sum;  /* (rows): of the softmax */
};

struct pixel_heads {
    struct arena arena;
    struct pixel_heads_config c;
    struct slab slab;
    struct head *head;      /* (heads) */
    int threads;            /* no more than heads */
    float *x;               /* (rows, dim) */
    float *packed, *turned; /* x and its transpose, as gemm_packed takes them */
    float *weight;          /* (rows) sum of a row's target */
    float *workspace;       /* (threads, KERNEL_WORKSPACE) */
};

/* The next `reals` of a slab, or, to measure it, of nothing. */
static float *carve(float *base, size_t *used, size_t reals) {
    size_t at = *used;
    *used += (reals + LINE_REALS - 1) / LINE_REALS * LINE_REALS;
    return base ? base + at : NULL;
}

static size_t lay_out(struct pixel_heads *h, float *base) {
    const struct pixel_heads_config *c = &h->c;
    size_t rows = (size_t)c->rows, dim = (size_t)c->dim, classes = (size_t)c->classes, used = 0;
    size_t packed = c->kernels->gemm_pack_size(c->rows, c->dim);
    size_t turned = c->kernels->gemm_pack_size(c->dim, c->rows);
    h->workspace = carve(base, &used, (size_t)h->threads * KERNEL_WORKSPACE);
    h->x = carve(base, &used, rows * dim);
    h->packed = carve(base, &used, packed);
    h->turned = carve(base, &used, turned);
    h->weight = carve(base, &used, rows);
    for (int i = 0; i < c->heads; i++) {
        struct head *one = &h->head[i];
        float **const of_weights[] = {&one->w, &one->v, &one->g};
        float **const of_biases[] = {&one->b, &one->bv, &one->bg};
        for (int k = 0; k < 3; k++) {
            *of_weights[k] = carve(base, &used, classes * dim);
            *of_biases[k] = carve(base, &used, classes);
        }
        one->z = carve(base, &used, classes * rows);
        one->peak = carve(base, &used, rows);
        one->sum = carve(base, &used, rows);
    }
    return used;
}

int pixel_heads_open(struct pixel_heads **out, const struct pixel_heads_config *config,
                     struct error *err) {
    struct arena arena = {0};
    struct pixel_heads *h = ARENA_NEW(&arena, struct pixel_heads);
    int status = 0;
    CHECK(config->heads > 0 && config->dim > 0 && config->classes > 0 && config->rows > 0 &&
              config->threads > 0,
          "%d heads (%d, %d), %d rows, %d threads", config->heads, config->classes, config->dim,
          config->rows, config->threads);
    h->c = *config;
    h->threads = config->threads < config->heads ? config->threads : config->heads;
    h->head = ARENA_ARRAY(&arena, struct head, config->heads);
    h->arena = arena;
    TRY(slab_alloc(&h->slab, lay_out(h, NULL) * sizeof(float), "heads of pixels", err));
    lay_out(h, h->slab.data);
out:
    if (status) {
        pixel_heads_close(h);
        h = NULL;
    }
    *out = h;
    return status;
}

void pixel_heads_close(struct pixel_heads *h) {
    if (!h)
        return;
    slab_free(&h->slab);
    struct arena arena = h->arena; /* h lies in its own arena */
    arena_free(&arena);
}

void pixel_heads_load(struct pixel_heads *h, int first, int n, const float *x) {
    size_t dim = (size_t)h->c.dim;
    float *to = h->x + (size_t)first * dim;
    CHECK(first >= 0 && first + n <= h->c.rows, "rows %d + %d of %d", first, n, h->c.rows);
    if (!h->c.mean)
        memcpy(to, x, sizeof *x * dim * (size_t)n);
    else
        for (int i = 0; i < n; i++, to += dim, x += dim)
            for (size_t d = 0; d < dim; d++)
                to[d] = (x[d] - h->c.mean[d]) * h->c.rstd[d];
}

static struct kctx context(const struct pixel_heads *h) {
    return (struct kctx){
        .threads = 1, .workspace = h->workspace + (size_t)omp_get_thread_num() * KERNEL_WORKSPACE};
}

/* z (classes, rows) = w x' + b for the first n rows. */
static void forward(const struct pixel_heads *h, struct head *one, int n) {
    const struct pixel_heads_config *c = &h->c;
    const struct kctx ctx = context(h);
    c->kernels->gemm_packed(&ctx, c->classes, n, c->dim, one->w, c->dim, h->packed, NULL, ACT_NONE,
                            NULL, NULL, one->z, c->rows);
    for (int k = 0; k < c->classes; k++)
        for (int i = 0; i < n; i++)
            one->z[(size_t)k * (size_t)c->rows + (size_t)i] += one->b[k];
}

static void pack(struct pixel_heads *h, int n) {
    const struct kctx ctx = context(h);
    CHECK(n <= h->c.rows, "%d rows of %d", n, h->c.rows);
    h->c.kernels->gemm_pack(&ctx, 1, n, h->c.dim, h->x, h->c.dim, NULL, h->packed);
}

void pixel_heads_forward(struct pixel_heads *h, int n) {
    pack(h, n);
#pragma omp parallel for num_threads(h->threads) schedule(static)
    for (int i = 0; i < h->c.heads; i++)
        forward(h, &h->head[i], n);
}

/* Logits become the gradient of the loss, (weight * softmax - target) / all, summed over rows into
 * bg. */
static void softmax_gradient(const struct pixel_heads *h, struct head *one, int n,
                             const float *target, float all) {
    int classes = h->c.classes;
    size_t rows = (size_t)h->c.rows, count = (size_t)n;
    memcpy(one->peak, one->z, sizeof *one->z * count);
    for (int k = 1; k < classes; k++)
        for (size_t i = 0; i < count; i++)
            one->peak[i] = fmaxf(one->peak[i], one->z[(size_t)k * rows + i]);
    memset(one->sum, 0, sizeof *one->sum * count);
    for (int k = 0; k < classes; k++)
        for (size_t i = 0; i < count; i++) {
            float *z = &one->z[(size_t)k * rows + i];
            *z = expf(*z - one->peak[i]);
            one->sum[i] += *z;
        }
    for (int k = 0; k < classes; k++) {
        double sum = 0;
        for (size_t i = 0; i < count; i++) {
            float *z = &one->z[(size_t)k * rows + i];
            *z = (*z / one->sum[i] * h->weight[i] - target[i * (size_t)classes + (size_t)k]) / all;
            sum += (double)*z;
        }
        one->bg[k] = (float)sum;
    }
}

static void descend(const struct pixel_heads *h, struct head *one, int number, int n,
                    const struct pixel_heads_rates *r) {
    const struct pixel_heads_config *c = &h->c;
    const struct kctx ctx = context(h);
    float lr = (float)r->lr[number], decay = (float)r->weight_decay[number];
    size_t weights = (size_t)c->classes * (size_t)c->dim;
    c->kernels->gemm_packed(&ctx, c->classes, c->dim, n, one->z, c->rows, h->turned, NULL, ACT_NONE,
                            NULL, NULL, one->g, c->dim);
    c->kernels->sgd(&ctx, weights, one->w, one->g, one->v, 1, lr, (float)r->momentum, decay, 1,
                    r->first);
    c->kernels->sgd(&ctx, (size_t)c->classes, one->b, one->bg, one->bv, 1, lr, (float)r->momentum,
                    0, 1, r->first);
}

void pixel_heads_step(struct pixel_heads *h, int n, const float *target,
                      const struct pixel_heads_rates *rates) {
    const struct kctx ctx = context(h);
    int classes = h->c.classes;
    double all = 0;
    for (int i = 0; i < n; i++) {
        double weight = 0;
        for (int k = 0; k < classes; k++)
            weight += (double)target[i * classes + k];
        h->weight[i] = (float)weight;
        all += weight;
    }
    pack(h, n);
    h->c.kernels->gemm_pack(&ctx, 0, h->c.dim, n, h->x, h->c.dim, NULL, h->turned);
#pragma omp parallel for num_threads(h->threads) schedule(static)
    for (int i = 0; i < h->c.heads; i++) {
        forward(h, &h->head[i], n);
        softmax_gradient(h, &h->head[i], n, target, all > 0 ? (float)all : 1);
        descend(h, &h->head[i], i, n, rates);
    }
}

void pixel_heads_logits(const struct pixel_heads *h, int head, int first, int n, float *logits) {
    const float *z = h->head[head].z + first;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < h->c.classes; k++)
            *logits++ = z[(size_t)k * (size_t)h->c.rows + (size_t)i];
}

int pixel_heads_diverged(const struct pixel_heads *h, int head) {
    const struct head *one = &h->head[head];
    for (size_t i = 0; i < (size_t)h->c.classes * (size_t)h->c.dim; i++)
        if (!isfinite(one->w[i]))
            return 1;
    for (int k = 0; k < h->c.classes; k++)
        if (!isfinite(one->b[k]))
            return 1;
    return 0;
}
