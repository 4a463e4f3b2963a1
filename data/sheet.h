/* sheet.h -- tables of pictures, one below the other, on white.
 *
 *     struct sheet s = {0};
 *     sheet_head(&s, "mae on shapes");
 *     sheet_table(&s, n_images, 2, (const char *const[]){"input", "reconstruction"});
 *     sheet_put(&s, row, 0, tile, "");            a column is as wide as its widest tile
 *     sheet_note(&s, "hidden patches are grey");
 *     struct canvas c = sheet_draw(&s, &a);
 *     sheet_free(&s);
 */
#ifndef SSV_DATA_SHEET_H
#define SSV_DATA_SHEET_H

#include "data/canvas.h"

enum { SHEET_GUTTER = 8, SHEET_SCALE = 2 }; /* between tiles; of text */

struct sheet_table;

struct sheet {
    struct arena arena;
    const char *head, *heading;
    struct sheet_table *first, *last;
    char **notes;
    int n_notes;
};

void sheet_head(struct sheet *s, const char *text);
/* A line above the next table. */
void sheet_heading(struct sheet *s, const char *text);
/* Begins a table, with titles (columns) above it; titles NULL: none. */
void sheet_table(struct sheet *s, int rows, int columns, const char *const *titles);
/* Into the last table; the pixels must live until sheet_draw, the text is copied and stands below
 * the tile. */
void sheet_put(struct sheet *s, int row, int column, struct canvas tile, const char *caption);
/* A paragraph below all tables. */
void sheet_note(struct sheet *s, const char *text);
struct canvas sheet_draw(struct sheet *s, struct arena *a);
void sheet_free(struct sheet *s);

#endif
