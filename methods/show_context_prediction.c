/* show_context_prediction.c -- both patches as the encoder sees them, and how likely it finds each
 * place of the second one around the first. */
#include "methods/show.h"

enum { PATCHES, POSITION }; /* slots */
enum { POSITIONS = 8, CENTRE = 4, SIDE = 3 };

static const char *const names[POSITIONS] = {"above left", "above", "above right", "left", "right",
                                             "below left", "below", "below right"};

/* Positions are numbered in reading order, the first patch left out. */
static int cell_of(int position) {
    return position + (position >= CENTRE);
}

/* 3 x 3: the first patch, and around it the probabilities p (8); blue: the true place, orange: the
 * likeliest one where it is another. */
static struct canvas arrangement(struct show *s, const struct canvas *first, const double *p,
                                 int position, int guess) {
    int step = SHOW_SMALL + SHOW_FRAME, side = SIDE * step - SHOW_FRAME;
    struct canvas c = canvas_make(&s->arena, side, side, WHITE);
    canvas_paste(&c, step, step, first);
    for (int i = 0; i < POSITIONS; i++) {
        struct canvas number = show_number(s, p[i], 0, 1);
        int x = cell_of(i) % SIDE * step, y = cell_of(i) / SIDE * step;
        if (i == position || i == guess)
            canvas_frame(&number, 0, 0, SHOW_SMALL, SHOW_SMALL, 2 * SHOW_FRAME,
                         i == position ? BLUE : ORANGE);
        canvas_paste(&c, x, y, &number);
    }
    return c;
}

int show_context_prediction(struct show *s, struct error *err) {
    (void)err;
    static const char *const titles[] = {"image", "first patch", "second patch", "where is it?"};
    show_run(s, 0);
    const struct tensor *t = show_tensor(s, 0, "fc9");
    int side = s->graphs[0].b->inputs[PATCHES]->dim[2];
    size_t pixels = (size_t)s->backbone->channels * (size_t)side * (size_t)side;
    sheet_table(&s->sheet, s->n, sizeof titles / sizeof *titles, titles);
    for (int i = 0; i < s->n; i++) {
        const float *patch = show_slot(s, 0, PATCHES, i);
        int position = *(const int32_t *)show_slot(s, 0, POSITION, i), guess = 0;
        double p[POSITIONS];
        show_softmax(POSITIONS, 1, show_value(s, 0, t) + (ptrdiff_t)i * POSITIONS, p);
        for (int j = 1; j < POSITIONS; j++)
            guess = p[j] > p[guess] ? j : guess;
        struct canvas first = show_small(s, side, patch);
        sheet_put(&s->sheet, i, 0,
                  show_tile(s, s->backbone->image, show_slot(s, SHOW_ENCODER, 0, i)), "");
        sheet_put(&s->sheet, i, 1, show_tile(s, side, patch), "");
        sheet_put(&s->sheet, i, 2, show_tile(s, side, patch + pixels), "");
        sheet_put(&s->sheet, i, 3, arrangement(s, &first, p, position, guess), "");
        show_say(s, i, "the second patch is %s, predicted %s (%.2f)", names[position], names[guess],
                 p[guess]);
    }
    sheet_note(&s->sheet, "Probability of each place around the first patch; blue: the true one, "
                          "orange: a wrong first guess.");
    return 0;
}
