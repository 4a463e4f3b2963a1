/* Many linear classifiers trained side by side on frozen features.
 *
 * The weights of all heads are the rows of one matrix (heads * classes, dim), so that a mini-batch
 * is packed once for a group of heads, and, because a row of gemm_packed does not depend on the
 * other rows (kernels.h), a head gets the same numbers whichever heads are beside it.  A group is
 * trained from start to finish on one thread, which waits for nobody.
 *
 * An epoch is cut into batches of nearly equal size (they differ by one at most) instead of full
 * ones and a short, noisy last one; every sample is used in every epoch.
 *
 * batch_norm: MAE's head begins with a BatchNorm, which normalises by the statistics of the
 * mini-batch in training and by running averages in the test.  The features are frozen and all
 * there, so what those estimate is known: the mean and variance of the training set are used
 * throughout, and a sample is the same in training and test.
 *
 * A LARS head's weights are scaled by their own norm, so it has to start from some: N(0, 0.01^2),
 * the same for every LARS head.
 */
#include "protocols/probe.h"

#include "core/arena.h"
#include "nn/optim.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum {
    GROUP_ROWS = 64, /* weight rows per product: they repay its packing and stay in cache */
    LINE_REALS = 16, /* reals in a cache line: no two threads write to the same one */
};
static const double bn_eps = 1e-6, lars_trust = 0.001, lars_std = 0.01;
static const uint32_t initial = UINT32_MAX; /* in place of an epoch, in the key of random numbers */
const char *const head_names[] = {[HEAD_SGD] = "sgd", [HEAD_LARS] = "lars"};

struct lane { /* what one thread writes */
    struct kctx c;
    float *x;           /* (batch, dim) */
    float *packed;      /* x or its transpose, as gemm_packed takes it */
    float *z;           /* (rows, batch): logits, then the gradient of the loss by them */
    float *w, *v, *g;   /* (rows, dim): weights, momentum, gradient */
    float *b, *bv, *bg; /* (rows): the same of the biases */
    float *peak, *sum;  /* (batch): of the softmax */
    int32_t *label;     /* (batch) */
    int32_t *order;     /* (n) */
};

struct probe {
    const struct kernels *k;
    const struct features *train;
    const struct linear_options *o;
    const struct linear_head *head; /* (n_heads) */
    uint64_t seed;
    int n_heads, n_groups, n_lanes;
    int rows;           /* most weight rows of a group */
    int batch;          /* most samples at a time */
    int steps;          /* batches in an epoch */
    float *mean, *rstd; /* (dim), or NULL: features are used as they are */
    struct lane *lane;  /* (n_lanes) */
    struct arena arena;
    struct slab slab;
};

static int group_start(const struct probe *p, int group) {
    return (int)((long)p->n_heads * group / p->n_groups);
}

/* The next `reals` of a slab, or, to measure it, of nothing. */
static float *carve(float *base, size_t *used, size_t reals) {
    size_t at = *used;
    *used += (reals + LINE_REALS - 1) / LINE_REALS * LINE_REALS;
    return base ? base + at : NULL;
}

static void lane_layout(const struct probe *p, struct lane *l, float *base, size_t *used) {
    size_t rows = (size_t)p->rows, batch = (size_t)p->batch, dim = (size_t)p->train->dim;
    size_t packed = p->k->gemm_pack_size(p->batch, p->train->dim);
    size_t turned = p->k->gemm_pack_size(p->train->dim, p->batch);
    packed = turned > packed ? turned : packed;
    const struct {
        float **array;
        size_t reals;
    } parts[] = {{&l->c.workspace, KERNEL_WORKSPACE},
                 {&l->x, batch * dim},
                 {&l->packed, packed},
                 {&l->z, rows * batch},
                 {&l->w, rows * dim},
                 {&l->v, rows * dim},
                 {&l->g, rows * dim},
                 {&l->b, rows},
                 {&l->bv, rows},
                 {&l->bg, rows},
                 {&l->peak, batch},
                 {&l->sum, batch}};
    l->c.threads = 1;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        *parts[i].array = carve(base, used, parts[i].reals);
    l->label = (int32_t *)(void *)carve(base, used, batch);
    l->order = (int32_t *)(void *)carve(base, used, (size_t)p->train->n);
}

static int options_check(const struct probe *p, struct error *err) {
    const struct linear_options *o = p->o;
    if (o->epochs < 1 || o->batch < 1 || o->threads < 1 || p->n_heads < 1)
        return error_set(err, STATUS_USAGE,
                         "linear probe: epochs %d, batch %d, threads %d, %d heads: each must be at "
                         "least 1",
                         o->epochs, o->batch, o->threads, p->n_heads);
    for (int i = 0; i < p->n_heads; i++)
        if (!(p->head[i].lr > 0 && p->head[i].weight_decay >= 0))
            return error_set(err, STATUS_USAGE,
                             "linear probe: learning rate %g, weight decay %g: use a rate above 0 "
                             "and a decay of 0 or more",
                             p->head[i].lr, p->head[i].weight_decay);
    if (!(o->momentum >= 0 && o->momentum < 1))
        return error_set(err, STATUS_USAGE, "linear probe: momentum %g: use one in [0, 1)",
                         o->momentum);
    return 0;
}

/* After it, also when it failed, probe_close releases everything. */
static int probe_open(struct probe *p, const struct features *other, struct error *err) {
    const struct features *f = p->train;
    int status = 0, n_heads = p->n_heads;
    CHECK(other->dim == f->dim && other->classes == f->classes,
          "%d features and %d classes against %d and %d", other->dim, other->classes, f->dim,
          f->classes);
    TRY(options_check(p, err));
    TRY(features_check(f, "train", 1, err));
    int per_group = GROUP_ROWS / f->classes > 0 ? GROUP_ROWS / f->classes : 1;
    int groups = (n_heads + per_group - 1) / per_group, threads = p->o->threads;
    groups = (groups + threads - 1) / threads * threads; /* an equal share for every thread */
    p->n_groups = groups < n_heads ? groups : n_heads;
    p->n_lanes = threads < p->n_groups ? threads : p->n_groups;
    p->rows = (n_heads + p->n_groups - 1) / p->n_groups * f->classes;
    p->batch = p->o->batch < f->n ? p->o->batch : f->n;
    p->steps = (f->n + p->batch - 1) / p->batch;
    p->lane = ARENA_ARRAY(&p->arena, struct lane, p->n_lanes);
    size_t used = 0;
    for (int i = 0; i < p->n_lanes; i++)
        lane_layout(p, &p->lane[i], NULL, &used);
    TRY(slab_alloc(&p->slab, used * sizeof(float), "the linear probe", err));
    used = 0;
    for (int i = 0; i < p->n_lanes; i++)
        lane_layout(p, &p->lane[i], p->slab.data, &used);
    if (p->o->batch_norm) {
        p->mean = ARENA_ARRAY(&p->arena, float, f->dim);
        p->rstd = ARENA_ARRAY(&p->arena, float, f->dim);
        features_measure(f, bn_eps, p->mean, p->rstd);
    }
out:
    return status;
}

static void probe_close(struct probe *p) {
    slab_free(&p->slab);
    arena_free(&p->arena);
}

/* The first row of a group's head. */
static size_t head_at(const struct probe *p, int head) {
    return (size_t)head * (size_t)p->train->classes;
}

/* x (count, dim) = samples first.. of f, in the given order or, when NULL, as they lie. */
static void gather(const struct probe *p, const struct features *f, const int32_t *order, int first,
                   int count, float *x) {
    size_t dim = (size_t)f->dim;
    for (int j = 0; j < count; j++, x += dim) {
        const float *row = f->x + (size_t)(order ? order[first + j] : first + j) * dim;
        if (!p->mean)
            memcpy(x, row, dim * sizeof *x);
        else
            for (size_t d = 0; d < dim; d++)
                x[d] = (row[d] - p->mean[d]) * p->rstd[d];
    }
}

/* z (rows, batch) = w x' + b for the first `count` samples in l->x. */
static void forward(const struct probe *p, struct lane *l, int rows, int count) {
    int dim = p->train->dim;
    p->k->gemm_pack(&l->c, 1, count, dim, l->x, dim, NULL, l->packed);
    p->k->gemm_packed(&l->c, rows, count, dim, l->w, dim, l->packed, NULL, ACT_NONE, NULL, NULL,
                      l->z, p->batch);
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < count; j++)
            l->z[(size_t)r * (size_t)p->batch + (size_t)j] += l->b[r];
}

/* Turns the logits z (classes, batch) of one head into the gradient of the mean cross-entropy,
 * (softmax - one-hot) / count, and sums it over the samples into bias_grad (classes). */
static void softmax_gradient(const struct probe *p, struct lane *l, int count, float *z,
                             float *bias_grad) {
    int classes = p->train->classes;
    size_t batch = (size_t)p->batch;
    memcpy(l->peak, z, sizeof *z * (size_t)count);
    for (int c = 1; c < classes; c++)
        for (int j = 0; j < count; j++) {
            float x = z[(size_t)c * batch + (size_t)j];
            l->peak[j] = x > l->peak[j] ? x : l->peak[j];
        }
    memset(l->sum, 0, sizeof *l->sum * (size_t)count);
    for (int c = 0; c < classes; c++)
        for (int j = 0; j < count; j++) {
            float e = expf(z[(size_t)c * batch + (size_t)j] - l->peak[j]);
            z[(size_t)c * batch + (size_t)j] = e;
            l->sum[j] += e;
        }
    for (int j = 0; j < count; j++)
        l->sum[j] = 1 / (l->sum[j] * (float)count);
    for (int c = 0; c < classes; c++)
        for (int j = 0; j < count; j++)
            z[(size_t)c * batch + (size_t)j] *= l->sum[j];
    for (int j = 0; j < count; j++)
        z[(size_t)l->label[j] * batch + (size_t)j] -= 1 / (float)count;
    for (int c = 0; c < classes; c++) {
        double sum = 0;
        for (int j = 0; j < count; j++)
            sum += (double)z[(size_t)c * batch + (size_t)j];
        bias_grad[c] = (float)sum;
    }
}

/* q g in place of g for q = trust |w| / |g + wd w| when both are above 0 (You et al. 2017, as in
 * MAE's linear probe). */
static double lars_scale(const struct probe *p, const struct lane *l, size_t at, size_t n,
                         double wd) {
    double sum = 0, w_norm = sqrt(p->k->sum_squares(&l->c, n, l->w + at));
    if (wd == 0)
        sum = p->k->sum_squares(&l->c, n, l->g + at);
    for (size_t i = at; i < at + n && wd > 0; i++) {
        double g = (double)l->g[i] + wd * (double)l->w[i];
        sum += g * g;
    }
    return w_norm > 0 && sum > 0 ? lars_trust * w_norm / sqrt(sum) : 1;
}

/* One step of head h of the group. */
static void update(const struct probe *p, const struct lane *l, int h,
                   const struct linear_head *head, long step) {
    const struct linear_options *o = p->o;
    size_t classes = (size_t)p->train->classes, weights = classes * (size_t)p->train->dim;
    size_t row = head_at(p, h), at = row * (size_t)p->train->dim;
    long steps = (long)o->epochs * p->steps;
    int is_lars = head->kind == HEAD_LARS;
    float lr =
        (float)schedule_cosine(step, steps, is_lars ? steps / 9 : 0, head->lr * o->batch / 256, 0);
    double q = is_lars ? lars_scale(p, l, at, weights, head->weight_decay) : 1;
    p->k->sgd(&l->c, weights, l->w + at, l->g + at, l->v + at, (float)q, lr, (float)o->momentum,
              (float)(q * head->weight_decay), !is_lars, step == 0);
    p->k->sgd(&l->c, classes, l->b + row, l->bg + row, l->bv + row, 1, lr, (float)o->momentum, 0,
              !is_lars, step == 0);
}

static void train_step(const struct probe *p, struct lane *l, int first, int heads, int count,
                       long step) {
    int dim = p->train->dim, classes = p->train->classes;
    forward(p, l, heads * classes, count);
    for (int h = 0; h < heads; h++)
        softmax_gradient(p, l, count, l->z + head_at(p, h) * (size_t)p->batch,
                         l->bg + head_at(p, h));
    p->k->gemm_pack(&l->c, 0, dim, count, l->x, dim, NULL, l->packed);
    p->k->gemm_packed(&l->c, heads * classes, dim, count, l->z, p->batch, l->packed, NULL, ACT_NONE,
                      NULL, NULL, l->g, dim);
    for (int h = 0; h < heads; h++)
        update(p, l, h, &p->head[first + h], step);
}

/* w (classes, dim) of each LARS head. */
static void draw_weights(const struct probe *p, struct lane *l, int first, int heads) {
    size_t dim = (size_t)p->train->dim;
    for (int h = 0; h < heads; h++)
        for (int c = 0; c < p->train->classes && p->head[first + h].kind == HEAD_LARS; c++) {
            struct rng r = rng_at((struct rng_key){p->seed, RNG_PROBE}, initial, (uint32_t)c);
            float *w = l->w + (head_at(p, h) + (size_t)c) * dim;
            for (size_t d = 0; d < dim; d++)
                w[d] = (float)(lars_std * rng_normal(&r));
        }
}

static void train_group(const struct probe *p, struct lane *l, int first, int heads) {
    const struct features *f = p->train;
    size_t rows = head_at(p, heads), weights = rows * (size_t)f->dim;
    memset(l->w, 0, sizeof *l->w * weights);
    memset(l->b, 0, sizeof *l->b * rows);
    draw_weights(p, l, first, heads);
    for (int epoch = 0; epoch < p->o->epochs; epoch++) {
        struct rng r = rng_at((struct rng_key){p->seed, RNG_PROBE}, (uint32_t)epoch, 0);
        rng_permutation(&r, l->order, (uint32_t)f->n);
        for (int s = 0; s < p->steps; s++) {
            int from = (int)((long)f->n * s / p->steps);
            int count = (int)((long)f->n * (s + 1) / p->steps) - from;
            gather(p, f, l->order, from, count, l->x);
            for (int j = 0; j < count; j++)
                l->label[j] = f->label[l->order[from + j]];
            train_step(p, l, first, heads, count, (long)epoch * p->steps + s);
        }
    }
}

/* Once a weight is infinite or NaN, what follows makes its whole head so. */
static int diverged(const struct probe *p, const struct lane *l, int head) {
    size_t classes = (size_t)p->train->classes, weights = classes * (size_t)p->train->dim;
    const float *b = l->b + head_at(p, head);
    const float *w = l->w + head_at(p, head) * (size_t)p->train->dim;
    for (size_t i = 0; i < weights; i++)
        if (!isfinite(w[i]))
            return 1;
    for (size_t i = 0; i < classes; i++)
        if (!isfinite(b[i]))
            return 1;
    return 0;
}

/* The class of sample j by one head's logits z (classes, batch), the lower one among equals. */
static int predicted(const struct probe *p, const float *z, int j) {
    int best = 0;
    for (int c = 1; c < p->train->classes; c++)
        if (z[(size_t)c * (size_t)p->batch + (size_t)j] >
            z[(size_t)best * (size_t)p->batch + (size_t)j])
            best = c;
    return best;
}

static void score_group(const struct probe *p, struct lane *l, const struct features *val,
                        int first, int heads, double *val_top1) {
    int classes = p->train->classes;
    for (int h = 0; h < heads; h++)
        val_top1[first + h] = 0;
    for (int from = 0; from < val->n; from += p->batch) {
        int count = val->n - from < p->batch ? val->n - from : p->batch;
        gather(p, val, NULL, from, count, l->x);
        forward(p, l, heads * classes, count);
        for (int h = 0; h < heads; h++)
            for (int j = 0; j < count; j++)
                val_top1[first + h] += predicted(p, l->z + head_at(p, h) * (size_t)p->batch, j) ==
                                       val->label[from + j];
    }
    for (int h = 0; h < heads; h++)
        val_top1[first + h] = diverged(p, l, h) ? 0 : val_top1[first + h] / val->n;
}

int linear_search(const struct kernels *k, const struct features *train, const struct features *val,
                  const struct linear_options *o, const struct linear_head *heads, int n,
                  uint64_t seed, double *val_top1, struct error *err) {
    int status = 0;
    struct probe p = {.k = k, .train = train, .o = o, .head = heads, .n_heads = n, .seed = seed};
    TRY(features_check(val, "validation", 1, err));
    TRY(probe_open(&p, val, err));
    atomic_int next = 0;
#pragma omp parallel for num_threads(p.n_lanes) schedule(static, 1)
    for (int i = 0; i < p.n_lanes; i++)
        for (int g; (g = atomic_fetch_add(&next, 1)) < p.n_groups;) {
            int first = group_start(&p, g), count = group_start(&p, g + 1) - first;
            train_group(&p, &p.lane[i], first, count);
            score_group(&p, &p.lane[i], val, first, count, val_top1);
        }
out:
    probe_close(&p);
    return status;
}

int linear_fit_predict(const struct kernels *k, const struct features *train,
                       const struct features *test, const struct linear_options *o,
                       const struct linear_head *head, uint64_t seed, float *logits,
                       struct error *err) {
    int status = 0;
    struct probe p = {.k = k, .train = train, .o = o, .head = head, .n_heads = 1, .seed = seed};
    TRY(features_check(test, "test", 0, err));
    TRY(probe_open(&p, test, err));
    struct lane *l = p.lane;
    train_group(&p, l, 0, 1);
    int lost = diverged(&p, l, 0);
    for (int from = 0; from < test->n; from += p.batch) {
        int count = test->n - from < p.batch ? test->n - from : p.batch;
        gather(&p, test, NULL, from, count, l->x);
        forward(&p, l, train->classes, count);
        for (int j = 0; j < count; j++)
            for (int c = 0; c < train->classes; c++)
                *logits++ = lost ? NAN : l->z[(size_t)c * (size_t)p.batch + (size_t)j];
    }
out:
    probe_close(&p);
    return status;
}
