#include "reports/mosaic_internal.h"

#include "reports/colors_internal.h"
#include "reports/figures_internal.h"

#include <string.h>

enum { GAPS = 16, LABEL = 26, SECOND = 34, HEAD = 100, LINES_APART = 3 };
static const int WHITE_GAP = 0xffffff;

struct mosaic mosaic_make(struct arena *a, int side, int columns, int most) {
    side = side < MOSAIC_SIDE ? side : MOSAIC_SIDE;
    int gap = side < GAPS ? 1 : side / GAPS;
    return (struct mosaic){.a = a,
                           .side = side,
                           .gap = gap,
                           .columns = columns,
                           .width = columns * (side + gap) - gap,
                           .most = most,
                           .row = ARENA_ARRAY(a, struct mosaic_text, most),
                           .head = ARENA_ARRAY(a, struct mosaic_text, most)};
}

/* More white rows; returns the first. */
static int *grow(struct mosaic *m, int rows) {
    if (m->height + rows > m->room) {
        int room = 2 * m->room + rows;
        int *more = ARENA_ARRAY(m->a, int, (ptrdiff_t)room * m->width);
        if (m->height)
            memcpy(more, m->rgb, sizeof *more * (size_t)m->height * (size_t)m->width);
        m->rgb = more;
        m->room = room;
    }
    int *first = m->rgb + (ptrdiff_t)m->height * m->width;
    for (ptrdiff_t i = 0; i < (ptrdiff_t)rows * m->width; i++)
        first[i] = WHITE_GAP;
    m->height += rows;
    return first;
}

void mosaic_head(struct mosaic *m, const char *text) {
    CHECK(m->n_heads < m->most, "%d headings", m->most);
    int line = m->side / LINES_APART, space = m->height ? m->side / 8 : 0;
    grow(m, space);
    m->head[m->n_heads++] =
        (struct mosaic_text){m->height + line / 2, figure_text(text, HEAD, m->a), ""};
    grow(m, line);
}

/* The mean colour of a box of pixels. */
static int box(const int *rgb, int width, int y0, int y1, int x0, int x1) {
    int sum[3] = {0}, n = (y1 - y0) * (x1 - x0), mean = 0;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
            for (int k = 0; k < 3; k++)
                sum[k] += rgb[y * width + x] >> (16 - 8 * k) & 255;
    for (int k = 0; k < 3; k++)
        mean = mean << 8 | (sum[k] + n / 2) / n;
    return mean;
}

void mosaic_row(struct mosaic *m, const char *text, const char *second, const int *rgb, int n,
                int height, int width) {
    CHECK(m->n_rows < m->most, "%d rows", m->most);
    if (m->height && m->n_heads + m->n_rows)
        grow(m, m->gap);
    m->row[m->n_rows++] = (struct mosaic_text){
        m->height + m->side / 2, figure_text(text, LABEL, m->a), figure_text(second, SECOND, m->a)};
    int *to = grow(m, m->side), side = m->side;
    for (int i = 0; i < n && i < m->columns; i++, rgb += (ptrdiff_t)height * width)
        for (int k = 0; k < side * side; k++) {
            int y = k / side, x = k % side, y0 = y * height / side, x0 = x * width / side;
            int y1 = (y + 1) * height / side, x1 = (x + 1) * width / side;
            to[y * m->width + i * (side + m->gap) + x] =
                box(rgb, width, y0, y1 > y0 ? y1 : y0 + 1, x0, x1 > x0 ? x1 : x0 + 1);
        }
}

void mosaic_bytes(struct mosaic *m, const char *text, const uint8_t *rgb, int n, int height,
                  int width) {
    struct arena scratch = {0};
    int some = n < m->columns ? n : m->columns, pixels = some * height * width;
    int *packed = ARENA_ARRAY(&scratch, int, pixels);
    for (int i = 0; i < pixels; i++)
        packed[i] = color_pack(rgb + (ptrdiff_t)3 * i);
    mosaic_row(m, text, "", packed, some, height, width);
    arena_free(&scratch);
}

void mosaic_matrix(const char *name, const int *rgb, int height, int width, FILE *dat) {
    fprintf(dat, "\n\n# %s\n", name);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            fprintf(dat, "%d%c", rgb[(ptrdiff_t)y * width + x], x + 1 < width ? '\t' : '\n');
}

static void put_texts(const char *name, const struct mosaic_text *t, int n, FILE *dat) {
    /* a block must not be empty: what is far above is not drawn */
    fprintf(
        dat,
        "\n\n# %s\n# middle, pixels from the top\ttext\tsecond line, - is none\n-1000000\t-\t-\n",
        name);
    for (int i = 0; i < n; i++)
        fprintf(dat, "%d\t%s\t%s\n", t[i].y, t[i].text, *t[i].second ? t[i].second : "-");
}

/* gnuplot takes texts in front of a matrix for missing numbers of it. */
void mosaic_put(const struct mosaic *m, FILE *dat) {
    mosaic_matrix("pixels", m->rgb, m->height, m->width, dat);
    fprintf(dat, "\n\n# size\n# width\theight\tside\tcolumns\n%d\t%d\t%d\t%d\n", m->width,
            m->height, m->side, m->columns);
    put_texts("rows", m->row, m->n_rows, dat);
    put_texts("heads", m->head, m->n_heads, dat);
}
