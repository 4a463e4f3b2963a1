/* cases_copy.c -- operations that only move. */
#include "kernels/cases_make.h"

/* n */
static void fill(struct case_run *r) {
    int n = r->dim[0];
    real *y = out(r, n, 1);
    if (r->c)
        r->k->fill(r->c, (size_t)n, 0.3f, y);
}

static const int fill_shapes[][CASE_DIMS] = {{0}, {1}, {7}, {31}, {4097}, {520 * 768}};

/* rows cols acc one_row pad_x pad_y; one_row: all are copies of it */
static void copy_rows(struct case_run *r) {
    const int *d = r->dim, rows = d[0], cols = d[1], one = d[3];
    size_t ldx = one ? 0 : (size_t)(cols + d[4]), ldy = (size_t)(cols + d[5]);
    real *x =
        case_real(r, CASE_INPUT, one ? 1 : (size_t)rows, (size_t)cols, one ? (size_t)cols : ldx);
    real *y = case_real(r, d[2] ? CASE_UPDATE : CASE_OUTPUT, (size_t)rows, (size_t)cols, ldy);
    r->flops = d[2] ? 1.0 * rows * cols : 0;
    if (r->c)
        r->k->copy_rows(r->c, rows, cols, x, (int)ldx, d[2], y, (int)ldy);
}

static const int copy_shapes[][CASE_DIMS] = {
    {0, 3, 0, 0, 1, 1}, {3, 0, 0, 0, 1, 1},  {1, 1, 1, 0},        {3, 7, 0, 0},
    {5, 1, 0, 0, 6, 0}, {4, 33, 1, 0, 0},    {4, 31, 0, 0, 5},    {4, 31, 1, 0, 5, 2},
    {6, 17, 0, 1},      {6, 17, 1, 1, 0, 3}, {8, 65 * 192, 0, 0}, {520, 192, 1, 0, 0, 192},
};

/* rows cols ldx step */
static void copy_index_rows(struct case_run *r) {
    const int *d = r->dim, rows = d[0], cols = d[1], ldx = d[2], step = d[3];
    size_t n =
        rows && cols ? (size_t)(rows - 1) * (size_t)ldx + (size_t)(cols - 1) * (size_t)step : 0;
    int32_t *x = case_index(r, n + 1, -1, 1000);
    int32_t *y = case_index_out(r, (size_t)rows, (size_t)cols);
    if (r->c)
        r->k->copy_index_rows(r->c, rows, cols, x, ldx, step, y);
}

static const int copy_index_shapes[][CASE_DIMS] = {
    {0, 3, 3, 1}, {3, 0, 3, 1}, {1, 1, 1, 1},    {3, 5, 7, 1},
    {4, 6, 1, 0}, {4, 6, 0, 1}, {64, 49, 49, 1}, {128, 10, 1, 0},
};

/* n rows_out ldx ldp; 0: one row for all */
static void pick_index(struct case_run *r) {
    const int *d = r->dim, n = d[0], rows_out = d[1], width = d[2] ? d[2] : 8;
    int32_t *x = case_index(r, (size_t)(d[2] ? n : 1) * (size_t)width, 0, 1000);
    int32_t *places = case_index(r, d[3] ? (size_t)n * (size_t)d[3] : (size_t)rows_out, -1, width);
    int32_t *y = case_index_out(r, (size_t)n, (size_t)rows_out);
    if (r->c)
        r->k->pick_index(r->c, n, rows_out, x, d[2], places, d[3], y);
}

static const int pick_shapes[][CASE_DIMS] = {
    {0, 3, 4, 3}, {3, 0, 4, 3}, {1, 1, 1, 1},     {3, 5, 7, 6},
    {4, 6, 5, 0}, {4, 6, 0, 6}, {64, 24, 49, 24},
};

/* n taps cols rows */
static void combine_rows_forward(struct case_run *r) {
    const int *d = r->dim, n = d[0], taps = d[1], cols = d[2], rows = d[3] ? d[3] : 5;
    int32_t *row = case_index(r, (size_t)n * (size_t)taps, 0, rows);
    real *weight = in(r, n, taps), *x = in(r, rows, cols), *y = out(r, n, cols);
    r->flops = 2.0 * n * taps * cols;
    case_spare(r, x, left_over(rows, n * taps) * cols);
    if (r->c)
        r->k->combine_rows_forward(r->c, n, taps, cols, row, weight, x, y);
}

static void combine_rows_backward(struct case_run *r) {
    const int *d = r->dim, n = d[0], taps = d[1], cols = d[2], rows = d[3];
    int32_t *row = case_index(r, (size_t)n * (size_t)taps, 0, rows);
    real *weight = in(r, n, taps), *dy = in(r, n, cols), *dx = update(r, rows, cols);
    r->flops = 2.0 * n * taps * cols;
    case_spare(r, dx, 2 * left_over(rows, n * taps) * cols);
    if (r->c)
        r->k->combine_rows_backward(r->c, n, taps, rows, cols, row, weight, dy, dx);
}

static const int combine_shapes[][CASE_DIMS] = {
    {0, 3, 4, 5}, {3, 0, 4, 5},    {3, 4, 0, 5},      {1, 1, 1, 1},
    {5, 3, 7, 4}, {9, 16, 33, 17}, {17, 16, 192, 65},
};

const struct kernel_case cases_copy[] = {
    {"combine_rows_forward", "n taps cols", 0, combine_rows_forward, SHAPES(combine_shapes, 1)},
    {"combine_rows_backward", "n taps cols rows", -1, combine_rows_backward,
     SHAPES(combine_shapes, 1)},
    {"fill", "n", 0, fill, SHAPES(fill_shapes, 1)},
    {"copy_rows", "rows cols acc one_row pad_x pad_y", 0, copy_rows, SHAPES(copy_shapes, 2)},
    {"copy_index_rows", "rows cols ldx step", 0, copy_index_rows, SHAPES(copy_index_shapes, 2)},
    {"pick_index", "n rows_out ldx ldp", 0, pick_index, SHAPES(pick_shapes, 1)},
    {NULL, NULL, -1, NULL, NULL, 0, 0},
};
