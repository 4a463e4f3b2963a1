/* JSON through jansson, which has UTF-8 only: broken bytes become U+FFFD. */
#include "reports/listing_internal.h"
#include "reports/text_internal.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static json_t *text_json(const char *text, struct arena *a) {
    return json_string(text_valid(text, a));
}

static json_t *number_json(double x) {
    const double exact = 9007199254740992; /* 2^53 */
    if (!isfinite(x))
        return json_null();
    return x == floor(x) && fabs(x) < exact ? json_integer((json_int_t)x) : json_real(x);
}

static json_t *cell_json(const struct listing *l, int row, int column, struct arena *a) {
    const struct listing_cell *cell = listing_at(l, row, column);
    if (l->column[column].is_number)
        return number_json(cell->value);
    return text_json(cell->text, a);
}

static json_t *row_json(const struct listing *l, int row, const int *marks, struct arena *a) {
    json_t *object = json_object();
    for (int c = 0; c < l->n_columns; c++) {
        const char *name = text_valid(l->column[c].name, a);
        if (!listing_shows(l, c, FOR_PROGRAMS))
            continue;
        json_object_set_new(object, name, cell_json(l, row, c, a));
        if (marks[c])
            json_object_set_new(object, arena_printf(a, "%s_marked", name),
                                json_boolean(listing_at(l, row, c)->marked));
    }
    return object;
}

static json_t *columns_json(const struct listing *l, struct arena *a) {
    json_t *list = json_array();
    for (int c = 0; c < l->n_columns; c++)
        if (listing_shows(l, c, FOR_PROGRAMS))
            json_array_append_new(list, json_pack("{s:o, s:o, s:s}", "name",
                                                  text_json(l->column[c].name, a), "title",
                                                  text_json(l->column[c].title, a), "type",
                                                  l->column[c].is_number ? "number" : "text"));
    return list;
}

void listing_put_json(const struct listing *l, FILE *out) {
    struct arena a = {0};
    const int *marks = listing_marks(l, &a);
    json_t *notes = json_array(), *rows = json_array();
    for (int i = 0; i < l->n_notes; i++)
        json_array_append_new(notes, text_json(l->note[i], &a));
    for (int r = 0; r < l->n_rows; r++)
        json_array_append_new(rows, row_json(l, r, marks, &a));
    json_t *all = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "name", text_json(l->name, &a),
                            "title", text_json(l->title, &a), "caption", text_json(l->caption, &a),
                            "notes", notes, "columns", columns_json(l, &a), "rows", rows);
    char *text = all ? json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    CHECK(text, "table %s is no JSON", l->name);
    fputs(text, out);
    fputc('\n', out);
    free(text);
    json_decref(all);
    arena_free(&a);
}
