/* op_position.c -- what is computed from position parameters, once for all samples. */
#include "nn/vit.h"

#include <math.h>
#include <string.h>

static void no_flops(const struct tensor *t, double *f, double *b) {
    (void)t;
    *f = *b = 0;
}

/* Keys 1981 with a = -0.75; distance x from the centre. */
static double cubic(double x) {
    const double a = -0.75;
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

static size_t clamp(int i, int n) {
    return (size_t)(i < 0 ? 0 : i >= n ? n - 1 : i);
}

enum { TAPS = 16 };

struct tap {
    size_t row; /* of the source table, CLS not counted */
    real weight;
};

/* What one place of the other grid is made of. */
static void find_taps(int from, int to, int row, int col, struct tap tap[TAPS]) {
    double scale = (double)from / to;
    double y = (row + 0.5) * scale - 0.5, x = (col + 0.5) * scale - 0.5;
    int y0 = (int)floor(y), x0 = (int)floor(x), n = 0;
    for (int i = -1; i <= 2; i++)
        for (int j = -1; j <= 2; j++)
            tap[n++] = (struct tap){clamp(y0 + i, from) * (size_t)from + clamp(x0 + j, from),
                                    (real)(cubic(y - (y0 + i)) * cubic(x - (x0 + j)))};
}

void interpolate_positions(int from, int to, int dim, const real *in, real *out) {
    size_t width = (size_t)dim;
    memcpy(out, in, sizeof *out * width);
    for (int row = 0; row < to; row++)
        for (int col = 0; col < to; col++) {
            struct tap tap[TAPS];
            find_taps(from, to, row, col, tap);
            real *p = out + width * (size_t)(1 + row * to + col);
            for (size_t d = 0; d < width; d++) {
                double sum = 0;
                for (int i = 0; i < TAPS; i++)
                    sum += (double)tap[i].weight * (double)in[width * (1 + tap[i].row) + d];
                p[d] = (real)sum;
            }
        }
}

/* resize_positions: attr grid of the table, other grid, width */

enum { FROM, TO, WIDTH };

static void resize_forward(const struct chunk *c, const struct tensor *t) {
    interpolate_positions(t->attr[FROM], t->attr[TO], t->attr[WIDTH], chunk_value(c, t->src[0]),
                          chunk_result(c, t));
}

static void resize_backward(const struct chunk *c, const struct tensor *t) {
    real *dx = chunk_grad_src(c, t, 0);
    const real *dy = chunk_grad(c, t);
    size_t width = (size_t)t->attr[WIDTH];
    int to = t->attr[TO];
    for (size_t d = 0; d < width; d++)
        dx[d] += dy[d];
    for (int row = 0; row < to; row++)
        for (int col = 0; col < to; col++) {
            struct tap tap[TAPS];
            find_taps(t->attr[FROM], to, row, col, tap);
            const real *p = dy + width * (size_t)(1 + row * to + col);
            for (int i = 0; i < TAPS; i++)
                for (size_t d = 0; d < width; d++)
                    dx[width * (1 + tap[i].row) + d] += tap[i].weight * p[d];
        }
}

static const struct op resize = {.name = "resize_positions",
                                 .forward = resize_forward,
                                 .backward = resize_backward,
                                 .flops = no_flops,
                                 .alias_src = -1};

struct tensor *op_resize_positions(struct graph *g, const char *name, struct tensor *table,
                                   int from, int to) {
    CHECK(table->ndim == 2 && table->dim[0] == 1 + from * from, "%s: not the table of a grid of %d",
          name, from);
    struct tensor *t = graph_value(g, &resize, name, 2, (const int[]){1 + to * to, table->dim[1]},
                                   (struct tensor *const[]){table}, 1);
    t->attr[FROM] = from;
    t->attr[TO] = to;
    t->attr[WIDTH] = table->dim[1];
    return t;
}

/* relative_bias: attr grid, heads, entries of a head's table */

enum { GRID, HEADS, ENTRIES };

/* The table's entry for query i and key j; the last three are those of CLS. */
static int offset_of(int grid, int entries, int i, int j) {
    if (i == 0 || j == 0)
        return entries - 3 + (i == 0 && j == 0 ? 2 : i != 0);
    int rows = (i - 1) / grid - (j - 1) / grid, cols = (i - 1) % grid - (j - 1) % grid;
    return (rows + grid - 1) * (2 * grid - 1) + cols + grid - 1;
}

static void bias_forward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    const real *table = chunk_value(c, t->src[0]);
    real *y = chunk_result(c, t);
    int tokens = 1 + a[GRID] * a[GRID];
    for (int h = 0; h < a[HEADS]; h++)
        for (int i = 0; i < tokens; i++)
            for (int j = 0; j < tokens; j++)
                *y++ = table[h * a[ENTRIES] + offset_of(a[GRID], a[ENTRIES], i, j)];
}

static void bias_backward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    const real *dy = chunk_grad(c, t);
    real *d = chunk_grad_src(c, t, 0);
    int tokens = 1 + a[GRID] * a[GRID];
    for (int h = 0; h < a[HEADS]; h++)
        for (int i = 0; i < tokens; i++)
            for (int j = 0; j < tokens; j++)
                d[h * a[ENTRIES] + offset_of(a[GRID], a[ENTRIES], i, j)] += *dy++;
}

static const struct op relative_bias = {.name = "relative_bias",
                                        .forward = bias_forward,
                                        .backward = bias_backward,
                                        .flops = no_flops,
                                        .alias_src = -1};

struct tensor *op_relative_bias(struct graph *g, const char *name, int group, int grid, int heads) {
    int entries = (2 * grid - 1) * (2 * grid - 1) + 3, tokens = 1 + grid * grid;
    struct tensor *table =
        graph_param(g, group, name, 2, (const int[]){heads, entries}, INIT_ZERO, 0);
    table->param->decay = 0;
    struct tensor *t =
        graph_value(g, &relative_bias, "relative_bias", 3, (const int[]){heads, tokens, tokens},
                    (struct tensor *const[]){table}, 1);
    t->attr[GRID] = grid;
    t->attr[HEADS] = heads;
    t->attr[ENTRIES] = entries;
    return t;
}
