/* CSV, RFC 4180: numbers at full precision, everything else as it is. */
#include "reports/listing_internal.h"
#include "reports/text_internal.h"

#include <math.h>

static void put_cell(const struct listing *l, int row, int column, FILE *out) {
    const struct listing_cell *cell = listing_at(l, row, column);
    if (l->column[column].is_number)
        csv_put_number(out, cell->value);
    else
        csv_put_text(out, cell->text);
}

void listing_put_csv(const struct listing *l, FILE *out) {
    struct arena a = {0};
    const int *marks = listing_marks(l, &a);
    for (int r = -1; r < l->n_rows; r++) {
        int n = 0;
        for (int c = 0; c < l->n_columns; c++) {
            if (!listing_shows(l, c, FOR_PROGRAMS))
                continue;
            if (n++)
                fputc(',', out);
            if (r < 0)
                csv_put_text(out, l->column[c].name);
            else
                put_cell(l, r, c, out);
            if (!marks[c])
                continue;
            if (r < 0)
                fprintf(out, ",%s_marked", l->column[c].name);
            else
                fprintf(out, ",%d", !!listing_at(l, r, c)->marked);
        }
        fputs("\r\n", out);
    }
    arena_free(&a);
}
