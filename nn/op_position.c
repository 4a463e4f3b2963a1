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

/* resize_positions: attr width, rows of either; each row of the other grid is a sum of TAPS */

enum { TABLE, ROW, WEIGHT };
enum { WIDTH, FROM_ROWS, TO_ROWS };

static void resize_forward(const struct chunk *c, const struct tensor *t) {
    int stride;
    c->k->combine_rows_forward(&c->ctx, t->attr[TO_ROWS], TAPS, t->attr[WIDTH],
                               chunk_index(c, t->src[ROW], &stride), chunk_value(c, t->src[WEIGHT]),
                               chunk_value(c, t->src[TABLE]), chunk_result(c, t));
}

static void resize_backward(const struct chunk *c, const struct tensor *t) {
    int stride;
    c->k->combine_rows_backward(&c->ctx, t->attr[TO_ROWS], TAPS, t->attr[FROM_ROWS], t->attr[WIDTH],
                                chunk_index(c, t->src[ROW], &stride),
                                chunk_value(c, t->src[WEIGHT]), chunk_grad(c, t),
                                chunk_grad_src(c, t, TABLE));
}

static const struct op resize = {.name = "resize_positions",
                                 .forward = resize_forward,
                                 .backward = resize_backward,
                                 .flops = no_flops,
                                 .alias_src = -1};

/* CLS is its own; then the places of the grid. */
static void all_taps(int from, int to, int32_t *row, real *weight) {
    for (int i = 0; i < TAPS; i++) {
        row[i] = 0;
        weight[i] = i == 0;
    }
    for (int place = 0; place < to * to; place++) {
        struct tap tap[TAPS];
        find_taps(from, to, place / to, place % to, tap);
        for (int i = 0; i < TAPS; i++) {
            row[(1 + place) * TAPS + i] = 1 + (int32_t)tap[i].row;
            weight[(1 + place) * TAPS + i] = tap[i].weight;
        }
    }
}

struct tensor *op_resize_positions(struct graph *g, const char *name, struct tensor *table,
                                   int from, int to) {
    CHECK(table->ndim == 2 && table->dim[0] == 1 + from * from, "%s: not the table of a grid of %d",
          name, from);
    struct arena scratch = {0};
    int rows = 1 + to * to;
    int32_t *row = ARENA_ARRAY(&scratch, int32_t, rows * TAPS);
    real *weight = ARENA_ARRAY(&scratch, real, rows * TAPS);
    all_taps(from, to, row, weight);
    struct tensor *const src[] = {
        [TABLE] = table,
        [ROW] = graph_const_index(g, "taps", rows * TAPS, row),
        [WEIGHT] = graph_const(g, "weights of taps", 2, (const int[]){rows, TAPS}, weight)};
    struct tensor *t = graph_value(g, &resize, name, 2, (const int[]){rows, table->dim[1]}, src, 3);
    t->attr[WIDTH] = table->dim[1];
    t->attr[FROM_ROWS] = table->dim[0];
    t->attr[TO_ROWS] = rows;
    arena_free(&scratch);
    return t;
}

/* relative_bias: attr heads, entries of a head's table, pairs of tokens */

enum { HEADS, ENTRIES, PAIRS };

/* The table's entry for query i and key j; the last three are those of CLS. */
static int offset_of(int rows, int cols, int i, int j) {
    const int entries = (2 * rows - 1) * (2 * cols - 1) + 3;
    if (i == 0 || j == 0)
        return entries - 3 + (i == 0 && j == 0 ? 2 : i != 0);
    int down = (i - 1) / cols - (j - 1) / cols, across = (i - 1) % cols - (j - 1) % cols;
    return (down + rows - 1) * (2 * cols - 1) + across + cols - 1;
}

/* A row of one number for each entry, picked for each pair of tokens. */
static void bias_forward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    int stride;
    c->k->gather_forward(&c->ctx, a[HEADS], a[ENTRIES], a[PAIRS], 1, chunk_value(c, t->src[TABLE]),
                         chunk_index(c, t->src[ROW], &stride), 0, NULL, chunk_result(c, t));
}

static void bias_backward(const struct chunk *c, const struct tensor *t) {
    const int *a = t->attr;
    int stride;
    c->k->gather_backward(&c->ctx, a[HEADS], a[ENTRIES], a[PAIRS], 1, chunk_grad(c, t),
                          chunk_index(c, t->src[ROW], &stride), 0, 1, chunk_grad_src(c, t, TABLE),
                          NULL);
}

static const struct op relative_bias = {.name = "relative_bias",
                                        .forward = bias_forward,
                                        .backward = bias_backward,
                                        .flops = no_flops,
                                        .alias_src = -1};

struct tensor *op_relative_bias(struct graph *g, const char *name, int group, int rows, int cols,
                                int heads) {
    int entries = (2 * rows - 1) * (2 * cols - 1) + 3, tokens = 1 + rows * cols;
    struct tensor *table =
        graph_param(g, group, name, 2, (const int[]){heads, entries}, INIT_ZERO, 0);
    table->param->decay = 0;
    struct arena scratch = {0};
    int32_t *entry = ARENA_ARRAY(&scratch, int32_t, tokens * tokens);
    for (int i = 0; i < tokens * tokens; i++)
        entry[i] = offset_of(rows, cols, i / tokens, i % tokens);
    struct tensor *const src[] = {table,
                                  graph_const_index(g, "relative_places", tokens * tokens, entry)};
    struct tensor *t = graph_value(g, &relative_bias, "relative_bias", 3,
                                   (const int[]){heads, tokens, tokens}, src, 2);
    t->attr[HEADS] = heads;
    t->attr[ENTRIES] = entries;
    t->attr[PAIRS] = tokens * tokens;
    arena_free(&scratch);
    return t;
}
