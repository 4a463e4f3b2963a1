/* Logistic regression: liblbfgs over an objective whose matrix products are the BLAS's.
 *
 * The samples are cut into lanes, and these into blocks that stay in the second-level cache: a
 * block becomes double precision (and standardised), gives its logits, and its share of the
 * gradient.  The lanes, their blocks and the order in which lanes are summed depend on the shape of
 * the features alone; a thread takes whole lanes.  The BLAS runs on one thread (kernels.c says so
 * to it).
 *
 * Features of one network are strongly correlated, and L-BFGS on them as they are needs thousands
 * of iterations.  So it searches for V with W = V L^-1, where L L' = S / classes + I / (c n), S the
 * covariance of the features: that is the Hessian of the mean objective where all classes are
 * equally likely, W = 0, and for V it is the identity.  The objective and its minimum stay what
 * they are; the tolerance is of the derivatives by W.
 */
#include "protocols/probe.h"

#include "core/arena.h"

#include <cblas.h>
#include <lbfgs.h>
#include <math.h>
#include <string.h>

enum {
    LANES = 16,
    LANE_SAMPLES = 256,     /* of a lane, at least: fewer do not repay its gradient */
    BLOCK_REALS = 1 << 15,  /* of a block: 256 KiB */
    BLOCK_SAMPLES = 1 << 9, /* at most */
    CORRECTIONS = 10,       /* as SciPy has it, and with it scikit-learn */
    PAD = 16,               /* a build of liblbfgs for SSE wants a multiple of this */
    SURE_SAMPLES = 4096,    /* for the covariance: these, or FEW times as many as features */
    FEW = 4,
    TILE = 64, /* rows of the covariance that a thread takes */
};

/* LAPACK's Cholesky factor of a matrix by columns, which OpenBLAS holds too. */
extern void dpotrf_(const char *part, const int *n, double *a, const int *stride, int *failed);

struct lane {
    int from, to;     /* samples */
    double *x;        /* (block, dim) */
    double *z;        /* (block, classes): logits, then softmax - one-hot */
    double *gradient; /* (classes, dim), then (classes) of the biases */
    double loss;
};

struct problem {
    const struct features *f;
    const struct logistic_options *o;
    double c;
    int n_lanes, block;
    struct lane lane[LANES];
    double *covariance; /* (dim, dim), the lower half */
    double *factor;     /* (dim, dim) L */
    double *w;          /* W, then the biases */
    double *gradient;   /* of the mean objective by these */
    int iterations;
    struct slab slab;
};

static size_t weights_of(const struct features *f) {
    return (size_t)f->classes * (size_t)f->dim;
}

size_t logistic_size(const struct features *train) {
    return (weights_of(train) + (size_t)train->classes + PAD - 1) / PAD * PAD;
}

static int block_of(const struct features *f) {
    int samples = BLOCK_REALS / f->dim;
    samples = samples > BLOCK_SAMPLES ? BLOCK_SAMPLES : samples < PAD ? PAD : samples;
    return samples < f->n ? samples : f->n;
}

static void lay_out(const struct features *f, int lanes, int block, struct lane *lane, double *at) {
    for (int i = 0; i < lanes; i++, lane++) {
        lane->from = (int)((long)f->n * i / lanes);
        lane->to = (int)((long)f->n * (i + 1) / lanes);
        lane->x = at;
        lane->z = lane->x + (size_t)block * (size_t)f->dim;
        lane->gradient = lane->z + (size_t)block * (size_t)f->classes;
        at = lane->gradient + logistic_size(f);
    }
}

static size_t lane_reals(const struct features *f, int block) {
    return (size_t)block * (size_t)(f->dim + f->classes) + logistic_size(f);
}

/* What the head gets of a sample: x (dim). */
static void take(const struct features *f, const struct logistic_options *o, size_t sample,
                 double *x) {
    size_t dim = (size_t)f->dim;
    const float *in = f->x + sample * dim;
    for (size_t d = 0; d < dim; d++)
        x[d] = ((double)in[d] - (double)o->mean[d]) * (double)o->rstd[d];
}

/* lane->x, z (count, .) of the samples from..: what the head takes, and its logits. */
static void forward(const struct features *f, const struct logistic_options *o, const double *w,
                    const struct lane *lane, int from, int count) {
    const double *bias = w + weights_of(f);
    for (int i = 0; i < count; i++) {
        take(f, o, (size_t)(from + i), lane->x + (size_t)i * (size_t)f->dim);
        memcpy(lane->z + (size_t)i * (size_t)f->classes, bias, sizeof *bias * (size_t)f->classes);
    }
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, f->classes, f->dim, 1, lane->x,
                f->dim, w, f->dim, 1, lane->z, f->classes);
}

/* z (classes) becomes the gradient of the loss by it, which is returned. */
static double cross_entropy(double *z, int classes, int label) {
    double peak = z[0], sum, at_label = z[label];
    for (int c = 1; c < classes; c++)
        peak = z[c] > peak ? z[c] : peak;
    z[0] = exp(z[0] - peak);
    sum = z[0];
    for (int c = 1; c < classes; c++) {
        z[c] = exp(z[c] - peak);
        sum += z[c];
    }
    for (int c = 0; c < classes; c++)
        z[c] /= sum;
    z[label] -= 1;
    return log(sum) + peak - at_label;
}

static void run_lane(const struct problem *p, const double *w, struct lane *lane) {
    const struct features *f = p->f;
    double *bias_gradient = lane->gradient + weights_of(f);
    memset(lane->gradient, 0, sizeof *lane->gradient * logistic_size(f));
    lane->loss = 0;
    for (int from = lane->from; from < lane->to; from += p->block) {
        int count = lane->to - from < p->block ? lane->to - from : p->block;
        forward(f, p->o, w, lane, from, count);
        for (int i = 0; i < count; i++) {
            double *z = lane->z + (size_t)i * (size_t)f->classes;
            lane->loss += cross_entropy(z, f->classes, f->label[from + i]);
            for (int c = 0; c < f->classes; c++)
                bias_gradient[c] += z[c];
        }
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, f->classes, f->dim, count, 1, lane->z,
                    f->classes, lane->x, f->dim, 1, lane->gradient, f->dim);
    }
}

/* p->gradient at p->w; returns the mean objective. */
static double measure(struct problem *p) {
    const struct features *f = p->f;
    size_t weights = weights_of(f), size = weights + (size_t)f->classes;
    double loss = 0, squares = 0, *g = p->gradient;
    int threads = p->o->threads < p->n_lanes ? p->o->threads : p->n_lanes;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
    for (int i = 0; i < p->n_lanes; i++)
        run_lane(p, p->w, &p->lane[i]);
    memset(g, 0, sizeof *g * size);
    for (int i = 0; i < p->n_lanes; i++) {
        loss += p->lane[i].loss;
        for (size_t j = 0; j < size; j++)
            g[j] += p->lane[i].gradient[j];
    }
    for (size_t j = 0; j < weights; j++) {
        squares += p->w[j] * p->w[j];
        g[j] += p->w[j] / p->c;
    }
    for (size_t j = 0; j < size; j++)
        g[j] /= f->n;
    return (loss + squares / (2 * p->c)) / f->n;
}

/* x (classes, dim) = x op(L)^-1 */
static void divide(const struct problem *p, enum CBLAS_TRANSPOSE transposed, double *x) {
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, transposed, CblasNonUnit, p->f->classes,
                p->f->dim, 1, p->factor, p->f->dim, x, p->f->dim);
}

/* The biases' part of the Hessian at W = 0 is 1 / classes as well. */
static void scale_biases(const struct problem *p, double by, double *x) {
    for (int c = 0; c < p->f->classes; c++)
        x[weights_of(p->f) + (size_t)c] *= by;
}

/* The mean objective at V, the biases behind it, and its gradient. */
static double evaluate(void *problem, const double *v, double *g, const int size,
                       const double step) {
    (void)step;
    struct problem *p = problem;
    double root = sqrt(p->f->classes);
    memcpy(p->w, v, sizeof *v * (size_t)size);
    divide(p, CblasNoTrans, p->w);
    scale_biases(p, root, p->w);
    double objective = measure(p);
    memcpy(g, p->gradient, sizeof *g * (size_t)size);
    divide(p, CblasTrans, g);
    scale_biases(p, root, g);
    return objective;
}

static double steepest(const struct problem *p) {
    double most = 0;
    for (size_t i = 0; i < weights_of(p->f) + (size_t)p->f->classes; i++)
        most = fabs(p->gradient[i]) > most || isnan(p->gradient[i]) ? fabs(p->gradient[i]) : most;
    return most;
}

/* After an iteration, whose point is the last that was evaluated; not 0 ends the search. */
static int progress(void *problem, const double *v, const double *g, const double objective,
                    const double v_norm, const double g_norm, const double step, int size,
                    int iteration, int evaluations) {
    (void)v, (void)g, (void)objective, (void)v_norm, (void)g_norm, (void)step, (void)size;
    (void)evaluations;
    struct problem *p = problem;
    p->iterations = iteration;
    return steepest(p) <= p->o->tolerance;
}

/* The lower half of x x' / samples; x are blocks of evenly spaced samples in the first lane. */
static void find_covariance(struct problem *p) {
    const struct features *f = p->f;
    int dim = f->dim, most = FEW * dim > SURE_SAMPLES ? FEW * dim : SURE_SAMPLES;
    int every = f->n > most ? f->n / most : 1, used = f->n / every;
    int tiles = (dim + TILE - 1) / TILE, threads = p->o->threads < tiles ? p->o->threads : tiles;
    double *x = p->lane[0].x;
    for (int from = 0; from < used; from += p->block) {
        int count = used - from < p->block ? used - from : p->block;
        for (int i = 0; i < count; i++)
            take(f, p->o, (size_t)(from + i) * (size_t)every, x + (size_t)i * (size_t)dim);
#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
        for (int t = 0; t < tiles; t++) {
            int top = t * TILE, end = top + TILE < dim ? top + TILE : dim;
            cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, end - top, end, count, 1.0 / used,
                        x + top, dim, x, dim, from > 0, p->covariance + (size_t)top * (size_t)dim,
                        dim);
        }
    }
}

/* L for this c.  A covariance that is singular in double precision gets a little more than the
 * penalty on its diagonal; L only has to be near. */
static void find_factor(struct problem *p) {
    size_t dim = (size_t)p->f->dim;
    double trace = 0, ridge = 1 / (p->c * p->f->n);
    int failed = 1;
    for (size_t i = 0; i < dim; i++)
        trace += p->covariance[i * dim + i];
    for (double more = 1e-12; failed && more < 1; more *= 100) {
        for (size_t i = 0; i < dim; i++)
            for (size_t j = 0; j <= i; j++)
                p->factor[i * dim + j] = p->covariance[i * dim + j] / p->f->classes +
                                         (i == j) * (ridge + more * trace / p->f->dim);
        dpotrf_("U", &p->f->dim, p->factor, &p->f->dim, &failed); /* by columns U, by rows L */
    }
    if (failed) { /* features so large that nothing helps: as they are */
        memset(p->factor, 0, sizeof *p->factor * dim * dim);
        for (size_t i = 0; i < dim; i++)
            p->factor[i * dim + i] = 1;
    }
}

static int problem_open(struct problem *p, struct error *err) {
    const struct features *f = p->f;
    size_t size = 0, square = (size_t)f->dim * (size_t)f->dim;
    int status = 0;
    if (!(p->o->tolerance > 0) || p->o->max_iterations < 1 || p->o->threads < 1)
        TRY(error_set(err, STATUS_USAGE,
                      "logistic regression: tolerance %g, %d iterations, %d threads: each must be "
                      "above 0",
                      p->o->tolerance, p->o->max_iterations, p->o->threads));
    TRY(features_check(f, "train", 1, err));
    int lanes = f->n / LANE_SAMPLES;
    p->n_lanes = lanes < 1 ? 1 : lanes < LANES ? lanes : LANES;
    p->block = block_of(f);
    size = logistic_size(f);
    size_t each = lane_reals(f, p->block) * (size_t)p->n_lanes;
    TRY(slab_alloc(&p->slab, sizeof(double) * (each + 2 * square + 2 * size), "logistic regression",
                   err));
    p->covariance = p->slab.data;
    p->factor = p->covariance + square;
    p->w = p->factor + square;
    p->gradient = p->w + size;
    lay_out(f, p->n_lanes, p->block, p->lane, p->gradient + size);
    find_covariance(p);
out:
    return status;
}

static void problem_close(struct problem *p) {
    slab_free(&p->slab);
}

/* v (logistic_size) is scratch. */
static int solve(struct problem *p, double c, double *w, double *v, struct logistic_result *r,
                 struct error *err) {
    size_t size = logistic_size(p->f);
    lbfgs_parameter_t parameters;
    if (!(c > 0))
        return error_set(err, STATUS_USAGE, "logistic regression: C = %g: use one above 0", c);
    p->c = c;
    p->iterations = 0;
    find_factor(p);
    memcpy(v, w, sizeof *v * size);
    cblas_dtrmm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, p->f->classes,
                p->f->dim, 1, p->factor, p->f->dim, v, p->f->dim);
    scale_biases(p, 1 / sqrt(p->f->classes), v);
    lbfgs_parameter_init(&parameters);
    parameters.m = CORRECTIONS;
    parameters.epsilon = 0; /* progress() decides */
    parameters.max_iterations = p->o->max_iterations;
    int ended = lbfgs((int)size, v, NULL, evaluate, progress, p, &parameters);
    if (ended == LBFGSERR_OUTOFMEMORY)
        return error_set(err, STATUS_MACHINE, "logistic regression: no memory for L-BFGS");
    /* However it ended, the point is the best one so far, and what holds there is measured. */
    memcpy(w, v, sizeof *w * size);
    divide(p, CblasNoTrans, w);
    scale_biases(p, sqrt(p->f->classes), w);
    memcpy(p->w, w, sizeof *w * size);
    r->objective = measure(p);
    r->slope = steepest(p);
    r->iterations = p->iterations;
    r->converged = r->slope <= p->o->tolerance;
    return 0;
}

int logistic_fit(const struct features *train, const struct logistic_options *o, double c,
                 double *w, struct logistic_result *r, struct error *err) {
    struct problem p = {.f = train, .o = o};
    struct arena a = {0};
    int status = 0;
    TRY(problem_open(&p, err));
    TRY(solve(&p, c, w, ARENA_ARRAY(&a, double, logistic_size(train)), r, err));
out:
    problem_close(&p);
    arena_free(&a);
    return status;
}

void logistic_logits(const struct features *f, const struct logistic_options *o, const double *w,
                     float *logits) {
    struct arena a = {0};
    struct lane lane = {0};
    int block = block_of(f);
    lay_out(f, 1, block, &lane, ARENA_ARRAY(&a, double, lane_reals(f, block)));
    for (int from = 0; from < f->n; from += block) {
        int count = f->n - from < block ? f->n - from : block;
        forward(f, o, w, &lane, from, count);
        for (size_t i = 0; i < (size_t)count * (size_t)f->classes; i++)
            *logits++ = (float)lane.z[i];
    }
    arena_free(&a);
}

/* Index of the smallest of c (n) that is larger than `last`. */
static int next_larger(const double *c, int n, double last) {
    int next = -1;
    for (int i = 0; i < n; i++)
        if (c[i] > last && (next < 0 || c[i] < c[next]))
            next = i;
    return next;
}

int logistic_sweep(const struct features *train, const struct features *val,
                   const struct logistic_options *o, const double *c, int n, int *right, int *lost,
                   struct error *err) {
    struct problem p = {.f = train, .o = o};
    struct arena a = {0};
    struct logistic_result r = {0};
    int status = 0, at = 0;
    TRY(features_check(val, "validation", 1, err));
    TRY(problem_open(&p, err));
    double *w = ARENA_ARRAY(&a, double, logistic_size(train));
    double *v = ARENA_ARRAY(&a, double, logistic_size(train));
    float *logits = ARENA_ARRAY(&a, float, (size_t)val->n *(size_t)val->classes);
    for (double last = 0; (at = next_larger(c, n, last)) >= 0; last = c[at]) {
        double top1;
        TRY(solve(&p, c[at], w, v, &r, err));
        *lost += !r.converged;
        logistic_logits(val, o, w, logits);
        score_predictions(logits, val->label, val->n, val->classes, NULL, &top1, NULL, NULL, NULL);
        right[at] = (int)lround(top1 * val->n);
    }
out:
    problem_close(&p);
    arena_free(&a);
    return status;
}
