/* show_supervised.c -- whole images, the label, and the most probable classes. */
#include "methods/show.h"

#include <math.h>
#include <stdio.h>

enum { IMAGES }; /* slot */
enum { BARS = 5, BAR = 10, WIDTH = 240, NUMBER = 5 /* letters of " 0.12" */ };

/* Numbers of the n largest entries, largest first. */
static int largest(int classes, const double *p, int n, int out[]) {
    int found = 0;
    for (; found < n && found < classes; found++) {
        int best = -1;
        for (int i = 0; i < classes; i++) {
            int taken = 0;
            for (int j = 0; j < found; j++)
                taken |= out[j] == i;
            if (!taken && (best < 0 || p[i] > p[best]))
                best = i;
        }
        out[found] = best;
    }
    return found;
}

/* A name and a bar for each of the most probable classes; blue is the label. */
static struct canvas bars(struct show *s, const double *p, int label) {
    int order[BARS], n = largest(s->data->classes, p, BARS, order);
    int line = TEXT_HEIGHT * SHEET_SCALE, room = WIDTH / SHEET_SCALE / TEXT_WIDTH;
    struct canvas c = canvas_make(&s->arena, WIDTH, n * (line + BAR), WHITE);
    for (int i = 0; i < n; i++) {
        char text[16];
        struct color color = order[i] == label ? BLUE : i ? GREY : ORANGE;
        const char *name = canvas_cut(s->data->class_names[order[i]], room - NUMBER, &s->arena);
        canvas_text(&c, 0, i * (line + BAR), SHEET_SCALE, BLACK, name);
        snprintf(text, sizeof text, "%.2f", p[order[i]]);
        canvas_text(&c, WIDTH - canvas_text_width(text, SHEET_SCALE), i * (line + BAR), SHEET_SCALE,
                    BLACK, text);
        canvas_fill(&c, 0, i * (line + BAR) + line - 2, (int)lround(WIDTH * p[order[i]]), BAR - 4,
                    color);
    }
    return c;
}

int show_supervised(struct show *s, struct error *err) {
    (void)err;
    static const char *const columns[] = {"input", "predicted"};
    int side = s->backbone->image, classes = s->data->classes;
    for (int i = 0; i < s->n; i++)
        view_plain(&s->records[i], s->norm, side, show_slot(s, 0, IMAGES, i));
    show_run(s, 0);
    const real *logits = show_value(s, 0, show_tensor(s, 0, "fc"));
    double *p = ARENA_ARRAY(&s->arena, double, classes);
    sheet_table(&s->sheet, s->n, sizeof columns / sizeof *columns, columns);
    for (int i = 0; i < s->n; i++) {
        int label = s->records[i].label, best = 0;
        show_softmax(classes, 1, logits + (size_t)i * (size_t)classes, p);
        largest(classes, p, 1, &best);
        sheet_put(&s->sheet, i, 0, show_tile(s, side, show_slot(s, 0, IMAGES, i)),
                  s->data->class_names[label]);
        sheet_put(&s->sheet, i, 1, bars(s, p, label), "");
        show_say(s, i, "%s, predicted %s (%.2f)", s->data->class_names[label],
                 s->data->class_names[best], p[best]);
    }
    sheet_note(&s->sheet, "Below an image: its label, in blue among the predictions; orange: a "
                          "wrong first guess.");
    return 0;
}
