/* In which options methods differ: a line an option, a column a row of the other tables. */
#include "reports/difference_internal.h"
#include "reports/listings_internal.h"
#include "reports/summary_internal.h"
#include "results/setting.h"

#include <string.h>

struct settings {
    struct setting *one;
    int n;
};

/* Every key of any row, in the order of the first that has it. */
static const char **all_keys(const struct settings *rows, int n_rows, int *n, struct arena *a) {
    int room = 0;
    for (int r = 0; r < n_rows; r++)
        room += rows[r].n;
    const char **keys = ARENA_ARRAY(a, const char *, room);
    *n = 0;
    for (int r = 0; r < n_rows; r++)
        for (int i = 0; i < rows[r].n; i++) {
            const char *key = rows[r].one[i].key;
            int k = 0;
            while (k < *n && strcmp(keys[k], key))
                k++;
            if (k == *n && !variant_ignores(key))
                keys[(*n)++] = key;
        }
    return keys;
}

static int differs(const struct settings *rows, int n_rows, const char *key) {
    const char *first = setting_value(rows[0].one, rows[0].n, key);
    for (int r = 1; r < n_rows; r++) {
        const char *other = setting_value(rows[r].one, rows[r].n, key);
        if (!first != !other || (first && strcmp(first, other)))
            return 1;
    }
    return 0;
}

/* What `random`, which trains nothing, has in place of settings of training. */
static int is_placeholder(const struct summary_row *row, const char *key) {
    static const char *const of_training[] = {"epochs", "budget",       "batch", "accumulate",
                                              "lr",     "weight_decay", "warmup"};
    for (size_t i = 0; i < sizeof of_training / sizeof *of_training; i++)
        if (!strcmp(key, of_training[i]))
            return !strcmp(row->method, "random");
    return 0;
}

static const struct run *run_on(const struct summary_row *row, const char *dataset) {
    for (int i = 0; i < row->n_runs; i++)
        if (!strcmp(row->run[i]->dataset, dataset))
            return row->run[i];
    return NULL;
}

/* Some settings follow from the dataset: runs on the one that most rows have are compared. */
static const char *common_dataset(const struct summary *s, int n) {
    const char *common = "";
    int most = 0;
    for (int r = 0; r < n; r++)
        for (int i = 0; i < s->row[r].n_runs; i++) {
            const char *dataset = s->row[r].run[i]->dataset;
            int rows = 0;
            for (int k = 0; k < n; k++)
                rows += run_on(&s->row[k], dataset) != NULL;
            if (rows > most) {
                most = rows;
                common = dataset;
            }
        }
    return common;
}

struct listing *listing_settings(const struct listing_input *in, struct arena *a) {
    enum { MOST = 16 };
    const struct summary *s = in->summary;
    const int n = s->n_rows < MOST ? s->n_rows : MOST;
    struct settings *rows = ARENA_ARRAY(a, struct settings, n);
    int n_keys = 0, n_lines = 0;
    const char *dataset = common_dataset(s, n);
    for (int r = 0; r < n; r++) {
        const struct run *run = run_on(&s->row[r], dataset);
        rows[r].one = settings_of_text(run ? run->config : s->row[r].run[0]->config, a, &rows[r].n);
    }
    const char **keys = all_keys(rows, n, &n_keys, a);
    for (int k = 0; k < n_keys; k++)
        if (differs(rows, n, keys[k]))
            keys[n_lines++] = keys[k];
    struct listing_column *columns = ARENA_ARRAY(a, struct listing_column, n + 1);
    columns[0] = (struct listing_column){"option", "option", 0, FOR_ALL};
    for (int r = 0; r < n; r++) {
        const char *label = summary_label(s, &s->row[r], ", ");
        columns[r + 1] = (struct listing_column){label, label, 0, FOR_ALL};
    }
    struct listing *l =
        listing_new("settings", "Settings in which methods differ",
                    "Of a run of each; what all have in common is left out, and an empty "
                    "cell is an option that the method has not.",
                    columns, n + 1, n_lines, a);
    for (int k = 0; k < n_lines; k++) {
        listing_set_text(l, k, 0, keys[k]);
        for (int r = 0; r < n; r++)
            if (!is_placeholder(&s->row[r], keys[k]))
                listing_set_text(l, k, r + 1, setting_value(rows[r].one, rows[r].n, keys[k]));
    }
    if (s->n_rows > n)
        listing_note(l,
                     arena_printf(a, "The first %d of %d; run.h5 has the settings of each run.", n,
                                  s->n_rows),
                     a);
    return l;
}
