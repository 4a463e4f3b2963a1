/* canvas.h -- pictures for people: 8-bit RGB, rectangles, a small font, PNG.
 *
 *     struct canvas c = canvas_make(&a, 320, 200, WHITE);
 *     canvas_paste(&c, 8, 8, &photo);
 *     canvas_text(&c, 8, 180, 2, BLACK, "photo");
 *     TRY(canvas_write_png(&c, "photo.png", notes, n, err));
 *
 * Pixels live in the arena.  What is drawn outside a canvas is left out.  A picture is a function
 * of what was drawn: there is no time, name or path in a file unless a note says so.
 */
#ifndef SSV_DATA_CANVAS_H
#define SSV_DATA_CANVAS_H

#include "core/arena.h"
#include "core/error.h"

#include <stdint.h>

struct color {
    uint8_t r, g, b;
};

#define WHITE ((struct color){255, 255, 255})
#define BLACK ((struct color){0, 0, 0})
#define GREY ((struct color){128, 128, 128})
#define PALE ((struct color){222, 222, 222})
/* Two that are told apart by everybody (Okabe and Ito 2008). */
#define BLUE ((struct color){0, 114, 178})
#define ORANGE ((struct color){213, 94, 0})

struct canvas {
    int width, height;
    uint8_t *pixels; /* (height,width,3) */
};

struct canvas canvas_make(struct arena *a, int width, int height, struct color fill);
/* From values (channels,height,width) in [0,1], clipped and rounded: three channels are red, green,
 * blue; of any other number the mean is grey. */
struct canvas canvas_from_image(struct arena *a, int channels, int height, int width,
                                const float *image);
/* Another size, by the nearest pixel; a multiple repeats every pixel. */
struct canvas canvas_resize(struct arena *a, const struct canvas *c, int width, int height);
/* A smooth scale of colours from black (0) over purple and orange to pale yellow (1), and what is
 * read on it. */
struct color color_scale(double x);
struct color color_on(struct color ground);

void canvas_fill(struct canvas *c, int x, int y, int width, int height, struct color color);
/* The border of a rectangle, `thick` pixels within it. */
void canvas_frame(struct canvas *c, int x, int y, int width, int height, int thick,
                  struct color color);
void canvas_paste(struct canvas *c, int x, int y, const struct canvas *from);

/* Text: letters of 5 x 9 pixels, of which 2 are below the line, in cells of 6 x 11, times scale.
 * Printable ASCII; every other character is a box. */
enum { TEXT_WIDTH = 6, TEXT_HEIGHT = 11, TEXT_LETTER = 5 };
int canvas_text_width(const char *text, int scale);
void canvas_text(struct canvas *c, int x, int y, int scale, struct color color, const char *text);
/* The text, or as much of a longer one as fits into so many letters with ".." behind it. */
const char *canvas_cut(const char *text, int letters, struct arena *a);
/* The text cut into lines at blanks, and within words that are too long, so that each fits. */
int canvas_wrap(const char *text, int width, int scale, struct arena *a, char ***lines);
/* A canvas of this width and of the height of the wrapped lines, '\n' ends a line too. */
struct canvas canvas_paragraph(struct arena *a, int width, int scale, struct color color,
                               const char *text);

struct canvas_note { /* a text chunk of the PNG file */
    const char *key, *text;
};
/* Status 3 when there is no place, or no memory. */
int canvas_write_png(const struct canvas *c, const char *path, const struct canvas_note *notes,
                     int n_notes, struct error *err);

#endif
