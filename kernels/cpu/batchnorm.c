/* batchnorm.c -- formulas in kernels/ref/batchnorm.c; the rows of a sample on all threads.
 *
 * Bound by memory: moments and sums read everything once.
 *
 * The rows are cut into blocks and the blocks into ranges, both whatever the number of threads.
 * The mean and the squares around it of a block are joined to those of its range, and the ranges in
 * order (Chan, Golub and LeVeque 1979, eq. 2.1).  Rows are taken one after the other, as memory has
 * them: several at a time leave its prefetchers behind.
 */
#include "kernels/cpu/cpu.h"

enum { RANGES = 64, BLOCK_ROWS = 32, RANGE_VECTORS = 5, LINE = 16 };

struct cut {
    int rows, cols, blocks, ranges;
    size_t n, stride; /* cols; reals from vector to vector of a range */
    float *scale;     /* (cols) */
    float *own;       /* RANGE_VECTORS vectors of each range */
};

static struct cut cut_rows(const struct kctx *c, int rows, int cols) {
    struct cut u = {.rows = rows, .cols = cols, .n = (size_t)cols, .scale = c->workspace};
    u.blocks = (int)(((size_t)rows + BLOCK_ROWS - 1) / BLOCK_ROWS);
    u.stride = (u.n + LINE - 1) / LINE * LINE;
    size_t each = RANGE_VECTORS * u.stride + 1, fit = (KERNEL_WORKSPACE - u.stride) / each;
    CHECK(u.stride < KERNEL_WORKSPACE && fit > 0, "%d columns do not fit the workspace", cols);
    u.ranges = fit < RANGES ? (int)fit : RANGES;
    u.ranges = u.blocks < u.ranges ? u.blocks : u.ranges;
    u.own = u.scale + u.stride;
    return u;
}

/* Vector `which` of a range. */
static float *own(const struct cut *u, int range, int which) {
    return u->own + ((size_t)range * RANGE_VECTORS + (size_t)which) * u->stride;
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* The first row of a range; of range u->ranges the end. */
static int range_start(const struct cut *u, int range) {
    int block = (int)((long)u->blocks * range / (u->ranges ? u->ranges : 1));
    return block < u->blocks ? block * BLOCK_ROWS : u->rows;
}

/* CALL(i, left) for every vector of n: whole ones without a test, then the rest. */
#define EACH_VECTOR(n, CALL)                                                                       \
    {                                                                                              \
        size_t vector = 0, left = n;                                                               \
        for (; left >= VEC_WIDTH; vector += VEC_WIDTH, left -= VEC_WIDTH)                          \
            CALL(vector, (size_t)VEC_WIDTH);                                                       \
        if (left)                                                                                  \
            CALL(vector, left);                                                                    \
    }

VEC_INLINE vec off(const float *x, size_t left, vec from) {
    return vec_load_first(x, left) - from;
}

VEC_INLINE void add_first(float *sum, size_t left, vec v) {
    vec_store_first(sum, left, vec_load_first(sum, left) + v);
}

/* Of a range: the mean of the rows so far is from + rest, its two parts rounded to float; m2 is the
 * sum of squares around it; sum and squares are those of x - from over a block. */
enum { FROM, REST, M2, SUM, SQUARES };

VEC_INLINE void add_moments(const float *x, const float *from, size_t left, float *sum,
                            float *squares) {
    vec d = off(x, left, vec_load_first(from, left));
    add_first(sum, left, d);
    add_first(squares, left, d * d);
}

/* Joins `more` rows, whose mean is d away and which have `within` around it, to `rows` rows. */
VEC_INLINE void join(int rows, int more, vec d, vec within, size_t left, float *from, float *rest,
                     float *m2) {
    float weight = (float)more / (float)(rows + more), cross = (float)rows * weight;
    vec start = vec_load_first(from, left), moved = vec_load_first(rest, left) + d * weight;
    vec rounded = start + moved;
    vec_store_first(from, left, rounded);
    vec_store_first(rest, left, moved - (rounded - start));
    add_first(m2, left, within + d * d * cross);
}

static void join_block(size_t n, int rows, int more, const float *sum, const float *squares,
                       float *from, float *rest, float *m2) {
    float each = 1 / (float)more;
    for (size_t i = 0; i < n; i += VEC_WIDTH) {
        size_t left = n - i;
        vec s = vec_load_first(sum + i, left);
        vec within = vec_at_least(vec_load_first(squares + i, left) - s * s * each, 0);
        join(rows, more, s * each - vec_load_first(rest + i, left), within, left, from + i,
             rest + i, m2 + i);
    }
}

/* Squares are taken from the mean of the rows before the block; at first, of some rows in it.  Both
 * are near enough to its own for the difference with the square of the sum to keep its digits: that
 * of k of n rows is off by at most sqrt(m2 / k). */
static void range_moments(const struct kctx *c, const struct cut *u, int range, const float *x) {
    int first = range_start(u, range), last = range_start(u, range + 1);
    int some = least(4, last - first);
    size_t n = u->n;
    float *from = own(u, range, FROM), *sum = own(u, range, SUM);
    float *squares = own(u, range, SQUARES);
    memset(from, 0, sizeof *x * RANGE_VECTORS * u->stride);
    ISA_NAME(column_sum)(c, some, u->cols, x + (size_t)first * n, from);
    for (size_t i = 0; i < n; i++)
        from[i] /= (float)some;
    for (int block = first; block < last; block += BLOCK_ROWS) {
        int end = least(block + BLOCK_ROWS, last);
        memset(sum, 0, sizeof *x * 2 * u->stride);
#define MOMENTS(i, left) add_moments(at + i, from + i, left, sum + i, squares + i)
        for (int row = block; row < end; row++) {
            const float *at = x + (size_t)row * n;
            EACH_VECTOR(n, MOMENTS)
        }
#undef MOMENTS
        join_block(n, block - first, end - block, sum, squares, from, own(u, range, REST),
                   own(u, range, M2));
    }
}

/* Joins a range of `more` rows to the `rows` of range 0 and those between. */
static void join_range(const struct cut *u, int range, int rows, int more) {
    float *from = own(u, 0, FROM), *rest = own(u, 0, REST), *m2 = own(u, 0, M2);
    for (size_t i = 0; i < u->n; i += VEC_WIDTH) {
        size_t left = u->n - i;
        vec d = off(own(u, range, FROM) + i, left, vec_load_first(from + i, left)) +
                off(own(u, range, REST) + i, left, vec_load_first(rest + i, left));
        join(rows, more, d, vec_load_first(own(u, range, M2) + i, left), left, from + i, rest + i,
             m2 + i);
    }
}

static void sample_moments(const struct kctx *c, int rows, int cols, const float *x, float *mean,
                           float *var) {
    const struct cut u = cut_rows(c, rows, cols);
#pragma omp parallel for if (c->threads > 1) num_threads(c->threads) schedule(static)
    for (int range = 0; range < u.ranges; range++)
        range_moments(c, &u, range, x);
    for (int range = 1; range < u.ranges; range++) {
        int first = range_start(&u, range);
        join_range(&u, range, first, range_start(&u, range + 1) - first);
    }
    for (int j = 0; j < cols; j++) {
        mean[j] = rows ? own(&u, 0, FROM)[j] + own(&u, 0, REST)[j] : 0;
        var[j] = rows ? own(&u, 0, M2)[j] / (float)rows : 0;
    }
}

void ISA_NAME(batchnorm_moments)(const struct kctx *c, int n, int rows, int cols, const float *x,
                                 float *moments) {
    size_t width = (size_t)cols, sample = (size_t)rows * width;
    for (int i = 0; i < n; i++, x += sample, moments += 2 * width)
        sample_moments(c, rows, cols, x, moments, moments + width);
}

/* (cols) gamma rstd */
static const float *scales(const struct cut *u, const float *rstd, const float *gamma) {
    for (int j = 0; j < u->cols; j++)
        u->scale[j] = gamma ? gamma[j] * rstd[j] : rstd[j];
    return u->scale;
}

VEC_INLINE void apply_vector(const float *x, const float *mean, const float *scale,
                             const float *beta, const float *residual, int relu, size_t left,
                             float *y) {
    vec v = off(x, left, vec_load_first(mean, left)) * vec_load_first(scale, left);
    if (beta)
        v += vec_load_first(beta, left);
    if (residual)
        v += vec_load_first(residual, left);
    if (relu)
        v = vec_at_least(v, 0);
    vec_store_first(y, left, v);
}

void ISA_NAME(batchnorm_apply)(const struct kctx *c, int rows, int cols, const float *x,
                               const float *mean, const float *rstd, const float *gamma,
                               const float *beta, const float *residual, int relu, float *y) {
    const struct cut u = cut_rows(c, rows, cols);
    const float *scale = scales(&u, rstd, gamma);
#pragma omp parallel for if (c->threads > 1) num_threads(c->threads) schedule(static)
    for (int block = 0; block < rows; block += BLOCK_ROWS)
        for (int row = block; row < least(rows, block + BLOCK_ROWS); row++) {
            size_t start = (size_t)row * u.n;
            const float *from = x + start, *add = residual ? residual + start : NULL;
            float *to = y + start;
#define APPLY(i, left)                                                                             \
    apply_vector(from + i, mean + i, scale + i, beta ? beta + i : NULL, add ? add + i : NULL,      \
                 relu, left, to + i)
            EACH_VECTOR(u.n, APPLY)
#undef APPLY
        }
}

/* dx += a + b (x - mean) for one sample */
__attribute__((nonnull)) static void add_line(const struct kctx *c, int rows, int cols,
                                              const float *x, const float *mean, const float *b,
                                              const float *a, float *dx) {
    ISA_NAME(batchnorm_apply)(c, rows, cols, x, mean, b, NULL, a, dx, 0, dx);
}

void ISA_NAME(batchnorm_moments_backward)(const struct kctx *c, int n, int rows, int cols,
                                          const float *x, const float *moments,
                                          const float *dmoments, float *dx) {
    size_t width = (size_t)cols, sample = (size_t)rows * width;
    for (int i = 0; i < n; i++, x += sample, dx += sample) {
        const float *mean = moments + 2 * (size_t)i * width, *a = dmoments + 2 * (size_t)i * width;
        add_line(c, rows, cols, x, mean, a + width, a, dx);
    }
}

/* The arrays of a sample. */
struct back {
    const float *x, *mean, *y;
    float *g;
};

enum { SUM_G, SUM_GX, BLOCK_G, BLOCK_GX };

/* sum_g += g, sum_gx += g (x - mean) */
VEC_INLINE void add_gradients(const struct back *b, size_t start, size_t i, size_t left,
                              float *sum_g, float *sum_gx) {
    size_t place = start + i;
    vec g = vec_load_first(b->g + place, left);
    vec x = off(b->x + place, left, vec_load_first(b->mean + i, left));
    if (b->y) {
        g = vec_select(vec_load_first(b->y + place, left) > 0, g, vec_set(0));
        vec_store_first(b->g + place, left, g);
    }
    add_first(sum_g + i, left, g);
    add_first(sum_gx + i, left, g * x);
}

static void add_to(size_t n, const float *from, float *to) {
    for (size_t i = 0; i < n; i++)
        to[i] += from[i];
}

static void range_sums(const struct cut *u, int range, const struct back *b) {
    int first = range_start(u, range), last = range_start(u, range + 1);
    size_t n = u->n;
    float *block_g = own(u, range, BLOCK_G), *block_gx = own(u, range, BLOCK_GX);
    memset(own(u, range, SUM_G), 0, sizeof(float) * 2 * u->stride);
    for (int block = first; block < last; block += BLOCK_ROWS) {
        memset(block_g, 0, sizeof(float) * 2 * u->stride);
#define SUMS(i, left) add_gradients(b, start, i, left, block_g, block_gx)
        for (int row = block; row < least(block + BLOCK_ROWS, last); row++) {
            size_t start = (size_t)row * n;
            EACH_VECTOR(n, SUMS)
        }
#undef SUMS
        add_to(2 * u->stride, block_g, own(u, range, SUM_G));
    }
}

/* The sums of all ranges, in order, in those of range 0. */
static void join_sums(const struct cut *u) {
    if (!u->ranges)
        memset(own(u, 0, SUM_G), 0, sizeof(float) * 2 * u->stride);
    for (int range = 1; range < u->ranges; range++)
        add_to(2 * u->stride, own(u, range, SUM_G), own(u, 0, SUM_G));
}

static void sample_sums(const struct kctx *c, int rows, int cols, const struct back *b,
                        const float *rstd, float *sums) {
    const struct cut u = cut_rows(c, rows, cols);
#pragma omp parallel for if (c->threads > 1) num_threads(c->threads) schedule(static)
    for (int range = 0; range < u.ranges; range++)
        range_sums(&u, range, b);
    join_sums(&u);
    for (int j = 0; j < cols; j++) {
        sums[j] = own(&u, 0, SUM_GX)[j] * rstd[j];
        sums[cols + j] = own(&u, 0, SUM_G)[j];
    }
}

/* dx = acc dx + scale g */
static void scale_gradient(const struct kctx *c, int rows, int cols, const float *g,
                           const float *rstd, const float *gamma, int acc, float *dx) {
    const struct cut u = cut_rows(c, rows, cols);
    float *zeros = u.own; /* which apply leaves alone */
    memset(zeros, 0, sizeof *zeros * u.n);
    ISA_NAME(batchnorm_apply)(c, rows, cols, g, zeros, rstd, gamma, NULL, acc ? dx : NULL, 0, dx);
}

void ISA_NAME(batchnorm_backward)(const struct kctx *c, int n, int rows, int cols, const float *x,
                                  const float *mean, const float *rstd, const float *gamma,
                                  const float *y, float *g, int acc, float *dx, float *sums) {
    size_t width = (size_t)cols, sample = (size_t)rows * width;
    for (size_t i = 0; i < (size_t)n; i++) {
        const struct back b = {x + i * sample, mean, y ? y + i * sample : NULL, g + i * sample};
        sample_sums(c, rows, cols, &b, rstd, sums + 2 * i * width);
    }
    if (dx)
        scale_gradient(c, n * rows, cols, g, rstd, gamma, acc, dx);
}

void ISA_NAME(batchnorm_parameters)(const struct kctx *c, int n, int cols, const float *sums,
                                    float *dgamma, float *dbeta) {
    (void)c;
    size_t width = (size_t)cols;
    for (int i = 0; i < n; i++, sums += 2 * width) {
        if (dgamma)
            add_to(width, sums, dgamma);
        if (dbeta)
            add_to(width, sums + width, dbeta);
    }
}
