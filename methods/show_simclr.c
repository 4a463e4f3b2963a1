/* show_simclr.c -- pairs of views, how similar their projections are, and the nearest view of
 * another image. */
#include "methods/show.h"

#include <stdio.h>

enum { VIEWS = 2 };

/* Cosines (n,n) of first views with second ones; z (n,2,dim) has unit length. */
static double *similarities(struct show *s, int dim, const real *z) {
    double *x = ARENA_ARRAY(&s->arena, double, s->n * s->n);
    for (int i = 0; i < s->n; i++)
        for (int j = 0; j < s->n; j++)
            for (int k = 0; k < dim; k++)
                x[i * s->n + j] += (double)z[(ptrdiff_t)(VIEWS * i) * dim + k] *
                                   (double)z[(ptrdiff_t)(VIEWS * j + 1) * dim + k];
    return x;
}

/* The largest of a row beside its own; -1 when it is alone. */
static int nearest_other(const double *row, int n, int own) {
    int best = -1;
    for (int j = 0; j < n; j++)
        if (j != own && (best < 0 || row[j] > row[best]))
            best = j;
    return best;
}

int show_simclr(struct show *s, struct error *err) {
    (void)err;
    static const char *const titles[] = {"input", "view 1", "view 2", "nearest other"};
    enum { COLUMNS = sizeof titles / sizeof *titles };
    int side = s->backbone->image;
    size_t pixels = (size_t)s->backbone->channels * (size_t)side * (size_t)side;
    show_run(s, 0);
    const struct tensor *z = show_tensor(s, 0, "z");
    const double *x = similarities(s, z->dim[1], show_value(s, 0, z));
    struct canvas *first = ARENA_ARRAY(&s->arena, struct canvas, s->n);
    struct canvas *second = ARENA_ARRAY(&s->arena, struct canvas, s->n);
    sheet_table(&s->sheet, s->n, s->n > 1 ? COLUMNS : COLUMNS - 1, titles);
    for (int i = 0; i < s->n; i++) {
        const float *views = show_slot(s, 0, 0, i);
        double own = x[i * s->n + i];
        int other = nearest_other(x + (ptrdiff_t)i * s->n, s->n, i);
        first[i] = show_small(s, side, views);
        second[i] = show_small(s, side, views + pixels);
        sheet_put(&s->sheet, i, 0, show_tile(s, side, show_slot(s, SHOW_ENCODER, 0, i)), "");
        sheet_put(&s->sheet, i, 1, show_tile(s, side, views), "");
        sheet_put(&s->sheet, i, 2, show_tile(s, side, views + pixels),
                  arena_printf(&s->arena, "%.2f", own));
        if (other < 0) {
            show_say(s, i, "similarity of its views %.3f", own);
            continue;
        }
        double most = x[i * s->n + other];
        sheet_put(&s->sheet, i, 3,
                  show_tile(s, side, (const float *)show_slot(s, 0, 0, other) + pixels),
                  arena_printf(&s->arena, "%.2f", most));
        show_say(s, i, "similarity of its views %.3f, of image %d's second view %.3f", own, other,
                 most);
    }
    show_matrix(s, x, first, second);
    sheet_note(&s->sheet, "Numbers: cosine of the projections, with view 1. Below: all first views "
                          "(rows) with all second ones (columns), the largest of each row framed.");
    return 0;
}
