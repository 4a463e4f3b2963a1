#include "methods/show.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TILE = 160 };  /* about so wide is an image that a person can look at */
enum { CAPITAL = 7 }; /* height of letters above the line */

void show_run(struct show *s, int graph) {
    struct show_graph *g = &s->graphs[graph];
    CHECK(g->exec, "graph %d is not there", graph);
    if (graph != SHOW_ENCODER) {
        trainer_gradient(&g->trainer, g->all, s->n, g->done);
        return;
    }
    for (int i = 0; i < g->b->n_inputs; i++)
        exec_bind(g->exec, g->b->inputs[i], g->slots[i]);
    exec_run(g->exec, s->n);
}

const struct tensor *show_tensor(const struct show *s, int graph, const char *name) {
    const struct show_graph *g = &s->graphs[graph];
    struct tensor *const *t = g->b->g->tensors;
    for (int i = g->first; i < g->last; i++)
        if (t[i]->kind == TENSOR_VALUE && !strcmp(t[i]->name, name))
            return t[i];
    return NULL;
}

const real *show_value(const struct show *s, int graph, const struct tensor *t) {
    CHECK(t, "graph %d has no such value", graph);
    return exec_output(s->graphs[graph].exec, t);
}

void *show_slot(const struct show *s, int graph, int slot, int sample) {
    const struct show_graph *g = &s->graphs[graph];
    return (float *)g->slots[slot] + g->b->slots[slot].per_sample * (size_t)sample;
}

void show_say(struct show *s, int i, const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    s->said = arena_printf(&s->arena, "%simage %d: %s%s\n", s->said, i, s->part, line);
}

void show_kinds(struct show *s, int n, const char *const *names) {
    struct show_kind *all = ARENA_ARRAY(&s->arena, struct show_kind, s->n_kinds + n);
    if (s->n_kinds)
        memcpy(all, s->kinds, sizeof *all * (size_t)s->n_kinds);
    s->kinds = all;
    s->first_kind = s->n_kinds;
    for (int k = 0; k < n; k++)
        all[s->n_kinds++] =
            (struct show_kind){.name = arena_printf(&s->arena, "%s%s", s->part, names[k]),
                               .tile = ARENA_ARRAY(&s->arena, struct canvas, s->n)};
    sheet_table(&s->sheet, s->n, n, names);
}

void show_put(struct show *s, int i, int kind, struct canvas tile) {
    s->kinds[s->first_kind + kind].tile[i] = tile;
    sheet_put(&s->sheet, i, kind, show_enlarged(s, &tile), "");
}

struct canvas show_pixels(struct show *s, int side, const float *image) {
    struct arena scratch = {0};
    int channels = s->backbone->channels;
    size_t n = (size_t)side * (size_t)side;
    float *x = ARENA_ARRAY(&scratch, float, (size_t)channels *n);
    for (int c = 0; c < channels; c++)
        for (size_t i = (size_t)c * n; i < (size_t)(c + 1) * n; i++)
            x[i] = (float)(image[i] * s->norm->std[c] + s->norm->mean[c]);
    struct canvas c = canvas_from_image(&s->arena, channels, side, side, x);
    arena_free(&scratch);
    return c;
}

int show_side(int side) {
    int factor = (TILE + side / 2) / side;
    return factor > 1 ? factor * side : side;
}

struct canvas show_enlarged(struct show *s, const struct canvas *c) {
    return canvas_resize(&s->arena, c, show_side(c->width), show_side(c->height));
}

struct canvas show_tile(struct show *s, int side, const float *image) {
    struct canvas c = show_pixels(s, side, image);
    return show_enlarged(s, &c);
}

struct canvas show_small(struct show *s, int side, const float *image) {
    struct canvas c = show_pixels(s, side, image);
    return canvas_resize(&s->arena, &c, SHOW_SMALL, SHOW_SMALL);
}

struct canvas show_number(struct show *s, double x, double low, double high) {
    struct color ground = color_scale((x - low) / (high - low));
    struct canvas c = canvas_make(&s->arena, SHOW_SMALL, SHOW_SMALL, ground);
    char text[16];
    snprintf(text, sizeof text, "%.2f", x);
    canvas_text(&c, (SHOW_SMALL - canvas_text_width(text, SHEET_SCALE)) / 2,
                (SHOW_SMALL - SHEET_SCALE * CAPITAL) / 2, SHEET_SCALE, color_on(ground), text);
    return c;
}

void show_matrix(struct show *s, const double *x, const struct canvas *rows,
                 const struct canvas *columns) {
    double low = x[0], high = x[0] + 1e-9;
    for (int i = 0; i < s->n * s->n; i++) {
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
    }
    sheet_table(&s->sheet, s->n + 1, s->n + 1, NULL);
    for (int i = 0; i < s->n; i++) {
        const double *row = x + (ptrdiff_t)i * s->n;
        double most = row[0];
        for (int j = 1; j < s->n; j++)
            most = fmax(most, row[j]);
        sheet_put(&s->sheet, i + 1, 0, rows[i], "");
        sheet_put(&s->sheet, 0, i + 1, columns[i], "");
        for (int j = 0; j < s->n; j++) {
            struct canvas c = show_number(s, row[j], low, high);
            if (row[j] == most)
                canvas_frame(&c, 0, 0, c.width, c.height, SHOW_FRAME, BLUE);
            sheet_put(&s->sheet, i + 1, j + 1, c, "");
        }
    }
}

void show_softmax(int classes, double temperature, const real *x, double *p) {
    double most = (double)x[0], sum = 0;
    for (int i = 1; i < classes; i++)
        most = fmax(most, (double)x[i]);
    for (int i = 0; i < classes; i++)
        sum += p[i] = exp(((double)x[i] - most) / temperature);
    for (int i = 0; i < classes; i++)
        p[i] /= sum;
}

double show_mean(int n, const real *x) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)x[i];
    return sum / n;
}

void show_unstandardize(int rows, int cols, double eps, const real *like, real *x) {
    for (int i = 0; i < rows; i++, like += cols, x += cols) {
        double mean = show_mean(cols, like), squares = 0;
        for (int j = 0; j < cols; j++)
            squares += ((double)like[j] - mean) * ((double)like[j] - mean);
        double deviation = sqrt(squares / (cols > 1 ? cols - 1 : 1) + eps);
        for (int j = 0; j < cols; j++)
            x[j] = (real)((double)x[j] * deviation + mean);
    }
}

void show_paste_patches(const struct kernels *k, int channels, int side, int patch, int n,
                        const int32_t *index, const real *rows, float *image) {
    const struct kctx ctx = {.threads = 1};
    struct arena scratch = {0};
    size_t cols = (size_t)channels * (size_t)patch * (size_t)patch;
    real *all = ARENA_ARRAY(&scratch, real, (size_t)channels * (size_t)side * (size_t)side);
    k->patchify(&ctx, 1, channels, side, side, patch, image, all);
    for (int i = 0; i < n; i++)
        memcpy(all + (size_t)index[i] * cols, rows + (size_t)i * cols, cols * sizeof *all);
    k->unpatchify(&ctx, 1, channels, side, side, patch, all, 0, image);
    arena_free(&scratch);
}

void show_blank_patches(struct canvas *c, int side, int patch, int n, const int32_t *index,
                        struct color color) {
    int grid = side / patch, size = c->width / side * patch;
    for (int i = 0; i < n; i++)
        canvas_fill(c, index[i] % grid * size, index[i] / grid * size, size, size, color);
}
