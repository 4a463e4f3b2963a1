/* show_dino.c -- where the class token looks in the last block: Caron et al. 2021, figure 1.
 *
 * The encoder that is evaluated, the teacher's by default, sees the whole image.  Each head's
 * attention from the class token to the patches is divided by its largest value.
 */
#include "methods/show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double SHARE = 0.3; /* of the image in what is shown */

static const struct tensor *last_attention(const struct show *s) {
    const struct show_graph *g = &s->graphs[SHOW_ENCODER];
    struct tensor *const *t = g->b->g->tensors;
    for (int i = g->last - 1; i >= g->first; i--)
        if (t[i]->op && !strcmp(t[i]->op->name, "attention"))
            return t[i];
    return NULL;
}

/* Attention (grid,grid) as colours over the grey image. */
static struct canvas overlay(struct show *s, int grid, const double *attention,
                             const struct canvas *image) {
    double most = 0;
    for (int i = 0; i < grid * grid; i++)
        most = fmax(most, attention[i]);
    struct canvas c = canvas_make(&s->arena, image->width, image->height, BLACK);
    for (int i = 0; i < c.width * c.height; i++) {
        const uint8_t *p = image->pixels + (ptrdiff_t)3 * i;
        int row = i / c.width * grid / c.height, col = i % c.width * grid / c.width;
        struct color heat = color_scale(attention[row * grid + col] / most);
        double grey = SHARE * (0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]);
        c.pixels[3 * i] = (uint8_t)(grey + (1 - SHARE) * heat.r);
        c.pixels[3 * i + 1] = (uint8_t)(grey + (1 - SHARE) * heat.g);
        c.pixels[3 * i + 2] = (uint8_t)(grey + (1 - SHARE) * heat.b);
    }
    return c;
}

/* A row: the image, the mean over heads, every head.  p (heads,tokens,tokens). */
static void put_row(struct show *s, int i, const real *p, const float *image) {
    const struct vit *v = &s->backbone->vit;
    int grid = v->image / v->patch, tokens = vit_tokens(v);
    double *mean = ARENA_ARRAY(&s->arena, double, tokens);
    double *one = ARENA_ARRAY(&s->arena, double, tokens);
    char *peaks = arena_strdup(&s->arena, "");
    struct canvas tile = show_tile(s, v->image, image);
    for (int h = 0; h < v->heads; h++) {
        const real *cls = p + (ptrdiff_t)h * tokens * tokens;
        double most = 0;
        for (int j = 0; j + 1 < tokens; j++) {
            one[j] = (double)cls[1 + j];
            mean[j] += one[j] / v->heads;
            most = fmax(most, one[j]);
        }
        sheet_put(&s->sheet, i, 2 + h, overlay(s, grid, one, &tile), "");
        peaks = arena_printf(&s->arena, "%s %.3f", peaks, most);
    }
    sheet_put(&s->sheet, i, 0, tile, "");
    sheet_put(&s->sheet, i, 1, overlay(s, grid, mean, &tile), "");
    show_say(s, i, "largest attention to one of %d patches, by head:%s", tokens - 1, peaks);
}

int show_dino(struct show *s, struct error *err) {
    const struct tensor *t = last_attention(s);
    const struct vit *v = &s->backbone->vit;
    if (!t)
        return error_set(err, STATUS_USAGE, "dino's picture is of attention, and %s has none",
                         s->backbone->name);
    const char **titles = ARENA_ARRAY(&s->arena, const char *, v->heads + 2);
    titles[0] = "input";
    titles[1] = "mean of heads";
    for (int h = 0; h < v->heads; h++)
        titles[2 + h] = arena_printf(&s->arena, "head %d", h + 1);
    show_run(s, SHOW_ENCODER);
    const struct exec *x = s->graphs[SHOW_ENCODER].exec;
    const struct tensor *qkv = t->src[0], *bias = t->n_src > 1 ? t->src[1] : NULL;
    size_t tokens = (size_t)vit_tokens(v);
    real *p = ARENA_ARRAY(&s->arena, real, (size_t)v->heads * tokens * tokens);
    sheet_table(&s->sheet, s->n, v->heads + 2, titles);
    for (int i = 0; i < s->n; i++) {
        attention_probabilities(t, exec_output(x, qkv) + (size_t)i * qkv->per_sample,
                                bias ? exec_shared(x, bias) : NULL, p);
        put_row(s, i, p, show_slot(s, SHOW_ENCODER, 0, i));
    }
    sheet_note(&s->sheet, "Attention of the class token in the last block, over the grey image; "
                          "each map has its own largest value as its brightest colour.");
    return 0;
}
