/* mosaic_internal.h -- pictures in rows and columns, as the text of a .dat file.
 *
 *     struct mosaic m = mosaic_make(a, side, columns);
 *     mosaic_head(&m, "mae");                    a line of its own
 *     mosaic_bytes(&m, "visible", rgb, n, ...);  n pictures (n,height,width,3), brought to `side`
 *     mosaic_put(&m, dat);                       blocks pixels, size, rows, heads, first of all
 *
 * All pixels are one matrix of numbers 0xRRGGBB, white between the pictures, so that gnuplot draws
 * one image, pixel by pixel.
 */
#ifndef SSV_REPORTS_MOSAIC_INTERNAL_H
#define SSV_REPORTS_MOSAIC_INTERNAL_H

#include "core/arena.h"
#include "results/samples.h"

#include <stdio.h>

/* Of a figure: pictures in a row, pixels of one (larger ones are averaged down). */
enum { MOSAIC_COLUMNS = 8, MOSAIC_SIDE = 64 };

struct mosaic_text {
    int y;                     /* middle, in pixels from the top */
    const char *text, *second; /* a smaller line below it; "": none */
};

struct mosaic {
    struct arena *a;
    int side, gap, columns, width, height, room; /* pixels */
    int *rgb;                                    /* (room, width) */
    int n_rows, n_heads, most;
    struct mosaic_text *row, *head;
};

/* side: that of the pictures, made no larger than MOSAIC_SIDE; `most`: rows and heads. */
struct mosaic mosaic_make(struct arena *a, int side, int columns, int most);
void mosaic_head(struct mosaic *m, const char *text);
/* Packed colours (n, height, width). */
void mosaic_row(struct mosaic *m, const char *text, const char *second, const int *rgb, int n,
                int height, int width);
/* Bytes (n, height, width, 3). */
void mosaic_bytes(struct mosaic *m, const char *text, const uint8_t *rgb, int n, int height,
                  int width);
void mosaic_put(const struct mosaic *m, FILE *dat);
/* One matrix of numbers as a block of that name: in front of every block that holds texts. */
void mosaic_matrix(const char *name, const int *rgb, int height, int width, FILE *dat);

#endif
